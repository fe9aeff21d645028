"""The problems of this replica: what is put goes into the store, and what is judged by comes out of it once."""

import asyncio
import itertools
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from runtime.languages.registry import Registry
from runtime.problems.model import Problem

if TYPE_CHECKING:  # what follows takes time and memory that a replica without problems does not spend
    from runtime.problems.canonical import Package
    from runtime.store.blobs import BlobStore
    from runtime.store.cache import BlobCache

_MB = 1 << 20
# Checked problems with their packages open; contents stay on the disk.
_OPEN = 64


class Opened(msgspec.Struct, frozen=True):
    """A problem and the package that has its contents, which stays readable as long as anybody holds this."""

    problem: Problem
    package: "Package"


class Library:
    """Puts packages and gets problems. Nothing is opened, and no folder made, before the first of them."""

    def __init__(
        self, *, store: str, folder: Path, registry: Registry, cache_mb: int, max_mb: int, store_seconds: float
    ) -> None:
        """`store` is a URL as `runtime.store.blobs` takes it; an empty one is a folder below `folder`, gone with it."""
        self._url = store or f"file://{folder}/store"
        self._folder = folder
        self._registry = registry
        self._cache_mb = cache_mb
        self._max_bytes = max_mb * _MB
        self._store_seconds = store_seconds
        self._blobs: BlobStore | None = None
        self._cache: BlobCache | None = None
        self._numbers = itertools.count()
        self._opened: OrderedDict[str, Opened] = OrderedDict()
        self._opening: dict[str, asyncio.Task[Opened]] = {}
        # The memory and the disk that checking takes is that of one package.
        self._checking = asyncio.Lock()

    @property
    def fetched(self) -> int:
        """Packages that came from the store so far."""
        return self._cache.fetched if self._cache else 0

    def new_file(self) -> Path:
        """A path for a file that is on its way in or out, in a folder that nobody else may read."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._folder / f"file-{next(self._numbers)}"

    async def put(self, file: Path) -> Problem:
        """Checks the zip, and puts its canonical form into the store; raises PackageError, StoreError or OSError."""
        target = self.new_file()
        try:
            async with self._checking:
                problem = await asyncio.to_thread(self._check, file, target)
                await self._open_store().put(problem.digest, target)
        finally:
            target.unlink(missing_ok=True)
        return problem

    def _check(self, file: Path, target: Path) -> Problem:
        from runtime.problems import canonical, reading  # noqa: PLC0415
        from runtime.problems.archive import Archive  # noqa: PLC0415

        archive = Archive(file, self._max_bytes)
        try:
            digest = canonical.write(archive, target)
        finally:
            archive.close()
        package = canonical.Package.of_file(target)
        try:
            return reading.read(package, digest, self._registry)
        finally:
            package.close()

    async def get(self, digest: str) -> Opened:
        """The problem with this digest; raises StoreError, and PackageError for a package that cannot be judged here."""
        found = self._opened.get(digest)
        if found is not None:
            self._opened.move_to_end(digest)
            return found
        opening = self._opening.get(digest)
        if opening is None:
            opening = self._opening[digest] = asyncio.create_task(self._open(digest))
            opening.add_done_callback(lambda _: self._opening.pop(digest, None))
        return await asyncio.shield(opening)

    async def _open(self, digest: str) -> Opened:
        from runtime.problems import canonical, reading  # noqa: PLC0415
        from runtime.store.cache import BlobCache  # noqa: PLC0415

        if self._cache is None:
            self._cache = BlobCache(self._open_store(), self._folder / "cache", self._cache_mb * _MB, self._forget)
        package = canonical.Package(await self._cache.open(digest))
        opened = Opened(await asyncio.to_thread(reading.read, package, digest, self._registry), package)
        self._opened[digest] = opened
        while len(self._opened) > _OPEN:
            self._opened.popitem(last=False)
        return opened

    def _forget(self, digest: str) -> None:
        self._opened.pop(digest, None)

    def _open_store(self) -> "BlobStore":
        from runtime.store.blobs import BlobStore  # noqa: PLC0415

        if self._blobs is None:
            self.new_file()
            self._blobs = BlobStore(self._url, self._store_seconds)
        return self._blobs
