"""The supervisor of one slot: takes a job, gives it to a worker, watches, ends everything, and answers.

It is the subreaper of all that its programs start, has one thread, and holds nothing that a program may not know.
"""

import contextlib
import fcntl
import functools
import math
import os
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Collection

import msgspec

from runtime.execution import leftovers
from runtime.execution.disk_use import DiskUse
from runtime.execution.notifications import Notifications, let_through
from runtime.execution.pressure import held_bytes_of_all, memory_left
from runtime.execution.protocol import (
    BOX,
    HEADER_BYTES,
    Ended,
    File,
    Job,
    Outcome,
    SupervisorConfig,
    WarmStart,
    frame,
    message_of,
    receive_frame,
)
from runtime.execution.usage import (
    CpuTime,
    children,
    descendants,
    held_bytes,
    overlap_bytes,
    peak_and_threads,
    process_clock_ns,
)
from runtime.execution.workers import NotTakenError, Origin, Worker, WorkerError, start_cold, start_interpreter
from runtime.execution.workspace import Collected, Workspace
from runtime.sandbox import rlimits, seccomp
from runtime.sandbox.acting import ActingAs
from runtime.sandbox.confine import CHANNEL
from runtime.sandbox.confinement import Confinement, prepared
from runtime.sandbox.syscalls import PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, PR_SET_PDEATHSIG, prctl

_CHUNK = 1 << 16
# What the kernel lets an unprivileged process have by default (fs.pipe-max-size).
_LARGEST_PIPE = 1 << 20
# How long output may wait in the pipe after a read. Without it a program that prints much wakes us for every line.
_READ_PAUSE_MS = 2.0
_CPUS = os.cpu_count() or 1
# Faster than memory was seen to grow on one processor, with huge pages too; it decides when to look next.
_GROWTH_BYTES_PER_MS = 6 << 20
_FIRST_LOOK_MS, _LOOK_MIN_MS, _LOOK_MAX_MS = 5.0, 1.5, 25.0
# The directory is counted this often at most and at least, else for one part in so many of the time: fewer while a pass is
# under way.
_COUNT_MS, _COUNT_AT_LEAST_MS = 100.0, 500.0
_COUNT_SHARE, _UNDER_WAY_SHARE = 20, 4
_COUNT_SECONDS = 0.02
_COUNT_FOR_MEMORY_SECONDS = 0.1
# How often at most to look whether the memory for the rest of the run's limit is there.
_PRESSURE_MS = 10.0
# What may come to be held beside a run that is none of its memory: workers that start, answers, what was compiled.
_UNSEEN_BYTES = 256 << 20
# How soon to look again at calls that wait for an answer.
_RETRY_MS = 1.0
# A program that failed this close to its limit is taken to have failed for lack of memory.
_NEAR_LIMIT = 0.85
_COLD_SECONDS = 10.0
# How long a run waits for the confinement of a worker that has been forked; it takes 2 ms, and the cold way at least 12.
_FORKED_SECONDS = 0.01
# How long nobody listens to it: then all that it says is heard at once.
_PATIENCE_MS = 3.0
# How long the run of what was just compiled may take to come: the server has the result in its hands.
_FOLLOWED_SECONDS = 0.01
# How long nobody may watch a run because a worker that is just being forked has not said which process it is.
_PID_SECONDS = 0.3
# What a warm worker takes, about: a fork, and an interpreter or JVM with a start of its own.
_FORK_BYTES, _START_BYTES = 4 << 20, 48 << 20
# What must be left beside a run's memory before one is started, so that none is started only to be dropped again.
_WARM_BYTES = 2 * _START_BYTES
# How often at most it is looked how much is left, between runs that come at once after each other.
_MEMORY_SECONDS = 0.05
# With two, one is confined while the other serves. There are none before a job has needed one: who runs only what has
# workers of its own does without.
_COLD_READY = 2
# How many workers a job is given to, where they are gone before they take it: all that wait can die at one moment.
_ATTEMPTS = 4


