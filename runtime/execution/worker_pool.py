"""The workers of one slot: which kinds there are, how many are ready, and what takes the place of one that is used."""

import contextlib
import errno
import functools
import os
import select
import signal
import time
from collections import deque

from runtime.execution import container_cpu
from runtime.execution.container_memory import memory_left, oom_kills
from runtime.execution.cpu_time import clocks_ns
from runtime.execution.events import Events
from runtime.execution.origin import Origin
from runtime.execution.paths import BOX
from runtime.execution.plans import Plans
from runtime.execution.procfs import process_clock_ns
from runtime.execution.protocol import Job, SupervisorConfig, WarmStart
from runtime.execution.workers import Worker, WorkerError, complain, start_cold, start_interpreter
from runtime.execution.workspaces import Workspaces
from runtime.sandbox import unotify
from runtime.sandbox.confinement import Confinement

_COLD_SECONDS = 10.0
# How long a run waits for the confinement of a worker that has been forked; it takes 2 ms, and the cold way at least 12.
_FORKED_SECONDS = 0.01
# Forked workers' channels stay unpolled for so long, to read their reports together.
_REPORTS_MS = 3.0
# How long a run goes unwatched because a worker that is just being forked has not reported its pid.
_PID_SECONDS = 0.3
# What a warm worker takes, about: a fork, and an interpreter or JVM with a start of its own.
_FORK_BYTES, _START_BYTES = 4 << 20, 48 << 20
# What must be left beside a run's memory before one is started, so that none is started only to be dropped again.
_WARM_BYTES = 2 * _START_BYTES
# How often at most to look how much is left, between runs that come at once after each other.
_MEMORY_SECONDS = 0.05
# With two, one is confined while the other serves. There are none before a job has needed one: a service whose languages
# all have warm workers does without.
_COLD_READY = 2
# What a program may take before it is first looked at. With a limit below this, only an end that is announced shows it.
_TAKEN_UNSEEN_BYTES = 64 << 20


