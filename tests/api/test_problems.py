"""Problem packages over HTTP: put once, judged by from then on, and never told to whoever may not see them."""

import hashlib
import http.client
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar

import boto3
import httpx
import pytest

from devtools.executor import Executor, running
from devtools.local_http import Handler, serving
from tests.problems.packages import FOLDER, LEGACY, NEWEST, folder_files, zipped
from tests.s3 import s3_server

ZIP = {"Content-Type": "application/zip"}
ADDS = "print(sum(map(int, input().split())))"
PACKAGES = sorted(path.name for path in FOLDER.iterdir())


def put(executor: Executor, files: dict[str, Any] | bytes, **headers: str) -> httpx.Response:
    content = files if isinstance(files, bytes) else zipped(files)
    return executor.http.put("/problems", content=content, headers=ZIP | headers)


def digest(executor: Executor, files: dict[str, Any]) -> str:
    response = put(executor, files)
    assert response.status_code == 200, response.text
    name: str = response.json()["problem"]
    return name


def judge(executor: Executor, problem: str, code: str, language: str = "python", **fields: Any) -> dict[str, Any]:
    response = executor.post({"language": language, "code": code, "problem": problem, **fields})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def statuses(answer: dict[str, Any]) -> dict[str, str]:
    return {case["id"]: case["status"] for case in answer["test_results"]}


def test_a_package_is_put_and_judged_by_its_digest(executor: Executor) -> None:
    found = put(executor, LEGACY).json()
    assert found == {
        "problem": found["problem"], "name": "Sum", "format": "legacy", "type": ["pass-fail"], "cases": 2, "time_limit": None,
        "memory_limit_mb": 256, "max_score": None, "languages": None, "time_multiplier": 5, "warnings": [],
    }  # fmt: skip
    assert executor.http.get(f"/problems/{found['problem']}").json() == found
    answer = judge(executor, found["problem"], ADDS)
    assert (answer["status"], answer["passed"], answer["total"], answer["problem"]) == ("accepted", 2, 2, found["problem"])
    assert [(group["name"], group["status"], group["cases"]) for group in answer["groups"]] == [
        ("sample", "accepted", ["sample/1"]),
        ("secret", "accepted", ["secret/1"]),
    ]
    assert "score" not in answer


def test_nothing_of_the_test_data_is_in_the_answer(executor: Executor) -> None:
    files = LEGACY | {"data/secret/1.in": "TOP SECRET 1\n", "data/secret/1.ans": "CLASSIFIED\n"}
    problem = digest(executor, files)
    response = executor.post({"language": "python", "code": "print(open(0).read())", "problem": problem})
    assert "SECRET" not in response.text
    assert "CLASSIFIED" not in response.text
    detailed = judge(executor, problem, "print(open(0).read())", judge_details=True)
    assert detailed["test_results"][0]["stdout"] == "1 2\n\n"


def test_details_and_packages_are_for_the_keys_that_may(executor: Executor) -> None:
    assert executor
    keys = ",".join(f"{name}:{hashlib.sha256(name.encode()).hexdigest()}" for name in ("teacher", "student"))
    with running({"EXECUTOR_API_KEYS": keys, "EXECUTOR_JUDGE_KEYS": "teacher"}) as server:
        teacher, student = {"X-API-Key": "teacher"}, {"X-API-Key": "student"}
        assert put(server, LEGACY).status_code == 401
        refused = put(server, LEGACY, **student)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        problem = put(server, LEGACY, **teacher).json()["problem"]
        body = {"language": "python", "code": "print(3)", "problem": problem}
        plain = server.http.post("/execute", json=body, headers=student)
        assert (plain.status_code, plain.json()["status"]) == (200, "wrong_answer")
        assert server.http.post("/execute", json=body | {"judge_details": True}, headers=student).status_code == 403
        detailed = server.http.post("/execute", json=body | {"judge_details": True}, headers=teacher).json()
        assert detailed["test_results"][1]["status"] == "wrong_answer"
        assert detailed["test_results"][1]["expected_output"] == "11\n"


