"""Which processes a run consists of: the program, its descendants, and orphans that came to the supervisor."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from runtime.execution.procfs import read, stat_fields

# How long processes may take to stand still; one that waits in the kernel for longer does nothing meanwhile.
_STANDSTILL_SECONDS = 0.02
#: Stopped, traced, ended, or in a wait that only its end interrupts.
_STANDING = (b"T", b"t", b"Z", b"X", b"D")


class Bystanders(Protocol):
    """The children of a supervisor that belong to no run: workers that wait or start, and origins."""

    def await_pids(self) -> None:
        """Waits until the pid of each is known."""

    def waiting_pids(self) -> set[int]:
        """The known pids."""

    def has_unknown(self) -> bool:
        """Whether there is one whose pid is not known."""


def children(pid: int) -> list[int]:
    """The children of every thread of `pid`."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    found: list[int] = []
    for thread in threads:
        found += map(int, read(f"/proc/{pid}/task/{thread}/children").split())
    return found


def descendants(roots: list[int]) -> list[int]:
    """`roots` and all that descend from them."""
    found = list(roots)
    for pid in found:
        found += children(pid)
    return found


class ProcessTree:
    """The processes of the one run that a supervisor has: all below it that belong to nothing else."""

    def __init__(self, bystanders: Bystanders, first: int) -> None:
        """`first` is the first process of the run's pid namespace, or 0: it is the executor's own, and orphans come to it."""
        self._bystanders = bystanders
        self._first = first

    def pids(self) -> list[int]:
        """The run's processes at this moment."""
        self._bystanders.await_pids()
        others = self._bystanders.waiting_pids()
        found = descendants([pid for pid in children(os.getpid()) if pid not in others])
        return [pid for pid in found if pid != self._first]

    def may_have_others(self) -> bool:
        """Whether what `pids` finds may have a process in it that is not the run's."""
        return self._bystanders.has_unknown()

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """While entered, the run's processes do nothing, so that what is looked at does not change meanwhile."""
        stopped: set[int] = set()
        deadline = time.monotonic() + _STANDSTILL_SECONDS
        try:
            while time.monotonic() < deadline:
                pids = set(self.pids())
                for pid in pids - stopped:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGSTOP)
                if pids <= stopped and all(stat_fields(pid)[:1] in ([state] for state in _STANDING) for pid in pids):
                    break
                stopped |= pids
                time.sleep(0.0005)
            yield
        finally:
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def end(self, reap: Callable[[int], None]) -> None:
        """Kills until no process is left; `reap` waits for a child of this process that was killed."""
        empty = 0
        # The kernel's list may miss one while others leave it, so it has to be empty twice.
        while empty < 2:
            pids = self.pids()
            empty = 0 if pids else empty + 1
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            # Only a process that was killed just now is sure to end.
            for pid in [pid for pid in children(os.getpid()) if pid in pids]:
                reap(pid)
