"""Accepted work between replicas of one store: what one does not begin before it stops, or leaves behind, another does."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol, cast

from runtime.http.doors.door import Door
from runtime.http.doors.lazy import LazyDoor
from runtime.http.doors.opening import pending
from runtime.settings import Settings
from runtime.store.errors import StoreError

if TYPE_CHECKING:
    from runtime.http.accepted import AcceptedWork
    from runtime.store.pending import PendingWork

_log = logging.getLogger(__name__)
_SIGNS_A_LEASE = 3
# Asking for work that was left behind costs a request to the store: less often while there is none.
_MOST_LEASES_BETWEEN_LOOKS = 10


class _Accepting(Protocol):
    """A loaded door that accepts work."""

    accepted: "AcceptedWork"


class Handover:
    """This replica's giving and taking; it does nothing where there is no store."""

    def __init__(self, settings: Settings, doors: Iterable[Door]) -> None:
        self._settings = settings
        # By the names under which the store has their work.
        self._doors = {door.accepts: door for door in doors if isinstance(door, LazyDoor) and door.accepts}

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Takes over what others have left, for the length of the block; all that is left here then is free for others."""
        if not self._settings.store:
            yield
            return
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
            if any(self._loaded()):
                await self._give_up_all()

    async def hand_back(self) -> None:
        """Gives up all that has not begun."""
        for accepted in self._loaded():
            await accepted.hand_back()

    async def _give_up_all(self) -> None:
        work = cast("PendingWork", pending(self._settings))
        with contextlib.suppress(StoreError):
            await work.give_up_all()

    def _loaded(self) -> Iterator["AcceptedWork"]:
        for door in self._doors.values():
            if door.loaded is not None:
                yield cast(_Accepting, door.loaded).accepted

    async def _watch(self) -> None:
        lease = self._settings.test_lease_seconds
        tick = lease / _SIGNS_A_LEASE
        between = lease
        # Not all replicas of a burst at the same time; and no start waits for the library of the store.
        until_look = lease * random.uniform(0.5, 1.5)  # noqa: S311 - nobody gains by guessing it
        while True:
            await asyncio.sleep(tick)
            until_look -= tick
            try:
                await self._sign()
                if until_look <= 0:
                    between = lease if await self._look() else min(2 * between, _MOST_LEASES_BETWEEN_LOOKS * lease)
                    until_look = between
            except StoreError as error:
                _log.warning("accepted work in the store: %s", error)
            except Exception:  # noqa: BLE001 - the next look may find other work
                _log.exception("unexpected error with the accepted work of other replicas")

    async def _sign(self) -> None:
        if any(self._loaded()):
            work = cast("PendingWork", pending(self._settings))
            if work.holds:
                await work.sign()

    async def _look(self) -> bool:
        """Takes over what was left behind, as far as slots are free for it; whether any was there."""
        work = cast("PendingWork", pending(self._settings))
        deleted = await work.sweep(self._settings.accepted_seconds)
        if deleted:
            _log.info("%d results and other files that were too old are deleted from the store", deleted)
        found = await work.left_over()
        for place in found:
            door = self._doors.get(place.kind)
            if door is None:
                continue  # an interface that is not open here
            accepted = cast(_Accepting, door.door()).accepted
            if accepted.waiting < self._settings.concurrency:
                await accepted.take_over(place)
        return bool(found)