EXPECTED: dict[str, dict[str, str | float]] = {
    "mean": {"accepted/rounded.py": "accepted", "wrong_answer/whole.py": "wrong_answer",
             "run_time_error/only_three.py": "runtime_error", "time_limit_exceeded/waits.py": "time_limit_exceeded"},
    "divisors": {"accepted/smallest.py": "accepted", "accepted/largest.cpp": "accepted",
                 "wrong_answer/trivial.py": "wrong_answer"},
    "peaks": {"accepted/first.py": 100, "partially_accepted/first_peak.py": 70, "partially_accepted/only_large.py": 60},
    "pairs": {"accepted/counts.py": 100, "accepted/counts.cpp": 100, "partially_accepted/quadratic.py": 65,
              "partially_accepted/distinct.py": 0},
    "whisper": {"accepted/binary.py": "accepted", "wrong_answer/remembers_nothing.py": "wrong_answer",
                "wrong_answer/unary.py": "wrong_answer", "run_time_error/no_second_pass.py": "runtime_error"},
    "heaviest": {"accepted/scan.py": "accepted", "accepted/scan.cpp": "accepted", "wrong_answer/guesses.py": "wrong_answer",
                 "wrong_answer/asks_every_pair.py": "wrong_answer", "wrong_answer/says_nothing.py": "wrong_answer",
                 "run_time_error/fails_after_the_answer.py": "runtime_error",
                 "time_limit_exceeded/waits_for_applause.py": "time_limit_exceeded",
                 "time_limit_exceeded/keeps_its_questions.py": "time_limit_exceeded"},
    "relay": {"accepted/base26.py": "accepted", "wrong_answer/too_long.py": "wrong_answer",
              "wrong_answer/forgets.py": "wrong_answer", "run_time_error/no_second_pass.py": "runtime_error"},
}  # fmt: skip


@pytest.mark.parametrize("name", PACKAGES)
def test_every_submission_of_a_package_is_judged_as_its_author_expects(executor: Executor, name: str) -> None:
    if name == "peaks" and "cpp" not in executor.languages():
        pytest.skip("no toolchain for cpp on this machine")
    files = folder_files(name)
    problem = digest(executor, files)
    found: dict[str, str | float] = {}
    for path, content in files.items():
        if not path.startswith("submissions/") or path.endswith(".yaml"):
            continue
        language = path.rpartition(".")[2]
        if language == "cpp" and "cpp" not in executor.languages():
            continue
        answer = judge(executor, problem, content.decode(), language)
        found[path.removeprefix("submissions/")] = answer.get("score", answer["status"])
    assert {path: found[path] for path in EXPECTED[name] if path in found} == {
        path: expected for path, expected in EXPECTED[name].items() if path in found
    }
    assert len(found) >= len([path for path in EXPECTED[name] if path.endswith(".py")])


def test_groups_skip_what_needs_not_be_run_and_have_their_points(executor: Executor) -> None:
    problem = digest(executor, folder_files("pairs"))
    answer = judge(executor, problem, "print(2)")
    assert statuses(answer) == {
        "sample/1": "accepted", "secret/1-few/a": "wrong_answer", "secret/1-few/b": "skipped", "secret/2-many/a": "skipped",
        "secret/2-many/b": "skipped",
    }  # fmt: skip
    assert (answer["score"], answer["max_score"], answer["status"]) == (0, 100, "wrong_answer")
    (few, many) = answer["groups"][1]["groups"]
    assert (few["status"], few["score"], few["max_score"]) == ("wrong_answer", 0, 30)
    assert (many["status"], many["score"], many["max_score"]) == ("skipped", 0, 70)


def test_a_validators_message_for_the_student_comes_and_the_judges_only_with_details(executor: Executor) -> None:
    if "cpp" not in executor.languages():
        pytest.skip("no toolchain for cpp on this machine")
    problem = digest(executor, folder_files("peaks"))
    plain = judge(executor, problem, "print('nowhere')")
    assert plain["test_results"][0]["feedback"] == "Print one place from 1 to 3."
    case = judge(executor, problem, "print(2)", judge_details=True)["test_results"][1]
    assert (case["status"], case["judge_feedback"]) == ("wrong_answer", "no peak at 2")
    assert "judge_feedback" not in judge(executor, problem, "print(2)")["test_results"][1]


