"""CPU time of a run by cause: of its living processes, of those that were waited for, and of those that nobody waited for.

A process that was waited for has its time in its parent's account of children, and in the end in what wait4(2) gives the
supervisor. The time of a child that ends while its parent ignores SIGCHLD is in no account. What it had used when it was
last looked at is counted here, and where the container has an account of its own, that is a second witness.
"""

import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

from runtime.execution.procfs import process_clock_ns, stat_fields

# Fields of /proc/PID/stat behind the name: the parent, and the times of children that were waited for, in ticks.
_PARENT, _CHILDREN_USER, _CHILDREN_SYSTEM = 1, 13, 14
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
# Both times of children are rounded down to a tick.
_ROUNDING_NS = 2 * _TICK_NS
# By so much the container's account may be above ours: what it holds besides is not known to the last millisecond.
_WITNESS_NS, _WITNESS_SHARE = 50_000_000, 0.05


class _Process(NamedTuple):
    """A process as it was last seen; times in nanoseconds."""

    own: int
    #: Of its children that it has waited for, and of theirs.
    waited_for: int
    parent: int


class CpuTime:
    """CPU time of one run, from when its worker was ready."""

    def __init__(self, first: int, adopter: int, witness: Callable[[], int | None]) -> None:
        """`first` is the worker's pid. What it has used until now was spent on preparing it, and does not count.

        `adopter` is the first process of the run's pid namespace, or 0: it waits for orphans, where the supervisor does not.
        `witness` gives what the container's processes besides the service's have used in all, in nanoseconds, or None.
        """
        self._first = first
        self._adopter = adopter
        self._adopted_ns = 0
        self._before_ns = process_clock_ns(first)
        self._witness = witness
        self._witness_before_ns: int | None = None
        self._has_children = False
        self._seen: dict[int, _Process] = {}
        self._reaped_ns = 0
        self._lost_ns = 0
        # By their parent: time of children that are gone and that its account of children does not show.
        self._owed_ns: dict[int, int] = {}

    def begin_children(self) -> None:
        """Is called before the first process beside the program can be there."""
        self._has_children = True
        now = self._witness()
        if now is not None:
            self._witness_before_ns = now - (process_clock_ns(self._first) - self._before_ns)

    def look(self, pids: list[int]) -> float:
        """What has been used until now in milliseconds, by the run's processes `pids` and those before them."""
        if len(pids) > 1:
            self._has_children = True
        if not self._has_children:
            return (process_clock_ns(self._first) - self._before_ns) / 1e6
        seen = {pid: found for pid in pids if (found := _process(pid))}
        for pid, gone in self._seen.items():
            if pid not in seen and gone.parent in seen:
                self._owed_ns[gone.parent] = self._owed_ns.get(gone.parent, 0) + gone.own + gone.waited_for
        for parent in tuple(self._owed_ns):
            if parent in seen:
                before = self._seen[parent].waited_for if parent in self._seen else 0
                self._owed_ns[parent] = max(0, self._owed_ns[parent] - (seen[parent].waited_for - before))
            else:
                self._lost_ns += max(0, self._owed_ns.pop(parent) - _ROUNDING_NS)
        self._seen = seen
        if self._adopter and (adopter := _process(self._adopter)):
            self._adopted_ns = adopter.waited_for
        return max(self._counted_ns(), self._witnessed_ns() or 0) / 1e6

    def reaped(self, pid: int, seconds: float) -> None:
        """The supervisor has waited for `pid`; `seconds` are its own and those of the children that it had waited for."""
        self._reaped_ns += round(seconds * 1e9)
        self._seen.pop(pid, None)

    def ended_at(self, clock_ns: int) -> None:
        """The program, which was always alone, has come to its end with its clock at `clock_ns`."""
        self._reaped_ns = clock_ns

    def conclude(self) -> None:
        """Counts processes that are gone and that the supervisor did not wait for: no other process could any more."""
        self._lost_ns += sum(process.own + process.waited_for for process in self._seen.values())
        self._seen = {}

    def total_ms(self, complain: Callable[[str], None]) -> float:
        """The run's CPU time in milliseconds, once all of its processes are gone or about to be."""
        counted = self._counted_ns()
        witnessed = self._witnessed_ns() if self._has_children else None
        if witnessed is not None and witnessed > counted:
            complain(f"CPU time of a run: {counted / 1e6:.0f} ms by its processes, {witnessed / 1e6:.0f} ms by the container")
            counted = witnessed
        return max(0, counted) / 1e6

    def _counted_ns(self) -> int:
        living = sum(process.own + process.waited_for for process in self._seen.values())
        owed = sum(max(0, each - _ROUNDING_NS) for each in self._owed_ns.values())
        return living + self._reaped_ns + self._adopted_ns + self._lost_ns + owed - self._before_ns

    def _witnessed_ns(self) -> int | None:
        """What the container's account has, less what may be inexact in it; None where it says nothing."""
        if self._witness_before_ns is None or (now := self._witness()) is None:
            return None
        found = now - self._witness_before_ns
        return found - max(_WITNESS_NS, round(_WITNESS_SHARE * found))


def _process(pid: int) -> _Process | None:
    """None where it is gone."""
    own, fields = process_clock_ns(pid), stat_fields(pid)
    if not own or not fields:
        return None
    ticks = int(fields[_CHILDREN_USER]) + int(fields[_CHILDREN_SYSTEM])
    return _Process(own, ticks * _TICK_NS, int(fields[_PARENT]))


def clocks_ns(pids: Iterable[int]) -> int:
    """CPU time of processes in nanoseconds, together."""
    return sum(map(process_clock_ns, pids))