class _Stream:
    """One output of a program, kept up to its cap."""

    def __init__(self, descriptor: int, cap: int) -> None:
        self.descriptor = descriptor
        self.open = True
        self.truncated = False
        #: The last read took all that fits into the pipe, so the program is waiting.
        self.full = False
        self.resume_at = _READ_PAUSE_MS
        self._parts: list[bytes] = []
        self._room = cap

    def read(self) -> bool:
        """Reads once; False where there is nothing more at the moment or nothing more is wanted."""
        try:
            data = os.read(self.descriptor, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self.open = False
            return False
        self.full = len(data) == _CHUNK
        if len(data) > self._room:
            self.truncated = True
            data = data[: self._room]
        self._parts.append(data)
        self._room -= len(data)
        return not self.truncated

    def drain(self) -> bytes:
        """All that was kept, with what lies in the pipe now that the program is at its end.

        Who goes on to write all the same, as a signal's handler can before Linux 5.19, does not keep us.
        """
        while self.open and not self.truncated and self.read() and self.full:
            pass
        return b"".join(self._parts)


class _Run:
    """One job on one worker, from the word to go until the last of its processes is gone."""

    def __init__(self, worker: Worker, job: Job, supervisor: "Supervisor") -> None:
        self.worker = worker
        self._job = job
        self._limits = job.limits
        self._input = memoryview(job.stdin)
        self._supervisor = supervisor
        self._stdout = _Stream(worker.pipes.stdout, job.limits.output_bytes)
        self._stderr = _Stream(worker.pipes.stderr, job.limits.output_bytes)
        self._notifications: Notifications | None = None
        if worker.listener >= 0:
            self._notifications = Notifications(worker, job.limits, self._tree)
        self._cpu = CpuTime(worker.pid)
        self._memory_places = [(place, leftovers.used_bytes(place)) for place in supervisor.memory_places]
        self._peak = 0
        self._disk_use: DiskUse | None = None
        self._next_count, self._counted_ms = _COUNT_MS, 0.0
        self._next_relief = 0.0
        #: What the container held besides the run when that was first looked at.
        self._others: int | None = None
        self._ended: Ended | None = None
        self._reaped_cpu_s = 0.0
        self._largest_rss = 0
        self._status: int | None = None
        self._over = False
        self._started = 0.0
        #: What the job wants brought back, once it has been run.
        self.collected: tuple[Collected, ...] = ()
        self._poller = select.poll()
        self._handlers: dict[int, Callable[[int], None]] = {}

    def _tree(self) -> list[int]:
        """Every process of the run: the program, its descendants, and orphans that came to the supervisor."""
        waiting = self._supervisor.waiting_pids()
        found = descendants([pid for pid in children(os.getpid()) if pid not in waiting])
        # The first process of a pid namespace is ours; orphans come to it.
        return [pid for pid in found if pid != self.worker.first]

    def _now(self) -> float:
        """Milliseconds since the start."""
        return (time.monotonic() - self._started) * 1000

    def serve(self) -> Outcome:
        """Runs the job to its end. Raises NotTakenError where the worker was gone before it took it.

        What is left of its processes then cannot change the outcome any more, and is still to be ended.
        """
        worker = self.worker
        self._limit()
        self._widen_pipes()
        while self._input and self._feed():
            pass  # for most runs the pipe takes all of it
        if not self._input:
            worker.pipes.close_stdin()
        self._started = time.monotonic()
        worker.go(self._job)
        try:
            self._watch()
        finally:
            wall_ms = self._now()
            if not self._conclude():
                self.end()
        stdout, stderr = self._stdout.drain(), self._stderr.drain()
        ended, code, number = self._verdict()
        if number == signal.SIGKILL and ended is Ended.SIGNALED:
            worker.require_taken()
        complaint = "" if worker.kind else worker.complaint()
        if complaint:
            return Outcome(Ended.FAILED, message=f"{self._job.argv[0]}: {complaint}")
        failed = code != 0
        if self._job.collect:
            self.collected = worker.workspace.collect(self._job.collect)
        return Outcome(
            ended,
            code=code,
            signal=number,
            stdout=stdout,
            stderr=stderr,
            stdout_truncated=self._stdout.truncated,
            stderr_truncated=self._stderr.truncated,
            cpu_ms=max(0.0, self._reaped_cpu_s * 1000 - self._cpu.before_ns / 1e6),
            wall_ms=wall_ms,
            memory_bytes=max(self._peak, self._largest_rss),
            memory_refused=failed and self._was_short_of_memory(),
            warm=bool(worker.kind),
            files=tuple(File(file.name, memoryview(b""), file.executable) for file in self.collected),
        )

    def _conclude(self) -> bool:
        """Takes the account of a program that was always alone; False where something is to be ended before the answer."""
        notifications = self._notifications
        if self._ended is not Ended.EXITED or notifications is None or notifications.forked:
            return False
        if notifications.exit_code is None:
            self._reap(self.worker.pid)
        else:
            self._status = notifications.exit_code << 8
            self._reaped_cpu_s = process_clock_ns(self.worker.pid) / 1e9
            self._largest_rss, threads = peak_and_threads(self.worker.pid)
            # It waits in its last call. Killed now it would be woken for that, and take the processor before the answer
            # has left; only other threads cannot be left to go on.
            if threads > 1:
                os.kill(self.worker.pid, signal.SIGKILL)
        # What it wrote to files is complete once it is gone.
        return not self._job.collect

    def _verdict(self) -> tuple[Ended, int | None, int | None]:
        status = self._status or 0
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        ended = self._ended or Ended.EXITED
        if ended is Ended.EXITED:
            if self._stdout.truncated or self._stderr.truncated:
                ended = Ended.OUTPUT
            elif self._reaped_cpu_s * 1000 - self._cpu.before_ns / 1e6 > self._limits.cpu_ms:
                ended = Ended.CPU_TIME
            elif number is not None:
                ended = Ended.SIGNALED
        return ended, code, number

    def _was_short_of_memory(self) -> bool:
        if self._notifications and self._notifications.memory_refused:
            return True
        return max(self._peak, self._largest_rss) >= _NEAR_LIMIT * self._limits.memory_bytes

    def _limit(self) -> None:
        limits = self._limits
        if not self._supervisor.config.rlimits:
            return
        with ActingAs(self.worker.uid):
            rlimits.limit(
                self.worker.pid,
                data_bytes=limits.memory_bytes + limits.data_headroom_bytes,
                stack_bytes=limits.stack_bytes,
                file_bytes=limits.file_bytes,
                open_files=limits.open_files,
                cpu_seconds=limits.cpu_ms // 1000 + 2,
                tasks=limits.tasks if self.worker.uid > 0 else 0,
            )

    def _widen_pipes(self) -> None:
        """Makes room for all the output that is wanted: Node keeps in its memory what a full pipe does not take."""
        size = min(self._limits.output_bytes + 1, _LARGEST_PIPE)
        for descriptor in (self.worker.pipes.stdout, self.worker.pipes.stderr):
            with contextlib.suppress(PermissionError):  # the uid's share of pipe memory is used up; it works without
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, size)

    def _watch(self) -> None:
        """Serves the program until it ends by itself or meets a limit, which `_ended` then names."""
        pidfd = os.pidfd_open(self.worker.pid)
        self._listen(pidfd, self._on_exit)
        self._listen(self._supervisor.control.fileno(), self._on_control)
        if self._notifications:
            self._listen(self.worker.listener, self._on_notification)
        if self._input:
            self._listen(self.worker.pipes.stdin, self._on_stdin, select.POLLOUT)
        for worker in self._supervisor.starting():
            # One that is forked needs nobody until it is asked for.
            if not worker.forked:
                self._listen(worker.channel.fileno(), functools.partial(self._on_report, worker))
                self._tend(worker)
        look_at = _FIRST_LOOK_MS
        try:
            while self._ended is None:
                now = self._now()
                if now >= self._limits.wall_ms:
                    self._ended = Ended.WALL_TIME
                elif now >= look_at and self._supervisor.config.watcher:
                    pause = self._look()
                    look_at = self._now() + pause
                else:
                    paused = [stream for stream in (self._stdout, self._stderr) if not self._resumed(stream, now)]
                    wake_at = min(
                        look_at if self._supervisor.config.watcher else math.inf,
                        self._limits.wall_ms,
                        *(stream.resume_at for stream in paused),
                    )
                    if self._notifications and self._notifications.waiting:
                        self._notifications.answer_waiting()
                        wake_at = min(wake_at, now + _RETRY_MS)
                    self._handle(max(0.0, wake_at - now))
        finally:
            os.close(pidfd)

    def _handle(self, milliseconds: float) -> None:
        """Waits for so long for whatever comes first, and sees to it."""
        for descriptor, event in self._poller.poll(milliseconds):
            # One before it may have found out that nobody is there any more.
            if handler := self._handlers.get(descriptor):
                handler(event)
            if self._ended is not None:
                break  # what else there is can be looked at after the answer

    def _listen(self, descriptor: int, handler: Callable[[int], None], events: int = select.POLLIN) -> None:
        self._poller.register(descriptor, events)
        self._handlers[descriptor] = handler

    def _ignore(self, descriptor: int) -> None:
        self._poller.unregister(descriptor)
        del self._handlers[descriptor]

    def _ignore_worker(self, worker: Worker) -> None:
        for descriptor in {worker.channel.fileno(), worker.listener} & self._handlers.keys():
            self._ignore(descriptor)

    def _resumed(self, stream: _Stream, now: float) -> bool:
        """Whether the stream need not be waited for: it is being listened to, or at its end."""
        if not stream.open or stream.descriptor in self._handlers:
            return True
        if now < stream.resume_at:
            return False
        self._listen(stream.descriptor, lambda _: self._on_output(stream))
        return True

    def _on_output(self, stream: _Stream) -> None:
        stream.read()
        self._ignore(stream.descriptor)
        if stream.truncated:
            self._ended = Ended.OUTPUT
        stream.resume_at = 0.0 if stream.full else self._now() + _READ_PAUSE_MS

    def _on_exit(self, _event: int) -> None:
        self._ended = self._ended or Ended.EXITED

    def _on_control(self, _event: int) -> None:
        """Either the server gives the job up or it is gone; both end the run."""
        self._ended = Ended.CANCELLED
        self._supervisor.control.recv(HEADER_BYTES, socket.MSG_WAITALL)

    def _on_notification(self, event: int) -> None:
        if event & select.POLLIN and self._notifications:
            self._notifications.answer_next()
            if self._notifications.exit_code is not None:
                self._ended = self._ended or Ended.EXITED
        else:
            self._ignore(self.worker.listener)  # the last process under this filter is gone

    def _on_report(self, worker: Worker, _event: int) -> None:
        """A worker that starts meanwhile has got further, or has failed, which is looked into after the run."""
        try:
            worker.check(0)
        except WorkerError:
            self._ignore_worker(worker)
            return
        self._tend(worker)

    def _tend(self, worker: Worker) -> None:
        """Listens to a starting worker's calls from when it has a filter until it is up."""
        listening = worker.listener in self._handlers
        if worker.listener >= 0 and not worker.up and not listening:
            self._listen(worker.listener, functools.partial(self._on_starting, worker))
        elif worker.up:
            self._ignore(worker.channel.fileno())
            if listening:
                self._ignore(worker.listener)

    def _on_starting(self, worker: Worker, event: int) -> None:
        if event & select.POLLIN:
            let_through(worker.listener)
        else:
            self._ignore(worker.listener)  # it is gone, which its channel tells too

    def _on_stdin(self, event: int) -> None:
        self._feed()
        if event & select.POLLERR or not self._input:
            self._ignore(self.worker.pipes.stdin)
            self.worker.pipes.close_stdin()

    def _feed(self) -> bool:
        """Writes as much input as the pipe takes; False once it takes no more, there is no more, or nobody reads it."""
        try:
            written = os.write(self.worker.pipes.stdin, self._input[:_CHUNK])
        except BlockingIOError:
            return False
        except BrokenPipeError:
            self._input = memoryview(b"")
            return False
        self._input = self._input[written:]
        return bool(self._input)

    def _look(self) -> float:
        """Compares time, memory and disk with their limits; returns in how many milliseconds to look again."""
        tree = self._tree()
        cpu_left = self._limits.cpu_ms - self._cpu.total_ms(tree)
        if cpu_left <= 0:
            self._ended = Ended.CPU_TIME
            return 0.0
        its_memory_left = self._limits.memory_bytes - self._memory(tree)
        if its_memory_left < 0:
            self._ended = Ended.MEMORY
            return 0.0
        started = self._now()
        if started >= self._next_relief:
            self._next_relief = started + _PRESSURE_MS
            if memory_left() < its_memory_left:
                self._relieve()
            if self._holds_more_than_is_seen(its_memory_left):
                self._ended = Ended.MEMORY
                return 0.0
        if started >= self._next_count and self._is_too_large(tree, started):
            self._ended = Ended.DISK
            return 0.0
        soon = _LOOK_MAX_MS
        if len(tree) > 1 or self._limits.data_headroom_bytes or not self._notifications:
            # A single process without headroom is held by RLIMIT_DATA; here only looking in time helps.
            soon = its_memory_left / 2 / (_GROWTH_BYTES_PER_MS * _CPUS)
        return max(_LOOK_MIN_MS, min(_LOOK_MAX_MS, soon, cpu_left / _CPUS + 0.5))

    def _is_too_large(self, tree: list[int], started: float) -> bool:
        """Goes on with counting what the run has on disk; whether it is too much by what has been found of it so far."""
        found = self._disk_use = self._disk_use or self.worker.workspace.disk_use(self._limits.files)
        through = found.count(_COUNT_SECONDS)
        size = found.bytes + self._unlinked_bytes(tree)
        now = self._now()
        self._counted_ms += now - started
        if through:
            self._next_count = now + min(_COUNT_AT_LEAST_MS, max(_COUNT_MS, _COUNT_SHARE * self._counted_ms))
            self._disk_use, self._counted_ms = None, 0.0
        else:
            self._next_count = now + _UNDER_WAY_SHARE * (now - started)
        return size > self._limits.disk_bytes or found.files > self._limits.files

    def _holds_more_than_is_seen(self, its_memory_left: int) -> bool:
        """Whether the container holds so much more than at the first look that the run must have it in the kernel.

        Pipes, sockets, watches: none of it is in the account of a process. Only a single slot can be told apart.
        """
        if not self._supervisor.alone:
            return False
        others = held_bytes_of_all() - (self._limits.memory_bytes - its_memory_left)
        if self._others is None:
            self._others = others
        return others - self._others > its_memory_left + _UNSEEN_BYTES

    def _unlinked_bytes(self, tree: list[int]) -> int:
        return leftovers.unlinked_bytes(tree, self.worker.uid, self.worker.workspace.path, self._limits.file_bytes)

    def _relieve(self) -> None:
        for worker in self._supervisor.waiting():
            self._ignore_worker(worker)
        self._supervisor.drop_waiting()

    def _memory(self, tree: list[int]) -> int:
        """What the run holds in bytes; exactly only where it matters, because the exact figure is slow to get."""
        # Shared memory counts from when it was mapped, and memory files where they lie: not once more in each process.
        asked = self._notifications.shared_bytes if self._notifications else 0
        held = asked + held_bytes(tree, shared=self._notifications is None)
        files = sum(max(0, leftovers.used_bytes(place) - before) for place, before in self._memory_places)
        if held + files > self._limits.memory_bytes:
            if len(tree) > 1:
                held -= overlap_bytes(tree, self.worker.uid)
            if self._memory_places and not self._supervisor.alone:
                # Other slots use the same file systems: count only what is this run's.
                found = self.worker.workspace.disk_use(self._limits.files)
                found.count(_COUNT_FOR_MEMORY_SECONDS)
                found.close()
                files = found.bytes + self._unlinked_bytes(tree)
        self._peak = max(self._peak, held + files)
        return held + files

    def end(self) -> None:
        """Kills every process of the run until none is left, and takes their times."""
        if self._over:
            return
        if self._notifications:
            self._notifications.closed = True
        worker = self.worker
        if worker.first:
            # With the first process of a pid namespace the kernel ends all the others.
            os.kill(worker.first, signal.SIGKILL)
        if self._notifications and not self._notifications.forked:
            if self._status is None or self._notifications.exit_code is not None:
                os.kill(worker.pid, signal.SIGKILL)
                self._reap(worker.pid)
        else:
            self._end_tree()
        if worker.first:
            self._supervisor.ending[os.pidfd_open(worker.first)] = worker.first
        self._over = True

    @property
    def was_alone(self) -> bool:
        """Whether the program ended by itself and had no other process."""
        return self._notifications is not None and self._notifications.exit_code is not None

    def forget(self) -> None:
        """Lets go of what the run was given, which may be large: its handlers keep the run until the collector comes by."""
        if self._disk_use:
            self._disk_use.close()
        del self._job, self._input, self.collected

    def _end_tree(self) -> None:
        empty = 0
        # The kernel's list may miss one while others leave it, so it has to be empty twice.
        while empty < 2:
            tree = self._tree()
            empty = 0 if tree else empty + 1
            for pid in tree:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            # Only who was killed just now is sure to end.
            for pid in [pid for pid in children(os.getpid()) if pid in tree]:
                self._reap(pid)

    def _reap(self, pid: int) -> None:
        _, status, used = os.wait4(pid, 0)
        if pid == self.worker.pid:
            if self._status is not None:
                return  # its account was taken before
            self._status = status
        self._reaped_cpu_s += used.ru_utime + used.ru_stime
        self._largest_rss = max(self._largest_rss, used.ru_maxrss << 10)


