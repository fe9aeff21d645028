"""Packages of each format are read as their authors mean them, and everything that is wrong is named with its path."""

import contextlib
import os
import time
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from runtime.languages.registry import Registry, load
from runtime.problems import canonical, reading
from runtime.problems.archive import Archive
from runtime.problems.canonical import Package
from runtime.problems.constants import filled
from runtime.problems.faults import PackageError
from runtime.problems.model import Aggregation, Case, Group, Problem, Scores, Verdict
from runtime.problems.programs import language_of
from tests.problems.packages import LEGACY, NEWEST, zipped

REGISTRY = Registry(load(), "/usr/local/bin:/usr/bin:/bin", can_execute_files=True)
BAD = tomllib.loads((Path(__file__).parent / "bad.toml").read_text("utf-8"))


def read(files: Mapping[str, str | bytes] | bytes, folder: Path, most_bytes: int = 1 << 30) -> Problem:
    source, target = folder / "package.zip", folder / "canonical"
    source.write_bytes(files if isinstance(files, bytes) else zipped(files))
    target.unlink(missing_ok=True)
    archive = Archive(source, most_bytes)
    try:
        digest = canonical.write(archive, target)
    finally:
        archive.close()
    return reading.read(Package.of_file(target), digest, REGISTRY)


def faults(files: Mapping[str, str | bytes] | bytes, folder: Path, **options: int) -> list[str]:
    with pytest.raises(PackageError) as raised:
        read(files, folder, **options)
    return [f"{fault.path}: {fault.message}" for fault in raised.value.faults]


def group(problem: Problem, name: str) -> Group:
    def search(item: Group) -> Group | None:
        inner = (search(child) for child in item.items if isinstance(child, Group))
        return item if item.name == name else next((found for found in inner if found), None)

    found = search(problem.data)
    assert found
    return found


def test_a_legacy_package_has_its_cases_limits_and_the_default_validator(tmp_path: Path) -> None:
    problem = read(LEGACY | {".timelimit": "2\n"}, tmp_path)
    assert [case.name for case in problem.data.cases()] == ["sample/1", "secret/1"]
    assert (problem.limits.memory_mb, problem.limits.time_seconds) == (256, 2.0)
    assert (problem.validators, problem.scoring, problem.languages) == ((), False, None)
    assert problem.data.stops


def test_a_limit_of_domjudge_counts(tmp_path: Path) -> None:
    assert (
        read(LEGACY | {"domjudge-problem.ini": "externalid = 'x'\ntimelimit = '3.5'\n"}, tmp_path).limits.time_seconds == 3.5
    )


def test_the_digest_depends_on_names_and_contents_of_what_is_judged_by_and_on_nothing_else(tmp_path: Path) -> None:
    digest = read(LEGACY, tmp_path).digest
    backwards = dict(reversed(LEGACY.items()))
    assert read(backwards, tmp_path).digest == digest
    assert read(zipped(LEGACY, compression=zipfile.ZIP_STORED), tmp_path).digest == digest
    assert read({f"sum/{name}": content for name, content in LEGACY.items()}, tmp_path).digest == digest
    assert (
        read(LEGACY | {"submissions/accepted/a.py": "print(1)", "statement/problem.en.tex": "x"}, tmp_path).digest == digest
    )
    assert read(LEGACY | {"data/secret/1.ans": "12\n"}, tmp_path).digest != digest
    moved = {name.replace("secret/1", "secret/2"): content for name, content in LEGACY.items()}
    assert read(moved, tmp_path).digest != digest


def test_groups_of_a_legacy_package_inherit_what_they_do_not_set(tmp_path: Path) -> None:
    problem = read(
        LEGACY
        | {
            "problem.yaml": "type: scoring\nvalidator_flags: float_tolerance 1e-6\n",
            "data/testdata.yaml": "on_reject: continue\ngrader_flags: ignore_sample\nrange: 0 100\n",
            "data/secret/testdata.yaml": "grader_flags: sum accept_if_any_accepted\n",
            "data/secret/a/testdata.yaml": "on_reject: break\naccept_score: 40\nrange: 0 40\ngrader_flags: min\n"
            "output_validator_flags: case_sensitive\n",
            "data/secret/a/1.in": "", "data/secret/a/1.ans": "", "data/secret/b/1.in": "", "data/secret/b/1.ans": "",
        },
        tmp_path,
    )  # fmt: skip
    first, second = group(problem, "secret/a"), group(problem, "secret/b")
    assert (first.stops, first.aggregation, first.verdict, first.max_score) == (
        True,
        Aggregation.MIN,
        Verdict.WORST_ERROR,
        40,
    )
    assert (second.stops, second.aggregation, second.verdict) == (False, Aggregation.SUM, Verdict.ANY_ACCEPTED)
    assert problem.data.ignored == ("sample",)
    case = first.items[0]
    assert isinstance(case, Case)
    assert case.validator_flags == ("float_tolerance", "1e-6", "case_sensitive")
    assert (case.accept_score, case.reject_score) == (40, 0)


