"""Blobs on this replica's disk: fetched once however many ask, checked before anybody reads them, and bounded."""

import asyncio
import contextlib
import errno
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from runtime.store.blobs import BlobStore
from runtime.store.errors import BlobTooLargeError

_FETCHES = 2


class BlobCache:
    """Keeps the blobs used last, at most `most_bytes` of them, in a folder that nothing else writes to.

    Each of those that are on their way, which are two at most, may take as much again.
    """

    def __init__(
        self, store: BlobStore, folder: Path, most_bytes: int, dropped: Callable[[str], object] = lambda _: None
    ) -> None:
        """The folder is made with the first blob. `dropped` is told each blob that goes.

        A blob that somebody has open takes room on the disk until it is closed.
        """
        self._store = store
        self._folder = folder
        self._most = most_bytes
        self._dropped = dropped
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._parts = 0
        self._ways = asyncio.Semaphore(_FETCHES)
        #: Blobs that were fetched from the store so far.
        self.fetched = 0

    @property
    def held_bytes(self) -> int:
        """Bytes in use on the disk."""
        return sum(self._sizes.values())

    async def open(self, digest: str) -> int:
        """A descriptor for reading the blob, which stays readable whatever the cache drops; the caller closes it.

        Raises BlobTooLargeError, and what `BlobStore.get` raises, to everybody who waits for the same blob.
        """
        while digest not in self._sizes:
            fetch = self._fetching.get(digest)
            if fetch is None:
                fetch = self._fetching[digest] = asyncio.create_task(self._fetch(digest))
                fetch.add_done_callback(lambda _: self._fetching.pop(digest, None))
            # One of those who wait may leave, and the others still get the blob.
            await asyncio.shield(fetch)
        self._sizes.move_to_end(digest)
        return os.open(self._place(digest), os.O_RDONLY | os.O_CLOEXEC)

    async def _fetch(self, digest: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._parts += 1
        part = self._folder / f"part-{self._parts}"
        async with self._ways:
            try:
                size = await self._store.get(digest, part, self._most)
            except OSError as error:
                raise _no_room(error, self._most) from error
        self.fetched += 1
        self._keep(digest, part, size)

    def _keep(self, digest: str, part: Path, size: int) -> None:
        while self._sizes and self.held_bytes + size > self._most:
            oldest, _ = self._sizes.popitem(last=False)
            with contextlib.suppress(FileNotFoundError):
                self._place(oldest).unlink()
            self._dropped(oldest)
        part.rename(self._place(digest))
        self._sizes[digest] = size

    def _place(self, digest: str) -> Path:
        return self._folder / digest.partition(":")[2]


def _no_room(error: OSError, most_bytes: int) -> BlobTooLargeError:
    if error.errno == errno.EFBIG:
        return BlobTooLargeError(f"the blob is larger than the cache, which has {most_bytes >> 20} MiB")
    return BlobTooLargeError(f"this replica's disk has no room for the blob: {error.strerror or error}")
