"""Origins: interpreters that have started and fork workers, each of which is as far as its origin at once."""

import marshal
import os
import signal
import socket

from msgspec import structs

from runtime.execution.paths import BOOTSTRAP, RUNTIME_ROOT
from runtime.execution.protocol import WarmStart
from runtime.execution.streams import Streams
from runtime.execution.workers import Worker, WorkerError, complain, hand_over_streams, restore_signals
from runtime.execution.workspace import Workspace
from runtime.sandbox.confine import CHANNEL
from runtime.sandbox.confinement import Confinement
from runtime.sandbox.identity import pass_on_capabilities
from runtime.sandbox.syscalls import PR_SET_PDEATHSIG, close_from, prctl

_START_SECONDS = 10.0
# The origin may be another release of Python than the supervisor; every release reads this version.
_MARSHAL_VERSION = 2


class Origin:
    """An interpreter that has started and forks workers on request. It never runs a line of a user's code itself."""

    def __init__(self, start: WarmStart, plan: Confinement, directory: str, *, own_uids: bool) -> None:
        """Starts it in `directory`, where programs will run; raises OSError where there is no process to be had."""
        self.start = start
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        streams = Streams()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                restore_signals()
                hand_over_streams(streams, theirs)
                close_from(CHANNEL + 1)
                os.chdir(directory)
                prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                if own_uids and os.geteuid() != 0:
                    pass_on_capabilities()
                os.execve(start.argv[0], start.argv, {**start.env, "PYTHONPATH": BOOTSTRAP})
            finally:
                os._exit(127)
        theirs.close()
        streams.close_theirs()
        streams.close_ours()
        self._control.settimeout(_START_SECONDS)
        self._plan = plan

    def _send(self, message: bytes, descriptors: tuple[int, ...] = ()) -> None:
        try:
            socket.send_fds(self._control, [message], descriptors)
        except OSError as error:
            raise WorkerError(f"origin of {self.start.name} workers: {error}") from error

    def wait_up(self) -> None:
        """Tells it how to confine, and waits until it has started; raises WorkerError where it does not."""
        fields = structs.asdict(self._plan) | {"opened": ()}  # it opens the paths itself
        self._send(marshal.dumps((RUNTIME_ROOT, fields), _MARSHAL_VERSION))
        try:
            report = self._control.recv(64)
        except OSError as error:
            raise WorkerError(f"origin of {self.start.name} workers: {error}") from error
        if not report.startswith(b"up"):
            raise WorkerError(f"origin of {self.start.name} workers ended at its start")
        if report != b"up":
            complain(f"origin of {self.start.name} workers: {report.decode()}")

    def fork(self, workspace: Workspace, uid: int) -> Worker:
        """Asks for one worker, which reports by itself. Raises OSError or WorkerError."""
        streams = Streams()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._send(marshal.dumps((uid, workspace.path), _MARSHAL_VERSION), (*streams.theirs, theirs.fileno()))
        except WorkerError:
            streams.close_ours()
            ours.close()
            raise
        finally:
            theirs.close()
            streams.close_theirs()
        return Worker(self.start.name, workspace, streams, ours, uid, forked=True)

    def close(self) -> None:
        """Closes its control channel, which ends it."""
        self._control.close()