def test_points_of_the_newest_format_are_shared_among_groups_and_cases(tmp_path: Path) -> None:
    files = {name: content for name, content in NEWEST.items() if "secret" not in name}
    files["problem.yaml"] += "type: scoring\n"
    for name in ("a/1", "a/2", "b/1", "b/2", "b/3", "c/1"):
        files |= {f"data/secret/{name}.in": "", f"data/secret/{name}.ans": ""}
    files |= {
        "data/secret/a/test_group.yaml": "max_score: 30\nscore_aggregation: min\nrequire_pass: sample\n",
        "data/secret/b/test_group.yaml": "max_score: 60\nscore_aggregation: sum\nrequire_pass: [sample, secret/a]\n",
    }
    problem = read(files, tmp_path)
    scores = {case.name: case.max_score for case in problem.data.cases()}
    assert scores == {
        "sample/1": 0, "secret/a/1": 30, "secret/a/2": 30, "secret/b/1": 20, "secret/b/2": 20, "secret/b/3": 20,
        "secret/c/1": 10,
    }  # fmt: skip
    assert (problem.data.max_score, group(problem, "secret").max_score) == (100, 100)
    assert group(problem, "secret/b").require_pass == ("sample", "secret/a")
    assert [group(problem, name).stops for name in ("secret", "secret/a", "secret/b")] == [False, True, False]


def test_a_folder_without_settings_is_no_group_of_the_newest_format(tmp_path: Path) -> None:
    files = {name: content for name, content in NEWEST.items() if "secret" not in name}
    files["problem.yaml"] += "type: scoring\n"
    for name in ("a/1", "a/sub/1", "a/sub/2", "a/sub/deep/3"):
        files |= {f"data/secret/{name}.in": "", f"data/secret/{name}.ans": ""}
    files["data/secret/a/test_group.yaml"] = "max_score: 100\nscore_aggregation: sum\n"
    problem = read(files, tmp_path)
    assert [case.max_score for case in group(problem, "secret/a").items if isinstance(case, Case)] == [25, 25, 25, 25]
    plain = {name.replace("secret/a", "secret"): text for name, text in files.items() if "test_group" not in name}
    assert [case.max_score for case in group(read(plain, tmp_path), "secret").cases()] == [25, 25, 25, 25]


def test_the_order_is_that_of_names_without_endings(tmp_path: Path) -> None:
    files = NEWEST | {"problem.yaml": NEWEST["problem.yaml"] + "type: scoring\n"}
    for name in ("g1/b", "g1/b-c", "g1-x/a", "g1/a.b", "g1/a"):
        files |= {f"data/secret/{name}.in": "", f"data/secret/{name}.ans": ""}
    files |= {
        "data/secret/g1/test_group.yaml": "max_score: 40\n",
        "data/secret/g1-x/test_group.yaml": "max_score: 60\nrequire_pass: secret/g1\n",
    }
    names = [case.name for case in read(files, tmp_path).data.cases()]
    assert names == [
        "sample/1", "secret/1", "secret/g1/a", "secret/g1/a.b", "secret/g1/b", "secret/g1/b-c", "secret/g1-x/a"
    ]  # fmt: skip


def test_files_that_the_newest_format_takes_for_removed_are_no_part_of_a_package(tmp_path: Path) -> None:
    others = {"data/secret/._1.in": "", "data/secret/.2.in": "", "data/secret/bad name.in": "", "output_validator/-x": ""}
    problem = read(NEWEST | others, tmp_path)
    assert [case.name for case in problem.data.cases()] == ["sample/1", "secret/1"]
    assert problem.validators == ()


