"""Work that was accepted is done once, whatever becomes of the replica that has accepted it."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from devtools.executor import Executor, running, until
from devtools.local_http import Handler, serving
from runtime.store.blobs import BlobStore
from runtime.store.pending import MOST_OWNERS, PendingWork, Place

_PLACE = Place("execution", "somebody", "token1")
_OTHER = Place("execution", "somebody", "token2")
_SLEEP = "import time; time.sleep(1.5); print('first')"


def _replicas(url: str, count: int, lease_seconds: float = 30) -> list[PendingWork]:
    return [PendingWork(BlobStore(url, 20), lease_seconds) for _ in range(count)]


def test_work_of_a_replica_that_lives_is_nobody_elses(url: str) -> None:
    async def talk() -> None:
        owner, other = _replicas(url, 2)
        await owner.add(_PLACE, b"work")
        assert await other.take(_PLACE) is None
        await owner.sign()
        assert await other.take(_PLACE) is None
        assert await other.payload(_PLACE) == b"work"

    asyncio.run(talk())


def test_of_many_that_would_take_what_was_handed_back_one_does(url: str) -> None:
    async def talk() -> None:
        owner, *others = _replicas(url, 6)
        await owner.add(_PLACE, b"work")
        await owner.add(_OTHER, b"kept")
        await asyncio.sleep(0.01)
        await owner.hand_back({"token1"})
        taken = await asyncio.gather(*(other.take(_PLACE) for other in others))
        assert [each.payload for each in taken if each] == [b"work"]
        # What was not handed back is its owner's still.
        assert await others[0].take(_OTHER) is None

    asyncio.run(talk())


def test_work_of_a_replica_that_is_lost_is_free_after_the_lease_and_has_one_result_all_the_same(url: str) -> None:
    async def talk() -> None:
        owner, other = _replicas(url, 2, lease_seconds=3)
        await owner.add(_PLACE, b"work")
        assert await other.left_over() == []
        await asyncio.sleep(4.1)  # a store may tell times in whole seconds
        assert await other.left_over() == [_PLACE]
        assert (await other.take(_PLACE)) is not None
        # It was only slow.
        assert await owner.conclude(_PLACE, b"slow", 60)
        assert not await other.conclude(_PLACE, b"second", 60)
        assert await other.result(_PLACE) == b"slow"
        assert await other.payload(_PLACE) is None

    asyncio.run(talk())


def test_work_that_one_replica_after_another_is_lost_over_is_given_up(tmp_path: Path) -> None:
    async def talk() -> list[bool]:
        owner, *others = _replicas(f"file://{tmp_path}", MOST_OWNERS + 1, lease_seconds=0.01)
        await owner.add(_PLACE, b"work")
        found = []
        for other in others:
            await asyncio.sleep(0.05)
            taken = await other.take(_PLACE)
            assert taken is not None
            found.append(taken.is_last)
            if taken.is_last:
                break
        return found

    assert asyncio.run(talk()) == [False] * (MOST_OWNERS - 2) + [True]


def test_results_past_their_lifetime_are_deleted_by_one_replica(url: str) -> None:
    async def talk() -> None:
        first, second = _replicas(url, 2)
        await first.add(_PLACE, b"work")
        await first.conclude(_PLACE, b"result", 0.5)
        await asyncio.sleep(2.6)
        store = BlobStore(url, 20)
        assert await first.result(_PLACE) is None
        assert await store.has_named("results/execution/somebody", "token1")
        assert sorted([await first.sweep(0.5), await second.sweep(0.5)]) == [0, 1]
        assert not await store.has_named("results/execution/somebody", "token1")

    asyncio.run(talk())


class _Listener(Handler):
    taken: list[bytes]

    def respond(self) -> None:
        type(self).taken.append(self.body())
        self.answer(204)


@contextmanager
def _listening() -> Iterator[tuple[str, list[bytes]]]:
    """The address of a server that takes results, and those that it has taken."""
    taken: list[bytes] = []
    with serving(type("Listener", (_Listener,), {"taken": taken})) as port:
        yield f"localhost:{port}", taken


def _start(executor: Executor, code: str, query: str = "") -> str:
    body = {"language": "python", "code": code, "timeout": 5}
    response = executor.http.post(f"/execute{query}", json=body, headers={"Prefer": "respond-async"})
    assert response.status_code == 202, response.text
    return response.headers["Location"]


def _output(executor: Executor, place: str) -> str:
    found: dict[str, Any] = {}

    def is_done() -> bool:
        response = executor.http.get(place)
        assert response.status_code == 200, response.text
        found.update(response.json())
        return bool(found["status"] == "done")

    assert until(is_done, 40), found
    return str(found["answer"]["run"]["stdout"])


def _judged(executor: Executor, token: str) -> str:
    found: dict[str, Any] = {}

    def is_done() -> bool:
        found.update(executor.http.get(f"/judge0/submissions/{token}").json())
        return bool(found["status"]["id"] > 2)

    assert until(is_done, 40), found
    return str(found["stdout"])


def test_a_replica_that_is_stopped_ends_what_it_has_begun_and_hands_back_the_rest(url: str) -> None:
    settings = {"EXECUTOR_STORE": url}
    with running(settings) as second:
        with running(settings) as first:
            begun = _start(first, _SLEEP)
            assert until(lambda: first.http.get(begun).json()["status"] == "running")
            waiting = [_start(first, f"print({number})") for number in range(3)]
            batch = {"submissions": [{"language_id": 71, "source_code": f"print({number})"} for number in (7, 8)]}
            tokens = [answer["token"] for answer in first.http.post("/judge0/submissions/batch", json=batch).json()]
        assert len(first.records) == 1, "it has run more than it had begun"
        assert _output(second, begun) == "first\n"
        assert [_output(second, place) for place in waiting] == ["0\n", "1\n", "2\n"]
        for token, expected in zip(tokens, ("7\n", "8\n"), strict=True):
            assert _judged(second, token) == expected
        assert until(lambda: len(second.records) == 5)


def test_what_a_killed_replica_leaves_behind_is_done_and_told_once(url: str) -> None:
    with _listening() as (address, taken):
        settings = {
            "EXECUTOR_STORE": url, "EXECUTOR_TEST_LEASE_SECONDS": "2", "EXECUTOR_CALLBACK_HOSTS": address,
            "EXECUTOR_TEST_PRIVATE_CALLBACKS": "1",
        }  # fmt: skip
        with running(settings) as second, running(settings) as third:
            with running(settings, exit_code=-signal.SIGKILL) as first:
                places = [_start(first, _SLEEP, f"?callback=http://{address}/") for _ in range(3)]
                assert until(lambda: first.http.get(places[0]).json()["status"] == "running")
                assert first.pid
                os.kill(first.pid, signal.SIGKILL)
            # Nobody asks for them.
            assert until(lambda: len(taken) == 3, 60)
            assert [_output(second, place) for place in places] == ["first\n"] * 3
            assert until(lambda: len(second.records) + len(third.records) == 3)
        assert len(taken) == 3


def test_what_the_store_cannot_keep_is_not_accepted(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with running({"EXECUTOR_STORE": f"file://{folder}"}) as server:
        assert _output(server, _start(server, "print(1)")) == "1\n"
        (folder / "named" / "accepted").rename(tmp_path / "away")
        (folder / "named" / "accepted").touch()
        body = {"language": "python", "code": "print(1)"}
        response = server.http.post("/execute", json=body, headers={"Prefer": "respond-async"})
        assert (response.status_code, response.json()["code"]) == (503, "store_unavailable")
        response = server.http.post("/judge0/submissions", json={"language_id": 71, "source_code": "print(1)"})
        assert response.status_code == 503
