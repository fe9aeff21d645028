"""What an operator sees and does: metrics, log records, turns of users, an orderly end."""

import concurrent.futures
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from devtools.executor import ROOT, Executor, environment, running, until
from runtime.execution.process_tree import descendants
from runtime.execution.procfs import read
from runtime.observability.records import ExecutionRecord

_HELLO = {"language": "python", "code": "print('hidden words')", "stdin": "hidden words"}


@pytest.fixture(scope="module")
def watched() -> Iterator[Executor]:
    with running({"EXECUTOR_QUEUE_LENGTH": "3", "EXECUTOR_QUEUE_SECONDS": "20"}) as executor:
        yield executor


def _record(executor: Executor, request_id: str) -> dict[str, Any]:
    """The one record of a request."""
    assert until(lambda: any(record["request_id"] == request_id for record in executor.records))
    (record,) = [record for record in executor.records if record["request_id"] == request_id]
    return record


def _send(executor: Executor, body: dict[str, Any], request_id: str) -> httpx.Response:
    return executor.http.post("/execute", json=body, headers={"X-Request-ID": request_id})


def test_an_execution_is_counted_and_timed(watched: Executor) -> None:
    watched.execute("python", "print(1)")
    before = watched.metrics()
    watched.execute("python", "raise SystemExit(1)")
    watched.execute("python", "print(1)")
    assert until(lambda: watched.metrics()["executor_queue_seconds_count"] == before["executor_queue_seconds_count"] + 2)
    after = watched.metrics()
    for name, more in {
        'executor_executions_total{language="python",status="ok"}': 1,
        'executor_executions_total{language="python",status="runtime_error"}': 1,
        'executor_execution_seconds_count{language="python"}': 2,
    }.items():
        assert after[name] == before.get(name, 0) + more, name
    assert sum(value for name, value in after.items() if name.startswith("executor_warm_runs_total")) >= 3
    assert (after["executor_slots"], after["executor_slots_in_use"], after["executor_queue_length"]) == (1, 0, 0)
    assert after["executor_connections"] >= 1
    assert after["executor_ready"] == 1


