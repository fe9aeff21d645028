"""Submissions without an open request: `Prefer: respond-async`."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from executor_client import AsyncExecutorClient, Execution, InvalidRequestError, Judgement, Submission, TestCase

from devtools.executor import Executor, running, until
from devtools.local_http import Handler, serving

_ASYNC = {"Prefer": "respond-async"}


def _start(executor: Executor, code: str = "print(1)", query: str = "", **options: Any) -> httpx.Response:
    headers = _ASYNC | options.pop("headers", {})
    body = {"language": "python", "code": code, **options}
    return executor.http.post(f"/execute{query}", json=body, headers=headers)


def _done(executor: Executor, place: str, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def is_done() -> bool:
        response = executor.http.get(place, **options)
        assert response.status_code == 200, response.text
        found.clear()
        found.update(response.json())
        assert ("Retry-After" in response.headers) == (found["status"] != "done")
        return bool(found["status"] == "done")

    assert until(is_done, 30)
    return found


def test_a_submission_is_accepted_and_asked_for_later(executor: Executor) -> None:
    response = _start(executor, "print(6 * 7)", user_id="u")
    assert response.status_code == 202
    assert response.headers["Preference-Applied"] == "respond-async"
    assert response.json()["status"] == "queued"
    found = _done(executor, response.headers["Location"])
    assert (found["answer"]["run"]["stdout"], found["answer"]["user_id"]) == ("42\n", "u")
    plain = executor.post({"language": "python", "code": "print(6 * 7)", "user_id": "u"}).json()
    assert set(found["answer"]) == set(plain)


@pytest.mark.parametrize(
    ("prefer", "status"),
    [("Respond-Async", 202), ("wait=5, respond-async;x=1", 202), ("respond-async-not", 200), ("return=minimal", 200)],
)
def test_a_preference_is_a_name_in_whatever_case(executor: Executor, prefer: str, status: int) -> None:
    assert _start(executor, "print(1)", headers={"Prefer": prefer}).status_code == status


def test_one_that_waits_for_a_slot_says_so(executor: Executor) -> None:
    places = [_start(executor, "import time; time.sleep(0.7)").headers["Location"] for _ in range(3)]
    assert executor.http.get(places[-1]).json()["status"] == "queued"
    assert until(lambda: executor.http.get(places[0]).json()["status"] != "queued")
    assert {_done(executor, place)["answer"]["run"]["status"] for place in places} == {"ok"}


def test_what_is_wrong_is_refused_at_once(executor: Executor) -> None:
    response = executor.http.post("/execute", json={"language": "cobol", "code": "1"}, headers=_ASYNC)
    assert (response.status_code, response.json()["code"]) == (422, "unknown_language")
    response = _start(executor, query="?callback=http://169.254.169.254/")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "callback")


@pytest.mark.parametrize("name", ["none", "0" * 32, "..%2f..%2fx", "a" * 300])
def test_one_that_is_not_there_is_not_found(executor: Executor, name: str) -> None:
    response = executor.http.get(f"/executions/{name}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_only_so_many_wait_and_each_is_its_owners(tmp_path: Path) -> None:
    keys = ",".join(f"{name}:{hashlib.sha256(name.encode()).hexdigest()}" for name in ("one", "two"))
    settings = {"EXECUTOR_API_KEYS": keys, "EXECUTOR_ACCEPTED_MOST": "2", "EXECUTOR_STORE": f"file://{tmp_path}"}
    mine, other = {"X-API-Key": "one"}, {"X-API-Key": "two"}
    with running(settings) as second:
        with running(settings) as first:
            places = [_start(first, "import time; time.sleep(2)", headers=mine).headers["Location"] for _ in range(2)]
            response = _start(first, headers=mine)
            assert (response.status_code, response.json()["code"]) == (429, "busy")
            assert first.http.get(places[0], headers=other).status_code == 404
        # The first replica has ended what it had accepted, and the store has it.
        for place in places:
            assert _done(second, place, headers=mine)["answer"]["run"]["status"] == "ok"
            assert second.http.get(place, headers=other).status_code == 404


def test_a_result_is_sent_to_a_host_that_is_allowed() -> None:
    taken: list[bytes] = []

    class Listener(Handler):
        def respond(self) -> None:
            taken.append(self.body())
            self.answer(204)

    with serving(Listener) as port:
        settings = {"EXECUTOR_CALLBACK_HOSTS": f"localhost:{port}", "EXECUTOR_TEST_PRIVATE_CALLBACKS": "1"}
        with running(settings) as server:
            assert _start(server, query=f"?callback=http://localhost:{port}/x").status_code == 202
            assert until(lambda: taken)
    assert b'"status":"done"' in taken[0]
    assert b'"stdout":"1\\n"' in taken[0]


def _with_client(executor: Executor, talk: Callable[[AsyncExecutorClient], Awaitable[Any]]) -> Any:
    async def connect() -> Any:
        async with AsyncExecutorClient(executor.url) as client:
            return await talk(client)

    return asyncio.run(connect())


@pytest.mark.parametrize(
    ("cases", "shape"), [(None, Execution), ((TestCase(id="a", input="", expected_output="1"),), Judgement)]
)
def test_the_client_starts_one_and_asks_for_its_result(executor: Executor, cases: Any, shape: type) -> None:
    async def talk(client: AsyncExecutorClient) -> Any:
        identifier = await client.start(Submission(language="python", code="print(1)", test_cases=cases))
        while (found := await client.result(identifier)) is None:
            await asyncio.sleep(0.05)
        return found

    assert isinstance(_with_client(executor, talk), shape)


def test_the_client_is_told_at_once_what_is_wrong(executor: Executor) -> None:
    with pytest.raises(InvalidRequestError, match="unknown language"):
        _with_client(executor, lambda client: client.start(Submission(language="cobol", code="1")))
