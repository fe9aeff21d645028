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
    """What two compile steps must have in common to make the same files: language, version, command and every source."""
    return hashlib.sha256(msgspec.msgpack.encode((language, version, command, files))).digest()


class CompileCache:
    """The results used last, at most `most_bytes` of them; the least recently used result goes first."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._held = 0
        self._entries: OrderedDict[bytes, Compiled] = OrderedDict()

    def get(self, key: bytes) -> Compiled | None:
        """The result for `key`, which thereby becomes the one used last; None where there is none."""
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def put(self, key: bytes, compiled: Compiled) -> None:
        """Keeps a result. One that is larger than a quarter of the cache is not kept: too many others would go for it."""
        size = compiled.size()
        if size > self._most // 4 or key in self._entries:
            return
        self._entries[key] = compiled
        self._held += size
        while self._held > self._most:
            _, old = self._entries.popitem(last=False)
            self._held -= old.size()