def test_settings_of_a_group_have_constants_and_a_case_can_have_none_of_them(tmp_path: Path) -> None:
    files = NEWEST | {
        "problem.yaml": NEWEST["problem.yaml"] + "constants: {eps: 1e-3, n: {value: 5, tex: five}}\n",
        "data/secret/test_group.yaml": 'args: [a]\noutput_validator_args: [float_tolerance, "{{eps}}"]\n',
        "data/secret/2.in": "", "data/secret/2.ans": "", "data/secret/2.yaml": "args: []\n",
        "data/secret/3.in": "", "data/secret/3.ans": "", "data/secret/3.yaml": 'args: ["{{n}}"]\n',
    }  # fmt: skip
    first, second, third = (case for case in read(files, tmp_path).data.cases() if case.name.startswith("secret"))
    assert (first.arguments, first.validator_flags) == (("a",), ("float_tolerance", "1e-3"))
    assert (second.arguments, third.arguments) == ((), ("{{n}}",))
    assert (
        filled(b"{{n}} {{n.value}} {{n.tex}} {{m}} {{n.x}}", {"n.value": "5", "n.tex": "{{n}}"}) == b"5 5 {{n}} {{m}} {{n.x}}"
    )


def test_flags_of_a_legacy_group_may_be_a_map(tmp_path: Path) -> None:
    files = LEGACY | {"data/secret/testdata.yaml": "output_validator_flags: {name: check, flags: float_tolerance 1e-3}\n"}
    assert read(files, tmp_path).data.cases()[1].validator_flags == ("float_tolerance", "1e-3")


@pytest.mark.parametrize(
    ("names", "language", "main"),
    [
        (("__init__.py", "__main__.py", "part.py"), "python", "__main__.py"),
        (("a.py3",), "python", "a.py3"),
        (("a.C", "b.h"), "cpp", "a.C"),
        (("a.c++",), "cpp", "a.c++"),
        (("a.c", "b.cc"), "cpp", "b.cc"),
        (("main.cpp", "test.sh"), "cpp", "main.cpp"),
        (("a.js",), "javascript", "a.js"),
    ],
)
def test_the_language_of_a_validator_and_its_main_file(names: tuple[str, ...], language: str, main: str) -> None:
    found, file = language_of(list(names), REGISTRY)
    assert (found.name, file) == (language, main)


def test_secret_has_the_sum_of_its_groups_where_all_state_theirs(tmp_path: Path) -> None:
    files = {name: content for name, content in NEWEST.items() if "secret" not in name}
    files["problem.yaml"] += "type: [scoring]\n"
    for name, score in (("a", 3), ("b", 4)):
        files |= {f"data/secret/{name}/1.in": "", f"data/secret/{name}/1.ans": ""}
        files[f"data/secret/{name}/test_group.yaml"] = f"max_score: {score}\n"
    assert read(files, tmp_path).data.max_score == 7


def test_a_case_of_the_newest_format_has_arguments_files_and_flags_of_its_own(tmp_path: Path) -> None:
    problem = read(
        NEWEST
        | {
            "data/secret/test_group.yaml": "output_validator_args: [float_tolerance, '1e-4']\nargs: [group]\n",
            "data/secret/1.yaml": "args: [a, b]\nhint: think\n",
            "data/secret/1.files/table.txt": "x",
            "data/secret/2.in": "", "data/secret/2.ans": "",
        },
        tmp_path,
    )  # fmt: skip
    first, second = problem.data.cases()[1:]
    assert first.arguments == ("a", "b")
    assert first.files == (("table.txt", "data/secret/1.files/table.txt"),)
    assert second.arguments == ("group",)
    assert first.validator_flags == second.validator_flags == ("float_tolerance", "1e-4")


def test_validators_are_found_as_each_format_has_them(tmp_path: Path) -> None:
    several = read(
        LEGACY
        | {
            "problem.yaml": "validation: custom score\n",
            "output_validators/one.py": "", "output_validators/common.h": "",
            "output_validators/two/check.py": "", "output_validators/two/extra.txt": "",
        },
        tmp_path,
    )  # fmt: skip
    assert [program.name for program in several.validators] == ["output_validators/one.py", "output_validators/two"]
    assert [name for name, _ in several.validators[0].files] == ["one.py", "common.h"]
    assert {case.scores for case in several.data.cases()} == {Scores.REQUIRED}
    single = read(NEWEST | {"output_validator/check/validate.py": "", "output_validator/check/part.py": ""}, tmp_path)
    assert [name for name, _ in single.validators[0].files] == ["part.py", "validate.py"]


