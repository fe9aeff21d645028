"""Work that is accepted without its result: it is run when a slot is free, and its result is kept for a while."""

import asyncio
import contextlib
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

import msgspec

from runtime.http.problems import BusyError, NoRoomError, StoreUnavailableRefusal
from runtime.http.requests import Call
from runtime.http.submissions import Sender, Served, Submissions
from runtime.settings import Settings
from runtime.store.errors import StoreError

if TYPE_CHECKING:
    from runtime.store.pending import PendingWork, Place

_log = logging.getLogger(__name__)
_AGAIN_SECONDS = 0.05
# Between two tries to put a result into a store that is away.
_LONGEST_PAUSE_SECONDS = 15.0
# How often at most to look whether work that another replica has may be taken over, and of how many pieces that is known.
_LOOK_SECONDS, _MOST_LOOKS = 1.0, 10_000


class Accepted(msgspec.Struct, frozen=True):
    """A piece of accepted work, as the store has it: all that another replica needs to do it."""

    caller: str
    token: str
    #: What is shown of it until there is a result.
    document: bytes
    #: What there is to do, in the interface's own form.
    task: bytes


class Interface(Protocol):
    """What accepts work, and knows how to do it."""

    async def work(self, accepted: Accepted) -> None:
        """Does it, and concludes it."""

    async def give_up(self, accepted: Accepted) -> None:
        """Concludes it without another try, after several replicas were lost over it."""


class _Kept(msgspec.Struct):
    document: bytes
    ends_at: float


