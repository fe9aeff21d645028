"""Admission: which submission gets one of a few slots, which one waits for how long, and which one is refused."""

import asyncio
import bisect
import itertools
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Generic, Literal, NamedTuple, TypeVar

Item = TypeVar("Item")
Reason = Literal["queue_full", "queue_timeout", "displaced"]
_RETRY_AFTER = 1


class Wait(NamedTuple):
    """How long a submission may wait for a slot, in seconds, and how many may be waiting already when it comes."""

    seconds: float
    length: int


class Busy(Exception):  # noqa: N818 - the condition's own name, as in the API
    """No slot within the wait, or too many are waiting already. `retry_after` is in seconds."""

    def __init__(self, message: str, reason: Reason, retry_after: int = _RETRY_AFTER) -> None:
        """Takes a `message` for a person and a `reason` for a counter."""
        super().__init__(message)
        self.reason: Reason = reason
        self.retry_after = retry_after


class _User:
    """A user who holds or waits for slots: how many, and the turn of the next submission."""

    __slots__ = ("next_turn", "present")

    def __init__(self) -> None:
        self.present = 0
        self.next_turn = 0


class _Waiter(Generic[Item]):
    __slots__ = ("future", "number", "turn", "user")

    def __init__(self, turn: int, number: int, user: _User, future: asyncio.Future[Item]) -> None:
        self.turn = turn
        self.number = number
        self.user = user
        self.future = future

    @property
    def place(self) -> tuple[int, int]:
        """The queue's order: by turn, and within a turn by coming."""
        return self.turn, self.number


class Admission(Generic[Item]):
    """Hands each of `items` to one holder at a time, and is fair to users.

    This is start-time fair queueing (Goyal, Vin and Cheng, 1996) with every submission counting the same: a user's next
    submission has the turn after the one before, or the present turn if that is later, and the lowest turn is served
    first. So users take turns, each user's own submissions go in the order of their coming, and a user without
    submissions here comes before the second submission of any other. A full queue is shared in the same way: its last
    submission gives up the place to a new one with a lower turn.
    """

    def __init__(self, items: Sequence[Item], *, queue_length: int, queue_seconds: float) -> None:
        """At most `queue_length` wait at the same time, each at most `queue_seconds`."""
        self._free = deque(items)
        self._queue: list[_Waiter[Item]] = []
        self._usual = Wait(queue_seconds, queue_length)
        self._users: dict[str, _User] = {}
        self._turn = 0
        self._numbers = itertools.count()
        self.total = len(items)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._queue)

    @property
    def held(self) -> int:
        """How many items are in use."""
        return self.total - len(self._free)

    @asynccontextmanager
    async def slot(self, name: str, wait: Wait | None = None) -> AsyncIterator[Item]:
        """One item for the length of the block, for the user `name`, with `wait` where it is not the usual one; raises Busy.

        A task that is cancelled while it waits gives up the place.
        """
        user = self._users.get(name)
        if user is None:
            user = self._users[name] = _User()
        user.present += 1
        try:
            turn = max(self._turn, user.next_turn)
            if self._free:
                item = self._free.popleft()
                self._turn, user.next_turn = turn, turn + 1
            else:
                item = await self._wait(turn, user, wait or self._usual)
            try:
                yield item
            finally:
                self.give_back(item)
        finally:
            user.present -= 1
            if not user.present:
                del self._users[name]

    def borrow(self) -> Item | None:
        """An item that no submission waits for, to be given back after a short use; None where there is none."""
        return self._free.popleft() if self._free and not self._queue else None

    async def _wait(self, turn: int, user: _User, wait: Wait) -> Item:
        if len(self._queue) >= wait.length:
            self._make_room(turn)
        waiter = _Waiter[Item](turn, next(self._numbers), user, asyncio.get_running_loop().create_future())
        user.next_turn = turn + 1
        bisect.insort(self._queue, waiter, key=lambda other: other.place)
        try:
            async with asyncio.timeout(wait.seconds):
                return await waiter.future
        except (TimeoutError, asyncio.CancelledError) as error:
            if waiter.future.cancelled():
                self._leave(waiter)
            elif waiter.future.exception() is None:
                self.give_back(waiter.future.result())  # the item was handed over at the very moment of giving up
            if isinstance(error, TimeoutError):
                raise Busy(f"no slot became free within {wait.seconds:g} s", "queue_timeout") from error
            raise

    def _make_room(self, turn: int) -> None:
        """Refuses the last in the queue where it comes after `turn`; raises Busy where it does not."""
        if not self._queue or self._queue[-1].turn <= turn:
            raise Busy(f"{len(self._queue)} submissions are waiting already", "queue_full")
        last = self._queue[-1]
        self._leave(last)
        if not last.future.done():
            last.future.set_exception(Busy("users with fewer submissions here came first", "displaced"))

    def _leave(self, waiter: _Waiter[Item]) -> None:
        if waiter in self._queue:  # or it was passed over already, because it had given up
            self._queue.remove(waiter)
        if waiter.user.next_turn == waiter.turn + 1:
            waiter.user.next_turn = waiter.turn

    def give_back(self, item: Item) -> None:
        """Hands the item to the submission that is next in the queue."""
        while self._queue:
            waiter = self._queue.pop(0)
            if not waiter.future.done():
                self._turn = waiter.turn
                waiter.future.set_result(item)
                return
        self._free.append(item)