class WorkerPool:
    """Keeps workers ready, and gives one to each run."""

    def __init__(self, config: SupervisorConfig) -> None:
        """Starts nothing before the first `prepare`."""
        self._config = config
        self._plans = Plans(config)
        self._warm: dict[str, deque[Worker]] = {start.name: deque() for start in config.warm}
        self._cold: deque[Worker] = deque()
        self._cold_ready = 0
        self._asked_for: set[str] = set()
        self._origins: dict[str, Origin] = {}
        #: Where runs take place.
        self.workspaces = Workspaces(config)
        # By their pidfds, children that end by themselves and belong to no run.
        self._ending: dict[int, int] = {}
        # What the latest run might have taken; the next one is likely to be such a one.
        self._wanted_bytes = 0
        self._memory_left, self._next_memory = 0, 0.0
        # How often the kernel had ended a process for want of memory when that was last looked at.
        self._oom_kills = 0
        # CPU time of workers that have gone without a run.
        self._ended_cpu_ns = 0

    @property
    def has_cold(self) -> bool:
        """Whether a worker is there that can become any program."""
        return bool(self._cold)

    def prepare(self, *, beside_run: bool = False) -> None:
        """Brings every kind of worker to the number that is to be ready, as far as the machine has room for them.

        `beside_run` says that a run is on, which does not watch any worker yet that is starting.
        """
        try:
            self._prepare(beside_run=beside_run)
        except OSError as error:
            # The next job is answered so, unless there is room by then.
            complain(f"no worker can be kept ready: {error}")

    def was_out_of_memory(self) -> bool:
        """Whether the kernel has ended a process here for want of memory since this was last looked at."""
        before, self._oom_kills = self._oom_kills, oom_kills()
        return self._oom_kills > before

    def _prepare(self, *, beside_run: bool) -> None:
        while len(self._cold) < self._cold_ready:
            self._cold.append(self._start_cold())
        now = time.monotonic()
        # What a run has just taken of the memory says nothing of what there is for the next one.
        if now >= self._next_memory and not beside_run:
            self._next_memory = now + _MEMORY_SECONDS
            self._memory_left = memory_left()
            self._oom_kills = oom_kills()
        left = self._memory_left
        if left < self._wanted_bytes and not beside_run:
            self.drop_warm()
        for start in self._config.warm:
            if start.on_demand and start.name not in self._asked_for:
                continue
            if beside_run and start.forks and start.name not in self._origins:
                continue  # an origin starts where the run is
            queue = self._warm[start.name]
            while len(queue) < start.ready and left >= self._wanted_bytes + _WARM_BYTES:
                worker = self._start_warm(start)
                if worker is None:
                    break
                queue.append(worker)
                left -= _FORK_BYTES if start.forks else _START_BYTES

    def take(self, job: Job) -> Worker:
        """A worker for the job: a warm one where one is up, else a cold one. Raises OSError or WorkerError.

        Where there is no room for another process, the ones that wait for other jobs give way.
        """
        try:
            worker = self._take(job)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ENOMEM):
                raise
            complain(f"workers that wait are ended, because none can be started: {error}")
            self.drop_warm()
            worker = self._take(job)
        if not job.live or worker.takes_descriptors or unotify.can_install(worker.listener):
            return worker
        # Its input file cannot be made a pipe any more.
        self._discard(worker)
        return self._checked(self._start_cold(live=True))

    def _take(self, job: Job) -> Worker:
        self._wanted_bytes = job.limits.memory_bytes
        self._asked_for.add(job.warm)
        queue = self._warm.get(job.warm, deque())
        while queue:
            try:
                # One that was forked has only to confine itself, as any other worker for this run would have to.
                if not queue[0].check(_FORKED_SECONDS if job.warm in self._origins else 0):
                    break
            except WorkerError as error:
                complain(str(error))
                self._discard(queue[0])
                continue
            return queue.popleft()
        if job.limits.memory_bytes < _TAKEN_UNSEEN_BYTES:
            return self._checked(self._start_cold(self._plans.announcing))
        if job.files:  # not where a toolchain is asked for its version
            self._cold_ready = _COLD_READY
        while self._cold:
            worker = self._cold.popleft()
            try:
                return self._checked(worker)
            except WorkerError as error:
                complain(str(error))
        return self._checked(self._start_cold())

    def start_successor(self, kind: str) -> None:
        """Has a worker forked in the place of one that has served, where an origin does that in the background."""
        origin = self._origins.get(kind)
        with contextlib.suppress(OSError):  # no room yet, as long as there is what the run has left
            if origin and (worker := self._start_warm(origin.start)):
                self._warm[kind].append(worker)

    def drop_warm(self, events: Events | None = None) -> None:
        """Ends the warm workers and their origins, so that a run finds the memory that it was promised.

        Where a run is on, `events` is what it waits for, the workers' starts included.
        """
        if events:
            for worker in self._waiting():
                _ignore(events, worker)
        for queue in self._warm.values():
            for worker in tuple(queue):
                with contextlib.suppress(WorkerError):  # it is ended all the same
                    worker.check(0)
                if worker.pid:  # otherwise it is about to report its pid, and can only then be ended
                    self._discard(worker)
        while self._origins:
            self._end_origin(self._origins.popitem()[1])

    def await_pids(self) -> None:
        """Waits until every worker has reported its pid, for each at most once; later it is only asked.

        One that does not report in time is taken for the run's, and ends with it.
        """
        for worker in self._starting():
            if not worker.pid:
                seconds = 0.0 if worker.pid_overdue else _PID_SECONDS
                worker.pid_overdue = True
                with contextlib.suppress(WorkerError):  # it is gone, which whoever is about to use it finds out
                    worker.wait_pid(seconds)

    def has_unknown(self) -> bool:
        """Whether a worker has not reported its pid, so that its processes may be taken for a run's."""
        return any(not worker.pid for worker in self._starting())

    def waiting_pids(self) -> set[int]:
        """The known processes below this one that belong to no run."""
        waiting = {pid for worker in self._waiting() for pid in worker.pids}
        return waiting | {origin.pid for origin in self._origins.values()} | set(self._ending.values())

    def reap_later(self, pid: int) -> None:
        """Takes over a child that ends by itself and belongs to no run any more.

        Such as the killed first process of a pid namespace, which ends after all others in there.
        """
        self._ending[os.pidfd_open(pid)] = pid

    def others_cpu_ns(self) -> int | None:
        """CPU time of all in this container but the service and the workers that wait; None where it cannot be told.

        Only a single slot can tell its run from another slot's.
        """
        if not self._config.alone or (used := container_cpu.used_ns()) is None:
            return None
        self.await_pids()
        # The first is the container's init, which may be the server itself.
        service = {*self._config.service_pids, os.getpid(), *self.waiting_pids()}
        return used - clocks_ns(service) - self._ended_cpu_ns

    def watch_starting(self, events: Events) -> None:
        """Sees to the workers that start while a run is on. One that is forked needs no help to start."""
        for worker in self._starting():
            if not worker.forked:
                events.listen(worker.channel.fileno(), functools.partial(self._on_report, events, worker))
                _watch_calls(events, worker)

    def tend_until(self, readable: int) -> None:
        """Waits for the descriptor `readable`; meanwhile replaces workers that die, and reaps what has ended."""
        poller = select.poll()
        poller.register(readable, select.POLLIN)
        # The reports of a worker that is just being forked are read together then, unless a job comes first.
        reports_ms: float | None = _REPORTS_MS
        while True:
            starting = self._starting()
            if not any(worker.forked for worker in starting):
                reports_ms = None
            waiting = {
                worker.channel.fileno(): worker
                for worker in self._waiting()
                if worker.up or not worker.forked or reports_ms is None
            }
            waiting |= {worker.listener: worker for worker in starting if worker.listener >= 0}
            for descriptor in (*waiting, *self._ending):
                poller.register(descriptor, select.POLLIN)
            # A channel comes before its worker's listener: a worker that is gone has no call to be answered.
            ready = [descriptor for descriptor, _ in poller.poll(reports_ms)]
            if not ready:
                reports_ms = None
            for descriptor in (*waiting, *self._ending):
                poller.unregister(descriptor)
            for descriptor in self._ending.keys() & set(ready):
                os.waitpid(self._ending.pop(descriptor), 0)
                os.close(descriptor)
                ready.remove(descriptor)
            if readable in ready:
                return
            for descriptor in ready:
                if not self._tend(waiting[descriptor], descriptor):
                    break

    def _tend(self, worker: Worker, descriptor: int) -> bool:
        """Sees to one descriptor of a waiting worker that is ready; False where that worker is gone."""
        try:
            if descriptor == worker.listener:
                unotify.let_next_through(descriptor)
            else:
                worker.check(0)
        except WorkerError as error:
            complain(str(error))
            self._discard(worker)
            # One that cannot even start would fail again and again; the next job tries another.
            if worker.up:
                self.prepare()
            return False
        return True

    @staticmethod
    def _on_report(events: Events, worker: Worker, _event: int) -> None:
        """A worker that starts has got further, or has failed, which is looked into after the run."""
        try:
            worker.check(0)
        except WorkerError:
            _ignore(events, worker)
            return
        if worker.up:
            _ignore(events, worker)
        else:
            _watch_calls(events, worker)

    def _waiting(self) -> list[Worker]:
        """The workers that have no run yet."""
        return [worker for queue in (self._cold, *self._warm.values()) for worker in queue]

    def _starting(self) -> list[Worker]:
        """Those of them that are not up yet."""
        return [worker for worker in self._waiting() if not worker.up]

    def _start_cold(self, plan: Confinement | None = None, *, live: bool = False) -> Worker:
        workspace, uid = self.workspaces.take()
        try:
            return start_cold(plan or self._plans.cold, workspace, uid, live=live)
        except OSError:
            workspace.remove()
            raise

    def _start_warm(self, start: WarmStart) -> Worker | None:
        """One more worker, or None where its origin has failed."""
        workspace, uid = self.workspaces.take()
        try:
            if not start.forks:
                return start_interpreter(self._plans.warm, workspace, uid, start)
            return (self._origins.get(start.name) or self._start_origin(start)).fork(workspace, uid)
        except WorkerError as error:
            # The next run of this kind goes the cold way, and the run after it finds a new origin.
            complain(str(error))
            workspace.remove()
            origin = self._origins.pop(start.name, None)
            if origin:
                self._end_origin(origin)
            return None

    def _start_origin(self, start: WarmStart) -> Origin:
        # Its programs will run in the directory of this name, which need not be there any more by then.
        box = f"{self._config.directory}/{BOX}"
        os.makedirs(box, exist_ok=True)
        origin = Origin(start, self._plans.warm, box, own_uids=self._config.first_uid > 0)
        try:
            origin.wait_up()
        except WorkerError:
            self._end_origin(origin)
            # What is left of its rehearsal: in this place nothing may lie when a run comes.
            for name in os.listdir(box):
                os.unlink(f"{box}/{name}")
            raise
        finally:
            os.rmdir(box)
        self._origins[start.name] = origin
        return origin

    def _discard(self, worker: Worker) -> None:
        """Ends a worker that no run has used."""
        for queue in (self._cold, *self._warm.values()):
            if worker in queue:
                queue.remove(worker)
        for pid in worker.pids:
            self._kill(pid)
        worker.close()
        worker.workspace.remove()

    def _end_origin(self, origin: Origin) -> None:
        origin.close()
        self._kill(origin.pid)

    def _kill(self, pid: int) -> None:
        """Ends and reaps a child that no run has used."""
        self._ended_cpu_ns += process_clock_ns(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # a run has ended it that took it for its own
            os.waitpid(pid, 0)

    def _checked(self, worker: Worker) -> Worker:
        """A cold worker once it is up; raises WorkerError where it does not come up."""
        try:
            if worker.check(_COLD_SECONDS):
                return worker
            raise WorkerError(f"no worker within {_COLD_SECONDS:.0f} s")
        except WorkerError:
            self._discard(worker)
            raise


def _ignore(events: Events, worker: Worker) -> None:
    events.ignore(worker.channel.fileno())
    events.ignore(worker.listener)


def _watch_calls(events: Events, worker: Worker) -> None:
    """Has a starting worker's calls let through, from when it has a filter."""
    if worker.listener >= 0 and not worker.up and worker.listener not in events:
        events.listen(worker.listener, functools.partial(_on_starting_call, events, worker))


def _on_starting_call(events: Events, worker: Worker, event: int) -> None:
    if event & select.POLLIN:
        unotify.let_next_through(worker.listener)
    else:
        events.ignore(worker.listener)  # it is gone, which its channel tells too