def test_the_documentation_has_every_metric_and_every_field_of_the_log(watched: Executor) -> None:
    section = (ROOT / "docs/operations.md").read_text().split("## What to watch in a burst")[1].split("\n## ")[0]
    documented = {name for row in re.findall(r"^\|(.*?)\|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    watched.post({"language": "cobol", "code": "1"})
    families = re.findall(r"^# TYPE (executor_\w+) ", watched.http.get("/metrics").text, re.MULTILINE)
    assert documented == {*families, *ExecutionRecord.__struct_fields__, "event"}


def test_refusals_are_counted_by_their_reason(watched: Executor) -> None:
    watched.http.get("/nothing")
    watched.post({"language": "cobol", "code": "1"})
    assert {name for name in watched.metrics() if name.startswith("executor_refusals")} >= {
        'executor_refusals_total{reason="not_found"}', 'executor_refusals_total{reason="unknown_language"}',
    }  # fmt: skip


def test_a_record_tells_of_the_execution_and_nothing_of_the_program(watched: Executor) -> None:
    response = _send(watched, {**_HELLO, "user_id": "u 1", "question_id": "q1"}, "plain.1")
    assert response.headers["X-Request-ID"] == "plain.1"
    record = _record(watched, "plain.1")
    run = response.json()["run"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", record["time"])
    assert {name: record[name] for name in ("event", "language", "status", "user_id", "question_id")} == {
        "event": "execution", "language": "python", "status": "ok", "user_id": "u 1", "question_id": "q1",
    }  # fmt: skip
    assert [record[name] for name in ("cpu_time", "wall_time", "memory")] == [
        run[name] for name in ("cpu_time", "wall_time", "memory")
    ]
    assert record["total_time"] >= record["wall_time"]
    assert "hidden" not in str(record)


def test_a_judged_record_has_the_sum_of_its_runs(watched: Executor) -> None:
    cases = [{"id": str(number), "input": "", "expected_output": str(number)} for number in range(3)]
    results = _send(watched, {"language": "python", "code": "print(1)", "test_cases": cases}, "judge.1").json()[
        "test_results"
    ]
    record = _record(watched, "judge.1")
    assert (record["status"], record["passed"], record["total"]) == ("wrong_answer", 1, 3)
    assert record["cpu_time"] == pytest.approx(sum(result["cpu_time"] for result in results), abs=0.01)
    assert record["memory"] == max(result["memory"] for result in results)
    assert "user_id" not in record


def test_a_client_that_leaves_has_a_record_too(watched: Executor) -> None:
    with watched.occupied("left.1"):
        pass
    assert _record(watched, "left.1")["status"] == "cancelled"


@pytest.mark.parametrize("given", ["", "a b", "x" * 200, 'a"}\u00e9'])
def test_a_request_id_that_is_unfit_is_replaced(watched: Executor, given: str) -> None:
    headers = {b"X-Request-ID": given.encode()}
    response = watched.http.post("/execute", json={"language": "python", "code": "1"}, headers=headers)
    assert re.fullmatch(r"[0-9a-f]{16}", response.headers["X-Request-ID"])


def test_an_executor_whose_log_nobody_reads_goes_on(watched: Executor) -> None:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        (sys.executable, "-m", "runtime"), cwd=ROOT, env=environment({}), stdout=writing, stderr=subprocess.DEVNULL
    )
    os.close(writing)
    try:
        found = re.search(rb"http://[\d.:]+", os.read(reading, 4096))
        assert found
        executor = Executor(found[0].decode(), process.pid)
        body = {"language": "python", "code": "1", "user_id": "ü" * 256, "question_id": "\x01" * 256}
        for _ in range(50):  # a pipe holds 64 KiB, and each record is above 2
            assert executor.post(body).status_code == 200
        executor.http.close()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        os.close(reading)
    assert watched.health()["status"] == "healthy"


def _until_above(before: float, count: Callable[[], float]) -> bool:
    return until(lambda: count() > before)


def _in_turn(executor: Executor, submissions: list[dict[str, Any]]) -> list[int]:
    """Sends all while the slot is taken, one after the other; returns the order in which they were served."""
    name = f"turn.{len(executor.records)}"

    def arrived() -> float:
        """How many wait, or have been sent away from the queue."""
        metrics = executor.metrics()
        refused = (f'executor_refusals_total{{reason="{reason}"}}' for reason in ("displaced", "queue_full"))
        return metrics["executor_queue_length"] + sum(metrics.get(name, 0) for name in refused)

    def served() -> list[int]:
        records = [record for record in executor.records if record["request_id"].startswith(f"{name}.")]
        return [int(record["request_id"].rpartition(".")[2]) for record in records]

    with concurrent.futures.ThreadPoolExecutor(len(submissions)) as pool:
        sent = []
        with executor.occupied():
            for number, submission in enumerate(submissions):
                before = arrived()
                body = {"language": "python", "code": "1", **submission}
                sent.append(pool.submit(_send, executor, body, f"{name}.{number}"))
                assert _until_above(before, arrived)
        statuses = [each.result().status_code for each in sent]
    assert until(lambda: len(served()) == statuses.count(200))
    return served()


def test_many_submissions_of_one_user_do_not_delay_anothers_first(watched: Executor) -> None:
    assert _in_turn(watched, [{"user_id": "a"}, {"user_id": "a"}, {"user_id": "b"}]) == [0, 2, 1]


def test_a_full_queue_keeps_a_place_for_everybody(watched: Executor) -> None:
    assert _in_turn(watched, [{"user_id": "a"}] * 3 + [{"user_id": "b"}, {"user_id": "a"}]) == [0, 3, 1]
    assert watched.metrics()['executor_refusals_total{reason="displaced"}'] >= 1
    assert watched.metrics()['executor_refusals_total{reason="queue_full"}'] >= 1


def test_without_a_user_the_address_counts(watched: Executor) -> None:
    assert _in_turn(watched, [{}, {}, {"user_id": "b"}]) == [0, 2, 1]


def test_probes_and_metrics_do_not_wait(watched: Executor) -> None:
    with watched.occupied():
        for path in ("/health", "/ready", "/metrics", "/openapi.json", "/docs"):
            assert watched.http.get(path).status_code == 200
        assert watched.metrics()["executor_slots_in_use"] == 1


def test_after_sigterm_work_is_finished_and_new_work_refused() -> None:
    with running({"EXECUTOR_QUEUE_SECONDS": "10"}) as executor, concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert executor.pid
        slow = [pool.submit(executor.execute, "python", "import time; time.sleep(2.5); print(7)") for _ in range(2)]
        assert until(lambda: executor.metrics()["executor_queue_length"] == 1)
        os.kill(executor.pid, signal.SIGTERM)
        assert until(lambda: httpx.get(f"{executor.url}/ready").status_code == 503)
        refused = httpx.post(f"{executor.url}/execute", json=_HELLO)
        assert (refused.status_code, refused.json()["code"]) == (503, "draining")
        assert int(refused.headers["Retry-After"]) >= 1
        assert [each.result()["stdout"] for each in slow] == ["7\n", "7\n"]


def test_signals_without_end_do_not_keep_a_server_from_cleaning_up() -> None:
    with running() as executor:
        assert executor.pid
        assert executor.execute("python", "print(7)")["stdout"] == "7\n"
        state = Path(f"/proc/{executor.pid}/stat")
        while b") Z " not in state.read_bytes():
            os.kill(executor.pid, signal.SIGTERM)


def test_a_server_that_is_killed_takes_everything_with_it_and_no_traceback_is_left(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        command = (sys.executable, "-m", "runtime")
        process = subprocess.Popen(command, cwd=ROOT, env=environment({}), stdout=subprocess.PIPE, stderr=file, text=True)
    assert process.stdout
    url = process.stdout.readline().split()[2]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        asked = pool.submit(httpx.post, f"{url}/execute", json={"language": "bash", "code": "sleep 60"}, timeout=60)
        assert until(lambda: any(read(f"/proc/{pid}/cmdline") == b"sleep\x0060\0" for pid in descendants([process.pid])))
        members = descendants([process.pid])
        process.kill()
        process.wait()
        assert isinstance(asked.exception(), httpx.TransportError)
    process.stdout.close()
    assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in members[1:]))
    assert "Traceback" not in log.read_text()