def test_several_validators_must_all_accept_and_one_that_is_broken_is_no_students_fault(executor: Executor) -> None:
    accepts, rejects = "import sys; sys.exit(42)", "import sys; sys.exit(43 if '5' in open(sys.argv[1]).read() else 42)"
    files = LEGACY | {"problem.yaml": "validation: custom\n", "output_validators/a.py": accepts}
    assert judge(executor, digest(executor, files), "print()")["status"] == "accepted"
    both = judge(executor, digest(executor, files | {"output_validators/b.py": rejects}), "print()")
    assert statuses(both) == {"sample/1": "accepted", "secret/1": "wrong_answer"}
    broken = judge(executor, digest(executor, files | {"output_validators/b.py": "1 / 0"}), "print()")
    assert broken["status"] == "judge_error"


def test_a_validator_that_asks_for_passes_without_end_is_at_fault(executor: Executor) -> None:
    files = NEWEST | {
        "problem.yaml": NEWEST["problem.yaml"] + "  validation_passes: 3\ntype: multi-pass\n",
        "output_validator/again.py": "import sys\nopen(sys.argv[3] + 'nextpass.in', 'w').write('x')\nsys.exit(42)\n",
    }
    answer = judge(executor, digest(executor, files), "print(1)", judge_details=True)
    assert answer["status"] == "judge_error"
    assert answer["test_results"][0]["judge_feedback"] == "the checker asked for more than 3 passes"


def test_arguments_files_constants_and_included_files_are_where_the_package_says(executor: Executor) -> None:
    files = NEWEST | {
        "problem.yaml": NEWEST["problem.yaml"] + "constants: {code: 43, right: {value: 42}}\n",
        "data/secret/1.yaml": "args: [one, two]\noutput_validator_args: ['one two table helper']\n",
        "data/secret/1.files/table.txt": "table",
        "data/sample/test_group.yaml": "output_validator_args: [helper]\n",
        "include/python/helper.py": "WORD = 'helper'\n",
        "output_validator/check.py": "import sys\nsame = sys.stdin.read().strip() == sys.argv[4]\n"
        "sys.exit({{right}} if same else {{code}})\n",
    }
    program = """
import os, sys
from helper import WORD
print(*sys.argv[1:], *([open("table.txt").read()] if os.path.exists("table.txt") else []), WORD)
"""
    answer = judge(executor, digest(executor, files), program)
    assert statuses(answer) == {"sample/1": "accepted", "secret/1": "accepted"}


def test_the_packages_files_take_the_place_of_a_submissions_of_their_names(executor: Executor) -> None:
    files = LEGACY | {
        "include/default/helper": "x", "include/default/folder/a": "x", "include/default/lib.py": "V = 1\n",
        "data/secret/1.files/data.txt": "5", "data/secret/1.ans": "11 1 5\n", "data/sample/1.ans": "3 1 mine\n",
    }  # fmt: skip
    program = "import lib\nprint(sum(map(int, input().split())), lib.V, open('data.txt').read())"
    submitted = [
        {"name": "solve.py", "content": program}, {"name": "lib.py", "content": "V = 2\n"},
        {"name": "helper/a.txt", "content": "mine"}, {"name": "folder", "content": "mine"},
        {"name": "data.txt", "content": "mine"},
    ]  # fmt: skip
    body = {"language": "python", "files": submitted, "problem": digest(executor, files)}
    assert executor.post(body).json()["status"] == "accepted"