@pytest.mark.parametrize("version", ["2023-07-draft", "2023-07"])
def test_a_package_of_the_draft_has_the_newest_metadata_and_legacy_test_data(version: str, tmp_path: Path) -> None:
    uuid = "uuid: acde070d-8c4c-4f0d-9d8a-162843c10333"
    files = LEGACY | {
        "problem.yaml": f"problem_format_version: {version}\nname: {{en: Sum}}\n{uuid}\ntype: [scoring, interactive]\n",
        ".timelimit": "3\n",
        "data/secret/testdata.yaml": "accept_score: 40\ngrader_flags: min\n",
        "output_validator/v/check.py": "",
    }
    problem = read(files, tmp_path)
    assert (problem.name, problem.format, problem.interactive) == ("Sum", "2023-07-draft", True)
    assert (problem.limits.time_seconds, len(problem.validators)) == (3.0, 1)
    assert group(problem, "secret").aggregation is Aggregation.MIN
    assert [case.accept_score for case in problem.data.cases()] == [1.0, 40.0]


def test_languages_and_constants_of_the_newest_format(tmp_path: Path) -> None:
    yaml = NEWEST["problem.yaml"] + "languages: [cpp, python3]\nconstants:\n  n: 5\n  m: {value: 7, tex: '7'}\n"
    problem = read(NEWEST | {"problem.yaml": yaml, "include/cpp/grader.cpp": "x", "include/default/a.txt": ""}, tmp_path)
    assert problem.languages == ("cpp", "python")
    assert problem.constants == {"n.value": "5", "m.value": "7", "m.tex": "7"}
    assert problem.include["default"] == (("a.txt", "include/default/a.txt"),)


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_with_a_package_is_named_with_its_path(name: str, tmp_path: Path) -> None:
    row: dict[str, Any] = BAD[name]
    files: dict[str, str] = dict(NEWEST if row.get("newest") else LEGACY)
    files["problem.yaml"] = row.get("yaml", files["problem.yaml"]) + row.get("more", "")
    files |= row.get("files", {})
    for path in row.get("without", []):
        del files[path]
    here = ", ".join(sorted(REGISTRY.languages))
    assert faults(files, tmp_path) == [fault.replace("LANGUAGES", here) for fault in row["faults"]]


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    files = LEGACY | {"problem.yaml": "nmae: x\nlimits: {memory: big}\n", "data/secret/2.in": ""}
    assert faults(files, tmp_path) == [
        "problem.yaml: limits.memory must be a number above 0",
        "problem.yaml: nmae is not known",
        "data/secret/2.in: has no answer: the .ans file is missing",
    ]


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("../outside", "leads out of the package"), ("a/../../b", "leads out of the package"),
        ("/etc/passwd", "is an absolute name"), ("C:/x", "is an absolute name"), ("a\\..\\b", "has a backslash in its name"),
        ("a//b", "is no plain path"), ("./a", "is no plain path"), ("a\nb", "has a control character in its name"),
        ("d/" * 20 + "x", "has more than 512 bytes in its name, or is more than 16 folders deep"),
        ("DATA/sample/1.in", "differs from data/sample/1.in in upper and lower case only"),
        ("data/sample/1.IN", "differs from data/sample/1.in in upper and lower case only"),
        ("data/sample", "is a file and a folder at the same time"),
    ],
)  # fmt: skip
def test_a_name_that_could_do_harm_is_refused(entry: str, fault: str, tmp_path: Path) -> None:
    assert f"{entry}: {fault}" in faults(LEGACY | {entry: ""}, tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["package.zip"], "nothing was unpacked"


def test_links_devices_doubled_and_encrypted_entries_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "package.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, mode in (("link", 0o120777), ("device", 0o020666)):
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            archive.writestr(entry, "/etc/passwd")
        archive.writestr("twice", "")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("twice", "")
        archive.writestr("bzipped", "x", zipfile.ZIP_BZIP2)
    assert faults(path.read_bytes(), tmp_path) == [
        "link: is a link",
        "device: is neither a file nor a folder",
        "twice: is there twice",
        "bzipped: is compressed by another way than deflate",
    ]
    encrypted = bytearray(zipped(LEGACY))
    at = encrypted.index(b"PK\1\2")
    encrypted[at + 8] |= 1
    assert "problem.yaml: is encrypted" in faults(bytes(encrypted), tmp_path)


def test_a_hundred_thousand_entries_are_refused_before_they_are_read(tmp_path: Path) -> None:
    content = zipped({f"{number}": "" for number in range(100_000)})
    started = time.process_time()
    assert faults(content, tmp_path) == [": has more than 10000 entries, or names that are too long"]
    assert time.process_time() - started < 0.5


def test_a_number_of_entries_that_is_a_lie_does_not_help(tmp_path: Path) -> None:
    content = bytearray(zipped({f"{number}": "" for number in range(20_000)}))
    end = content.rindex(b"PK\5\6")
    content[end + 8 : end + 12] = b"\1\0\1\0"
    assert faults(bytes(content), tmp_path) == [": has more than 10000 entries"]


def test_bombs_are_refused_unpacked(tmp_path: Path) -> None:
    zeros = bytes(100 << 20)
    assert faults(LEGACY | {"data/secret/big.in": zeros}, tmp_path) == [
        ": is more than 200 times as large unpacked, as only a bomb is"
    ]
    assert faults(LEGACY | {"data/secret/big.in": zeros}, tmp_path, most_bytes=50 << 20)[0].endswith(
        "at most 52428800 may be"
    )
    assert sorted(os.listdir(tmp_path)) == ["package.zip"]


def test_a_zip_in_the_zip_is_a_file_like_others(tmp_path: Path) -> None:
    nested = zipped({"../x": bytes(10 << 20)})
    problem = read(LEGACY | {"data/secret/2.in": nested, "data/secret/2.ans": ""}, tmp_path)
    assert len(problem.data.cases()) == 3


def test_sizes_and_checksums_that_are_lies_are_noticed(tmp_path: Path) -> None:
    honest = zipped(LEGACY, compression=zipfile.ZIP_STORED)
    changed = honest.replace(b"11\n", b"12\n")
    assert faults(changed, tmp_path)[0].startswith("data/secret/1.ans: cannot be unpacked: Bad CRC-32")
    at = honest.rindex(b"PK\1\2")
    smaller = bytearray(honest)
    smaller[at + 24 : at + 28] = (1).to_bytes(4, "little")
    assert "cannot be unpacked" in faults(bytes(smaller), tmp_path)[0]


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip" * 100, b"PK\5\6" + bytes(18), b"PK\5\6" + b"\xff" * 18])
def test_what_is_no_zip_is_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    assert len(faults(content, tmp_path)) == 1


def test_any_truncated_zip_is_one_clear_error(tmp_path: Path) -> None:
    content = zipped(LEGACY)
    for length in range(0, len(content), 37):
        faults(content[:length], tmp_path)


def test_any_flipped_byte_is_harmless(tmp_path: Path) -> None:
    content = zipped(LEGACY)
    for position in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        with contextlib.suppress(PackageError):
            read(bytes(damaged), tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"executor problem 1\n", b"executor problem 1\n[]", b"other", b"executor problem 1\n{}\n",
        b'executor problem 1\n[["a", -1]]\n', b'executor problem 1\n[["a", 5]]\nabc',
    ],
)  # fmt: skip
def test_a_blob_that_is_no_canonical_package_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(content)
    with pytest.raises(PackageError):
        Package.of_file(tmp_path / "blob")


