"""A small burst with everything in it: replicas that join, one that is killed, one that is drained."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import msgspec
import pytest
from executor_client import Execution, Step

from devtools.executor import ROOT, Executor, environment
from loadtest import burst
from loadtest.programs import KINDS, kind_of, printed, submission, wrong
from runtime.sandbox.syscalls import prctl

_PR_GET_CHILD_SUBREAPER = 37


@pytest.fixture(scope="module")
def report() -> burst.Report:
    if shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        if os.environ.get("REQUIRE_IMAGE_TESTS") == "1":
            pytest.fail("haproxy is not installed, and this test must not be skipped here")
        pytest.skip("haproxy is not installed: the burst is not tested")
    plan = burst.Plan(students=60, replicas=2, work=0.5, queue_length=40, queue_seconds=5)
    # In a process of its own, since it takes in what the killed executor leaves behind.
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(burst.run, plan).result()


def test_every_submission_has_one_answer_and_the_right_one_although_replicas_come_and_go(report: burst.Report) -> None:
    assert report.problems == []
    assert len(report.waits) == 120
    assert report.statuses["2xx"] == 120
    assert Counter(action for _, action in report.marks) == {"add": 3, "kill": 1, "drain": 1}
    # Something was under way when the replica was killed, so that the client had something to repair.
    assert report.statuses["5xx"] >= 1


def test_the_forecast_was_made_of_the_same_burst(report: burst.Report) -> None:
    assert len(report.forecast.answered) == len(report.waits)
    # In another order, it may be: a replica that is added takes a while to start, the longer the busier the machine is.
    forecast, measured = ([count for _, count in outcome.replicas] for outcome in (report.forecast, report))
    assert (forecast[0], forecast[-1], len(forecast)) == (measured[0], measured[-1], len(measured))


def test_a_hundred_submissions_are_of_every_kind_and_half_of_them_python() -> None:
    kinds = Counter(kind_of(number) for number in range(100))
    assert kinds == {kind: kind.share for kind in KINDS}
    assert sum(share for kind, share in kinds.items() if kind.language == "python") == 50


def test_an_answer_that_is_not_its_submission_s_is_seen() -> None:
    number = next(number for number in range(100) if kind_of(number).name == "python, right")
    step = Step(f"{printed(number, 10_000)}\n", "", 0, "ok")
    right = Execution("python", step, question_id=str(number))
    assert wrong(number, 0.01, right) == ""
    assert "belongs to submission" in wrong(number, 0.01, _changed(right, question_id="1"))
    assert "printed" in wrong(number, 0.01, _changed(right, run=Step("0 0\n", "", 0, "ok")))
    assert "status" in wrong(number, 0.01, _changed(right, run=Step(step.stdout, "", 1, "runtime_error")))
    assert submission(number, 2, 0.01).user_id == f"student-{number // 2}"


def _changed(answer: Execution, **changes: object) -> Execution:
    changed: Execution = msgspec.structs.replace(answer, **changes)
    return changed


@pytest.mark.parametrize(
    ("arguments", "words"), [(["--students", "0"], "must be at least 1"), (["--replicas", "1"], "must be from 2 to")]
)
def test_arguments_that_make_no_burst_are_refused(arguments: list[str], words: str) -> None:
    command = (sys.executable, "-m", "loadtest.burst", *arguments)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert words in done.stderr


def test_without_haproxy_the_burst_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name, **_options: None)
    with pytest.raises(RuntimeError, match="apt-get install haproxy"):
        burst.run(burst.Plan())
    # Else this process would keep what later tests' executors leave behind.
    adopts = ctypes.c_int(-1)
    # SAFETY: the kernel writes one int to where it is told, and that lives until the call returns.
    prctl(_PR_GET_CHILD_SUBREAPER, ctypes.addressof(adopts))
    assert adopts.value == 0


def test_locust_s_students_are_served_by_an_executor(executor: Executor) -> None:
    command = (
        sys.executable, "-m", "locust", "-f", "loadtest/locustfile.py", "--host", executor.url, "--headless", "--users", "5",
        "--spawn-rate", "5", "--run-time", "12s", "--only-summary",
    )  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=environment({}), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "0(0.00%)" in done.stderr + done.stdout