_CALLS = {
    "python": {
        "include/python3/__main__.py": "import solution\nprint(solution.add(*map(int, input().split())))\n",
        "sent": "def add(a, b): return a + b\n",
        "name": "solution.py",
    },
    "cpp": {
        "include/cpp/main.cpp": "#include <iostream>\nint add(int, int);\n"
        "int main() { int a, b; std::cin >> a >> b; std::cout << add(a, b); }\n",
        "sent": "int add(int a, int b) { return a + b; }\n",
        "name": "main.cpp",
    },
    "javascript": {
        "include/javascript/main.js": "const add = require('./solution.js');\n"
        "const [a, b] = require('fs').readFileSync(0, 'utf8').split(' ').map(Number); console.log(add(a, b));\n",
        "sent": "module.exports = (a, b) => a + b;\n",
        "name": "main.js",
    },
}


@pytest.mark.parametrize("language", _CALLS, indirect=True)
def test_a_packages_main_file_calls_what_was_sent(executor: Executor, language: str) -> None:
    call = dict(_CALLS[language])
    sent, name = call.pop("sent"), call.pop("name")
    problem = digest(executor, LEGACY | call)
    body = {"language": language, "files": [{"name": name, "content": sent}], "problem": problem}
    assert executor.post(body).json()["status"] == "accepted"


_PASS_FAIL = {
    "data/secret/a/1.in": "1 1\n", "data/secret/a/1.ans": "wrong\n",
    "data/secret/a/2.in": "1 1\n", "data/secret/a/2.ans": "2\n",
    "data/secret/b/3.in": "1 1\n", "data/secret/b/3.ans": "2\n",
}  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "status", "skipped"),
    [
        ("on_reject: continue\ngrader_flags: accept_if_any_accepted\n", "accepted", []),
        ("on_reject: continue\ngrader_flags: always_accept\n", "accepted", []),
        ("on_reject: break\ngrader_flags: always_accept\n", "accepted", ["secret/a/2"]),
        ("on_reject: break\ngrader_flags: accept_if_any_accepted\n", "wrong_answer", ["secret/a/2", "secret/b/3"]),
        ("on_reject: continue\n", "wrong_answer", ["secret/b/3"]),
        ("on_reject: break\n", "wrong_answer", ["secret/a/2", "secret/b/3"]),
    ],
)
def test_a_group_stops_at_what_its_own_items_are_judged(
    executor: Executor, settings: str, status: str, skipped: list[str]
) -> None:
    problem = digest(executor, LEGACY | _PASS_FAIL | {"data/secret/a/testdata.yaml": settings})
    answer = judge(executor, problem, ADDS)
    assert (answer["status"], [name for name, word in statuses(answer).items() if word == "skipped"]) == (status, skipped)


def test_an_inner_group_goes_on_though_the_ones_around_it_would_stop(executor: Executor) -> None:
    files = LEGACY | {"problem.yaml": "type: scoring\n", "data/secret/testdata.yaml": "on_reject: continue\n"}
    for name, expected in (("1", "wrong"), ("2", "2"), ("3", "2")):
        files |= {f"data/secret/{name}.in": "1 1\n", f"data/secret/{name}.ans": f"{expected}\n"}
    (secret,) = [group for group in judge(executor, digest(executor, files), ADDS)["groups"] if group["name"] == "secret"]
    assert (secret["score"], secret["max_score"]) == (2, 3)


def _scored(checks: str, **groups: str) -> dict[str, Any]:
    """A scoring package whose validator does this, in Python, with `write` at hand."""
    head = "import sys\ndef write(name, text): open(sys.argv[3] + name, 'w').write(text)\n"
    files = NEWEST | {
        "problem.yaml": NEWEST["problem.yaml"] + "type: scoring\n",
        "output_validator/check.py": head + checks + "\nsys.exit(42)\n",
    }
    return files | {f"data/{name}/test_group.yaml": text for name, text in groups.items()}


