"""Work that one of several replicas is to do: which one has it, which one may take it over, and what came of it.

Nothing here is ever changed in place, but for a replica's own sign of life: everything else is a file that can be created
once, which every kind of store does for exactly one of those that try. So a piece of work has at most one result.

    accepted/<kind>/<scope>/<token>    the work, with its first owner
    claims/<kind>/<scope>/<token>-2    its second owner, and so on
    results/<kind>/<scope>/<token>     what came of it, with the time at which it is forgotten
    replicas/<owner>                   a sign of life: the tokens of all that the replica still has
    sweeps/<number>                    who deletes what is too old in this period
"""

import asyncio
import logging
import random
import time
import uuid
from typing import NamedTuple

from runtime.store.blobs import BlobStore
from runtime.store.errors import StoreError

_log = logging.getLogger(__name__)
#: How many replicas may begin a piece of work before it is given up: it may be what ends them.
MOST_OWNERS = 5
#: All that is kept here; a store's own rule may delete it as well, once it is old.
PARTS = ("accepted", "claims", "results", "replicas", "sweeps")
_TIME_BYTES = 8
_OWNER_BYTES = 32
_HEAD_BYTES = _TIME_BYTES + _OWNER_BYTES
# How many pieces a look asks about, which are up to four requests to the store each.
_MOST_LOOKED_AT = 50
# What is not a result is deleted after this time at the earliest.
_LEAST_AGE_SECONDS = 3600.0
_SWEEP_SECONDS = (60.0, 3600.0)


class Place(NamedTuple):
    """Where a piece of work is: the interface that it came through, whose it is, and its token."""

    kind: str
    scope: str
    token: str


class _Claim(NamedTuple):
    """The latest owner of a piece of work; `made` is in seconds of the epoch, by the owner's clock."""

    number: int
    owner: str
    made: float


class Taken(NamedTuple):
    """A piece of work that is this replica's now; `is_last` says that nobody should try it again."""

    payload: bytes
    is_last: bool


