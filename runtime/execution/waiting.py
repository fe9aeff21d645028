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
        self._before = _times(f"/proc/{first}/schedstat")
        # By thread: nanoseconds that it ran, and that it waited.
        self._threads: dict[int, tuple[int, int]] = {}
        self._most_tasks = 1
        self._next_look = 0.0

    def look(self, pids: list[int], now: float) -> None:
        """Takes down the times of all threads, if the last look is long enough ago."""
        if now < self._next_look or self._before is None:
            return
        began = time.monotonic()
        tasks = 0
        for pid in pids:
            try:
                threads = os.listdir(f"/proc/{pid}/task")
            except OSError:
                continue
            tasks += len(threads)
            for thread in threads:
                if times := _times(f"/proc/{pid}/task/{thread}/schedstat"):
                    self._threads[int(thread)] = times
        self._most_tasks = max(self._most_tasks, tasks)
        self._next_look = now + _PAUSE_SHARE * (time.monotonic() - began) * 1000

    def look_at_first(self) -> None:
        """Takes down the times of the first thread alone, which may have ended already and not have been waited for."""
        if times := _times(f"/proc/{self._first}/schedstat"):
            self._threads[self._first] = times

    def milliseconds(self, wall_ms: float, cpu_ms: float) -> float | None:
        """How long the run was kept waiting, of `wall_ms`, in which it has used `cpu_ms`; None where the host shows nothing.

        Threads that came and went between two looks have waited in proportion to their CPU time, as the others have. While
        one thread runs, the run is not kept waiting, however many others wait; so the whole is at most what is left of the
        wall time beside its CPU time.
        """
        if self._before is None:
            return None
        ran = sum(times[0] for times in self._threads.values()) - self._before[0]
        waited = sum(times[1] for times in self._threads.values()) - self._before[1]
        if not self._threads or ran <= 0 or waited <= 0:
            return 0.0
        unseen = max(1.0, cpu_ms * 1e6 / ran)
        at_once = min(_CPUS, self._most_tasks)
        return max(0.0, min(waited * unseen / 1e6, wall_ms - cpu_ms / at_once))


def _times(path: str) -> tuple[int, int] | None:
    fields = read(path).split()
    return (int(fields[0]), int(fields[1])) if len(fields) > 1 else None
