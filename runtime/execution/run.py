"""One job on one worker, from the start of the program until the last of its processes is gone."""

import functools
import math
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from runtime.execution.codec import HEADER_BYTES
from runtime.execution.cpu_time import CpuTime
from runtime.execution.disk_account import DiskAccount
from runtime.execution.events import Events
from runtime.execution.limit_facts import SlotFacts
from runtime.execution.limit_watcher import FIRST_LOOK_MS, LimitWatcher
from runtime.execution.memory_account import MemoryAccount
from runtime.execution.notifications import Notifications
from runtime.execution.process_tree import ProcessTree
from runtime.execution.procfs import process_clock_ns
from runtime.execution.protocol import COLD, Ended, File, Job, Outcome
from runtime.execution.resident_peak import ResidentPeak
from runtime.execution.streams import Output
from runtime.execution.worker_pool import WorkerPool
from runtime.execution.workers import NotTakenError, Worker, complain
from runtime.execution.workspace import Collected
from runtime.sandbox import rlimits
from runtime.sandbox.impersonation import ActingAs

if TYPE_CHECKING:
    from runtime.execution.live_run import LiveRun
    from runtime.execution.pair_wait import PairWait

# More than a process uses that only ends.
_LEAST_CPU_MS = 2.0
# How soon to look again at calls that wait for an answer.
_RETRY_MS = 1.0