@pytest.mark.parametrize(
    ("checks", "secret", "wanted"),
    [
        ("write('score.txt', '50')", "max_score: 100\nrequire_pass: sample\n", ("accepted", 50, 100)),
        ("write('score.txt', '7')", "max_score: unbounded\n", ("accepted", 7, None)),
        ("pass", "max_score: unbounded\n", ("judge_error", 0, None)),
        ("write('score.txt', '7'); write('score_multiplier.txt', '1')", "max_score: 100\n", ("judge_error", 0, 100)),
        ("write('score_multiplier.txt', '1'); sys.exit(43)", "max_score: 100\n", ("judge_error", 0, 100)),
        ("write('score.txt', '\u0663')", "max_score: 100\n", ("judge_error", 0, 100)),
        ("write('score.txt', '5')", "max_score: 100\nscore_aggregation: pass-fail\n", ("judge_error", 0, 100)),
        ("write('teammessage.txt', 'x' * 6_000_000); write('judgemessage.txt', 'y' * 6_000_000)", "max_score: 9\n",
         ("accepted", 9, 9)),
    ],
)  # fmt: skip
def test_points_that_a_validator_gives(executor: Executor, checks: str, secret: str, wanted: tuple[Any, ...]) -> None:
    answer = judge(executor, digest(executor, _scored(checks, secret=secret)), ADDS, judge_details=True)
    assert (answer["status"], answer["score"], answer.get("max_score")) == wanted
    if "message" in checks:
        assert answer["test_results"][1]["feedback"] == "x" * 2048


def test_large_files_of_a_validator_are_there_in_its_next_pass(executor: Executor) -> None:
    check = (
        "import os, sys\nfolder = sys.argv[3]\n"
        "if os.path.exists(folder + 'state'):\n"
        "    sys.exit(42 if os.path.getsize(folder + 'state') == 5_000_000 == len(sys.stdin.read()) - 1 else 43)\n"
        "open(folder + 'state', 'w').write('s' * 5_000_000); open(folder + 'nextpass.in', 'w').write('n' * 5_000_000)\n"
        "sys.exit(42)\n"
    )
    yaml = NEWEST["problem.yaml"] + "type: multi-pass\n"
    files = NEWEST | {"problem.yaml": yaml, "output_validator/check.py": check}
    answer = judge(executor, digest(executor, files), "import sys; print(sys.stdin.read().strip())", judge_details=True)
    assert statuses(answer) == {"sample/1": "accepted", "secret/1": "accepted"}, answer["test_results"][0]["judge_feedback"]


@pytest.mark.parametrize(
    ("answer", "output", "flags", "status"),
    [
        (b"caf\xe9\n", b"caf\xe8\n", "", "wrong_answer"),
        (b"caf\xe9\n", b"CAF\xe9\n", "", "accepted"),
        ("é b\n".encode(), "É b\n".encode(), "", "wrong_answer"),
        (b"a b\n", "a\u00a0b\n".encode(), "", "wrong_answer"),
        (b"a b\n", b"a\x0b\x0cb\n", "", "accepted"),
        (b"a b\n", b"a\x1cb\n", "", "wrong_answer"),
        ("ß\n".encode(), b"ss\n", "", "wrong_answer"),
        (b"a b\n", b"a  b\n", "space_change_sensitive", "wrong_answer"),
    ],
)  # fmt: skip
def test_the_default_validator_takes_texts_for_bytes(
    executor: Executor, answer: bytes, output: bytes, flags: str, status: str
) -> None:
    yaml = LEGACY["problem.yaml"] + f"validator_flags: {flags}\n"
    files = LEGACY | {"problem.yaml": yaml, "data/sample/1.ans": answer, "data/secret/1.ans": answer}
    code = f"import sys; sys.stdout.buffer.write({output!r})"
    assert judge(executor, digest(executor, files), code)["status"] == status


def test_output_beyond_the_packages_limit_is_exceeded(executor: Executor) -> None:
    yaml = NEWEST["problem.yaml"] + "  output: 0.1\n"
    answer = judge(executor, digest(executor, NEWEST | {"problem.yaml": yaml}), "print('x' * 200_000)")
    assert answer["status"] == "output_limit_exceeded"


