"""Limits of time: CPU time decides where it can, and time in which a run is kept from a processor is not the program's."""

import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from devtools.executor import Executor, running

_ROWS = tomllib.loads(Path(__file__).with_name("time_limits.toml").read_text("utf-8"))["row"]
_CASE = {"id": "a", "input": "", "expected_output": ""}
_SPIN = "import time\nwhile time.process_time() < {}: pass"


def _run(executor: Executor, row: dict[str, Any]) -> dict[str, Any]:
    if "plain" in row:
        found: dict[str, Any] = executor.execute("python", row["code"], **row["plain"])
        return found
    body = executor.judge("python", row["code"], [_CASE], **row["judged"])
    result: dict[str, Any] = body["test_results"][0]
    return result


@pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in _ROWS])
def test_it_ends_as_it_should(executor: Executor, row: dict[str, Any]) -> None:
    run = _run(executor, row)
    assert (run["status"], run["limited_by"]) == (row["status"], row.get("limited_by", run["limited_by"])), run
    least, most = row["cpu"]
    assert least <= run["cpu_time"] <= most, run
    assert run["message"].startswith(row.get("message", ""))


@pytest.mark.parametrize("value", [0, -1, 10.5, 1e9])
@pytest.mark.parametrize("place", ["time_limit", "test_cases[0].time_limit"])
def test_a_time_limit_outside_of_the_bounds_is_named(executor: Executor, value: float, place: str) -> None:
    body: dict[str, Any] = {"language": "python", "code": "1", "test_cases": [dict(_CASE)]}
    (body["test_cases"][0] if "[" in place else body)["time_limit"] = value
    answer = executor.post(body)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": place, "message": "must be above 0 and at most 10 seconds"}]


@pytest.mark.parametrize("text", ['"5"', "NaN", "true", "[1]"])
def test_a_time_limit_that_is_no_number_is_refused(executor: Executor, text: str) -> None:
    body = f'{{"language": "python", "code": "1", "time_limit": {text}}}'
    answer = executor.http.post("/execute", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == (400 if text == "NaN" else 422)
    assert text == "NaN" or answer.json()["errors"][0]["field"] == "time_limit"


@contextmanager
def _competitors(cpu: int, count: int) -> Iterator[None]:
    """Processes that compute without end on one processor, until the block ends."""
    pids = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            os.sched_setaffinity(0, {cpu})
            while True:
                pass
        pids.append(pid)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, 9)
            os.waitpid(pid, 0)


@pytest.fixture(scope="module")
def crowded() -> Iterator[Executor]:
    """An executor whose processes have a single processor, which they share with five others that compute without end."""
    cpu = min(os.sched_getaffinity(0))
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        with running({"EXECUTOR_MAX_STRETCH": "2"}) as executor:
            os.sched_setaffinity(0, before)
            with _competitors(cpu, 5):
                yield executor
    finally:
        os.sched_setaffinity(0, before)


def test_waiting_for_a_processor_is_not_the_programs(crowded: Executor) -> None:
    body = crowded.judge("python", _SPIN.format(0.5), [_CASE], time_limit=0.9)
    (result,) = body["test_results"]
    assert result["status"] in ("accepted", "overloaded"), result
    assert result["waited"] > result["cpu_time"] / 4
    # What it waited and what it ran make up the time that it took.
    assert result["waited"] + result["cpu_time"] == pytest.approx(result["wall_time"], rel=0.2, abs=60)


def test_a_run_that_gets_no_processor_is_overloaded_and_not_too_slow(crowded: Executor) -> None:
    # With a sixth of a processor it takes 6 s and more, and may take 6.
    body = crowded.judge("python", _SPIN.format(0.95), [_CASE, {**_CASE, "id": "b"}], time_limit=1)
    statuses = [result["status"] for result in body["test_results"]]
    assert set(statuses) <= {"overloaded", "accepted"}, body
    for result in body["test_results"]:
        if result["status"] == "overloaded":
            assert result["message"].startswith("it was kept from a processor for ")
            assert result["limited_by"] is None


def test_a_plain_run_answers_in_time_all_the_same(crowded: Executor) -> None:
    run = crowded.execute("python", _SPIN.format(5), timeout=1)
    assert (run["status"], run["limited_by"]) == ("time_limit_exceeded", "wall")
    assert run["wall_time"] < 2000


# On one processor, whatever the machine has: else their CPU time would be as many times as much.
_CROWD = """
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>
static double end;
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static void *spin(void *a) { while (now() < end); for (;;) pause(); }
int main(void) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    if (sched_setaffinity(0, sizeof one, &one)) return 3;
    end = now() + 0.8;
    pthread_t t;
    for (int i = 0; i < 100; i++) pthread_create(&t, 0, spin, 0);
    sleep(60);
}
"""


@pytest.mark.parametrize("language", ["c"], indirect=True)
def test_threads_that_have_waited_for_one_another_excuse_no_sleep(executor: Executor, language: str) -> None:
    (found,) = executor.judge(language, _CROWD, [_CASE], time_limit=3)["test_results"]
    assert (found["status"], found["limited_by"]) == ("time_limit_exceeded", "wall"), found
    assert found["message"].startswith("the wall time limit of 7 s was reached")


@pytest.mark.parametrize("language", ["c"], indirect=True)
def test_a_compiler_that_meets_a_limit_is_no_compile_error(language: str) -> None:
    limits = {"EXECUTOR_COMPILE_TIME_LIMIT_SECONDS": "0.3"}
    code = "#define A(x) x x x x x x x x x x\nint main(void) { int i = 0; A(A(A(A(A(A(i++;)))))) return 0; }"
    with running(limits) as executor:
        answer = executor.post({"language": language, "code": code}).json()
        judged = executor.judge(language, code, [_CASE])
    assert answer["compile"]["status"] == answer["run"]["status"] == "compile_limit_exceeded"
    assert (answer["compile"]["limited_by"], answer["run"]["limited_by"]) == ("cpu", "cpu")
    assert answer["compile"]["message"].startswith("the compile step's CPU time limit of 0.3 s was reached")
    assert judged["status"] == judged["test_results"][0]["status"] == "compile_limit_exceeded"


@pytest.mark.parametrize("language", ["cpp"], indirect=True)
def test_a_compiler_that_meets_the_size_of_a_file_is_no_compile_error(executor: Executor, language: str) -> None:
    answer = executor.post({"language": language, "code": "int dp[100'000'000] = {-1}; int main() {}"}).json()
    assert (answer["compile"]["status"], answer["compile"]["limited_by"]) == ("compile_limit_exceeded", "disk")
    assert answer["compile"]["message"] == "the compile step wrote a file of more than 64 MiB"


@pytest.mark.parametrize("language", ["cpp"], indirect=True)
def test_a_mistake_that_takes_the_compiler_many_words_is_a_compile_error(executor: Executor, language: str) -> None:
    code = "#include <iostream>\nstruct P {};\nint main() {" + "P p; std::cin >> p; std::cout << p;".join("{}" * 9) + "}\n"
    step = executor.post({"language": language, "code": code}).json()["compile"]
    assert (step["status"], step["limited_by"], step["stderr_truncated"]) == ("compile_error", None, True)
    assert "no match for" in step["stderr"]
    assert len(step["stderr"].encode()) <= 64 << 10
