"""What compile steps made, kept in the server's memory: no program can reach it there, and no disk can be full."""

import hashlib
from collections import OrderedDict

import msgspec

from runtime.execution.protocol import File
from runtime.judging.submission import StepResult


class Compiled(msgspec.Struct, frozen=True):
    """A compile step that succeeded: its result, and the files that it made."""

    step: StepResult
    files: tuple[File, ...]

    def size(self) -> int:
        """Bytes that it holds, about."""
        return sum(len(file.content) for file in self.files) + len(self.step.stdout) + len(self.step.stderr) + 1024


def key(language: str, version: str, command: tuple[str, ...], files: tuple[File, ...]) -> bytes:
    """What two compile steps have to have in common to make the same: language, version, command and every file."""
    return hashlib.sha256(msgspec.msgpack.encode((language, version, command, files))).digest()


class CompileCache:
    """The results used last, at most `most_bytes` of them; the least recently used go first."""

    def __init__(self, most_bytes: int) -> None:
        """With 0 nothing is kept."""
        self._most = most_bytes
        self._held = 0
        self._entries: OrderedDict[bytes, Compiled] = OrderedDict()

    @property
    def held_bytes(self) -> int:
        """Bytes in use."""
        return self._held

    def get(self, key: bytes) -> Compiled | None:
        """The result for `key`, which thereby is the one used last; None where there is none."""
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def put(self, key: bytes, compiled: Compiled) -> None:
        """Keeps a result; one that is larger than a quarter of the cache is not worth the others."""
        size = compiled.size()
        if size > self._most // 4 or key in self._entries:
            return
        self._entries[key] = compiled
        self._held += size
        while self._held > self._most:
            _, old = self._entries.popitem(last=False)
            self._held -= old.size()
