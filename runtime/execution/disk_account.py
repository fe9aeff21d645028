"""What a run has on disk, by cause: what its processes wrote bounds it, and only beyond the limit is it looked for.

A file takes up disk as long as anything refers to it: a name, a descriptor, a mapping, a program that was started from it,
a descriptor on its way through a socket, a call that waits. Names are counted all along. The others are slow to look at, so
that they are counted only once the run may have more than its limit: since they were last counted, its processes wrote so
much, or the file system took so much. The latter finds what nobody shows: what children wrote that ended unseen while
their parent ignored SIGCHLD, and what a process wrote that is not to be looked into.
"""

import contextlib
import os
import stat
import time
from collections import Counter

from runtime.execution import leftovers
from runtime.execution.disk_use import DiskUse
from runtime.execution.process_tree import ProcessTree
from runtime.execution.procfs import descriptors_of, read, read_whole, stat_fields
from runtime.execution.protocol import Limits
from runtime.execution.workers import Worker
from runtime.sandbox.impersonation import ReadingAs
from runtime.sandbox.syscall_numbers import NUMBERS

# Names are counted after a pause of so many milliseconds at least, and for at most one part in so many of the time; sooner
# where something says that there may be too much.
_PAUSE_MS, _URGENT_PAUSE_MS = 100.0, 5.0
_SHARE, _URGENT_SHARE = 90, 4
# Of a pass that can wait: a run's clock is not watched meanwhile. A whole one has a bounded number of files and folders.
_PART_SECONDS, _WHOLE_SECONDS = 0.02, 1.0
# Calls that can wait while they hold a file that their process has closed meanwhile.
_HOLDING_CALLS = frozenset(NUMBERS[name] for name in ("flock", "fcntl", "splice", "sendfile", "tee", "copy_file_range"))
# Those of them that wait for a lock, which the kernel lists with the file.
_LOCKING_CALLS = frozenset(NUMBERS[name] for name in ("flock", "fcntl"))
# A descriptor that is on its way for so long is kept there.
_ON_ITS_WAY_SECONDS = 0.3


class DiskAccount:
    """The account of one run. Moments are milliseconds since its start."""

    def __init__(self, worker: Worker, limits: Limits, tree: ProcessTree) -> None:
        """Takes the file system as it is now for what others have."""
        self._worker = worker
        self._limits = limits
        self._tree = tree
        self._free_bytes, self._free_files = _free(worker.workspace.descriptor)
        self._pass: DiskUse | None = None
        self._counted_at, self._pass_ms = 0.0, 0.0
        #: When names are to be counted next, as far as nothing else happens.
        self.due_at = 0.0
        # When the latest pass began, and the latest one that came to its end without any sign of too much.
        self._pass_began_at, self._well_at = 0.0, -1.0
        self._written: dict[int, int] = {}
        self._by_threads: dict[int, int] = {}
        self._allocated = 0
        # What the file system took, added up: what it gave back meanwhile may be others'.
        self._taken = 0
        # What was found when everything was last counted, and what had been caused and taken by then.
        self._known = self._caused_then = self._taken_then = 0
        # Without notifications it is not known.
        self._has_children = worker.listener < 0
        self._on_their_way_since: float | None = None

    def close(self) -> None:
        """Gives back the descriptors of a pass that is under way."""
        if self._pass:
            self._pass.close()

    def begin_children(self) -> None:
        """Is called before the first process beside the program can be there."""
        self._has_children = True

    def may_allocate(self, length: int) -> bool:
        """Whether so many bytes more are within the limit; counts them as allocated then."""
        pids = self._tree.pids()
        caused = self._caused(pids)
        if self._known + caused - self._caused_then + length > self._limits.disk_bytes:
            # What was allocated before may be gone, or may never have taken any new block.
            self._known, self._caused_then = self._counted(_WHOLE_SECONDS) + self._nameless(pids), caused
            if self._known + length > self._limits.disk_bytes:
                return False
        self._allocated += length
        return True

    def is_too_large(self, pids: list[int], now: float) -> bool:
        """Whether the run, which has these processes, has more on disk, or more files, than it may."""
        limits = self._limits
        caused = self._caused(pids)
        files = self._look_at_file_system()
        taken = self._taken - self._taken_then
        by_itself = self._known + caused - self._caused_then > limits.disk_bytes
        # Others write as well, but it may be this run, by processes that have gone unseen.
        unseen = taken + (self._known if self._has_children else 0) > limits.disk_bytes
        urgent = by_itself or unseen or files > limits.files
        least, share = (_URGENT_PAUSE_MS, _URGENT_SHARE) if urgent else (_PAUSE_MS, _SHARE)
        self.due_at = self._counted_at + max(least, share * self._pass_ms)
        if now < self.due_at:
            return False
        began, cpu_began = time.monotonic(), time.thread_time()
        if self._pass is None:
            self._pass, self._pass_began_at = self._worker.workspace.disk_use(limits.files), now
        found = self._pass
        if found.count(_WHOLE_SECONDS if urgent else _PART_SECONDS):
            self._pass = None
            if not urgent:
                self._well_at = self._pass_began_at
        too_large = found.bytes > limits.disk_bytes or found.files > limits.files
        if not too_large and (by_itself or (unseen and self._has_children)):
            with self._tree.standing_still():
                pids = self._tree.pids()
                self._known, self._caused_then = self._counted(_WHOLE_SECONDS) + self._nameless(pids), caused
                self._taken_then = self._taken
            too_large = self._known > limits.disk_bytes
        elif not too_large and unseen:
            # A single process hides nothing but what it is itself; it need not stand still because others write.
            self._taken_then = self._taken
            too_large = found.bytes + self._nameless(pids) > limits.disk_bytes
        self._pass_ms = (time.thread_time() - cpu_began) * 1000
        self._counted_at = now + (time.monotonic() - began) * 1000
        self.due_at = self._counted_at + max(least, share * self._pass_ms)
        return too_large

    def counted_since(self, moment: float) -> bool:
        """Whether all names were counted after `moment`, and nothing says that more is there than they tell."""
        return self._well_at > moment

    def _nameless(self, pids: list[int]) -> int:
        """The most that the run's files without a name can take."""
        worker, most = self._worker, self._limits.file_bytes
        size = leftovers.unlinked_bytes(pids, worker.uid, worker.workspace.path, most, worker.streams.input_file)
        on_their_way, waiting = _held_elsewhere(pids, worker.uid)
        if not on_their_way:
            self._on_their_way_since = None
        elif self._on_their_way_since is None:
            self._on_their_way_since = time.monotonic()
        elif time.monotonic() > self._on_their_way_since + _ON_ITS_WAY_SECONDS:
            # A socket that is on its way itself does not show what is on its way through it.
            return self._limits.disk_bytes + 1
        return size + (on_their_way + waiting) * most

    def _counted(self, seconds: float) -> int:
        """Bytes in the run's directory; a pass that is not through in time counts as one beyond the limit."""
        found = self._worker.workspace.disk_use(self._limits.files)
        through = found.count(seconds)
        found.close()
        return found.bytes if through and found.files <= self._limits.files else self._limits.disk_bytes + 1

    def _look_at_file_system(self) -> int:
        """Adds up what the file system takes; returns how many more files it has than at the start, others' among them."""
        free, files = _free(self._worker.workspace.descriptor)
        self._taken += max(0, self._free_bytes - free)
        self._free_bytes = free
        return self._free_files - files

    def _caused(self, pids: list[int]) -> int:
        """Bytes that the run's processes wrote to disk or had allocated; never less than what they have there."""
        with ReadingAs(self._worker.uid):
            for pid in pids:
                written = _written(f"/proc/{pid}")
                if written is not None:
                    self._written[pid] = written
                else:
                    # Of one whose first thread has ended the kernel may show nothing but its threads.
                    self._by_threads[pid] = max(_by_threads(pid), self._by_threads.get(pid, 0))
        return sum(self._written.values()) + sum(self._by_threads.values()) + self._allocated