class Supervisor:
    """Serves one job after the other over `control`, and keeps workers ready in between."""

    def __init__(self, config: SupervisorConfig, control: socket.socket, shared_memory_before: Collection[str]) -> None:
        """Takes over the directory of its slot, which must exist, and removes what a predecessor that was lost left.

        `shared_memory_before` is what was in /dev/shm before the first run of all.
        """
        self._shared_memory_before = shared_memory_before
        self.control = control
        self.alone = config.alone
        self.memory_places = [
            place
            for place, used in ((config.directory, True), (leftovers.SHARED_MEMORY, config.shared_memory))
            if used and leftovers.is_memory(place)
        ]
        #: By their pidfds, first processes of pid namespaces that have been killed: they end after all others in there.
        self.ending: dict[int, int] = {}
        self.config = config
        # What the latest run might have taken; the next one is likely to be such a one.
        self._wanted_bytes = 0
        self._memory_left, self._next_memory = 0, 0.0
        self._plan = _confinement(config, warm=False)
        self._warm_plan = _confinement(config, warm=True)
        self._ready: dict[str, deque[Worker]] = {start.name: deque() for start in config.warm}
        self._cold: deque[Worker] = deque()
        self._cold_ready = 0
        self._asked_for: set[str] = set()
        self._left: deque[Workspace] = deque()
        self._followed = False
        self._origins: dict[str, Origin] = {}
        self._serial = 0
        self._decoder = msgspec.msgpack.Decoder(Job)
        self._encoder = msgspec.msgpack.Encoder()
        self._remove_all()

    def serve(self) -> None:
        """Until the server closes the connection."""
        # In a call of its own, so that nothing of a job is held while workers are forked.
        while self._serve_next():
            pass
        self._remove_left()

    def _serve_next(self) -> bool:
        if not (self._cold and self._is_followed()):
            self._remove_left()
            self._prepare()
        self._idle()
        received = receive_frame(self.control)
        if received is None:
            return False
        header, rest = received
        if not rest:
            return True  # a cancellation that came after its job had been answered
        job = message_of(self._decoder, header, rest)
        run, outcome = self._run(job)
        self._followed = job.followed and outcome.code == 0
        with contextlib.suppress(BrokenPipeError):  # the server is gone, which the next read finds out
            self._answer(outcome, run.collected if run else ())
        if run:
            if run.was_alone:
                self._start_successor(run.worker.kind)
            run.end()
            self._clean_up(run.worker)
            run.forget()
        return True

    def _answer(self, outcome: Outcome, collected: tuple[Collected, ...]) -> None:
        """Large files go from where they are to the server, without a copy here."""
        try:
            start = frame(self._encoder, outcome, [file.size for file in collected])
            self.control.sendall(b"".join((start, *(file.content for file in collected if file.descriptor < 0))))
            for file in collected:
                if file.descriptor >= 0:
                    self._send_file(file)
        finally:
            for file in collected:
                file.close()

    def _send_file(self, file: Collected) -> None:
        left = file.size
        while left and (count := os.sendfile(self.control.fileno(), file.descriptor, file.size - left, left)):
            left -= count
        # Where uids are shared, the run of another slot can have made it shorter.
        self.control.sendall(bytes(left))

    def _is_followed(self) -> bool:
        """Whether the run comes that the latest job was compiled for: what can be done after it shall not hold it up."""
        return self._followed and bool(select.select((self.control,), (), (), _FOLLOWED_SECONDS)[0])

    def _remove_all(self) -> None:
        """Removes what is in the slot's directory, and what its runs have left elsewhere; no run is alive."""
        config = self.config
        uids = range(config.first_uid, config.first_uid + config.uids)
        for name in os.listdir(config.directory):
            path = f"{config.directory}/{name}"
            os.chmod(path, 0o770)  # noqa: S103 - the group is the run's own, where it has one
            group = os.stat(path).st_gid
            Workspace(config.directory, name, group if config.first_uid and group in uids else 0).remove()
        self._clean_public(uids)

    def _remove_left(self) -> None:
        """Removes the directories of earlier runs, which no program can reach any more."""
        while self._left:
            self._left.popleft().remove()

    def _idle(self) -> None:
        """Waits for a job; meanwhile replaces workers that die, notices those that come up, and reaps what has ended."""
        poller = select.poll()
        poller.register(self.control, select.POLLIN)
        # What a worker says that is just being forked is heard at once then, unless a job comes first.
        patience: float | None = _PATIENCE_MS
        while True:
            starting = self.starting()
            if not any(worker.forked for worker in starting):
                patience = None
            waiting = {
                worker.channel.fileno(): worker
                for worker in self.waiting()
                if worker.up or not worker.forked or patience is None
            }
            waiting |= {worker.listener: worker for worker in starting if worker.listener >= 0}
            for descriptor in (*waiting, *self.ending):
                poller.register(descriptor, select.POLLIN)
            # A channel comes before its worker's listener: who is gone is not asked what it wants.
            ready = [descriptor for descriptor, _ in poller.poll(patience)]
            if not ready:
                patience = None
            for descriptor in (*waiting, *self.ending):
                poller.unregister(descriptor)
            for descriptor in self.ending.keys() & set(ready):
                os.waitpid(self.ending.pop(descriptor), 0)
                os.close(descriptor)
                ready.remove(descriptor)
            if self.control.fileno() in ready:
                return
            for descriptor in ready:
                worker = waiting[descriptor]
                try:
                    if descriptor == worker.listener:
                        let_through(descriptor)
                    else:
                        worker.check(0)
                except WorkerError as error:
                    _complain(str(error))
                    self._discard(worker)
                    # One that cannot even start would fail again and again; the next job tries another.
                    if worker.up:
                        self._prepare()
                    break

    def waiting_pids(self) -> set[int]:
        """The processes below this one that belong to no run; waits for workers that have not said yet which they are.

        For each only once: one that is silent for so long is taken for the run's, and ends with it.
        """
        for worker in self.starting():
            if not (worker.pid or worker.silent):
                worker.silent = True
                with contextlib.suppress(WorkerError):  # it is gone, which whoever is about to use it finds out
                    worker.wait_pid(_PID_SECONDS)
        waiting = {pid for worker in self.waiting() for pid in worker.pids}
        return waiting | {origin.pid for origin in self._origins.values()} | set(self.ending.values())

    def waiting(self) -> list[Worker]:
        """The workers that have no run yet."""
        return [worker for queue in self._queues() for worker in queue]

    def starting(self) -> list[Worker]:
        """Those of them that are not up yet."""
        return [worker for worker in self.waiting() if not worker.up]

    def _queues(self) -> list[deque[Worker]]:
        return [self._cold, *self._ready.values()]

    def _next_workspace(self) -> tuple[Workspace, int]:
        self._serial += 1
        uid = self.config.first_uid
        if uid:
            uid += self._serial % self.config.uids
        return Workspace.create(self.config.directory, f"w{self._serial}", uid), uid

    def _prepare(self) -> None:
        """Brings every kind of worker to the number that is to be ready."""
        while len(self._cold) < self._cold_ready:
            self._cold.append(self._start_cold())
        now = time.monotonic()
        if now >= self._next_memory:
            self._next_memory = now + _MEMORY_SECONDS
            self._memory_left = memory_left()
        left = self._memory_left
        if left < self._wanted_bytes:
            self.drop_waiting()
        for start in self.config.warm:
            if start.on_demand and start.name not in self._asked_for:
                continue
            queue = self._ready[start.name]
            while len(queue) < start.ready and left >= self._wanted_bytes + _WARM_BYTES:
                worker = self._start_warm(start)
                if worker is None:
                    break
                queue.append(worker)
                left -= _FORK_BYTES if start.forks else _START_BYTES

    def _start_successor(self, kind: str) -> None:
        """Has a worker forked in the place of one that has served, where others do that: there is enough to do meanwhile."""
        origin = self._origins.get(kind)
        if origin and (worker := self._start_warm(origin.start)):
            self._ready[kind].append(worker)

    def drop_waiting(self) -> None:
        """Ends the warm workers and their origins, so that a run finds the memory that it was promised."""
        for queue in self._ready.values():
            for worker in tuple(queue):
                with contextlib.suppress(WorkerError):  # it is ended all the same
                    worker.check(0)
                if worker.pid:  # otherwise it is about to say which it is, and can only then be ended
                    self._discard(worker)
        while self._origins:
            self._end_origin(self._origins.popitem()[1])

    def _start_cold(self) -> Worker:
        workspace, uid = self._next_workspace()
        return start_cold(self._plan, workspace, uid)

    def _start_warm(self, start: WarmStart) -> Worker | None:
        """One more worker, or None where its origin has failed."""
        workspace, uid = self._next_workspace()
        if not start.forks:
            return start_interpreter(self._warm_plan, workspace, uid, start)
        try:
            return (self._origins.get(start.name) or self._start_origin(start)).fork(workspace, uid)
        except WorkerError as error:
            # The next run of this kind goes the cold way, and the run after it finds a new origin.
            _complain(str(error))
            workspace.remove()
            origin = self._origins.pop(start.name, None)
            if origin:
                self._end_origin(origin)
            return None

    @staticmethod
    def _end_origin(origin: Origin) -> None:
        origin.close()
        _kill(origin.pid)

    def _start_origin(self, start: WarmStart) -> Origin:
        # Its programs will run in the directory of this name, which need not be there any more by then.
        box = f"{self.config.directory}/{BOX}"
        os.makedirs(box, exist_ok=True)
        origin = Origin(start, self._warm_plan, box, own_uids=self.config.first_uid > 0)
        try:
            origin.wait_up()
        except WorkerError:
            self._end_origin(origin)
            # What is left of its rehearsal: in this place nothing may lie when a run comes.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{box}/main.py")
            raise
        finally:
            os.rmdir(box)
        self._origins[start.name] = origin
        return origin

    def _discard(self, worker: Worker) -> None:
        """Ends a worker that no run has used."""
        for queue in self._queues():
            if worker in queue:
                queue.remove(worker)
        for pid in worker.pids:
            _kill(pid)
        worker.close()
        worker.workspace.remove()

    def _take(self, job: Job) -> Worker:
        """A worker for the job: a warm one where one is up, else a cold one. Raises OSError or WorkerError."""
        self._asked_for.add(job.warm)
        queue = self._ready.get(job.warm, deque())
        while queue:
            try:
                # One that was forked has only to confine itself, as any other worker for this run would have to.
                if not queue[0].check(_FORKED_SECONDS if job.warm in self._origins else 0):
                    break
            except WorkerError as error:
                _complain(str(error))
                self._discard(queue[0])
                continue
            return queue.popleft()
        if job.files:  # not where a toolchain is asked for its version
            self._cold_ready = _COLD_READY
        while self._cold:
            worker = self._cold.popleft()
            try:
                return self._checked(worker)
            except WorkerError as error:
                _complain(str(error))
        return self._checked(self._start_cold())

    def _checked(self, worker: Worker) -> Worker:
        """A cold worker once it is up; raises WorkerError where it does not come up."""
        try:
            if worker.check(_COLD_SECONDS):
                return worker
            raise WorkerError(f"no worker within {_COLD_SECONDS:.0f} s")
        except WorkerError:
            self._discard(worker)
            raise

    def _run(self, job: Job, attempts: int = _ATTEMPTS) -> tuple[_Run | None, Outcome]:
        """The outcome, and the run where there is something left of it to be ended and cleaned up."""
        self._wanted_bytes = job.limits.memory_bytes
        try:
            worker = self._take(job)
        except (OSError, WorkerError) as error:
            return None, Outcome(Ended.FAILED, message=str(error))
        run = _Run(worker, job, self)
        try:
            worker.workspace.place(job.files)
            worker.workspace.rename(BOX)
            return run, run.serve()
        except NotTakenError as error:
            if attempts == 1:
                return run, Outcome(Ended.FAILED, message=str(error))
            _complain(str(error))
        except (OSError, WorkerError) as error:
            return run, Outcome(Ended.FAILED, message=str(error))
        run.end()
        self._clean_up(worker)
        return self._run(job, attempts - 1)

    def _clean_up(self, worker: Worker) -> None:
        """Puts what the run left out of reach. An error here ends the supervisor: nothing may run beside what is left."""
        worker.close()
        if self._followed:
            worker.workspace.rename(f"left{len(self._left)}")
            self._left.append(worker.workspace)
        else:
            worker.workspace.remove()
        self._clean_public(range(worker.uid, worker.uid + 1))

    def _clean_public(self, uids: range) -> None:
        """Removes what runs with these uids left where others could find it."""
        if self.config.first_uid and not self.config.landlock_abi:
            leftovers.remove_owned(uids, leftovers.PUBLIC)
        elif self.config.first_uid and self.config.shared_memory:
            leftovers.remove_owned(uids, (leftovers.SHARED_MEMORY,))
        elif self.config.shared_memory:
            leftovers.remove_new(leftovers.SHARED_MEMORY, self._shared_memory_before)


