"""Admission: who gets one of a few slots, who waits for how long, and who is turned away."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Busy(Exception):  # noqa: N818 - the condition's own name, as in the API
    """No slot within the wait, or too many are waiting already. `retry_after` is in seconds."""

    def __init__(self, reason: str, retry_after: int) -> None:
        """`reason` is for a person."""
        super().__init__(reason)
        self.retry_after = retry_after


class Admission(Generic[Item]):
    """Hands each of `items` to one holder at a time; first come, first served."""

    def __init__(self, items: Sequence[Item], *, queue_length: int, queue_seconds: float) -> None:
        """At most `queue_length` wait at the same time, each at most `queue_seconds`."""
        self._free = deque(items)
        self._waiting: deque[asyncio.Future[Item]] = deque()
        self._queue_length = queue_length
        self._queue_seconds = queue_seconds
        self._total = len(items)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def held(self) -> int:
        """How many items are in use."""
        return self._total - len(self._free)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Item]:
        """One item for the length of the block; raises Busy. Whoever is cancelled while waiting gives up the place."""
        item = self._free.popleft() if self._free else await self._wait()
        try:
            yield item
        finally:
            self._give_back(item)

    async def _wait(self) -> Item:
        if len(self._waiting) >= self._queue_length:
            raise Busy(f"{len(self._waiting)} submissions are waiting already", 1)
        future: asyncio.Future[Item] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            async with asyncio.timeout(self._queue_seconds):
                return await future
        except (TimeoutError, asyncio.CancelledError) as error:
            if future.done() and not future.cancelled():
                self._give_back(future.result())  # it was handed over at the very moment of giving up
            else:
                self._waiting.remove(future)
            if isinstance(error, TimeoutError):
                raise Busy(f"no slot became free within {self._queue_seconds:g} s", 1) from error
            raise

    def _give_back(self, item: Item) -> None:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(item)
                return
        self._free.append(item)
