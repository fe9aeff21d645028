"""The limits that the supervisor itself watches: CPU time, memory and disk, summed over all processes of a run."""

import os
from collections.abc import Callable

from runtime.execution import leftovers
from runtime.execution.container_memory import memory_left
from runtime.execution.cpu_time import CpuTime, clocks_ns
from runtime.execution.disk_account import DiskAccount
from runtime.execution.limit_facts import SlotFacts
from runtime.execution.memory_account import MemoryAccount
from runtime.execution.notifications import Notifications
from runtime.execution.process_tree import ProcessTree
from runtime.execution.procfs import stack_bytes
from runtime.execution.protocol import Ended, Limits
from runtime.execution.waiting import Waiting

#: When to look for the first time after the start, in milliseconds.
FIRST_LOOK_MS = 5.0
_CPUS = os.cpu_count() or 1
# Faster than memory was seen to grow on one processor, with huge pages too; it decides when to look next.
_GROWTH_BYTES_PER_MS = 6 << 20
_LOOK_MIN_MS, _LOOK_MAX_MS = 1.5, 25.0
# How often at most to look whether the memory for the rest of the run's limit is there.
_RELIEF_MS = 10.0
# In /dev/shm: the next run waits until they are removed. Semaphores and blocks of shared memory are few.
_MOST_SHARED_FILES = 1000


class LimitWatcher:
    """Compares what one run uses with its limits. Moments are milliseconds since the run's start."""

    def __init__(
        self,
        pid: int,
        limits: Limits,
        facts: SlotFacts,
        tree: ProcessTree,
        *,
        cpu: CpuTime,
        memory: MemoryAccount,
        disk: DiskAccount,
        notifications: Notifications | None,
        relieve: Callable[[], None],
    ) -> None:
        """Process `pid` is the run's first.

        `notifications` are there where large requests for memory come to the supervisor. `relieve` is to make room where
        the container's memory would not last for the rest of the run's limit.
        """
        self._limits = limits
        self._tree = tree
        self._memory = memory
        self._disk = disk
        self._notifications = notifications
        #: Milliseconds that are no wall time of the run's.
        self.excused_ms = 0.0
        #: How large the largest stack was when the memory limit was exceeded, in bytes.
        self.stack_bytes = 0
        self._relieve = relieve
        self._cpu = cpu
        self._waiting = Waiting(pid)
        self._shared_files = leftovers.file_count(leftovers.SHARED_MEMORY) if facts.shared_memory else None
        self._next_relief = 0.0
        # The processes at the last look, what they had used of processors by then, since when that is so, and whether all but
        # what takes several looks to count has been looked at since then.
        self._pids: list[int] = []
        self._clocks_ns, self._still_since, self._looked = 0, 0.0, False

    def look(self, now: float) -> tuple[Ended | None, float]:
        """The limit that is exceeded, or None; and in how many milliseconds to look again."""
        if self._has_nothing_new(now):
            return None, _LOOK_MAX_MS
        pids = self._tree.pids()
        if pids != self._pids:
            self._pids, self._clocks_ns, self._still_since, self._looked = pids, clocks_ns(pids), now, False
        self._waiting.look(pids, now)
        cpu_left = self._limits.cpu_ms - self._cpu.look(pids)
        if cpu_left <= 0:
            return Ended.CPU_TIME, 0.0
        memory_unused = self._limits.memory_bytes - self._memory.held(pids)
        if memory_unused < 0:
            self.stack_bytes = max(map(stack_bytes, pids), default=0)
            return Ended.MEMORY, 0.0
        if now >= self._next_relief:
            self._next_relief = now + _RELIEF_MS
            if memory_left() < memory_unused:
                self._relieve()
            if self._memory.kernel_holds_more(memory_unused) or self._memory.has_too_many_locks(pids, now):
                return Ended.MEMORY, 0.0
        if self._has_too_many_shared_files() or self._disk.is_too_large(pids, now):
            return Ended.DISK, 0.0
        soon = _LOOK_MAX_MS
        asked = self._notifications is not None and not self._notifications.more_reserved
        if len(pids) > 1 or self._limits.data_headroom_bytes or not asked:
            # A single process without headroom is held by RLIMIT_DATA; here only looking in time helps.
            soon = memory_unused / 2 / (_GROWTH_BYTES_PER_MS * _CPUS)
        self._looked = True
        return None, max(_LOOK_MIN_MS, min(_LOOK_MAX_MS, soon, cpu_left / _CPUS + 0.5))

    def _has_nothing_new(self, now: float) -> bool:
        """Whether no process of the run has had a processor since all was last looked at, and no count is due just now."""
        clocks = clocks_ns(self._pids)
        if clocks != self._clocks_ns:
            self._clocks_ns, self._still_since, self._looked = clocks, now, False
        if not (self._pids and self._looked):
            return False
        since = self._still_since
        files_wait = self._disk.counted_since(since) or now < self._disk.due_at
        locks_wait = self._memory.locks_counted_since(since) or now < self._next_relief
        return files_wait and locks_wait

    def look_at_wall_time(self, now: float) -> tuple[Ended | None, float]:
        """Which end the run has come to by the clock, or None; and the moment when to look again.

        Time in which the run was kept from a processor does not count, until the longest time is over.
        """
        limits = self._limits
        if not limits.max_wall_ms:
            return Ended.WALL_TIME, now
        pids = self._tree.pids()
        self._waiting.look(pids, now)
        waited = self._waiting.milliseconds(now, self._cpu.look(pids)) or 0.0
        left = limits.wall_ms - (now - waited - self.excused_ms)
        if left <= 0:
            return Ended.WALL_TIME, now
        if now >= limits.max_wall_ms:
            return Ended.STARVED, now
        return None, min(now + max(left, _LOOK_MIN_MS), limits.max_wall_ms)

    def look_at_end(self, now: float) -> None:
        """Takes the last account of a run that has more than one process, before these are ended."""
        pids = self._tree.pids()
        self._waiting.look(pids, now)
        self._cpu.look(pids)

    def waited_ms(self, wall_ms: float, cpu_ms: float) -> float | None:
        """How long the run was kept from a processor, or None where this host does not show it."""
        return self._waiting.milliseconds(wall_ms, cpu_ms)

    def look_at_first(self) -> None:
        """Takes the last account of the first process, which may have ended and has not been waited for."""
        self._waiting.look_at_first()

    def _has_too_many_shared_files(self) -> bool:
        if self._shared_files is None:
            return False
        return leftovers.file_count(leftovers.SHARED_MEMORY) - self._shared_files > _MOST_SHARED_FILES
