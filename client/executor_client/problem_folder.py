"""A problem package as a folder on its author's disk: its zip, its submissions with what is expected, its validators."""

import fnmatch
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from executor_client.models import File, Judgement

ACCEPTED = frozenset({"accepted"})
_WRONG, _SLOW = frozenset({"wrong_answer"}), frozenset({"time_limit_exceeded"})
_FAILED = frozenset({"runtime_error", "memory_limit_exceeded", "output_limit_exceeded"})
#: What the folders below `submissions/` expect of a submission, in the words of the API.
_FOLDERS = {
    "accepted": ACCEPTED,
    "partially_accepted": ACCEPTED,
    "wrong_answer": _WRONG,
    "time_limit_exceeded": _SLOW,
    "run_time_error": _FAILED,
    "rejected": _WRONG | _SLOW | _FAILED,
    "brute_force": _SLOW | _FAILED,
}
_VERDICTS = {"AC": ACCEPTED, "WA": _WRONG, "TLE": _SLOW, "RTE": _FAILED}
# As DOMjudge's packages have them in the submissions' comments.
_RESULTS = {
    "ACCEPTED": ACCEPTED, "CORRECT": ACCEPTED, "WRONG_ANSWER": _WRONG, "WRONG-ANSWER": _WRONG, "NO_OUTPUT": _WRONG,
    "NO-OUTPUT": _WRONG, "TIME_LIMIT_EXCEEDED": _SLOW, "TIMELIMIT": _SLOW, "RUN_TIME_ERROR": _FAILED, "RUN-ERROR": _FAILED,
}  # fmt: skip
_SCORE = re.compile(r"@EXPECTED_SCORE@:\s*([-+0-9.eE]+)")
_EXPECTED = re.compile(r"@EXPECTED_RESULTS@:\s*([\w, -]+)")
# In languages that are run by the file's own name the ending says which one it is; `.pl` as the formats' table has it.
_LANGUAGES = {
    "cc": "cpp", "cxx": "cpp", "kt": "kotlin", "hs": "haskell", "rs": "rust", "pas": "pascal", "cs": "csharp",
    "py2": "python2", "py3": "python", "pl": "prolog", "pm": "perl",
}  # fmt: skip
_SHEBANG = re.compile(r"#!.*\b(python2|perl)\b")
_HEADERS = (".h", ".hpp", ".txt", ".in", ".md", ".yaml")


class FolderError(Exception):
    """The folder cannot be used; one line for a person."""


class Expected(msgspec.Struct, frozen=True):
    """What is expected of a submission. Empty sets expect nothing.

    Attributes:
        statuses: One of them is the submission's.
        permitted: No test case has another one.
        required: At least one test case has one of them.
        score: Lowest and highest score.
        partial: Not all of the points, where there is a most. In the newer formats a submission with points has no verdict.
    """

    statuses: frozenset[str] = frozenset()
    permitted: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    score: tuple[float, float] | None = None
    partial: bool = False


class Program(msgspec.Struct, frozen=True):
    """A program of the package: `name` is its path below the folder of its kind."""

    name: str
    language: str
    files: tuple[File, ...]