def test_a_problem_that_the_cache_dropped_is_fetched_again(tmp_path: Path) -> None:
    with running({"EXECUTOR_STORE": f"file://{tmp_path}/store", "EXECUTOR_STORE_CACHE_MB": "1"}) as server:
        large = {"data/secret/2.in": "1 2" + " 0" * 350_000, "data/secret/2.ans": "3"}
        problems = [
            digest(server, LEGACY | large | {"data/sample/2.in": f"{n} 0", "data/sample/2.ans": f"{n}"}) for n in range(3)
        ]
        for problem in problems * 2:
            assert judge(server, problem, ADDS)["status"] == "accepted"
        assert server.metrics()["executor_problems_fetched_total"] == 6
        folder = Path(f"/proc/{server.pid}/fd")
        open_files = [str(path.readlink()) for path in folder.iterdir()]
        assert [name for name in open_files if "/cache/" in name and name.endswith("(deleted)")] == []


def test_languages_and_sizes_that_the_problem_does_not_allow_are_refused(executor: Executor) -> None:
    yaml = NEWEST["problem.yaml"] + "  code: 1\nlanguages: [cpp]\n"
    problem = digest(executor, NEWEST | {"problem.yaml": yaml})
    response = executor.post({"language": "python", "code": "#" * 2000, "problem": problem})
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ["language", "code"]


def test_limits_above_the_executors_own_are_told(executor: Executor) -> None:
    yaml = NEWEST["problem.yaml"].replace("1.5", "60") + "  memory: 4096\n"
    assert [warning["message"] for warning in put(executor, NEWEST | {"problem.yaml": yaml}).json()["warnings"]] == [
        "limits.time_limit is 60 s: this executor judges with 10 s",
        "limits.memory is 4096 MiB: this executor judges with 512 MiB",
    ]


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"no zip", 422, "invalid_problem"), (b"", 422, "invalid_problem"),
        (zipped({"../x": "", "problem.yaml": ""}), 422, "invalid_problem"),
    ],
)  # fmt: skip
def test_what_is_no_package_is_refused(executor: Executor, content: bytes, status: int, code: str) -> None:
    response = put(executor, content)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json()["errors"]


def test_a_body_that_is_too_large_or_of_another_type_is_refused(executor: Executor) -> None:
    other = executor.http.put("/problems", content=b"{}", headers={"Content-Type": "application/json"})
    assert (other.status_code, other.json()["code"]) == (415, "unsupported_media_type")
    with running({"EXECUTOR_MAX_PROBLEM_MB": "1"}) as server:
        large = {"data/secret/2.in": bytes(range(256)) * 8192, "data/secret/2.ans": ""}
        assert put(server, LEGACY | large).json()["errors"][0]["message"].endswith("at most 1048576 may be")
        assert put(server, bytes(2 << 20)).status_code == 413
        chunks = (bytes(1 << 16) for _ in range(64))
        assert server.http.put("/problems", content=chunks, headers=ZIP).status_code == 413
        assert server.execute("python", "print(1)")["stdout"] == "1\n"
        assert put(server, LEGACY).status_code == 200


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"problem": "sha256:12"}, ["problem"]), ({"problem": "sha256:" + "G" * 64}, ["problem"]),
        ({"test_cases": [{"id": "1"}], "stdin": "x", "args": ["x"]}, ["test_cases", "stdin", "args"]),
        ({"comparator": "exact"}, ["comparator"]), ({"return_files": ["a"]}, ["return_files"]),
    ],
)  # fmt: skip
def test_a_request_that_contradicts_its_problem_names_the_fields(
    executor: Executor, fields: dict[str, Any], wrong: list[str]
) -> None:
    body = {"language": "python", "code": "print(1)", "problem": "sha256:" + "0" * 64, **fields}
    response = executor.post(body)
    assert response.status_code == 422
    assert sorted({error["field"] for error in response.json()["errors"]}) == sorted(wrong)


def test_a_problem_that_is_not_there_is_said_to_be_unknown(executor: Executor) -> None:
    absent = "sha256:" + "0" * 64
    response = executor.post({"language": "python", "code": "print(1)", "problem": absent})
    assert (response.status_code, response.json()["code"]) == (422, "unknown_problem")
    assert executor.http.get(f"/problems/{absent}").status_code == 404
    assert executor.http.get("/problems/../../etc/passwd").status_code == 404


