"""Interactors: whoever of the two ends, closes or stalls first, the verdict is right, and neither sees or hangs the other."""

import concurrent.futures
import os
import signal
import time
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest

from devtools.executor import Executor, running, until
from runtime.execution.process_tree import children, descendants
from runtime.execution.procfs import read
from runtime.sandbox.syscall_numbers import NUMBERS

ROWS = tomllib.loads((Path(__file__).parent / "interactors.toml").read_text("utf-8"))
CASE = {"id": "1", "input": "7", "expected_output": "the answer"}
ACCEPTS = {"language": "python", "code": "import sys; sys.stdin.read(); sys.exit(42)"}
_CLOCK_NANOSLEEP = b"%d " % NUMBERS["clock_nanosleep"]
_OF_INTERACTOR = {"interactor_time_limit": "time_limit", "interactor_memory_limit_mb": "memory_limit_mb"}


def judge(executor: Executor, program: str, interactor: str, *cases: dict[str, Any], **fields: Any) -> dict[str, Any]:
    given = {"language": "python", "code": interactor}
    answer: dict[str, Any] = executor.judge("python", program, list(cases) or [CASE], interactor=given, **fields)
    return answer


@pytest.mark.parametrize("name", ROWS)
def test_whoever_ends_closes_or_stalls_first_the_verdict_is_right(executor: Executor, name: str) -> None:
    row = dict(ROWS[name])
    interactor = {"language": "python", "code": row.pop("interactor")}
    interactor |= {key: row.pop(key) for key in ("style", "args") if key in row}
    interactor |= {key: row.pop(ours) for ours, key in _OF_INTERACTOR.items() if ours in row}
    case = CASE | {key: row.pop(key) for key in ("max_score",) if key in row}
    fields = {"time_limit": 0.5} | {
        key: row.pop(key) for key in ("time_limit", "memory_limit_mb", "transcript") if key in row
    }
    answer = executor.judge("python", row.pop("program"), [case], interactor=interactor, **fields)
    (found,) = answer["test_results"]
    beginnings = {key: row.pop(key, "") for key in ("message", "judge_feedback")}
    if "whole_transcript" in row:
        row["transcript"] = row.pop("whole_transcript")
    for key, value in row.items():
        assert found.get(key, "") == value, found
    for key, value in beginnings.items():
        assert found.get(key, "").startswith(value), found


def test_a_program_speaks_thousands_of_times_within_its_limit(executor: Executor) -> None:
    program = "for i in range(12_000): print(i, flush=True); assert int(input()) == i"
    interactor = """
import sys
for _ in range(12_000): print(input(), flush=True)
sys.exit(42)
"""
    (found,) = judge(executor, program, interactor, time_limit=0.5)["test_results"]
    # The bound of its wall time is 2 s; what a message needs on its way is not the program's.
    assert (found["status"], found["code"]) == ("accepted", 0), found


def test_what_is_on_its_way_is_bounded_and_nothing_of_it_is_lost(executor: Executor) -> None:
    program = """
import os, sys, time
os.set_blocking(1, False)
sent, end = 0, time.monotonic() + 1
while time.monotonic() < end and sent < 12 << 20:
    try:
        sent += os.write(1, bytes(65536))
    except BlockingIOError:
        time.sleep(0.01)
print(sent, file=sys.stderr)
"""
    interactor = """
import sys, time
time.sleep(2)
print(len(sys.stdin.buffer.read()), file=sys.stderr)
sys.exit(42)
"""
    (found,) = judge(executor, program, interactor, time_limit=3)["test_results"]
    assert (found["status"], found["stdout_truncated"]) == ("accepted", True), found
    # A pipe and a window on this side, a window and a pipe on the other.
    assert 1 << 19 < int(found["stderr"]) < 2 << 20
    assert found["judge_feedback"] == found["stderr"].strip()
    assert len(found["stdout"]) == 1 << 20


def test_the_interactors_time_and_memory_are_not_the_programs(executor: Executor) -> None:
    interactor = """
import sys, time
held = bytearray(200 << 20)
while time.process_time() < 0.8: pass
print("go", flush=True)
sys.exit(42)
"""
    (found,) = judge(executor, "input()", interactor)["test_results"]
    assert found["status"] == "accepted"
    assert found["cpu_time"] < 400
    assert found["memory"] < 100 << 20


def test_cases_run_one_after_the_other_and_with_a_plain_run_between(executor: Executor) -> None:
    cases = [CASE | {"id": f"{number}"} for number in range(5)]
    for _ in range(2):
        answer = judge(executor, "print(7)", ACCEPTS["code"], *cases)
        assert (answer["status"], answer["passed"]) == ("accepted", 5)
        assert executor.execute("python", "print(1)")["stdout"] == "1\n"


