"""What a run holds in memory: each page once, whoever shows it, and what it has the kernel keep for it."""

import time

from runtime.execution import leftovers
from runtime.execution.container_memory import kernel_bytes
from runtime.execution.limit_facts import SlotFacts
from runtime.execution.notifications import Notifications
from runtime.execution.procfs import PAGE, Held, held_by, overlap_bytes, record_locks
from runtime.execution.protocol import COLD, Limits
from runtime.execution.resident_peak import ResidentPeak
from runtime.execution.workers import Worker

# What the page tables say of shared pages is asked for at most one part in so many of the time: to know the peak, and
# where the limit would be exceeded.
_SHARE_FOR_PEAK, _SHARE_AT_LIMIT = 50, 4
# A peak is told to this, whichever is more.
_PEAK_BYTES, _PEAK_PART = 1 << 20, 50
_COUNT_FOR_FILES_SECONDS = 0.1
# While a process begins that has its parent's memory, until that shows.
_UNCLEAR_ATTEMPTS, _UNCLEAR_SECONDS = 6, 0.0005
# Of the kernel's memory that belongs to no process: workers that start meanwhile, connections.
_KERNEL_BYTES = 64 << 20
# Where what the kernel would give back cannot be told from the rest (control groups of version 1).
_KERNEL_WITH_CACHES_BYTES = 256 << 20
# A lock takes 200 bytes of the kernel's, which are in no account at all.
_MOST_LOCKS = 10_000
_LOCKS_MS, _LOCKS_SHARE = 200.0, 50