def _kill(pid: int) -> None:
    """Ends and reaps a child that no run has used."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):  # a run has ended it that took it for its own
        os.waitpid(pid, 0)


def _confinement(config: SupervisorConfig, *, warm: bool) -> Confinement:
    program = b""
    if config.seccomp:
        table = seccomp.rules(
            notify=config.notify,
            shared_uid=config.first_uid == 0,
            own_pid_namespace=config.own_pid_namespace,
            devices_readable_only=config.landlock_abi > 0,
            neighbours=not config.alone,
            warm=warm,
            service_pids=(*config.service_pids, os.getpid()),
        )
        program = seccomp.assemble(table)
    return prepared(config.rules, config.landlock_abi, program, notify=config.notify, own_pids=config.own_pid_namespace)


def _complain(message: str) -> None:
    """To the service's log, which is this process's standard error."""
    os.write(2, f"supervisor: {message}\n".encode())


def run(config: SupervisorConfig, control: socket.socket, shared_memory_before: Collection[str]) -> None:
    """The life of a supervisor process, from its fork until the server closes `control`."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_DUMPABLE, 0)
    # For everything that is forked from here.
    rlimits.fix()
    # A worker's streams and its channel take these numbers, so what it still needs then must lie above them.
    while (descriptor := os.open(os.devnull, os.O_RDONLY)) <= CHANNEL:
        pass
    os.close(descriptor)
    Supervisor(config, control, shared_memory_before).serve()