def test_pairs_run_beside_one_another_where_there_are_slots() -> None:
    with running({"EXECUTOR_CONCURRENCY": "2"}) as server:
        cases = [CASE | {"id": f"{number}", "input": f"{number}"} for number in range(8)]
        interactor = "import sys; sys.stdin.read(); sys.exit(43 if open(sys.argv[1]).read() == '5' else 42)"
        answer = judge(server, "print(7)", interactor, *cases, stop_on_failure=True)
        assert [case["status"] for case in answer["test_results"]] == ["accepted"] * 5 + ["wrong_answer"] + ["skipped"] * 2


def test_the_time_of_a_whole_submission_bounds_a_pair_that_stalls() -> None:
    settings = {"EXECUTOR_MAX_JUDGING_SECONDS": "3", "EXECUTOR_MAX_TIME_LIMIT_SECONDS": "1"}
    limits = {"EXECUTOR_DEFAULT_TIMEOUT_SECONDS": "1", "EXECUTOR_MAX_TIMEOUT_SECONDS": "1"}
    with running(settings | limits | {"EXECUTOR_COMPILE_TIMEOUT_SECONDS": "3"}) as server:
        started = time.monotonic()
        answer = judge(server, "input()", "import time; time.sleep(60)")
        assert answer["status"] == "overloaded"
        assert time.monotonic() - started < 30


def supervisors(executor: Executor) -> list[int]:
    assert executor.pid
    spawner = next(pid for pid in descendants([executor.pid]) if b"spawner" in read(f"/proc/{pid}/cmdline"))
    return children(spawner)


def test_two_supervisors_more_are_there_from_the_first_interactive_run_until_the_next_ordinary_one() -> None:
    with running() as server:
        assert len(supervisors(server)) == 1
        assert judge(server, "print(7)", ACCEPTS["code"])["status"] == "accepted"
        assert len(supervisors(server)) == 3
        assert server.execute("python", "print(1)")["status"] == "ok"
        assert until(lambda: len(supervisors(server)) == 1)


def _sleeps(pid: int) -> bool:
    """Whether it is a Python program that has called `time.sleep`."""
    return b"main.py" in read(f"/proc/{pid}/cmdline") and read(f"/proc/{pid}/syscall").startswith(_CLOCK_NANOSLEEP)


@pytest.mark.parametrize("which", [1, 2])
def test_a_supervisor_that_is_lost_ends_both_and_the_next_pair_has_another_one(which: int) -> None:
    with running() as server, concurrent.futures.ThreadPoolExecutor() as pool:
        assert judge(server, "print(7)", ACCEPTS["code"])["status"] == "accepted"
        stalled = pool.submit(judge, server, "print(7, flush=True); input()", "input(); import time; time.sleep(60)")
        lost = supervisors(server)[which]
        assert until(lambda: any(b"main.py" in read(f"/proc/{pid}/cmdline") for pid in descendants([lost])))
        # The interactor has its line and sleeps: the two have begun to speak, so that neither can be run again unseen.
        assert until(lambda: any(_sleeps(pid) for pid in descendants([server.pid or 0])))
        os.kill(lost, signal.SIGKILL)
        assert stalled.result()["status"] == "internal_error"
        assert judge(server, "print(7)", ACCEPTS["code"])["status"] == "accepted"


def test_a_client_that_leaves_ends_both() -> None:
    with running() as server:
        body = {"language": "python", "code": "input()", "test_cases": [CASE], "time_limit": 10}
        sleeps = {"language": "python", "code": "import time; time.sleep(60)"}
        with pytest.raises(httpx.ReadTimeout):
            server.http.post("/execute", json=body | {"interactor": sleeps}, timeout=2)
        started = time.monotonic()
        assert server.execute("python", "print(1)")["status"] == "ok"
        assert time.monotonic() - started < 10


def test_an_interactor_in_a_compiled_language_is_compiled_once(executor: Executor) -> None:
    if "cpp" not in executor.languages():
        pytest.skip("no toolchain for cpp on this machine")
    code = """#include <iostream>
int main() { int n; std::cin >> n; std::cout << n + 1 << std::endl; std::cin >> n; return n == 9 ? 42 : 43; }"""
    answer = executor.judge(
        "python", "print(7, flush=True); print(int(input()) + 1)", [CASE], interactor={"language": "cpp", "code": code}
    )
    assert answer["status"] == "accepted", answer
    broken = executor.judge("python", "print(7)", [CASE], interactor={"language": "cpp", "code": "int main() { return }"})
    assert (broken["status"], broken["judge_feedback"][:15]) == ("judge_error", "the interactor ")


def test_a_hidden_case_shows_no_transcript(executor: Executor) -> None:
    (found,) = judge(executor, "print(7)", ACCEPTS["code"], CASE | {"hidden": True}, transcript=True)["test_results"]
    assert set(found) == {"id", "status", "cpu_time", "wall_time"}


