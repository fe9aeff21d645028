"""A session pool whose sessions are all taken answers 404, not 429."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
from executor_client import BusyError, ExecutorClient, UnexpectedAnswerError

from tests.client.misbehaving import GOOD, http, misbehaving, says

FULL = http("404 Not Found", "text/plain", b"no session is left")


class _Credential:
    async def get_token(self, *_scopes: str) -> Any:
        return SimpleNamespace(token="a token", expires_on=int(time.time()) + 3600)  # noqa: S106 - it opens nothing


def test_a_full_pool_is_asked_again_and_answers_once_a_session_is_free() -> None:
    with misbehaving(says(FULL, FULL, GOOD)) as pool:
        with ExecutorClient(pool.url, session_pool=True, credential=_Credential()) as client:
            assert client.execute("python", "print(42)", user_id="ann").run.stdout == "42\n"
        assert len(pool.heads) == 3


def test_a_pool_that_stays_full_is_busy_and_says_what_else_it_could_be() -> None:
    options: dict[str, Any] = {"session_pool": True, "credential": _Credential(), "deadline": 2.0}
    full = pytest.raises(BusyError, match="all sessions of the pool are taken, or there is no pool at this URL")
    with misbehaving(says(FULL)) as pool, ExecutorClient(pool.url, **options) as client, full:
        client.execute("python", "print(42)", user_id="ann")


def test_without_a_pool_404_is_no_answer_of_an_executor_s() -> None:
    with misbehaving(says(FULL)) as server, ExecutorClient(server.url) as client:
        with pytest.raises(UnexpectedAnswerError, match="is the URL right"):
            client.execute("python", "print(42)")
        assert len(server.heads) == 1