class Run:
    """Serves one job: `serve` gives the outcome, `end` leaves no process, `close` lets go of what the run was given."""

    def __init__(self, worker: Worker, job: Job, pool: WorkerPool, facts: SlotFacts, control: socket.socket) -> None:
        """The worker waits for its run in the job's workspace; `control` is the connection that the job came by."""
        self.worker = worker
        self._job = job
        self._limits = job.limits
        self._pool = pool
        self._facts = facts
        self._control = control
        self._events = Events()
        self._live = _live_run(worker, job, control, self._events) if job.live else None
        self._stdout: Output = self._live.stdout if self._live else Output(worker.streams.stdout, job.limits.output_bytes)
        self._stderr: Output = self._live.stderr if self._live else Output(worker.streams.stderr, job.limits.output_bytes)
        self._tree = ProcessTree(pool, worker.first)
        self._cpu = CpuTime(worker.pid, worker.first, pool.others_cpu_ns)
        self._disk = DiskAccount(worker, job.limits, self._tree)
        self._notifications: Notifications | None = None
        if worker.listener >= 0:
            self._notifications = Notifications(worker, job.limits, self._tree, self._disk, self._begin_children)
        self._resident = ResidentPeak(worker)
        self._memory = MemoryAccount(worker, job.limits, facts, self._notifications, self._resident)
        self._watcher = LimitWatcher(
            worker.pid,
            job.limits,
            facts,
            self._tree,
            cpu=self._cpu,
            memory=self._memory,
            disk=self._disk,
            notifications=self._notifications,
            relieve=functools.partial(pool.drop_warm, self._events),
        )
        self._pair_wait = _pair_wait(worker, self._live) if self._live and job.limits.free_waiting else None
        self._ended: Ended | None = None
        self._status: int | None = None
        self._over = False
        self._started = 0.0
        #: What the job wants brought back, once it has been run.
        self.collected: tuple[Collected, ...] = ()

    @property
    def was_alone(self) -> bool:
        """Whether the program ended by itself and had no other process."""
        return self._notifications is not None and self._notifications.exit_code is not None

    @property
    def can_be_repeated(self) -> bool:
        """Whether another worker would be given all that came for the program."""
        return self._live is None or not self._live.has_taken

    def serve(self, meanwhile: Callable[[], None]) -> Outcome:
        """Runs the job to its end; `meanwhile` is called once it has begun, and must not take longer than moments.

        Raises NotTakenError where the worker was gone before it took the job.

        What is left of its processes then cannot change the outcome any more, and is still to be ended.
        """
        worker = self.worker
        self._set_rlimits()
        worker.streams.widen_outputs(self._limits.output_bytes)
        if not self._live:
            worker.streams.fill_input(self._job.stdin)
        self._resident.begin()
        self._started = time.monotonic()
        worker.go(self._job)
        try:
            meanwhile()
            self._watch()
        finally:
            wall_ms = self._now()
            if not self._conclude():
                self.end()
        stdout, stderr = self._stdout.drain(), self._stderr.drain()
        cpu_ms = self._cpu.total_ms(complain)
        ended, code, number = self._ending(cpu_ms)
        killed = ended is Ended.SIGNALED and number == signal.SIGKILL
        if killed:
            worker.require_taken()
        failure = worker.exec_failure() if worker.kind == COLD else ""
        if failure:
            return Outcome(Ended.FAILED, message=f"{self._job.argv[0]}: {failure}")
        if self._job.collect:
            self.collected = worker.workspace.collect(self._job.collect)
        outcome = Outcome(
            ended,
            code=code,
            signal=number,
            stdout=stdout,
            stderr=stderr,
            stdout_truncated=self._stdout.truncated,
            stderr_truncated=self._stderr.truncated,
            cpu_ms=cpu_ms,
            wall_ms=wall_ms,
            waited_ms=self._watcher.waited_ms(wall_ms, cpu_ms),
            memory_bytes=self._memory.told_bytes(is_within=ended is not Ended.MEMORY),
            memory_refused=code != 0 and self._was_short_of_memory(number),
            stack_bytes=self._watcher.stack_bytes,
            processes_refused=self._notifications is not None and self._notifications.processes_refused,
            warm=worker.kind != COLD,
            files=tuple(File(file.name, memoryview(b""), file.executable) for file in self.collected),
        )
        if killed and cpu_ms < _LEAST_CPU_MS and not (stdout or stderr):
            # The kernel can give a process the message that it waited for although its end has been decided. A program
            # that ends itself so soon will do so again.
            raise NotTakenError(f"worker {worker.kind}: ended as it took its run", outcome)
        return outcome

    def end(self) -> None:
        """Kills every process of the run until none is left, and takes their times."""
        if self._over:
            return
        notifications = self._notifications
        if notifications:
            notifications.closed = True
        worker = self.worker
        alone = notifications is not None and not notifications.forked
        if not alone:
            self._watcher.look_at_end(self._now())
        if worker.first:
            # With the first process of a pid namespace the kernel ends all the others.
            os.kill(worker.first, signal.SIGKILL)
        if notifications and alone:
            if self._status is None or notifications.exit_code is not None:
                os.kill(worker.pid, signal.SIGKILL)
                self._reap(worker.pid)
        else:
            self._tree.end(self._reap)
            self._cpu.conclude()
        if worker.first:
            self._pool.reap_later(worker.first)
        self._over = True

    def close(self) -> None:
        """Lets go of handlers and descriptors, so that the job, which may be large, is freed with the last reference."""
        self._events.clear()
        self._disk.close()

    def _now(self) -> float:
        """Milliseconds since the start."""
        return (time.monotonic() - self._started) * 1000

    def _set_rlimits(self) -> None:
        limits = self._limits
        if not self._facts.rlimits:
            return
        with ActingAs(self.worker.uid):
            rlimits.limit(
                self.worker.pid,
                data_bytes=limits.memory_bytes + limits.data_headroom_bytes,
                stack_bytes=limits.stack_bytes,
                file_bytes=limits.file_bytes,
                open_files=limits.open_files,
                cpu_seconds=limits.cpu_ms // 1000 + 2,
                tasks=limits.tasks if self.worker.uid > 0 and not self._notifications else 0,
            )

    def _watch(self) -> None:
        """Serves the program until it ends by itself or meets a limit, which `_ended` then names."""
        events, limits, watched = self._events, self._limits, self._facts.watched
        pidfd = os.pidfd_open(self.worker.pid)
        events.listen(pidfd, self._on_exit)
        events.listen(self._control.fileno(), self._on_control)
        if self._notifications:
            events.listen(self.worker.listener, self._on_notification)
        if self._live:
            self._live.start()
        self._pool.watch_starting(events)
        look_at = self._now() + FIRST_LOOK_MS if watched else math.inf
        wall_at: float = min(limits.wall_ms, limits.max_wall_ms or limits.wall_ms)
        try:
            while self._ended is None:
                now = self._now()
                if now >= wall_at:
                    self._excuse(now)
                    self._ended, wall_at = self._watcher.look_at_wall_time(now)
                elif now >= look_at:
                    self._excuse(now)
                    self._ended, pause = self._watcher.look(now)
                    look_at = self._now() + pause
                else:
                    paused = [stream for stream in (self._stdout, self._stderr) if not self._resumed(stream, now)]
                    wake_at = min(look_at, wall_at, *(stream.resume_at for stream in paused))
                    if self._notifications and self._notifications.has_deferred:
                        self._notifications.answer_deferred()
                        wake_at = min(wake_at, now + _RETRY_MS)
                    events.handle(max(0.0, wake_at - now), self._is_over)
        finally:
            os.close(pidfd)

    def _begin_children(self) -> None:
        self._cpu.begin_children()
        self._disk.begin_children()

    def _excuse(self, now: float) -> None:
        """Takes down what is no wall time of a run that speaks with another one."""
        if self._pair_wait:
            self._pair_wait.look(self._tree.pids(), now)
            self._watcher.excused_ms = self._pair_wait.waited_ms
        elif self._live:
            self._watcher.excused_ms = self._live.excused_ms

    def _is_over(self) -> bool:
        return self._ended is not None

    def _resumed(self, stream: Output, now: float) -> bool:
        """Whether the stream need not be waited for: it is being listened to, or at its end."""
        if not stream.open or stream.descriptor in self._events:
            return True
        if now < stream.resume_at:
            return False
        self._events.listen(stream.descriptor, functools.partial(self._on_output, stream))
        return True

    def _on_output(self, stream: Output, _event: int) -> None:
        self._events.ignore(stream.descriptor)
        stream.read_and_pause(self._now())
        if stream.truncated:
            self._ended = Ended.OUTPUT

    def _on_exit(self, _event: int) -> None:
        self._ended = self._ended or Ended.EXITED

    def _on_control(self, _event: int) -> None:
        """Either the server gives the job up or it is gone; both end the run. For a live one there are events as well."""
        if self._live:
            if not self._live.receive():
                self._ended = Ended.CANCELLED
            return
        self._ended = Ended.CANCELLED
        self._control.recv(HEADER_BYTES, socket.MSG_WAITALL)

    def _on_notification(self, event: int) -> None:
        if event & select.POLLIN and self._notifications:
            self._notifications.answer_next()
            if self._notifications.exit_code is not None:
                self._ended = self._ended or Ended.EXITED
        else:
            self._events.ignore(self.worker.listener)  # the last process under this filter is gone

    def _conclude(self) -> bool:
        """Takes the account of a program that was always alone; False where something is to be ended before the answer."""
        notifications = self._notifications
        if self._ended is not Ended.EXITED or notifications is None or notifications.forked:
            return False
        if notifications.exit_code is None:
            self._reap(self.worker.pid)
        else:
            self._status = notifications.exit_code << 8
            self.worker.begun = True
            self._cpu.ended_at(process_clock_ns(self.worker.pid))
            self._watcher.look_at_first()
            if self._memory.held([self.worker.pid]) > self._limits.memory_bytes and self._facts.watched:
                self._ended = Ended.MEMORY
            # It waits in its last call. Killed now it would be woken for that, and take the processor before the answer
            # has left; only other threads cannot be left to go on.
            if self._memory.threads > 1:
                os.kill(self.worker.pid, signal.SIGKILL)
        # What it wrote to files is complete once it is gone.
        return not self._job.collect

    def _ending(self, cpu_ms: float) -> tuple[Ended, int | None, int | None]:
        """How the run ended, its exit code, and the signal that ended it."""
        status = self._status or 0
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        ended = self._ended or Ended.EXITED
        if ended is Ended.EXITED:
            if self._stdout.truncated or self._stderr.truncated:
                ended = Ended.OUTPUT
            elif cpu_ms > self._limits.cpu_ms:
                ended = Ended.CPU_TIME
            elif number is not None:
                ended = Ended.SIGNALED
        return ended, code, number

    def _was_short_of_memory(self, number: int | None) -> bool:
        """Whether the kernel refused memory to a run that failed, or ended a part of it because the container had none.

        Signal `number` ended its first process.
        """
        if self._notifications and self._notifications.memory_refused:
            return True
        if self._ended is not Ended.EXITED or not self._pool.was_out_of_memory():
            return False
        # Of a process that another one started nobody sees how it ended. The kernel ends the one that has most.
        return number == signal.SIGKILL or self._resident.bytes > self._limits.memory_bytes // 2

    def _reap(self, pid: int) -> None:
        if pid == self.worker.pid:
            self._watcher.look_at_first()
        _, status, used = os.wait4(pid, 0)
        if pid == self.worker.pid:
            if self._status is not None:
                return  # its account was taken before
            self._status = status
            self._resident.finish(used)
        else:
            self._resident.see(used.ru_maxrss << 10)
        self._cpu.reaped(pid, used.ru_utime + used.ru_stime)


def _pair_wait(worker: Worker, live: "LiveRun") -> "PairWait":
    from runtime.execution.pair_wait import PairWait  # noqa: PLC0415

    return PairWait(worker, live)


def _live_run(worker: Worker, job: Job, control: socket.socket, events: Events) -> "LiveRun":
    """What only a supervisor with live jobs needs to know."""
    from runtime.execution.live_run import LiveRun  # noqa: PLC0415

    return LiveRun(worker, job, control, events)
