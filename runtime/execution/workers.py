"""Workers: confined processes that are started ahead, wait for one run, and serve it.

There are three ways to start one, and all three end in the same state, a process that waits on its channel for its run:
a fork of the supervisor that executes any program (the cold way), an interpreter started with a bootstrap (Node, Java),
and a fork of such an interpreter (Python, by `origin`).
"""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable

from runtime.execution.protocol import COLD, Job, Outcome, WarmStart
from runtime.execution.streams import Streams
from runtime.execution.workspace import Workspace
from runtime.sandbox import unotify
from runtime.sandbox.confine import CHANNEL, OWN_PROCESS, be_killed_first, confine, fork_into
from runtime.sandbox.confinement import Confinement


class WorkerError(Exception):
    """A worker could not be started or confined; the message says which step failed."""


class NotTakenError(WorkerError):
    """A worker ended before it took its run, which another one can have.

    Where that is only likely, `outcome` is what became of the run otherwise.
    """

    def __init__(self, message: str, outcome: Outcome | None = None) -> None:
        """The message says which worker."""
        super().__init__(message)
        self.outcome = outcome


def complain(message: str) -> None:
    """Writes to the service's log, which is the supervisor's standard error."""
    os.write(2, f"supervisor: {message}\n".encode())


class Worker:
    """One process that waits for its run. `pid` is 0 until it has reported, where it was forked by another process."""

    def __init__(
        self, kind: str, workspace: Workspace, streams: Streams, channel: socket.socket, uid: int, *, forked: bool = False
    ) -> None:
        """Takes over what the worker was started with.

        `kind` is `COLD` or the name of a `WarmStart`; `forked` says that an origin forks it.
        """
        self.kind = kind
        self.forked = forked
        self.workspace = workspace
        self.streams = streams
        self.channel = channel
        self.uid = uid
        self.pid = 0
        #: The first process of the worker's pid namespace, 0 where it has none.
        self.first = 0
        #: The process in between that starts it in its namespace, 0 once that has ended.
        self.middle = 0
        #: Where its filtered calls arrive, -1 as long as it has no filter.
        self.listener = -1
        #: Whether it waits for its run.
        self.up = False
        # Its files under /proc, which its rules name: the kernel makes new ones where it has forgotten them.
        self._kept: list[int] = []
        #: The program's end of the pipe that is about to take the place of its input file at its own request, else -1.
        self.input_pipe = -1
        #: Whether it is known to have become its program, or to have failed to. Its channel can tell that late: the first
        #: process of its pid namespace keeps the other end until it has been given a processor.
        self.begun = False
        #: Whether its pid was waited for once in vain.
        self.pid_overdue = False

    @property
    def takes_descriptors(self) -> bool:
        """Whether its pipe can come along with its run. Node reads its channel as a file, and has to ask for it."""
        return self.forked or self.kind == COLD

    @property
    def pids(self) -> tuple[int, ...]:
        """Its processes, as far as they are known."""
        return tuple(pid for pid in (self.pid, self.first, self.middle) if pid)

    def check(self, seconds: float) -> bool:
        """Whether the worker is waiting for its run; looks for its reports for at most `seconds`.

        Raises WorkerError where it failed or is gone.
        """
        deadline = time.monotonic() + seconds
        while not (self.up and self.pid):
            if not self._report_arrived(max(0.0, deadline - time.monotonic())):
                return False
        # A worker that is up sends nothing before its run, so what there is to read is its end.
        self.channel.settimeout(0)
        try:
            self.channel.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError as error:
            raise WorkerError(f"worker {self.kind}: {error}") from error
        raise WorkerError(f"worker {self.kind}: ended while it waited for its run")

    def wait_pid(self, seconds: float) -> None:
        """Waits for the pid of a worker that another process forks; raises WorkerError where it does not come in time."""
        while not self.pid:
            if not self._report_arrived(seconds):
                raise WorkerError(f"worker {self.kind} has not appeared")

    def _reap_middle(self) -> None:
        """Waits for the process in between, which ends once it has reported."""
        if self.middle:
            os.waitpid(self.middle, 0)
            self.middle = 0

    def _report_arrived(self, seconds: float) -> bool:
        """Takes one report, in whatever order they come: pid, confined, up."""
        self.channel.settimeout(seconds)
        try:
            message, descriptors, _, _ = socket.recv_fds(self.channel, 4096, 1)
        except (TimeoutError, BlockingIOError):
            return False
        except OSError as error:
            raise WorkerError(f"worker {self.kind}: {error}") from error
        if descriptors:
            self.listener = descriptors[0]
            os.set_inheritable(self.listener, False)
        if message == b"up":
            self.up = True
        elif message.startswith(b"pid "):
            self.pid, self.first = map(int, message.split()[1:])
            self._reap_middle()
        elif message != b"confined":
            raise WorkerError(f"worker {self.kind}: {message.decode(errors='replace') or 'ended before its run'}")
        if self.up and self.pid and not self._kept:
            self._keep_process_files()
        return True

    def _keep_process_files(self) -> None:
        """Keeps what the worker was confined to of its own process as it is for as long as it lives."""
        with contextlib.suppress(FileNotFoundError):  # gone already
            folder = os.open(f"/proc/{self.pid}", os.O_PATH)
            self._kept.append(folder)
            for name in OWN_PROCESS:
                self._kept.append(os.open(name, os.O_PATH, dir_fd=folder))

    def has_begun(self) -> bool:
        """Whether a cold worker has become its program, or has failed to."""
        if self.begun:
            return True
        self.channel.settimeout(0)
        try:
            self.channel.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        self.begun = True
        return True

    def exec_failure(self) -> str:
        """Why a cold worker could not become the program; empty where it did."""
        self.channel.settimeout(0)
        try:
            return self.channel.recv(4096).removeprefix(b"!").decode(errors="replace")
        except OSError:
            return ""

    def go(self, job: Job) -> None:
        """Sends it its run: the arguments, or all that a cold one has to execute. Raises NotTakenError where it is gone."""
        if self.kind == COLD:
            environment = (f"{name}={value}" for name, value in job.env.items())
            words = (str(len(job.argv)), *job.argv, *environment)
        else:
            words = job.arguments
        replaces = job.live and self.streams.stdin < 0
        message = b"\0".join(os.fsencode(word) for word in ("live" if replaces else "go", *words))
        if message.count(b"\0") != len(words):
            # One in a word would be the beginning of another word, which may be the environment's.
            raise WorkerError("an argument or a variable of the environment contains NUL")
        self.channel.settimeout(0)  # nothing lies there yet, so it never has to wait
        try:
            if replaces:
                self.input_pipe = self.streams.replace_input_by_pipe()
            if replaces and self.takes_descriptors:
                socket.send_fds(self.channel, [message], [self.input_pipe])
                self._close_input_pipe()
            else:
                self.channel.send(message)
        except OSError as error:
            raise NotTakenError(f"worker {self.kind} did not take its run: {error}") from error

    def require_taken(self) -> None:
        """Raises NotTakenError where a worker that is gone never read its run."""
        self.channel.settimeout(0)
        try:
            self.channel.recv(1, socket.MSG_PEEK)
        except ConnectionResetError as error:  # what was sent to it was still there when it went
            raise NotTakenError(f"worker {self.kind}: ended before it took its run") from error
        except BlockingIOError:
            pass  # one of its children keeps the channel

    def install_input_pipe(self, call: unotify.Call) -> None:
        """Puts the pipe to descriptor 0 of the process that waits in this call. Raises OSError where it is gone."""
        unotify.install(self.listener, call.identifier, self.input_pipe, 0)
        self._close_input_pipe()

    def _close_input_pipe(self) -> None:
        if self.input_pipe >= 0:
            os.close(self.input_pipe)
            self.input_pipe = -1

    def close(self) -> None:
        """Closes this side's descriptors; the process must have been ended by the caller."""
        self.streams.close_ours()
        self._close_input_pipe()
        self.channel.close()
        while self._kept:
            os.close(self._kept.pop())
        if self.listener >= 0:
            os.close(self.listener)
            self.listener = -1