class _CountingStore(Handler):
    """Passes everything on to an S3 server, and takes down what was read from it."""

    behind: str
    read: ClassVar[list[str]] = []

    def respond(self) -> None:
        content = self.body() if "Content-Length" in self.headers else b""
        headers = {name: value for name, value in self.headers.items() if name != "Connection"}
        with closing(http.client.HTTPConnection(self.behind, timeout=30)) as connection:
            connection.request(self.command, self.path, content, headers)
            response = connection.getresponse()
            answer = response.read()
        if self.command == "GET" and response.status == HTTPStatus.OK:
            self.read.append(self.path)
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", response.getheader("Content-Length") or str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """The URL of an empty store in S3, and the names of what is read from it."""
    with s3_server(monkeypatch) as place, serving(_CountingStore) as front:
        boto3.client("s3", endpoint_url=f"http://{place}", region_name="us-east-1").create_bucket(Bucket="problems")
        _CountingStore.behind = place
        _CountingStore.read.clear()
        yield f"s3://problems/kept?region=us-east-1&endpoint=http://127.0.0.1:{front}", _CountingStore.read


def test_four_replicas_fetch_a_package_from_their_store_four_times_however_many_ask(counted: tuple[str, list[str]]) -> None:
    url, read = counted
    settings = {"EXECUTOR_STORE": url, "EXECUTOR_QUEUE_SECONDS": "60", "EXECUTOR_QUEUE_LENGTH": "1000"}
    with ExitStack() as servers:
        replicas = [servers.enter_context(running(settings)) for _ in range(4)]
        problem = digest(replicas[0], LEGACY)
        read.clear()

        def ask(number: int) -> str:
            body = {"language": "python", "code": ADDS, "problem": problem, "user_id": f"{number}"}
            answer = replicas[number % 4].http.post("/execute", json=body, timeout=120)
            return str(answer.json().get("status"))

        with ThreadPoolExecutor(40) as pool:
            assert set(pool.map(ask, range(120))) == {"accepted"}
        assert [server.metrics()["executor_problems_fetched_total"] for server in replicas] == [1] * 4
    name = problem.partition(":")[2]
    assert [name in path for path in read] == [True] * 4


def test_a_damaged_blob_is_never_judged_by(tmp_path: Path) -> None:
    with running({"EXECUTOR_STORE": f"file://{tmp_path}/store"}) as server:
        problem = digest(server, LEGACY)
        (blob,) = (path for path in (tmp_path / "store").rglob("*") if path.is_file())
        blob.write_bytes(blob.read_bytes().replace(b"11\n", b"12\n"))
        response = server.post({"language": "python", "code": ADDS, "problem": problem})
        assert (response.status_code, response.json()["code"]) == (503, "store_unavailable")
        assert "another content" in response.json()["detail"]
        assert server.execute("python", "print(1)")["stdout"] == "1\n"


def test_a_store_that_is_away_or_slow_delays_nobody_else_and_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"az://account/problems?endpoint=http://127.0.0.1:{silent.getsockname()[1]}/account"
        settings = {"EXECUTOR_STORE": url, "EXECUTOR_STORE_SECONDS": "3"}
        with running(settings) as server:
            found: list[httpx.Response] = []
            body = {"language": "python", "code": ADDS, "problem": "sha256:" + "0" * 64}
            waiting = threading.Thread(
                target=lambda: found.append(httpx.post(f"{server.url}/execute", json=body, timeout=60))
            )
            waiting.start()
            for _ in range(3):
                assert server.execute("python", "print(1)")["stdout"] == "1\n"
            assert not found, "the store had not answered yet"
            waiting.join()
            assert (found[0].status_code, found[0].json()["code"]) == (503, "store_unavailable")
            assert "did not answer within 3 s" in found[0].json()["detail"]
            assert found[0].headers["retry-after"] == "1"


def test_a_full_store_takes_no_package_says_so_and_takes_it_once_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.call(("mount", "-t", "tmpfs", "-o", "size=2m", "none", disk)):
        pytest.skip("a small disk needs root and mount")
    try:
        with running({"EXECUTOR_STORE": f"file://{disk}/store"}) as server:
            small = digest(server, LEGACY)
            (disk / "others").write_bytes(bytes(1 << 20))
            large = LEGACY | {"data/secret/2.in": os.urandom(1 << 20), "data/secret/2.ans": ""}
            refused = put(server, large)
            assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
            assert "is full" in refused.json()["detail"]
            assert refused.headers["retry-after"] == "1"
            assert judge(server, small, ADDS)["status"] == "accepted"
            (disk / "others").unlink()
            assert judge(server, digest(server, large), "print(11)")["total"] == 3
    finally:
        subprocess.check_call(("umount", disk))


def test_a_package_for_a_store_that_is_away_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    settings = {
        "EXECUTOR_STORE": f"az://account/problems?endpoint=http://127.0.0.1:{port}/account",
        "EXECUTOR_STORE_SECONDS": "3",
    }
    with running(settings) as server:
        refused = put(server, LEGACY)
        assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
        assert server.execute("python", "print(1)")["stdout"] == "1\n"


@pytest.mark.parametrize("language", ["python", "cpp"])
def test_a_validator_that_cannot_be_started_or_compiled_is_the_packages_fault(executor: Executor, language: str) -> None:
    if language not in executor.languages():
        pytest.skip(f"no toolchain for {language} on this machine")
    files = LEGACY | {
        "problem.yaml": "name: Sum\nvalidation: custom\n",
        f"output_validators/check/check.{language[:3].removesuffix('t')}": "this is no program",
    }
    answer = judge(executor, digest(executor, files), ADDS)
    assert answer["status"] == "judge_error"
    assert {case["status"] for case in answer["test_results"]} <= {"judge_error", "skipped"}


@pytest.fixture
def spying(executor: Executor) -> str:
    return digest(executor, LEGACY | {"data/secret/1.ans": "UNREACHABLE-11\n"})


def test_a_program_reaches_neither_the_store_nor_what_the_replica_keeps_of_it(executor: Executor, spying: str) -> None:
    spy = """