class MemoryAccount:
    """The account of one run."""

    def __init__(
        self,
        worker: Worker,
        limits: Limits,
        facts: SlotFacts,
        notifications: Notifications | None,
        resident: ResidentPeak,
    ) -> None:
        """What the file systems in memory hold now is taken for others'."""
        self._worker = worker
        self._limits = limits
        self._facts = facts
        self._notifications = notifications
        self._resident = resident
        self._places = [(place, leftovers.used_bytes(place)) for place in facts.memory_places]
        self._overlap, self._overlap_at, self._overlap_took = 0, 0.0, 0.0
        self._overlap_of: frozenset[int] = frozenset()
        self._kernel: int | None = None
        self._locks_at, self._locks_counted_at = _LOCKS_MS, -1.0
        #: The most bytes that the run was seen to hold of what counts.
        self.peak_bytes = 0
        self._of_files = 0
        #: How many threads it had when it was last looked at.
        self.threads = 0

    def held(self, pids: list[int]) -> int:
        """Bytes that the run's processes hold; noted for the peak. A worker that is no program yet holds none for the run."""
        if self._worker.kind == COLD and not self._worker.has_begun():
            return 0
        held, told = self._counted(pids)
        if held > self._limits.memory_bytes and self._notifications and self._notifications.shared.bytes:
            self._notifications.shared.recount()
            held, told = self._counted(pids)
        if len(pids) == 1:
            self.peak_bytes = max(self.peak_bytes, told)
            return held
        limit = self._limits.memory_bytes
        # Where nothing was forked since, what is shared has at most become less: to look again could only find more held.
        known = self._overlap_of.issuperset(pids)
        if not (known and held - self._overlap > limit):
            looked = False
            if held > limit or told > self.peak_bytes + max(_PEAK_BYTES, self.peak_bytes // _PEAK_PART):
                looked = self._look_at_overlap(pids, _SHARE_AT_LIMIT if held > limit else _SHARE_FOR_PEAK)
            if not looked and not known and held - self._overlap > limit:
                looked = self._look_at_overlap(pids, 0)
            if looked:
                # That took its time, in which processes may have grown.
                held, told = self._counted(pids)
            known |= looked
        if known:
            self.peak_bytes = max(self.peak_bytes, told - self._overlap)
        return held - self._overlap

    def _counted(self, pids: list[int]) -> tuple[int, int]:
        """Bytes that count against the limit, and bytes that are told; pages that are shared since a fork count for each."""
        found = self._once(pids)
        self.threads = found.threads
        self._of_files = max(self._of_files, found.most_of_files)
        self._resident.see(found.most_resident)
        asked = self._notifications.shared.bytes if self._notifications else 0
        files = self._files(pids)
        held = found.private + (asked if self._notifications else found.shared) + files
        return held, found.private + max(found.most_shared, files)

    def told_bytes(self, *, is_within: bool) -> int:
        """The peak for the answer: what a process had resident, or what was counted where that is more.

        Pages of files, a program's own and its libraries', are in it as in what other judges tell. They do not count against
        the limit, as the kernel takes them away where it needs the room. So they are left out of the peak of a run that
        was within its limit where they would take it beyond. How many they were at the peak is known only about, so that
        such a run is never told more than its limit.
        """
        told = max(self.peak_bytes, self._resident.bytes)
        limit = self._limits.memory_bytes
        if is_within and told > limit:
            without_files = told - self._of_files if self._of_files else limit
            told = max(self.peak_bytes, min(without_files, limit - PAGE))
        return told

    def kernel_holds_more(self, memory_unused: int) -> bool:
        """Whether the kernel holds so much more than at the first look that the run must have caused it.

        Pipes, sockets, watches, mappings: none of it is in the account of a process. With several slots it would not be
        clear whose run it is.
        """
        if not self._facts.alone:
            return False
        held, with_caches = kernel_bytes()
        if self._kernel is None:
            self._kernel = held
        return held - self._kernel > memory_unused + (_KERNEL_WITH_CACHES_BYTES if with_caches else _KERNEL_BYTES)

    def has_too_many_locks(self, pids: list[int], now: float) -> bool:
        """Whether the run has more record locks than any program needs; looks at them now and then."""
        if now < self._locks_at:
            return False
        self._locks_counted_at = now
        began = time.thread_time()
        found = record_locks(pids, self._worker.uid, _MOST_LOCKS)
        took = (time.thread_time() - began) * 1000
        self._locks_at = now + max(_LOCKS_MS, _LOCKS_SHARE * took)
        return found > _MOST_LOCKS

    def locks_counted_since(self, moment: float) -> bool:
        """Whether the locks were counted after `moment`."""
        return self._locks_counted_at > moment

    def _once(self, pids: list[int]) -> Held:
        """What the processes hold, those left out that have the memory of their parent until they start a program."""
        if len(pids) == 1 or self._notifications is None:
            return held_by(pids)
        for _ in range(_UNCLEAR_ATTEMPTS):
            borrowing, unclear = self._notifications.borrowing()
            found = held_by([pid for pid in pids if pid not in borrowing])
            if not unclear or found.private <= self.peak_bytes:
                break
            time.sleep(_UNCLEAR_SECONDS)
        return found

    def _look_at_overlap(self, pids: list[int], share: int) -> bool:
        """Asks what processes that were forked share, which is slow, unless that took so large a share of the time."""
        if time.monotonic() < self._overlap_at + share * self._overlap_took:
            return False
        began = time.thread_time()
        self._overlap, self._overlap_of = overlap_bytes(pids, self._worker.uid), frozenset(pids)
        self._overlap_took = time.thread_time() - began
        self._overlap_at = time.monotonic()
        return True

    def _files(self, pids: list[int]) -> int:
        """Files in memory."""
        size = sum(max(0, leftovers.used_bytes(place) - before) for place, before in self._places)
        if size and not self._facts.alone:
            # Other slots use the same file systems: count only what is this run's.
            worker = self._worker
            found = worker.workspace.disk_use(self._limits.files)
            found.count(_COUNT_FOR_FILES_SECONDS)
            found.close()
            unlinked = leftovers.unlinked_bytes(
                pids, worker.uid, worker.workspace.path, self._limits.file_bytes, worker.streams.input_file
            )
            return min(size, found.bytes + unlinked)
        return size
