"""What a replica could not run because its host kept it from a processor is sent again; other verdicts hold."""

import json
import socket
from typing import Any

import pytest
from executor_client import Backoff, ExecutorClient, TestCase

from tests.client.misbehaving import http, misbehaving, says

_RUN = {"stdout": "", "stderr": "", "code": None, "signal": "SIGKILL", "status": "overloaded"}
_OK = {**_RUN, "status": "ok", "code": 0, "signal": None}
_QUICK = Backoff(base=0.01, cap=0.02)


def _answer(**fields: Any) -> bytes:
    return http("200 OK", "application/json", json.dumps({"language": "python", **fields}).encode())


def _judged(*statuses: str, first: int = 0, **fields: Any) -> bytes:
    results = [{"id": str(number), "status": status} for number, status in enumerate(statuses, first)]
    status = next((each for each in statuses if each != "accepted"), "accepted")
    return _answer(
        status=status, passed=statuses.count("accepted"), total=len(statuses), test_results=results, **fields
    )  # fmt: skip


def _cases(count: int) -> list[TestCase]:
    return [TestCase(str(number), "", "") for number in range(count)]


def test_a_plain_run_is_tried_again() -> None:
    with (
        misbehaving(says(_answer(run=_RUN), _answer(run=_RUN), _answer(run=_OK))) as server,
        ExecutorClient(server.url, deadline=20, backoff=_QUICK) as client,
    ):
        assert client.execute("python", "print(1)").run.status == "ok"
    assert len(server.heads) == 3


def test_only_the_overloaded_cases_are_judged_again_and_the_verdicts_are_put_together() -> None:
    bodies: list[dict[str, Any]] = []
    first = _judged("accepted", "overloaded", "wrong_answer", "overloaded")

    def behave(connection: socket.socket, before: int) -> None:
        connection.sendall((first, _judged("accepted", "runtime_error"))[before])

    with misbehaving(behave, bodies) as server, ExecutorClient(server.url, deadline=20, backoff=_QUICK) as client:
        answer = client.judge("python", "print(1)", _cases(4))
    assert [[case["id"] for case in body["test_cases"]] for body in bodies] == [["0", "1", "2", "3"], ["1", "3"]]
    assert [case.status for case in answer.test_results] == ["accepted", "accepted", "wrong_answer", "runtime_error"]
    assert (answer.status, answer.passed, answer.total) == ("wrong_answer", 2, 4)


def test_a_compile_step_that_was_starved_is_done_again() -> None:
    starved = _judged("overloaded", "overloaded", compile={**_RUN})
    with (
        misbehaving(says(starved, _judged("accepted", "accepted", compile=_OK))) as server,
        ExecutorClient(server.url, deadline=20, backoff=_QUICK) as client,
    ):
        answer = client.judge("c", "int main;", _cases(2))
    assert (answer.status, answer.passed) == ("accepted", 2)
    assert answer.compile is not None
    assert answer.compile.status == "ok"


@pytest.mark.parametrize("later", [_judged("overloaded"), http("429 Busy", "application/problem+json", b'{"code":"busy"}')])
def test_what_stays_overloaded_within_the_deadline_is_said_so_and_the_rest_is_kept(later: bytes) -> None:
    with (
        misbehaving(says(_judged("accepted", "overloaded"), later)) as server,
        ExecutorClient(server.url, deadline=1, backoff=_QUICK) as client,
    ):
        answer = client.judge("python", "print(1)", _cases(2))
    assert [case.status for case in answer.test_results] == ["accepted", "overloaded"]
    assert (answer.status, answer.passed, answer.total) == ("overloaded", 1, 2)
    assert len(server.heads) > 2