def hand_over_streams(streams: Streams, channel: socket.socket) -> None:
    """Puts the program's ends to 0, 1, 2 and its channel to 3, in a new process."""
    # Upwards first, so that no move overwrites a descriptor that is still to be moved.
    high = [os.dup(descriptor) for descriptor in (*streams.theirs, channel.fileno())]
    while min(high) <= CHANNEL:
        high = [os.dup(descriptor) for descriptor in high]
    for number, descriptor in enumerate(high):
        os.dup2(descriptor, number, inheritable=True)


def start_cold(plan: Confinement, workspace: Workspace, uid: int, *, live: bool = False) -> Worker:
    """Forks a worker that becomes any program, a `live` one with a pipe to its standard input from the start.

    Raises OSError where there is no process to be had.
    """
    streams = Streams(live=live)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    worker = Worker(COLD, workspace, streams, ours, uid)
    _fork(worker, plan, theirs, lambda: _cold_worker(plan, workspace.path, uid, streams, theirs))
    return worker


def _fork(worker: Worker, plan: Confinement, theirs: socket.socket, become: Callable[[], None]) -> None:
    """Forks the worker's process, in a pid namespace through one in between; raises OSError or WorkerError."""
    pid = os.fork()
    if pid == 0:
        try:
            if not plan.own_pids:
                become()
            worker_pid, first = fork_into(plan, os.getppid())
            if worker_pid == 0:
                become()
            theirs.send(b"pid %d %d" % (worker_pid, first))
        except OSError as error:
            theirs.send(f"!{error}".encode())
        finally:
            os._exit(0)
    theirs.close()
    worker.streams.close_theirs()
    if plan.own_pids:
        worker.middle = pid
    else:
        worker.pid = pid