import json, os, subprocess
found = []
for top in ("/", "/tmp", "..", "../..", "../../.."):
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/usr", "/proc", "/sys", "/lib")]
        for name in files:
            try:
                with open(os.path.join(folder, name), "rb") as file:
                    found += [os.path.join(folder, name)] if b"UNREACH" b"ABLE" in file.read(1 << 20) else []
            except OSError:
                pass
print(json.dumps([found, sorted(os.environ)]))
"""
    judge(executor, spying, ADDS)
    found, environment = json.loads(executor.execute("python", spy, timeout=10)["stdout"])
    assert found == []
    assert not [name for name in environment if name.startswith(("AZURE", "AWS", "EXECUTOR", "IDENTITY", "MSI"))]


def test_a_transcript_has_every_pass_and_comes_with_the_judges_details_only(executor: Executor) -> None:
    files = folder_files("relay")
    problem, program = digest(executor, files), files["submissions/accepted/base26.py"].decode()
    sample = judge(executor, problem, program, judge_details=True, transcript=True)["test_results"][0]
    assert sample["transcript"] == ("<tell\n>next\n<3\n>next\n<0\n>next\n<end\n>eb\n---\n<ask\n<eb\n>30\n")
    assert "transcript" not in judge(executor, problem, program, judge_details=True)["test_results"][0]
    refused = executor.post({"language": "python", "code": program, "problem": problem, "transcript": True})
    assert [error["field"] for error in refused.json()["errors"]] == ["transcript"]


def test_a_package_says_that_it_is_interactive(executor: Executor) -> None:
    for name, types in (("heaviest", ["pass-fail", "interactive"]), ("relay", ["pass-fail", "multi-pass", "interactive"])):
        assert executor.http.get(f"/problems/{digest(executor, folder_files(name))}").json()["type"] == types
