"""The most memory that a run's largest process had resident, without what it inherited from the supervisor that forked it.

The kernel's own figure (ru_maxrss) survives the start of a program: it then says no less than what the supervisor, of which
the process is a fork, had. Where a program stays below that, what it was seen to have counts, and since then what it was
given page by page.
"""

import resource

from runtime.execution.procfs import PAGE, minor_faults, most_resident
from runtime.execution.protocol import COLD
from runtime.execution.workers import Worker

# What a worker still takes until it has become its program.
_TO_EXECUTE_BYTES = 1 << 20

# A program's first pages are those of its file and of its libraries, and come with what lies around them.
_FIRST_FAULTS, _AROUND_BYTES = 64, 20 << 10


class ResidentPeak:
    """The peak of one run."""

    def __init__(self, worker: Worker) -> None:
        """The worker waits for its run."""
        self._worker = worker
        self._inherited = self._faults = 0
        #: Bytes, as far as is known.
        self.bytes = 0

    def begin(self) -> None:
        """Notes what the process has before it gets its run."""
        worker = self._worker
        if worker.kind == COLD:
            self._inherited = most_resident(worker.pid) + _TO_EXECUTE_BYTES
            self._faults = minor_faults(worker.pid)
        elif not worker.forked:
            self._inherited = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10

    def see(self, resident: int) -> None:
        """Takes the most bytes that a process of the run has had resident until now."""
        if not resident or (self._worker.kind == COLD and not self._worker.has_begun()):
            return
        self.bytes = max(self.bytes, resident)
        if self.bytes < self._inherited:
            self._faults = minor_faults(self._worker.pid)

    def finish(self, used: resource.struct_rusage) -> None:
        """Takes the kernel's account of the first process, once it has ended."""
        most = used.ru_maxrss << 10
        if most <= self._inherited:
            given = used.ru_minflt - self._faults
            around = 0 if self.bytes else min(given, _FIRST_FAULTS) * _AROUND_BYTES
            most = min(most, self.bytes + given * PAGE + around)
        self.bytes = max(self.bytes, most)
