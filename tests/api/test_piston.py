"""Piston's v2 API: what its clients send and read."""

import base64
from typing import Any

import pytest

from devtools.executor import Executor

_CALL: dict[str, Any] = {
    "language": "py",
    "version": "*",
    "files": [{"name": "a.py", "content": "print(input())"}],
    "stdin": "x",
}


def _execute(executor: Executor, **changes: Any) -> tuple[int, dict[str, Any]]:
    response = executor.http.post("/api/v2/execute", json=_CALL | changes)
    return response.status_code, response.json()


def test_the_call_of_pistons_documentation_works(executor: Executor) -> None:
    status, body = _execute(
        executor, files=[{"name": "my_cool_code.py", "content": "import sys; print(sys.argv[1:], input())"}], args=["1", "2"],
        compile_timeout=10000, run_timeout=3000, compile_memory_limit=-1, run_memory_limit=-1,
    )  # fmt: skip
    run = body["run"]
    assert status == 200
    assert (body["language"], body["version"][:2]) == ("python", "3.")
    assert (run["stdout"], run["stderr"], run["output"]) == ("['1', '2'] x\n", "", "['1', '2'] x\n")
    assert (run["code"], run["signal"], run["status"], run["message"]) == (0, None, None, None)
    assert "compile" not in body


def test_runtimes_can_be_asked_for_with_what_they_say(executor: Executor) -> None:
    runtimes = executor.http.get("/api/v2/runtimes").json()
    assert {runtime["language"] for runtime in runtimes} == executor.languages()
    for runtime in runtimes:
        status, body = _execute(executor, language=runtime["language"], version=runtime["version"])
        assert (status, body["version"]) == (200, runtime["version"])


@pytest.mark.parametrize(
    ("code", "changes", "expected"),
    [
        ("print(1", {}, {"status": "RE", "code": 1, "signal": None}),
        ("while True: pass", {"run_timeout": 300}, {"status": "TO", "signal": "SIGKILL", "code": None}),
        ("import os; os.kill(os.getpid(), 11)", {}, {"status": "SG", "signal": "SIGSEGV", "code": None}),
        ("while True: print('x' * 10000)", {}, {"status": "OL"}),
        ("import sys\nwhile True: sys.stderr.write('x' * 10000)", {}, {"status": "EL"}),
        ("x = bytearray(100 << 20)", {"run_memory_limit": 50_000_000}, {"code": 1, "status": "RE"}),
    ],
)
def test_statuses_are_pistons(executor: Executor, code: str, changes: dict[str, Any], expected: dict[str, Any]) -> None:
    _, body = _execute(executor, files=[{"content": code}], **changes)
    assert {name: body["run"][name] for name in expected} == expected, body


@pytest.mark.parametrize("language", ["c"], indirect=True)
def test_a_compile_step_is_told_apart(executor: Executor, language: str) -> None:
    call = {"language": language, "version": "*"}
    _, body = _execute(executor, **call, files=[{"content": "int main(void) { return 3; }"}])
    assert (body["compile"]["code"], body["run"]["code"]) == (0, 3)
    _, body = _execute(executor, **call, files=[{"content": "int main("}])
    assert body["compile"]["code"] == 1
    assert "error" in body["compile"]["stderr"]


@pytest.mark.parametrize(
    ("changes", "stdout"),
    [
        ({"args": ""}, "x []\n"), ({"args": None}, "x []\n"), ({"args": []}, "x []\n"),
        ({"args": ["", "a"]}, "x ['', 'a']\n"),
        ({"run_timeout": -1, "run_memory_limit": 0}, "x []\n"), ({"note": 1}, "x []\n"), ({"language": "PYTHON"}, "x []\n"),
        ({"files": [{"content": ""}]}, ""), ({"files": [{"name": "no ending", "content": "print(1)"}]}, "1\n"),
        ({"files": [{"name": "a", "content": "1"}, {"name": "a", "content": "print(2)"}]}, "2\n"),
        (
            {"files": [{"content": "import b"}, {"name": "b.py", "content": "1"}, {"name": "b.py", "content": "print(2)"}]},
            "2\n",
        ),
    ],
)  # fmt: skip
def test_what_piston_takes_is_taken(executor: Executor, changes: dict[str, Any], stdout: str) -> None:
    code = "import sys; print(input(), sys.argv[1:])"
    status, body = _execute(executor, **{"files": [{"content": code}], **changes})
    assert (status, body["run"]["stdout"]) == (200, stdout), body


def test_the_smallest_limits_are_taken(executor: Executor) -> None:
    assert _execute(executor, run_timeout=5e-324)[1]["run"]["status"] == "TO"
    assert _execute(executor, run_memory_limit=5e-324)[0] == 200


def test_files_without_names_and_of_other_encodings_are_placed(executor: Executor) -> None:
    files = [
        {"content": "print(sorted(__import__('os').listdir()))"},
        {"content": base64.b64encode(b"1").decode(), "encoding": "base64"},
    ]
    _, body = _execute(executor, files=files, stdin=None, args=None)
    assert body["run"]["stdout"] == "['file1.code', 'main.py']\n"


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ("3.x", True), ("3", True), ("x", True), (">=3.8.0", True), ("^3.8.0", True), (">= 3.8 <4", True),
        ("2.x || 3.x", True),
        ("~3", True), (">2", True), ("<=3", True), ("v3.x", True),
        ("2.x", False), ("^2.7.0", False), ("3.1.0", False), ("<3.0.0", False), ("~3.1", False), (">3", False),
        ("2 || 4", False),
    ],
)  # fmt: skip
def test_versions_are_selected_as_npm_selects_them(executor: Executor, selector: str, fits: bool) -> None:
    status, body = _execute(executor, version=selector)
    assert status == (200 if fits else 400), body
    if not fits:
        assert body["message"].startswith(f"python-{selector} runtime is unknown")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"language": 5}, "language"), ({"language": "cobol"}, "cobol"), ({"version": None}, "version"),
        ({"version": "latest"}, "version"), ({"version": ""}, "version"), ({"files": None}, "files"),
        ({"files": []}, "files"), ({"args": "-v"}, "args"), ({"args": 5}, "args"), ({"args": ["a\0"]}, "args[0]"),
        ({"files": [{"name": "a"}]}, "files[0].content"), ({"run_timeout": 10_000_000}, "run_timeout"),
        ({"compile_timeout": "5"}, "compile_timeout"), ({"run_memory_limit": -5}, "run_memory_limit"),
        ({"files": [{"name": "../a", "content": "1"}]}, "files[0].name"),
    ],
)  # fmt: skip
def test_every_wrong_request_is_a_400_with_a_message(executor: Executor, changes: dict[str, Any], named: str) -> None:
    status, body = _execute(executor, **changes)
    assert status == 400
    assert named in body["message"]