def _written(place: str) -> int | None:
    """Bytes that the process or thread in this folder under /proc wrote to disk; None where it does not show them."""
    found = read(f"{place}/io").partition(b"\nwrite_bytes: ")[2].split(maxsplit=1)
    return int(found[0]) if found else None


def _by_threads(pid: int) -> int:
    """The same of the threads that a process has, added up; 0 where it is gone."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return 0
    return sum(_written(f"/proc/{pid}/task/{thread}") or 0 for thread in threads)


def _free(directory: int) -> tuple[int, int]:
    """Free bytes and files of a directory's file system."""
    status = os.statvfs(directory)
    return status.f_bfree * status.f_frsize, status.f_ffree


def _held_elsewhere(pids: list[int], uid: int) -> tuple[int, int]:
    """Descriptors that are on their way through sockets, and threads in calls that may hold one that is closed.

    A thread that waits for a lock holds none that nobody shows where its descriptor is that of a file with a name, and the
    kernel's list has it among those that wait for this file: a descriptor can be another file's by now, but not the list.
    """
    on_their_way = waiting = 0
    awaited: Counter[int] = Counter()
    with ReadingAs(uid):
        for pid in pids:
            with contextlib.suppress(OSError):
                for thread in os.listdir(f"/proc/{pid}/task"):
                    words = read(f"/proc/{pid}/task/{thread}/syscall").split(maxsplit=2)
                    number = int(words[0]) if words and words[0].isdigit() else -1
                    if number not in _HOLDING_CALLS:
                        continue
                    if number in _LOCKING_CALLS:
                        if stat_fields(int(thread))[:1] == [b"T"]:
                            continue  # it has left the call, and begins anew when it goes on
                        if inode := _named_file(pid, int(words[1], 16)):
                            awaited[inode] += 1
                    waiting += 1
            for name in descriptors_of(pid, "socket:"):
                words = read(f"/proc/{pid}/fdinfo/{name}").partition(b"scm_fds:")[2].split(maxsplit=1)
                on_their_way += int(words[0]) if words else 0
    if awaited:
        waiting -= sum((awaited & _waiters()).values())
    return on_their_way, waiting


def _named_file(pid: int, descriptor: int) -> int:
    """The inode of a file that a process has open and that has a name; 0 where it is none."""
    try:
        status = os.stat(f"/proc/{pid}/fd/{descriptor}")
    except OSError:
        return 0
    return status.st_ino if stat.S_ISREG(status.st_mode) and status.st_nlink else 0


def _waiters() -> Counter[int]:
    """How many wait for a lock of each file, by its inode. Format: proc_locks(5)."""
    try:
        lines = read_whole("/proc/locks").splitlines()
    except OSError:
        return Counter()  # then nobody is known to wait for a file with a name
    waiting = (line.split() for line in lines if b" -> " in line)
    return Counter(int(words[6].rpartition(b":")[2]) for words in waiting if len(words) > 6)