def _report(listener: int, words: bytes) -> None:
    try:
        with socket.socket(fileno=os.dup(CHANNEL)) as channel:
            socket.send_fds(channel, [words], [listener] if listener >= 0 else [])
    finally:
        # Where the supervisor is gone, its end would wait for an answer that only this process could give.
        if listener >= 0:
            os.close(listener)


def _confine_here(plan: Confinement, directory: str, uid: int, streams: Streams, channel: socket.socket) -> int:
    restore_signals()
    hand_over_streams(streams, channel)
    os.chdir(directory)
    be_killed_first()
    return confine(plan, directory, uid)


def restore_signals() -> None:
    """Every signal at its default and none blocked: Python ignores two for itself, and a shell two for what it started."""
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):  # those that cannot be changed, and those that libc keeps
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _cold_worker(plan: Confinement, directory: str, uid: int, streams: Streams, channel: socket.socket) -> None:
    """Never returns: the process becomes a program, or ends with what went wrong on its channel."""
    try:
        listener = _confine_here(plan, directory, uid, streams, channel)
        channel = socket.socket(fileno=CHANNEL)
        _report(listener, b"up")
        message, pipes, _, _ = socket.recv_fds(channel, 1 << 18, 1)
        words = message.split(b"\0")
        if words[0] == b"live":
            [pipe] = pipes
            os.dup2(pipe, 0)
            os.close(pipe)
        elif words[0] != b"go":
            os._exit(0)
        end = 2 + int(words[1])
        environment = dict(word.split(b"=", 1) for word in words[end:])
        os.set_inheritable(CHANNEL, False)
        os.execve(words[2], words[2:end], environment)
    except BaseException as error:  # noqa: BLE001 - a forked process must end here, whatever happened
        with contextlib.suppress(OSError):
            os.write(CHANNEL, f"!{error}".encode())
    finally:
        os._exit(127)


def start_interpreter(plan: Confinement, workspace: Workspace, uid: int, start: WarmStart) -> Worker:
    """Starts an interpreter that is confined first, loads its bootstrap, and waits. Raises OSError as `start_cold`."""
    streams = Streams()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    worker = Worker(start.name, workspace, streams, ours, uid)

    def become() -> None:
        try:
            listener = _confine_here(plan, workspace.path, uid, streams, theirs)
            _report(listener, b"confined")
            os.execve(start.argv[0], start.argv, start.env)
        except BaseException as error:  # noqa: BLE001 - a forked process must end here, whatever happened
            with contextlib.suppress(OSError):
                os.write(CHANNEL, f"!{error}".encode())
        finally:
            os._exit(127)

    _fork(worker, plan, theirs, become)
    return worker