def zipped(folder: Path) -> bytes:
    """The package as a zip, without files whose names begin with a dot; raises FolderError where there is no problem.yaml."""
    if not (folder / "problem.yaml").is_file():
        raise FolderError(f"{folder} is no problem package: it has no problem.yaml")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            kept = name.name == ".timelimit" or not any(part.startswith(".") for part in name.parts)
            if path.is_file() and not path.is_symlink() and kept:
                # Always the same date: the zip then depends on contents alone.
                archive.writestr(zipfile.ZipInfo(str(name.as_posix())), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return target.getvalue()


def submissions(folder: Path) -> Iterator[tuple[Program, Expected]]:
    """Each submission of the package with what its author expects of it; raises FolderError."""
    rules = _rules(folder / "submissions")
    for kind in sorted(path for path in (folder / "submissions").glob("*") if path.is_dir()):
        for path in sorted(kind.iterdir()):
            program = program_at(path, f"{kind.name}/{path.name}")
            if program is not None:
                yield program, _expected(kind.name, program, rules)


def difference(expected: Expected, answer: Judgement) -> str:
    """What differs from what is expected; empty where nothing does."""
    statuses = {case.status for case in answer.test_results} - {"skipped"}
    if expected.statuses and answer.status not in expected.statuses:
        return f"expected {described(expected)}"
    if expected.permitted and not statuses <= expected.permitted:
        return f"not permitted: {', '.join(sorted(statuses - expected.permitted))}"
    if expected.required and not statuses & expected.required:
        return f"required of one case: {', '.join(sorted(expected.required))}"
    if expected.score is not None:
        low, high = expected.score
        if answer.score is None or not low - 1e-6 <= answer.score <= high + 1e-6:
            return f"expected {low:g} points" if low == high else f"expected {low:g} to {high:g} points"
    if expected.partial and answer.score is not None and answer.max_score is not None and answer.score >= answer.max_score:
        return "expected less than all points"
    return "" if answer.status != "judge_error" else f"the package is at fault: {answer.judge_feedback}".rstrip(": ")


def described(expected: Expected) -> str:
    """What is expected, in words."""
    words = [" or ".join(sorted(found)) for found in (expected.statuses, expected.permitted, expected.required) if found]
    if expected.score is not None:
        low, high = expected.score
        words.append(f"{low:g} points" if low == high else f"{low:g} to {high:g} points")
    if expected.partial and expected.score is None:
        words.append("a part of the points")
    return ", ".join(words)


def input_validators(folder: Path) -> list[Program]:
    """The validators of the test data's inputs; raises FolderError."""
    paths = sorted((folder / "input_validators").glob("*"))
    return [program for path in paths if (program := program_at(path, path.name)) is not None]


def inputs(folder: Path) -> list[Path]:
    """Every input of the samples and of the secret test data."""
    return sorted(path for kind in ("sample", "secret") for path in (folder / "data" / kind).rglob("*.in"))


def validator_flags(folder: Path, case: Path) -> tuple[str, ...]:
    """The arguments of input validators for a case, from the nearest file that sets any."""
    place = case.parent
    while place != folder and place.is_relative_to(folder):
        for name, key in (("test_group.yaml", "input_validator_args"), ("testdata.yaml", "input_validator_flags")):
            given = _yaml(place / name).get(key)
            if isinstance(given, str):
                return tuple(given.split())
            if isinstance(given, list):
                return tuple(map(str, given))
        place = place.parent
    return ()


def program_at(path: Path, name: str) -> Program | None:
    """The program that a file or folder is; None for a file without an ending, or of an ending that no program has."""
    paths = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    sources = [file for file in paths if file.suffix and not file.name.endswith(_HEADERS) and not file.name.startswith(".")]
    if not sources:
        return None
    root = path.parent if path.is_file() else path
    main = next((file for file in sources if file.stem.lower() in ("main", path.name.lower())), sources[0])
    ordered = [main, *(file for file in paths if file != main)]
    try:
        files = tuple(File(file.relative_to(root).as_posix(), file.read_text("utf-8")) for file in ordered)
    except (OSError, UnicodeDecodeError) as error:
        raise FolderError(f"{path} cannot be read: {error}") from error
    ending = main.suffix.lstrip(".")
    shebang = _SHEBANG.match(files[0].content)
    return Program(name, shebang[1] if shebang else _LANGUAGES.get(ending, ending), files)


def _expected(kind: str, program: Program, rules: dict[str, dict[str, Any]]) -> Expected:
    """By the folder, by the submission's comments, and by submissions.yaml, of which the last that says anything counts."""
    text = program.files[0].content
    statuses, score = _FOLDERS.get(kind, frozenset()), None
    if found := _SCORE.search(text):
        score = (float(found[1]), float(found[1]))
    if found := _EXPECTED.search(text):
        words = [word.strip().upper() for word in found[1].split(",")]
        statuses = frozenset().union(*(_RESULTS.get(word, frozenset()) for word in words))
    expected = Expected(statuses, score=score, partial=kind == "partially_accepted")
    for pattern, rule in rules.items():
        if fnmatch.fnmatchcase(program.name, pattern) or program.name.startswith(f"{pattern.rstrip('/')}/"):
            expected = _with_rule(expected, rule)
    return expected


def _with_rule(expected: Expected, rule: dict[str, Any]) -> Expected:
    given = rule.get("score")
    changes: dict[str, Any] = {
        key: frozenset().union(*(_VERDICTS.get(str(word), frozenset()) for word in rule[key]))
        for key in ("permitted", "required")
        if isinstance(rule.get(key), list)
    }
    if changes:
        changes["statuses"] = frozenset()
    if given is not None:
        low, high = given if isinstance(given, list) and len(given) == 2 else (given, given)
        changes["score"] = (float(low), float(high))
    return msgspec.structs.replace(expected, **changes)


def _rules(folder: Path) -> dict[str, dict[str, Any]]:
    found = _yaml(folder / "submissions.yaml")
    return {str(pattern): rule for pattern, rule in found.items() if isinstance(rule, dict)}


def _yaml(path: Path) -> dict[str, Any]:
    """The mapping in the file; an empty one where there is no file. Raises FolderError."""
    if not path.is_file():
        return {}
    try:
        import yaml  # noqa: PLC0415 - the backend's client does without
    except ImportError as error:
        raise FolderError(f"{path} needs PyYAML: pip install 'executor-client[problem]'") from error
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FolderError(f"{path} is no YAML: {error}") from error
    return found if isinstance(found, dict) else {}