class PendingWork:
    """This replica's part in the work that all replicas of one store have in common.

    An owner that gives no sign of life for `lease_seconds` is taken to be gone. Clocks may differ by a small part of that.
    """

    def __init__(self, store: BlobStore, lease_seconds: float) -> None:
        self._store = store
        self._lease = lease_seconds
        self._owner = uuid.uuid4().hex
        self._held: dict[str, int] = {}
        self._signing = asyncio.Lock()
        self._swept = -1

    @property
    def holds(self) -> bool:
        """Whether anything is this replica's to do."""
        return bool(self._held)

    async def add(self, place: Place, payload: bytes) -> None:
        """Keeps new work, which is this replica's; raises StoreUnavailableError."""
        self._held[place.token] = 1
        try:
            await self._store.create_named(_where("accepted", place), place.token, self._head() + payload)
        except BaseException:
            self._held.pop(place.token, None)
            raise

    async def payload(self, place: Place) -> bytes | None:
        """The work at this place, or None where there is none that waits; raises StoreUnavailableError."""
        found = await self._store.get_named(_where("accepted", place), place.token)
        return found[_HEAD_BYTES:] if found else None

    async def result(self, place: Place) -> bytes | None:
        """What came of the work, unless that is too old; raises StoreUnavailableError."""
        found = await self._store.get_named(_where("results", place), place.token)
        if found is None or int.from_bytes(found[:_TIME_BYTES]) < time.time():
            return None
        return found[_TIME_BYTES:]

    async def conclude(self, place: Place, result: bytes, seconds: float) -> bool:
        """Keeps what came of the work for so long; False where another result is there. Raises StoreUnavailableError."""
        ends_at = int(time.time() + seconds).to_bytes(_TIME_BYTES)
        is_first = await self._store.create_named(_where("results", place), place.token, ends_at + result)
        claims = self._held.pop(place.token, 0)
        if claims:
            await self._delete(place, claims)
        return is_first

    async def _delete(self, place: Place, claims: int) -> None:
        try:
            await self._store.delete_named(_where("accepted", place), place.token)
            for number in range(2, claims + 1):
                await self._store.delete_named(_where("claims", place), f"{place.token}-{number}")
        except StoreError as error:
            _log.warning("work that is done stays in the store for a while: %s", error)

    async def take(self, place: Place) -> Taken | None:
        """Makes the work this replica's where nobody has it; else None. Raises StoreUnavailableError."""
        token = place.token
        if token in self._held:
            return None
        claim = await self._latest(place)
        if claim is None or await self._is_held(claim, token):
            return None
        number = claim.number + 1
        self._held[token] = number
        try:
            if await self._store.create_named(_where("claims", place), f"{token}-{number}", self._head()):
                payload = await self.payload(place)
                if payload is not None and not await self._store.has_named(_where("results", place), token):
                    return Taken(payload, number >= MOST_OWNERS)
                await self._delete(place, number)
        except BaseException:
            self._held.pop(token, None)
            raise
        self._held.pop(token, None)
        return None

    async def _latest(self, place: Place) -> _Claim | None:
        head = await self._store.get_named(_where("accepted", place), place.token, _HEAD_BYTES)
        if head is None:
            return None
        number = 1
        while further := await self._store.get_named(_where("claims", place), f"{place.token}-{number + 1}", _HEAD_BYTES):
            head, number = further, number + 1
        return _Claim(number, head[_TIME_BYTES:].decode(), _seconds(head))

    async def _is_held(self, claim: _Claim, token: str) -> bool:
        """Whether its owner has it still: by the latest sign of life, which for a new piece is the claim itself."""
        sign = await self._store.get_named("replicas", claim.owner)
        if sign is None or _seconds(sign) <= claim.made:
            return time.time() < claim.made + self._lease
        return time.time() < _seconds(sign) + self._lease and token in sign[_TIME_BYTES:].decode().split()

    async def sign(self) -> None:
        """Tells the others what this replica still has; raises StoreUnavailableError."""
        async with self._signing:  # an earlier sign must not take the place of a later one
            # The time comes first: what is added meanwhile is newer than the sign, and counts by its own time.
            now = _now()
            await self._store.put_named("replicas", self._owner, now + " ".join(self._held).encode())

    async def hand_back(self, tokens: set[str]) -> None:
        """Gives up these pieces, which others may take from now on; raises StoreUnavailableError."""
        for token in tokens:
            self._held.pop(token, None)
        await self.sign()

    async def give_up_all(self) -> None:
        """Gives up everything; raises StoreUnavailableError."""
        if self._held:
            await self.hand_back(set(self._held))

    async def left_over(self) -> list[Place]:
        """Pieces that have waited for so long that their owners may be gone; raises StoreUnavailableError."""
        found = [
            Place(file.scope.split("/")[1], file.scope.split("/")[2], file.name)
            async for page in self._store.list_named("accepted")
            for file in page
            if file.changed < time.time() - self._lease and file.name not in self._held
        ]
        # Each replica begins elsewhere, so that they are not all after the same ones.
        return random.sample(found, min(len(found), _MOST_LOOKED_AT))

    async def sweep(self, seconds: float) -> int:
        """Deletes what is older, once in a while, and by one replica of all; how many files. Raises StoreUnavailableError."""
        period = int(time.time() / min(max(seconds / 2, _SWEEP_SECONDS[0]), _SWEEP_SECONDS[1]))
        if period == self._swept:
            return 0
        self._swept = period
        if not await self._store.create_named("sweeps", str(period), b"x"):
            return 0
        count = await self._delete_older("results", seconds)
        for part in PARTS:
            if part != "results":
                count += await self._delete_older(part, max(seconds, _LEAST_AGE_SECONDS))
        return count

    async def _delete_older(self, scope: str, seconds: float) -> int:
        count = 0
        async for page in self._store.list_named(scope):
            for file in page:
                if file.changed < time.time() - seconds - 1:
                    await self._store.delete_named(file.scope, file.name)
                    count += 1
            await asyncio.sleep(0)
        return count

    def _head(self) -> bytes:
        return _now() + self._owner.encode()


def _where(part: str, place: Place) -> str:
    return f"{part}/{place.kind}/{place.scope}"


def _now() -> bytes:
    return int(time.time() * 1000).to_bytes(_TIME_BYTES)


def _seconds(head: bytes) -> float:
    return int.from_bytes(head[:_TIME_BYTES]) / 1000
