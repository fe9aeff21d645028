"""Work that is accepted without its result: it is run when a slot is free, and its result is kept for a while."""

import asyncio
import contextlib
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from runtime.http.problems import BusyError, NoRoomError
from runtime.http.requests import Call
from runtime.http.submissions import Sender, Served, Submissions
from runtime.store.errors import StoreError

if TYPE_CHECKING:
    from runtime.store.blobs import BlobStore

_log = logging.getLogger(__name__)
_AGAIN_SECONDS = 0.05
_TIME_BYTES = 8


class _Kept:
    __slots__ = ("document", "ends_at", "size")

    def __init__(self, document: bytes, ends_at: float) -> None:
        self.document = document
        self.ends_at = ends_at
        self.size = len(document)


class AcceptedWork:
    """The work of one interface, each piece under a token that nobody can guess.

    Where there is a store, every replica finds a result there. A replica that is stopped first ends what it has accepted.
    """

    def __init__(
        self, submissions: Submissions, *, kind: str, most: int, most_bytes: int, seconds: float, store: "BlobStore | None"
    ) -> None:
        """At most `most` pieces wait, `most_bytes` are held in memory, and each is kept for `seconds` after a change."""
        self._submissions = submissions
        self._kind = kind
        self._most = most
        self._most_bytes = most_bytes
        self._seconds = seconds
        self._store = store
        self._turns = asyncio.Semaphore(submissions.slots)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._held = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._later: set[asyncio.Future[None]] = set()

    @property
    def waiting(self) -> int:
        """Pieces that have no result yet."""
        return len(self._tasks)

    def has_room(self, count: int) -> bool:
        """Whether so many more may be accepted."""
        return self.waiting + count <= self._most

    async def accept(self, caller: str, token: str, document: bytes, work: Callable[[], Awaitable[None]]) -> None:
        """Has `work` done in its turn; it calls `update` with each new state. Raises DrainingError."""
        stack = contextlib.ExitStack()
        stack.enter_context(self._submissions.accepting())
        await self.update(caller, token, document)
        task = asyncio.create_task(self._serve(work, stack))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, work: Callable[[], Awaitable[None]], stack: contextlib.ExitStack) -> None:
        with stack:
            try:
                await work()
            except Exception:  # noqa: BLE001 - nobody waits for it: it is logged whole
                _log.exception("unexpected error in accepted work")

    async def execute(self, call: Call, sender: Sender) -> Served:
        """Runs a submission once a slot is free, however long that takes; raises Refusal for other reasons."""
        async with self._turns:
            while True:
                try:
                    return await self._submissions.execute(call, sender, accepted=True)
                except (BusyError, NoRoomError):
                    await asyncio.sleep(_AGAIN_SECONDS)

    def afterwards(self, work: Awaitable[None]) -> None:
        """Has something done that nobody waits for."""
        task = asyncio.ensure_future(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def note(self, caller: str, token: str, document: bytes) -> None:
        """Keeps a state that passes, on this replica alone."""
        key = self._key(caller, token)
        if key in self._kept:
            self._forget(key)
            self._kept[key] = _Kept(document, time.time() + self._seconds)
            self._held += len(document)

    async def update(self, caller: str, token: str, document: bytes) -> None:
        """Keeps a new state."""
        key = self._key(caller, token)
        self._forget(key)
        self._kept[key] = _Kept(document, time.time() + self._seconds)
        self._held += len(document)
        while self._kept and (self._held > self._most_bytes or next(iter(self._kept.values())).ends_at < time.time()):
            self._forget(next(iter(self._kept)))
        if self._store is not None:
            ends_at = int(time.time() + self._seconds).to_bytes(_TIME_BYTES)
            try:
                await self._store.put_named(self._scope(caller), token.replace("-", ""), ends_at + document)
            except StoreError as error:
                _log.error("a result is on this replica alone: %s", error)

    async def find(self, caller: str, token: str) -> bytes | None:
        """The latest state of the caller's work with this token, or None; raises StoreUnavailableError."""
        kept = self._kept.get(self._key(caller, token))
        if kept is not None:
            return kept.document if kept.ends_at >= time.time() else None
        name = token.replace("-", "")
        if self._store is None or not (name.isascii() and name.isalnum()):
            return None
        found = await self._store.get_named(self._scope(caller), name)
        if found is None or int.from_bytes(found[:_TIME_BYTES]) < time.time():
            return None
        return found[_TIME_BYTES:]

    def _forget(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._held -= kept.size

    def _scope(self, caller: str) -> str:
        return f"{self._kind}-{hashlib.sha256(caller.encode()).hexdigest()[:16]}"

    @staticmethod
    def _key(caller: str, token: str) -> str:
        return f"{caller}\0{token}"
