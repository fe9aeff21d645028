"""Checkers of one's own: what they are told, what their answers mean, and what neither side can do to the other."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from devtools.executor import Executor, running

ROWS = tomllib.loads((Path(__file__).parent / "checkers.toml").read_text("utf-8"))
CASE = {"id": "1", "input": "1", "expected_output": "2"}
ACCEPTS = "import sys; sys.exit(42)"


def judge(executor: Executor, program: str, checker: dict[str, Any], *cases: dict[str, Any], **fields: Any) -> dict[str, Any]:
    answer: dict[str, Any] = executor.judge("python", program, list(cases) or [CASE], checker=checker, **fields)
    return answer


@pytest.mark.parametrize("name", ROWS)
def test_what_a_checker_does_is_the_verdict_or_its_own_fault(executor: Executor, name: str) -> None:
    row = dict(ROWS[name])
    checker = {"language": "python", "code": row.pop("checker")}
    checker |= {key: row.pop(key) for key in ("style", "args", "time_limit", "memory_limit_mb") if key in row}
    case = CASE | {key: row.pop(key) for key in ("max_score",) if key in row}
    (found,) = judge(executor, row.pop("program", "print(2)"), checker, case)["test_results"]
    start, characters = row.pop("judge_feedback_start", ""), row.pop("feedback_characters", None)
    for key, value in row.items():
        assert found.get(key, "") == value, found
    assert found.get("judge_feedback", "").startswith(start)
    assert characters is None or len(found["feedback"]) == characters


def test_a_checker_that_does_not_compile_is_a_judge_error_with_the_compilers_words(executor: Executor) -> None:
    if "c" not in executor.languages():
        pytest.skip("no toolchain for c on this machine")
    answer = judge(executor, "print(2)", {"language": "c", "code": "int main() { return }"}, CASE, CASE | {"id": "2"})
    assert answer["status"] == "judge_error"
    assert [case["status"] for case in answer["test_results"]] == ["judge_error", "judge_error"]
    assert "expected expression" in answer["judge_feedback"]


def test_a_submission_that_does_not_compile_is_told_so_whatever_the_checker_is(executor: Executor) -> None:
    if "c" not in executor.languages():
        pytest.skip("no toolchain for c on this machine")
    broken = {"language": "c", "code": "int main() { return }"}
    answer = executor.judge("c", "int main() { return }", [CASE], checker=broken)
    assert answer["status"] == "compile_error"


def test_a_checker_in_a_compiled_language_of_several_files_is_compiled_once(executor: Executor) -> None:
    if "cpp" not in executor.languages():
        pytest.skip("no toolchain for cpp on this machine")
    files = [
        {"name": "check.cpp", "content": '#include "codes.h"\nint main(int argc, char **) { return argc == 4 ? YES : NO; }'},
        {"name": "codes.h", "content": "enum { YES = 42, NO = 43 };"},
    ]
    cases = [CASE | {"id": f"{number}"} for number in range(5)]
    checker = {"language": "cpp", "files": files}
    answer = judge(executor, "print(2)", checker, *cases)
    assert (answer["status"], answer["passed"]) == ("accepted", 5)


def test_the_submission_sees_neither_the_checker_nor_the_answer(executor: Executor) -> None:
    spy = """
import os
seen = []
for top in (".", "..", "/tmp", "/dev/shm"):
    for folder, folders, files in os.walk(top):
        for name in files:
            try:
                seen.append(open(os.path.join(folder, name), errors="replace").read())
            except OSError:
                pass
print("SECRET" if any("check" + "er-code" in text or "the-ans" + "wer" in text for text in seen) else "nothing")
"""
    checker = {"language": "python", "code": "import sys\nsys.exit(42)  # checker-code"}
    case = {"id": "1", "input": "", "expected_output": "the-answer"}
    for result in judge(executor, spy, checker, case, case | {"id": "2"})["test_results"]:
        assert (result["status"], result["stdout"]) == ("accepted", "nothing\n")


def test_the_checker_sees_nothing_of_the_submission_but_its_output(executor: Executor) -> None:
    program = """
import os, subprocess, sys
open("left-behind", "w").write("x")
if os.fork() == 0:
    os.setsid()
    import time
    time.sleep(60)
print(2)
sys.stdout.flush()
os._exit(0)
"""
    checker = """
import os, sys
others = []  # of which it is one itself
for pid in range(2, 100_000):
    try:
        open(f"/proc/{pid}/cmdline").close()
    except OSError:
        continue
    others.append(pid)
files = sorted(name for folder, folders, names in os.walk(".") for name in names)
sys.exit(42 if "left-behind" not in files and "main.py" in files and len(others) <= 1 else 43)
"""
    answer = judge(executor, program, {"language": "python", "code": checker})
    assert answer["status"] == "accepted", answer


def test_what_a_checker_leaves_is_gone_before_the_next_run(executor: Executor) -> None:
    checker = """
