"""The limits that the supervisor itself watches: CPU time, memory and disk, summed over all processes of a run."""

import os
import time
from collections.abc import Callable

import msgspec

from runtime.execution import leftovers
from runtime.execution.container_memory import held_bytes_of_all, memory_left
from runtime.execution.cpu_time import CpuTime
from runtime.execution.disk_use import DiskUse
from runtime.execution.notifications import Notifications
from runtime.execution.process_tree import ProcessTree
from runtime.execution.procfs import held_bytes, overlap_bytes
from runtime.execution.protocol import Ended, Limits, SupervisorConfig
from runtime.execution.waiting import Waiting
from runtime.execution.workers import Worker

#: When to look for the first time after the start, in milliseconds.
FIRST_LOOK_MS = 5.0
_CPUS = os.cpu_count() or 1
# Faster than memory was seen to grow on one processor, with huge pages too; it decides when to look next.
_GROWTH_BYTES_PER_MS = 6 << 20
_LOOK_MIN_MS, _LOOK_MAX_MS = 1.5, 25.0
# The directory is counted this often at most and at least, else for one part in so many of the time: fewer while a pass is
# under way.
_COUNT_MS, _COUNT_AT_LEAST_MS = 100.0, 500.0
_COUNT_SHARE, _UNDER_WAY_SHARE = 20, 4
_COUNT_SECONDS = 0.02
_COUNT_FOR_MEMORY_SECONDS = 0.1
# How often at most to look whether the memory for the rest of the run's limit is there.
_RELIEF_MS = 10.0
# What may come to be held beside a run that is none of its memory: workers that start, answers, what was compiled.
_UNSEEN_BYTES = 256 << 20


class SlotFacts(msgspec.Struct, frozen=True):
    """What the runs of a slot have in common."""

    #: Whether the kernel limits each process, and whether the sums are watched.
    rlimits: bool
    watched: bool
    #: Whether this is the only slot, so that the use of a file system or of the container is this run's use.
    alone: bool
    #: File systems in memory on which a run can have files.
    memory_places: tuple[str, ...]

    @classmethod
    def of(cls, config: SupervisorConfig) -> "SlotFacts":
        """Those of the slot with this configuration; raises OSError where its directory is not there."""
        places = ((config.directory, True), (leftovers.SHARED_MEMORY, config.shared_memory))
        return cls(
            rlimits=config.rlimits,
            watched=config.watcher,
            alone=config.alone,
            memory_places=tuple(place for place, used in places if used and leftovers.is_memory(place)),
        )