def test_the_examples_beside_the_text_of_2025_09_are_read_with_what_their_drafts_had(tmp_path: Path) -> None:
    files = NEWEST | {
        "problem.yaml": NEWEST["problem.yaml"] + "type: scoring multi-pass\nsource_url: https://example.org\n",
        "output_validator/check.py": "",
        "data/secret/testdata.yaml": "scoring: {aggregation: sum}\noutput_validator_flags: strict 5\n",
        "data/secret/a/1.in": "1\n",
        "data/secret/a/1.ans": "1\n",
        "data/secret/a/testdata.yaml": "scoring: {score: 30, aggregation: min}\n",
    }
    problem = read(files, tmp_path)
    inner = group(problem, "secret/a")
    assert (problem.scoring, problem.multi_pass) == (True, True)
    assert (inner.max_score, inner.aggregation, inner.cases()[0].validator_flags) == (30, Aggregation.MIN, ("strict", "5"))
    wrong = files | {"data/secret/testdata.yaml": "scoring: {aggregation: sum, score: 5, points: 1}\n"}
    assert faults(wrong, tmp_path) == [
        "data/secret/testdata.yaml: scoring.score is for each test case where aggregation is sum: set max_score",
        "data/secret/testdata.yaml: scoring.points is not known",
    ]