import os, sys
if os.path.exists("mark") or os.path.exists(sys.argv[3] + "mark"):
    sys.exit(0)
open("mark", "w").close()
open(sys.argv[3] + "mark", "w").close()
sys.exit(42)
"""
    program = "import os; print(os.listdir('.'))"
    answer = judge(executor, program, {"language": "python", "code": checker}, CASE, CASE | {"id": "2"}, CASE | {"id": "3"})
    assert answer["status"] == "accepted"
    assert {case["stdout"] for case in answer["test_results"]} == {"['main.py']\n"}


def test_points_of_cases_add_up_and_a_failure_has_none(executor: Executor) -> None:
    cases: list[dict[str, Any]] = [
        {"id": "a", "input": "1", "expected_output": "1", "max_score": 2},
        {"id": "b", "input": "2", "expected_output": "3", "max_score": 3},
        {"id": "c", "input": "3", "expected_output": "3", "max_score": 5.5},
    ]
    answer = executor.judge("python", "print(input())", cases)
    assert (answer["score"], answer["max_score"], answer["status"]) == (7.5, 10.5, "wrong_answer")
    assert [case["score"] for case in answer["test_results"]] == [2, 0, 5.5]
    assert "score" not in executor.judge("python", "print(input())", [CASE])


def test_a_hidden_case_tells_points_and_feedback_and_nothing_for_the_judge(executor: Executor) -> None:
    checker = """
import sys
open(sys.argv[3] + "teammessage.txt", "w").write("for you")
open(sys.argv[3] + "judgemessage.txt", "w").write("for the judge")
sys.exit(43)
"""
    (found,) = judge(executor, "print(2)", {"language": "python", "code": checker}, CASE | {"hidden": True})["test_results"]
    assert set(found) == {"id", "status", "cpu_time", "wall_time", "feedback"}
    assert found["feedback"] == "for you"


def test_checkers_run_beside_one_another_where_there_are_slots(executor: Executor) -> None:
    assert executor
    with running({"EXECUTOR_CONCURRENCY": "3"}) as server:
        cases = [CASE | {"id": f"{number}", "expected_output": f"{number}"} for number in range(12)]
        checker = "import sys; sys.exit(42 if open(sys.argv[2]).read() != '7' else 43)"
        answer = server.judge(
            "python", "print(2)", cases, checker={"language": "python", "code": checker}, stop_on_failure=True
        )
        assert [case["status"] for case in answer["test_results"]] == ["accepted"] * 7 + ["wrong_answer"] + ["skipped"] * 4


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"checker": {"language": "cobol", "code": "x"}}, "checker.language"),
        ({"checker": {"language": "python"}}, "checker.code"),
        ({"checker": {"language": "python", "code": "x", "style": "hustoj"}}, "checker.style"),
        ({"checker": {"language": "python", "code": "x", "time_limit": 11}}, "checker.time_limit"),
        ({"checker": {"language": "python", "code": "x", "memory_limit_mb": 0}}, "checker.memory_limit_mb"),
        ({"checker": {"language": "python", "code": "x", "args": ["a\0b"]}}, "checker.args[0]"),
        ({"checker": {"language": "python", "files": [{"name": ".case/input", "content": "x"}]}}, "checker.files"),
        ({"checker": {"language": "python", "files": [{"name": ".case.ans", "content": "x"}]}}, "checker.files"),
        ({"checker": {"language": "python", "files": [{"name": "../a", "content": "x"}]}}, "checker.files[0].name"),
        ({"checker": {"language": "python", "code": "x"}, "comparator": "tokens"}, "comparator"),
        ({"checker": {"language": "python", "code": "x"}, "test_cases": None}, "checker"),
        ({"comparator": {"name": "fuzzy"}}, "comparator.name"),
        ({"comparator": {"name": "lines", "absolute": 1}}, "comparator.absolute"),
        ({"comparator": {"name": "float", "absolute": -1}}, "comparator.absolute"),
        ({"comparator": "regex", "test_cases": [CASE | {"expected_output": "("}]}, "test_cases[0].expected_output"),
        ({"comparator": "json"}, ""),
        ({"test_cases": [CASE | {"max_score": -1}]}, "test_cases[0].max_score"),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_judged_names_its_field(executor: Executor, fields: dict[str, Any], wrong: str) -> None:
    body = {"language": "python", "code": "print(2)", "test_cases": [CASE], **fields}
    response = executor.post(body)
    if not wrong:
        assert response.status_code == 200
        return
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [wrong]


def test_parameters_of_a_comparator_reach_it(executor: Executor) -> None:
    case = {"id": "1", "input": "", "expected_output": "3.0 Yes"}
    strict = executor.judge("python", "print('3.4 yes')", [case], comparator={"name": "float", "absolute": 0.5})
    assert strict["status"] == "wrong_answer"
    lenient = {"name": "float", "absolute": 0.5, "case_sensitive": False}
    assert executor.judge("python", "print('3.4 yes')", [case], comparator=lenient)["status"] == "accepted"