class LimitWatcher:
    """Compares what one run uses with its limits. Moments are milliseconds since the run's start."""

    def __init__(
        self,
        worker: Worker,
        limits: Limits,
        facts: SlotFacts,
        tree: ProcessTree,
        notifications: Notifications | None,
        *,
        cpu: CpuTime,
        relieve: Callable[[], None],
    ) -> None:
        """`relieve` is to make room where the container's memory would not last for the rest of the run's limit."""
        self._worker = worker
        self._limits = limits
        self._facts = facts
        self._tree = tree
        self._notifications = notifications
        self._relieve = relieve
        self._cpu = cpu
        self._waiting = Waiting(worker.pid)
        self._cpu_ms = 0.0
        self._memory_places = [(place, leftovers.used_bytes(place)) for place in facts.memory_places]
        self._disk_use: DiskUse | None = None
        self._next_count, self._counted_ms = _COUNT_MS, 0.0
        self._next_relief = 0.0
        # What the container held besides the run when that was first looked at.
        self._others: int | None = None
        #: The most bytes that the run was seen to hold.
        self.peak_bytes = 0

    def look(self, now: float) -> tuple[Ended | None, float]:
        """The limit that is exceeded, or None; and in how many milliseconds to look again."""
        pids = self._tree.pids()
        self._waiting.look(pids, now)
        self._cpu_ms = self._cpu.look(pids)
        cpu_left = self._limits.cpu_ms - self._cpu_ms
        if cpu_left <= 0:
            return Ended.CPU_TIME, 0.0
        memory_unused = self._limits.memory_bytes - self._memory(pids)
        if memory_unused < 0:
            return Ended.MEMORY, 0.0
        if now >= self._next_relief:
            self._next_relief = now + _RELIEF_MS
            if memory_left() < memory_unused:
                self._relieve()
            if self._holds_more_than_is_seen(memory_unused):
                return Ended.MEMORY, 0.0
        if now >= self._next_count and self._is_too_large(pids, now):
            return Ended.DISK, 0.0
        soon = _LOOK_MAX_MS
        if len(pids) > 1 or self._limits.data_headroom_bytes or not self._notifications:
            # A single process without headroom is held by RLIMIT_DATA; here only looking in time helps.
            soon = memory_unused / 2 / (_GROWTH_BYTES_PER_MS * _CPUS)
        return None, max(_LOOK_MIN_MS, min(_LOOK_MAX_MS, soon, cpu_left / _CPUS + 0.5))

    def look_at_wall_time(self, now: float) -> tuple[Ended | None, float]:
        """Which end the run has come to by the clock, or None; and the moment when to look again.

        Time in which the run was kept from a processor does not count, until the longest time is over.
        """
        limits = self._limits
        if not limits.max_wall_ms:
            return Ended.WALL_TIME, now
        pids = self._tree.pids()
        self._waiting.look(pids, now)
        left = limits.wall_ms - (now - (self._waiting.milliseconds(now, self._cpu.look(pids)) or 0.0))
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

    def close(self) -> None:
        """Gives back the descriptors of a count that is under way."""
        if self._disk_use:
            self._disk_use.close()

    def _is_too_large(self, pids: list[int], now: float) -> bool:
        """Goes on with counting what the run has on disk; whether it is too much by what has been found of it so far."""
        began = time.monotonic()
        found = self._disk_use = self._disk_use or self._worker.workspace.disk_use(self._limits.files)
        through = found.count(_COUNT_SECONDS)
        size = found.bytes + self._unlinked_bytes(pids)
        took_ms = (time.monotonic() - began) * 1000
        self._counted_ms += took_ms
        if through:
            pause_ms = min(_COUNT_AT_LEAST_MS, max(_COUNT_MS, _COUNT_SHARE * self._counted_ms))
            self._disk_use, self._counted_ms = None, 0.0
        else:
            pause_ms = _UNDER_WAY_SHARE * took_ms
        self._next_count = now + took_ms + pause_ms
        return size > self._limits.disk_bytes or found.files > self._limits.files

    def _holds_more_than_is_seen(self, memory_unused: int) -> bool:
        """Whether the container holds so much more than at the first look that the run must have it in the kernel.

        Pipes, sockets, watches: none of it is in the account of a process. With several slots it
        would not be clear whose run holds it.
        """
        if not self._facts.alone:
            return False
        others = held_bytes_of_all() - (self._limits.memory_bytes - memory_unused)
        if self._others is None:
            self._others = others
        return others - self._others > memory_unused + _UNSEEN_BYTES

    def _unlinked_bytes(self, pids: list[int]) -> int:
        worker = self._worker
        return leftovers.unlinked_bytes(pids, worker.uid, worker.workspace.path, self._limits.file_bytes)

    def _memory(self, pids: list[int]) -> int:
        """What the run holds in bytes; exactly only where it matters, because the exact figure is slow to get."""
        # Shared memory counts from when it was mapped, and memory files where they lie: not once more in each process.
        asked = self._notifications.shared_bytes if self._notifications else 0
        held = asked + held_bytes(pids, shared=self._notifications is None)
        files = sum(max(0, leftovers.used_bytes(place) - before) for place, before in self._memory_places)
        if held + files > self._limits.memory_bytes:
            if len(pids) > 1:
                held -= overlap_bytes(pids, self._worker.uid)
            if self._memory_places and not self._facts.alone:
                # Other slots use the same file systems: count only what is this run's.
                found = self._worker.workspace.disk_use(self._limits.files)
                found.count(_COUNT_FOR_MEMORY_SECONDS)
                found.close()
                files = found.bytes + self._unlinked_bytes(pids)
        self.peak_bytes = max(self.peak_bytes, held + files)
        return held + files
