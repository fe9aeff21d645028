"""Small files under names that clients choose: on this replica's disk, and in the store where there is one."""

import asyncio
import hashlib
import os
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.store.errors import StoreError

if TYPE_CHECKING:
    from runtime.store.blobs import BlobStore

_DIGEST = "md5"


class NamedFiles:
    """Files by name. A name has letters and digits only, and may be given another content later.

    The disk holds at most `most_bytes`, those used last. Where there is a store it has every file, so that any replica
    finds it. A name that is the MD5 of its content is then answered from the disk.
    """

    def __init__(self, folder: Path, most_bytes: int, store: "BlobStore | None") -> None:
        """The folder, which nothing else writes to, is made with the first file."""
        self._folder = folder
        self._most = most_bytes
        self._store = store
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._held = 0

    async def has(self, scope: str, name: str) -> bool:
        """Whether there is such a file; raises StoreUnavailableError."""
        if self._key(scope, name) in self._sizes:
            return True
        return self._store is not None and await self._store.has_named(scope, name)

    async def put(self, scope: str, name: str, content: bytes) -> None:
        """Keeps the file; raises StoreError where it cannot be kept."""
        if self._store is not None:
            await self._store.put_named(scope, name, content)
        elif len(content) > self._most:
            raise StoreError(f"the file is larger than the {self._most >> 20} MiB that there are for files")
        await self._keep(scope, name, content)

    async def get(self, scope: str, name: str) -> bytes | None:
        """The file's content, or None where there is none; raises StoreUnavailableError."""
        key = self._key(scope, name)
        if key in self._sizes:
            self._sizes.move_to_end(key)
            content = await asyncio.to_thread((self._folder / key).read_bytes)
            if self._store is None or _is_digest(name, content):
                return content
        if self._store is None:
            return None
        found = await self._store.get_named(scope, name)
        if found is not None and _is_digest(name, found):
            await self._keep(scope, name, found)
        return found

    async def _keep(self, scope: str, name: str, content: bytes) -> None:
        if len(content) > self._most:
            return
        key = self._key(scope, name)
        self._forget(key)
        while self._sizes and self._held + len(content) > self._most:
            self._forget(next(iter(self._sizes)))
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = self._folder / key
        part = place.with_suffix(".part")
        await asyncio.to_thread(part.write_bytes, content)
        os.replace(part, place)
        if key not in self._sizes:  # or somebody else has put it meanwhile
            self._held += len(content)
            self._sizes[key] = len(content)

    def _forget(self, key: str) -> None:
        if key in self._sizes:
            self._held -= self._sizes.pop(key)
            (self._folder / key).unlink(missing_ok=True)

    @staticmethod
    def _key(scope: str, name: str) -> str:
        return hashlib.sha256(f"{scope}/{name}".encode()).hexdigest()


def _is_digest(name: str, content: bytes) -> bool:
    return hashlib.new(_DIGEST, content, usedforsecurity=False).hexdigest() == name