def test_a_transcript_is_capped(executor: Executor) -> None:
    (found,) = judge(executor, "print('x' * 100_000)", ACCEPTS["code"], transcript=True)["test_results"]
    assert found["status"] == "accepted"
    assert found["transcript"] == f">{'x' * (32 << 10)}\n...\n"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"interactor": {"language": "cobol", "code": "x"}}, ["interactor.language"]),
        ({"interactor": ACCEPTS | {"style": "hustoj"}}, ["interactor.style"]),
        ({"interactor": ACCEPTS | {"time_limit": 11}}, ["interactor.time_limit"]),
        ({"interactor": ACCEPTS, "comparator": "tokens"}, ["comparator"]),
        ({"interactor": ACCEPTS, "checker": ACCEPTS}, ["checker"]),
        ({"interactor": ACCEPTS, "test_cases": None}, ["interactor"]),
        ({"transcript": True}, ["transcript"]),
    ],
)
def test_a_request_that_cannot_be_judged_names_its_field(
    executor: Executor, fields: dict[str, Any], wrong: list[str]
) -> None:
    response = executor.post({"language": "python", "code": "print(2)", "test_cases": [CASE], **fields})
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == wrong


# Tells a number, hears two, and writes down what it heard. Its output is called as testlib's is.
WRITES = {
    "language": "python",
    "style": "testlib",
    "code": """
import sys
print(open(sys.argv[1]).read(), flush=True)
heard = input()
if heard == "silence":
    sys.exit(0)
with open(sys.argv[2], "w") as output:
    output.write(heard)
sys.exit(1 if heard == "nonsense" else 0)
""",
}
SUMS = {
    "language": "python",
    "style": "testlib",
    "code": """
import sys
given, output, answer = (open(name).read() for name in sys.argv[1:4])
if not output:
    print("nothing was written", file=sys.stderr)
    sys.exit(2)
if output == "9 9":
    print("points 2.5", file=sys.stderr)
    sys.exit(7)
assert answer == "the answer" and sys.argv[4:] == ["strict"], sys.argv
sys.exit(0 if sum(map(int, output.split())) == int(given) else 1)
""",
    "args": ["strict"],
}


@pytest.mark.parametrize(
    ("program", "status", "said"),
    [
        ("input(); print('3 4')", "accepted", ""),
        ("input(); print('3 5')", "wrong_answer", ""),
        ("input(); print('9 9')", "accepted", "points 2.5"),
        ("input(); print('silence')", "wrong_answer", "nothing was written"),
        ("input(); print('nonsense')", "wrong_answer", ""),
        ("input(); print('3 4', flush=True); raise SystemExit(5)", "runtime_error", ""),
    ],
)
def test_what_an_interactor_accepts_a_checker_judges_by_what_it_has_written(
    executor: Executor, program: str, status: str, said: str
) -> None:
    case = CASE | {"max_score": 10}
    answer = executor.judge("python", program, [case], interactor=WRITES, checker=SUMS, time_limit=0.5)
    (found,) = answer["test_results"]
    assert found["status"] == status, found
    assert said in found.get("judge_feedback", ""), found
    assert found["score"] == {"accepted": 2.5 if said else 10}.get(status, 0)


def test_the_checker_beside_an_interactor_sees_nothing_of_the_other_two_but_the_output(executor: Executor) -> None:
    looks = """
import os, sys
seen = sorted(name for _, folders, files in os.walk(".") for name in files + folders)
print(seen, sys.stdin.read(), file=sys.stderr)
"""
    checker = {"language": "python", "style": "testlib", "code": looks}
    program = "open('mine', 'w').close(); input(); print('3 4')"
    (found,) = executor.judge("python", program, [CASE], interactor=WRITES, checker=checker)["test_results"]
    assert (found["status"], found["judge_feedback"].strip()) == (
        "accepted",
        "['.case.ans', '.case.in', '.case.out', 'main.py']",
    )


def test_a_broken_checker_beside_an_interactor_is_no_students_fault(executor: Executor) -> None:
    checker = {"language": "python", "style": "icpc", "code": "raise SystemExit(0)"}
    answer = executor.judge("python", "input(); print('3 4')", [CASE], interactor=WRITES, checker=checker)
    assert answer["status"] == "judge_error"
    assert answer["test_results"][0]["judge_feedback"] == "the checker exited with 0, and not with 42 or 43"


def test_only_an_interactor_that_writes_an_output_has_a_checker_beside_it(executor: Executor) -> None:
    body = {
        "language": "python",
        "code": "1",
        "test_cases": [CASE],
        "checker": SUMS,
        "interactor": WRITES | {"style": "icpc"},
    }
    refused = executor.post(body)
    assert (refused.status_code, [error["field"] for error in refused.json()["errors"]]) == (422, ["checker"])
