"""How long a run was kept from a processor: it could have run, and others ran, or its container's quota was used up.

The kernel keeps that time for each task (run_delay in /proc/PID/task/TID/schedstat, sched-stats.rst of the Linux source);
time in which a cgroup is throttled is in it.
"""

import os
import time

from runtime.execution.procfs import read

_CPUS = os.cpu_count() or 1
# Between two looks lies so many times what the last one took: 128 threads take a millisecond.
_PAUSE_SHARE = 50


class Waiting:
    """Time that one run was kept from a processor. Moments are milliseconds since the run's start."""

    def __init__(self, first: int) -> None:
        """`first` is the worker's pid; what it has waited until now does not count."""
        self._first = first
        before = _times(f"/proc/{first}/schedstat")
        self._is_shown = before is not None
        # By thread: nanoseconds that it ran, and that it waited.
        self._threads: dict[int, tuple[int, int]] = {first: before} if before else {}
        self._ran_ns = self._waited_ns = 0.0
        self._most_tasks = 1
        self._looked_at = self._next_look = 0.0

    def look(self, pids: list[int], now: float) -> None:
        """Takes down the times of all threads, if the last look is long enough ago."""
        if now < self._next_look or not self._is_shown:
            return
        began = time.monotonic()
        tasks = 0
        found: dict[int, tuple[int, int]] = {}
        for pid in pids:
            try:
                threads = os.listdir(f"/proc/{pid}/task")
            except OSError:
                continue
            tasks += len(threads)
            for thread in threads:
                if times := _times(f"/proc/{pid}/task/{thread}/schedstat"):
                    found[int(thread)] = times
        self._most_tasks = max(self._most_tasks, tasks)
        self._add(found, now - self._looked_at)
        self._looked_at = now
        self._next_look = now + _PAUSE_SHARE * (time.monotonic() - began) * 1000

    def look_at_first(self) -> None:
        """Takes down the times of the first thread alone, which may have ended already and not have been waited for."""
        if times := _times(f"/proc/{self._first}/schedstat"):
            self._add({self._first: times}, 0.0)

    def _add(self, found: dict[int, tuple[int, int]], passed_ms: float) -> None:
        """Adds what the threads have run and waited since the last look, which was so long ago.

        Threads that wait for one another wait at the same time: that counts once. So together they waited for no more than
        what passed beside their CPU time, or as long as one of them did, which may have begun before the last look.
        """
        ran = waited = longest = 0
        for thread, (all_ran, all_waited) in found.items():
            ran_before, waited_before = self._threads.get(thread, (0, 0))
            if all_ran < ran_before:  # another thread of the same number
                ran_before = waited_before = 0
            ran += all_ran - ran_before
            waited += all_waited - waited_before
            longest = max(longest, all_waited - waited_before)
        self._threads |= found
        self._ran_ns += ran
        self._waited_ns += min(waited, max(longest, passed_ms * 1e6 - ran / self._at_once))

    @property
    def _at_once(self) -> int:
        """How many of its threads can run at the same time."""
        return min(_CPUS, self._most_tasks)

    def milliseconds(self, wall_ms: float, cpu_ms: float) -> float | None:
        """How long the run was kept waiting, of `wall_ms`, in which it has used `cpu_ms`; None where the host shows nothing.

        Threads that came and went between two looks have waited in proportion to their CPU time, as the others have. While
        one thread runs, the run is not kept waiting, however many others wait; so the whole is at most what is left of the
        wall time beside its CPU time.
        """
        if not self._is_shown:
            return None
        if self._ran_ns <= 0 or self._waited_ns <= 0:
            return 0.0
        unseen = max(1.0, cpu_ms * 1e6 / self._ran_ns)
        return max(0.0, min(self._waited_ns * unseen / 1e6, wall_ms - cpu_ms / self._at_once))


def _times(path: str) -> tuple[int, int] | None:
    fields = read(path).split()
    return (int(fields[0]), int(fields[1])) if len(fields) > 1 else None
