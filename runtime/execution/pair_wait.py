"""How long a run waits for the one that it speaks with: a judge's program waits on the submission's time.

It waits where nothing lies in its standard input, or nobody takes its output, and one of its threads is in a call for that
while none is running. Where the host does not show calls, it waits as long as it uses no CPU time.
"""

import fcntl
import os
import struct
import termios

from runtime.execution.live_run import LiveRun
from runtime.execution.procfs import process_clock_ns, read
from runtime.execution.workers import Worker
from runtime.sandbox.impersonation import ReadingAs
from runtime.sandbox.syscall_numbers import NUMBERS

_POLLING = ("poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", "epoll_pwait2")
# What /proc/PID/task/TID/syscall says (proc_pid_syscall(5)): the number of the call, or that there is none.
_RUNNING = b"running"
_SIZE = struct.Struct("=i")


def _numbers(*names: str) -> frozenset[bytes]:
    return frozenset(str(NUMBERS[name]).encode() for name in names)


_READING, _WRITING = _numbers("read", "readv", *_POLLING), _numbers("write", "writev", *_POLLING)


class PairWait:
    """The account of one run. Moments are milliseconds since its start."""

    def __init__(self, worker: Worker, live: LiveRun) -> None:
        """The time in which the run does not wait is told through `live`."""
        self._worker = worker
        self._live = live
        self._looked_at = 0.0
        self._busy_ms = 0.0
        self._told_ms = 0
        self._cpu_ns = 0
        #: How long it has waited.
        self.waited_ms = 0.0

    def look(self, pids: list[int], now: float) -> None:
        """Takes the time since the last look for one of waiting where the run waits now."""
        passed = now - self._looked_at
        self._looked_at = now
        if self._waits(pids):
            self.waited_ms += passed
            return
        self._busy_ms += passed
        more = int(self._busy_ms) - self._told_ms
        if more > 0:
            self._told_ms += more
            self._live.tell_busy(more)

    def _waits(self, pids: list[int]) -> bool:
        cpu_ns = sum(map(process_clock_ns, pids))
        is_idle, self._cpu_ns = cpu_ns == self._cpu_ns, cpu_ns
        wanted = frozenset[bytes]()
        stdin = self._worker.streams.stdin
        if stdin >= 0 and not _waiting_bytes(stdin):
            wanted |= _READING
        if not self._live.window:
            wanted |= _WRITING
        if not wanted:
            return False
        with ReadingAs(self._worker.uid):
            calls = [_call(pid, thread) for pid in pids for thread in _threads(pid)]
        shown = [call for call in calls if call]
        if not shown:
            return is_idle
        return _RUNNING not in shown and not wanted.isdisjoint(shown)


def _threads(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def _call(pid: int, thread: str) -> bytes:
    """What the thread is in; empty where the host does not show it."""
    return read(f"/proc/{pid}/task/{thread}/syscall").partition(b" ")[0].strip()


def _waiting_bytes(descriptor: int) -> int:
    size: int = _SIZE.unpack(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(_SIZE.size)))[0]
    return size