class AcceptedWork:
    """The work of one interface, each piece under a token that nobody can guess.

    Where there is a store, the work and its result are there: every replica finds them, and another replica takes over
    what one that stops has not begun, or one that is lost has not ended. Without a store, a replica ends what it has
    accepted before it stops.
    """

    def __init__(
        self, submissions: Submissions, interface: Interface, *, kind: str, settings: Settings, pending: "PendingWork | None"
    ) -> None:
        self._submissions = submissions
        self._interface = interface
        self._kind = kind
        self._most = settings.accepted_most
        self._most_bytes = settings.accepted_mb << 20
        self._seconds = settings.accepted_seconds
        self._pending = pending
        self._turns = asyncio.Semaphore(submissions.slots)
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._kept_bytes = 0
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._begun: set[tuple[str, str]] = set()
        self._later: set[asyncio.Future[None]] = set()
        self._looks: dict[str, float] = {}

    @property
    def waiting(self) -> int:
        """Pieces that have no result yet."""
        return len(self._tasks)

    def has_room(self, count: int) -> bool:
        """Whether so many more may be accepted."""
        return self.waiting + count <= self._most

    async def accept(self, accepted: Accepted) -> None:
        """Has it done in its turn. Raises DrainingError, and StoreUnavailableRefusal where the store cannot keep it."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._submissions.accepting())
            if self._pending is not None:
                try:
                    await self._pending.add(self._place(accepted.caller, accepted.token), msgspec.msgpack.encode(accepted))
                except StoreError as error:
                    raise StoreUnavailableRefusal(f"{error}.", headers={"Retry-After": "1"}) from error
            self._begin(accepted, stack.pop_all(), self._interface.work)

    def _begin(self, accepted: Accepted, stack: contextlib.ExitStack, do: Callable[[Accepted], Awaitable[None]]) -> None:
        key = accepted.caller, accepted.token
        self._keep(key, accepted.document)

        async def serve() -> None:
            with stack:
                try:
                    await do(accepted)
                except Exception:  # noqa: BLE001 - nobody waits for it: it is logged whole
                    _log.exception("unexpected error in accepted work")
                    await self._interface.give_up(accepted)

        task = asyncio.create_task(serve())
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._end(key, stack))

    def _end(self, key: tuple[str, str], stack: contextlib.ExitStack) -> None:
        del self._tasks[key]
        self._begun.discard(key)
        stack.close()  # of one that was cancelled before it ran at all

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

    def begun(self, caller: str, token: str, document: bytes) -> None:
        """The work is being done, which this replica alone knows; from now on it is not handed back."""
        key = caller, token
        if key in self._tasks:
            self._begun.add(key)
        if key in self._kept:
            self._keep(key, document)

    async def conclude(self, caller: str, token: str, document: bytes) -> bool:
        """Keeps what came of the work; False where another replica was before, whose result is the one that counts."""
        key = caller, token
        pause = _AGAIN_SECONDS
        while self._pending is not None:
            try:
                if not await self._pending.conclude(self._place(caller, token), document, self._seconds):
                    self._forget(key)
                    return False
                break
            except StoreError as error:
                _log.error("a result is on this replica alone: %s", error)
                if key not in self._tasks:
                    break  # somebody has waited for it and gets it now
            # No result is shown before it is the only one that there can be.
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        self._keep(key, document)
        return True

    async def find(self, caller: str, token: str) -> bytes | None:
        """The latest state of the caller's work with this token, or None; raises StoreUnavailableError."""
        kept = self._kept.get((caller, token))
        if kept is not None:
            return kept.document if kept.ends_at >= time.time() else None
        if self._pending is None or not _is_name(token):
            return None
        place = self._place(caller, token)
        if (result := await self._pending.result(place)) is not None:
            return result
        payload = await self._pending.payload(place)
        if payload is None:
            # It may have been concluded between the two questions.
            return await self._pending.result(place)
        if self._may_look(token):
            self.afterwards(self.take_over(place))
        return msgspec.msgpack.decode(payload, type=Accepted).document

    def _may_look(self, token: str) -> bool:
        now = time.monotonic()
        if self._looks.get(token, 0) > now:
            return False
        if len(self._looks) >= _MOST_LOOKS:
            self._looks.clear()
        self._looks[token] = now + _LOOK_SECONDS
        return True

    async def take_over(self, place: "Place") -> None:
        """Begins work that nobody has, as far as there is room."""
        if self._pending is None or self._submissions.draining or not self.has_room(1):
            return
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._submissions.accepting())
            try:
                taken = await self._pending.take(place)
            except StoreError as error:
                _log.warning("work that another replica has left was not taken over: %s", error)
                return
            if taken is not None:
                _log.warning("%s %s, which another replica has left, is taken over", self._kind, place.token)
                accepted = msgspec.msgpack.decode(taken.payload, type=Accepted)
                do = self._interface.give_up if taken.is_last else self._interface.work
                self._begin(accepted, stack.pop_all(), do)

    async def hand_back(self) -> None:
        """Gives up what has not begun, so that another replica can have it; without a store, nothing."""
        if self._pending is None:
            return
        waiting = {key: task for key, task in self._tasks.items() if key not in self._begun}
        for key, task in waiting.items():
            task.cancel()
            self._forget(key)
        try:
            await self._pending.hand_back({self._place(*key).token for key in waiting})
        except StoreError as error:
            _log.error("%d submissions are taken over later: %s", len(waiting), error)

    def _keep(self, key: tuple[str, str], document: bytes) -> None:
        self._forget(key)
        self._kept[key] = _Kept(document, time.time() + self._seconds)
        self._kept_bytes += len(document)
        while self._kept and (self._kept_bytes > self._most_bytes or next(iter(self._kept.values())).ends_at < time.time()):
            self._forget(next(iter(self._kept)))

    def _forget(self, key: tuple[str, str]) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._kept_bytes -= len(kept.document)

    def _place(self, caller: str, token: str) -> "Place":
        from runtime.store.pending import Place  # noqa: PLC0415 - only where a store is used

        return Place(self._kind, hashlib.sha256(caller.encode()).hexdigest()[:16], token.replace("-", ""))


def _is_name(token: str) -> bool:
    name = token.replace("-", "")
    return name.isascii() and name.isalnum() and len(name) <= 64
