"""Shared anonymous memory of a run: counted from when it is asked for, until the kernel shows that it is gone.

Pages of such a mapping are in no process's account once that process has unmapped a part of it. So what was asked for counts,
whatever is left of it. Each mapping is a file of its own to the kernel, without a name, which goes with the last piece that
any process has mapped; nothing else can hold it.
"""

import os

from runtime.execution.process_tree import ProcessTree
from runtime.execution.procfs import living_threads, read, read_whole
from runtime.sandbox.impersonation import ReadingAs
from runtime.sandbox.syscall_numbers import NUMBERS

_MMAP = b"%d" % NUMBERS["mmap"]
# The name of such a file in proc_pid_maps(5).
_NAME = b"/dev/zero (deleted)"


class SharedMemory:
    """What one run has asked for and may still have."""

    def __init__(self, tree: ProcessTree, uid: int, limit_bytes: int) -> None:
        """`uid` is the run's own, or 0."""
        self._tree = tree
        self._uid = uid
        self._limit_bytes = limit_bytes
        self._lengths: list[int] = []
        # Threads that were granted a mapping, which may not be there yet.
        self._granted: set[int] = set()
        #: Bytes that the mappings can have.
        self.bytes = 0

    def ask(self, thread: int, length: int) -> bool:
        """Whether the thread, which waits for the answer, may map so many bytes more; they count from then on."""
        self._granted.discard(thread)
        if self.bytes + length > self._limit_bytes:
            self.recount()
        if self.bytes + length > self._limit_bytes:
            return False
        self._lengths.append(length)
        self._granted.add(thread)
        self.bytes += length
        return True

    def recount(self) -> None:
        """Takes away what cannot be there any more: of all that was asked for the largest may be what is left."""
        # Else one that is mapped could come to a process that was looked at before.
        with self._tree.standing_still(), ReadingAs(self._uid):
            count = self._mapped()
            self._granted = {thread for thread in self._granted if _is_in_call(thread)}
        if count is None:
            return
        self._lengths = sorted(self._lengths, reverse=True)[: count + len(self._granted)]
        self.bytes = sum(self._lengths)

    def _mapped(self) -> int | None:
        """How many of the mappings there are; None where a process does not let itself be looked into."""
        inodes: set[bytes] = set()
        for pid in self._tree.pids():
            for place in living_threads(pid):
                try:
                    text = read_whole(f"{place}/maps")
                except (FileNotFoundError, ProcessLookupError):
                    continue
                except OSError:
                    return None
                if _NAME in text:
                    inodes |= {line.split(maxsplit=5)[4] for line in text.splitlines() if line.endswith(_NAME)}
        return len(inodes)


def _is_in_call(thread: int) -> bool:
    """Whether the thread may still be about to map what it was granted."""
    words = read(f"/proc/{thread}/syscall").split(maxsplit=1)
    return words[0] in (b"running", _MMAP) if words else os.path.exists(f"/proc/{thread}")
