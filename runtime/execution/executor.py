"""The server's side of execution: the spawner, one supervisor for each slot, and the jobs that go to them."""

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec

from runtime.execution.codec import CANCEL, HEADER_BYTES, frame_parts, is_event, message_of, rest_of_frame
from runtime.execution.paths import BOOTSTRAP, BOX, RUNTIME_ROOT, SPAWNER_CONNECTION
from runtime.execution.protocol import Ended, Job, Outcome, SupervisorConfig, WarmStart
from runtime.sandbox.layers import FIRST_UID, UIDS_PER_SLOT, Enforceable

if TYPE_CHECKING:
    from runtime.execution.live import LiveStreams

_log = logging.getLogger(__name__)
_SPAWNER_SECONDS = 20.0
# Of what is sent and not yet received: a compiled program has megabytes. The kernel gives what it gives to anybody at most.
_BUFFER_BYTES = 4 << 20
#: The image has a copy of the interpreter at this path that may change uids where the container lets it.
_SPAWNER_PYTHON = Path("/opt/executor/bin/spawner-python")


class WeakIsolationError(Exception):
    """This host cannot enforce what is necessary to run a stranger's code; the message says what is missing."""


class Isolation(Enforceable, frozen=True):
    """What is in force for programs, as `/health` shows it."""

    process_limit: str
    shared_memory: bool
    #: What is missing of the floor: empty where the executor may serve.
    missing: tuple[str, ...]
    #: Whether anything is.
    weak: bool


def isolation(enforceable: Enforceable, disabled: tuple[str, ...], highest_abi: int, concurrency: int) -> Isolation:
    """What will be in force: what the host can enforce, less what a test has switched off."""
    abi = 0 if "landlock" in disabled else min(enforceable.landlock_abi, highest_abi)
    seccomp = enforceable.seccomp and "seccomp" not in disabled
    notify = seccomp and enforceable.user_notification and "notify" not in disabled
    own_uid = enforceable.own_uid and "own_uid" not in disabled
    missing = []
    if not abi and not own_uid:
        missing.append("neither Landlock nor a uid of its own for each run")
    if not seccomp:
        missing.append("no seccomp filter")
    missing += [f"{layer} switched off for a test" for layer in ("rlimits", "watcher") if layer in disabled]
    if not enforceable.no_new_privileges:
        missing.append("no_new_privs cannot be set")
    return Isolation(
        landlock_abi=abi,
        seccomp=seccomp,
        user_notification=notify,
        own_uid=own_uid,
        no_new_privileges=enforceable.no_new_privileges,
        pid_namespace=enforceable.pid_namespace and "pid_namespace" not in disabled,
        process_limit="exact" if notify else "by uid" if own_uid else "none",
        shared_memory=concurrency == 1,
        missing=tuple(missing),
        weak=bool(missing),
    )


class _Connection(asyncio.BufferedProtocol):
    """The connection to one supervisor: one job at a time, one message each way, read straight into its place.

    Where the job is live, events come before its answer.
    """

    def __init__(self) -> None:
        self.answer: asyncio.Future[tuple[bytes, memoryview]] | None = None
        #: What events of the present job are for.
        self.live: LiveStreams | None = None
        self.lost = False
        self.transport: asyncio.WriteTransport | None = None
        self._header = bytearray(HEADER_BYTES)
        self._rest: memoryview | None = None
        self._filled = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)

    def get_buffer(self, _sizehint: int) -> memoryview:
        return memoryview(self._header if self._rest is None else self._rest)[self._filled :]

    def buffer_updated(self, count: int) -> None:
        self._filled += count
        if self._rest is None and self._filled == HEADER_BYTES:
            self._rest = rest_of_frame(self._header)
            self._filled = 0
        elif self._rest is not None and self._filled == len(self._rest):
            rest, self._rest, self._filled = self._rest, None, 0
            if self.live and is_event(self._header):
                self.live.event_arrived(rest)
                return
            if self.answer and not self.answer.done():
                self.answer.set_result((bytes(self._header), rest))

    def connection_lost(self, _exc: Exception | None) -> None:
        self.lost = True
        if self.answer and not self.answer.done():
            self.answer.set_exception(ConnectionError("the supervisor is gone"))


class Slot:
    """One place where a program can run. Its user must hold it alone."""

    def __init__(self, executor: "Executor", number: int) -> None:
        """Slots are numbered from 0."""
        self._executor = executor
        self._number = number
        self._connection: _Connection | None = None
        self._decoder = msgspec.msgpack.Decoder(Outcome)
        self._encoder = msgspec.msgpack.Encoder()
        #: Runs that a warm worker could serve, by its kind and by whether one did.
        self.warm_runs: Counter[tuple[str, bool]] = Counter()

    @property
    def box(self) -> str:
        """The directory in which this slot's programs run."""
        return f"{self._directory}/{BOX}"

    @property
    def _directory(self) -> str:
        return f"{self._executor.root}/{self._number}"

    async def open(self) -> None:
        """Has a supervisor spawned, in the place of one that is gone; raises OSError where that cannot be."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(self._directory, 0o711)
        ours = self._executor.spawn(self._directory, self._number)
        _, self._connection = await asyncio.get_running_loop().create_connection(_Connection, sock=ours)

    async def run(self, job: Job, live: "LiveStreams | None" = None) -> Outcome:
        """Runs `job` to its end, a live one with `live`. Where the caller is cancelled the program is ended first.

        A job whose supervisor is lost is given to another one, since it may have been lost for what was there before.
        A second loss is the executor's own fault and gives an outcome that says so, and so does the loss of a live program
        that somebody has seen or written to.
        """
        try:
            outcome = await self._run(job, live)
        except ConnectionError as first:
            if live and live.is_in_use:
                return Outcome(Ended.FAILED, message=str(first))
            try:
                outcome = await self._run(job, live)
            except ConnectionError as error:
                return Outcome(Ended.FAILED, message=str(error))
        if job.warm:
            self.warm_runs[job.warm, outcome.warm] += 1
        return outcome

    async def _run(self, job: Job, live: "LiveStreams | None") -> Outcome:
        if self._connection is None or self._connection.lost:
            _log.error("the supervisor of slot %d is gone; starting another", self._number)
            await self.open()
        connection = self._connection
        if connection is None or connection.transport is None:
            raise ConnectionError("no supervisor")
        connection.answer = answer = asyncio.get_running_loop().create_future()
        connection.transport.writelines(frame_parts(self._encoder, job))
        if live:
            connection.live = live
            live.begin(connection.transport.write)
        try:
            header, rest = await asyncio.shield(answer)
        except asyncio.CancelledError:
            connection.transport.write(CANCEL)
            await asyncio.wait([answer])
            raise
        finally:
            if live:
                connection.live = None
                live.pause()
        return message_of(self._decoder, header, rest)

    def close(self) -> None:
        """Lets the supervisor end."""
        if self._connection and self._connection.transport:
            self._connection.transport.close()


class Executor:
    """Owns the spawner and the slots. `start` before the event loop, `open` within it, `close` at the end."""

    def __init__(self, *, concurrency: int, work_parent: str, disabled: tuple[str, ...], highest_abi: int) -> None:
        """`disabled` and `highest_abi` are for tests and leave layers out."""
        self.root = tempfile.mkdtemp(prefix="executor-", dir=work_parent)
        # Programs with a uid of their own have to pass through, but not to look around.
        os.chmod(self.root, 0o711)  # noqa: S103
        # Interpreters load it with a program's identity, which the service's own files are closed to.
        self.bootstrap = f"{self.root}/bootstrap"
        shutil.copytree(BOOTSTRAP, self.bootstrap, ignore=shutil.ignore_patterns("__pycache__"))
        for path in (Path(self.bootstrap), *Path(self.bootstrap).iterdir()):
            os.chmod(path, 0o755)  # noqa: S103
        self.slots = [Slot(self, number) for number in range(concurrency)]
        self._disabled = disabled
        self._highest_abi = highest_abi
        self._rules: tuple[tuple[str, int], ...] = ()
        self._warm: dict[str, tuple[WarmStart, ...]] = {}
        self._spawner: subprocess.Popen[bytes] | None = None
        self._server: socket.socket | None = None
        self.isolation: Isolation

    def start(self) -> None:
        """Starts the spawner and learns from it what this host can enforce; OSError where it does not come up."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._server = ours
        python = str(_SPAWNER_PYTHON) if os.access(_SPAWNER_PYTHON, os.X_OK) else sys.executable
        paths = [RUNTIME_ROOT, *(path for path in sys.path if path.endswith("site-packages"))]
        code = f"import sys; sys.path[:0] = {paths!r}; from runtime.execution.spawner import main; main()"
        with theirs:
            self._spawner = subprocess.Popen(
                [python, "-I", "-S", "-c", code],
                env={},
                stdin=subprocess.DEVNULL,
                # Before the event loop and before any thread.
                preexec_fn=lambda: os.dup2(theirs.fileno(), SPAWNER_CONNECTION, inheritable=True),  # noqa: PLW1509
                pass_fds=(SPAWNER_CONNECTION,),
                start_new_session=True,
            )
        ours.settimeout(_SPAWNER_SECONDS)
        enforceable = msgspec.msgpack.decode(ours.recv(4096), type=Enforceable)
        self.isolation = isolation(enforceable, self._disabled, self._highest_abi, len(self.slots))

    def require_floor(self, *, allow_weak: bool) -> None:
        """Raises WeakIsolationError where the host does not give what is necessary.

        `allow_weak` lets it pass, but never lets programs run as root.
        """
        if os.geteuid() == 0 and not self.isolation.own_uid:
            raise WeakIsolationError("programs would run as root: start the executor as another user")
        if self.isolation.weak and not allow_weak:
            raise WeakIsolationError(
                f"{'; '.join(self.isolation.missing)}. EXECUTOR_ALLOW_WEAK_ISOLATION=1 runs programs all the same"
            )

    def configure(self, rules: tuple[tuple[str, int], ...], warm: dict[str, tuple[WarmStart, ...]]) -> None:
        """What programs may read, and what to keep ready in each slot's box; before `open`."""
        self._rules = rules
        self._warm = warm

    async def open(self) -> None:
        """Opens every slot."""
        for slot in self.slots:
            await slot.open()

    def spawn(self, directory: str, number: int) -> socket.socket:
        """Has a supervisor forked for the slot `number` with its own `directory`; returns the connection to it."""
        if self._server is None or self._spawner is None:
            raise ConnectionError("the spawner has not been started")
        force = self.isolation
        config = SupervisorConfig(
            directory=directory,
            rules=self._rules,
            landlock_abi=force.landlock_abi,
            seccomp=force.seccomp,
            notify=force.user_notification,
            own_pid_namespace=force.pid_namespace,
            service_pids=(1, os.getpid(), os.getppid(), self._spawner.pid),
            first_uid=FIRST_UID + number * UIDS_PER_SLOT if force.own_uid else 0,
            uids=UIDS_PER_SLOT,
            shared_memory=force.shared_memory,
            alone=len(self.slots) == 1,
            rlimits="rlimits" not in self._disabled,
            watcher="watcher" not in self._disabled,
            warm=self._warm.get(f"{directory}/{BOX}", ()),
        )
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        with theirs:
            socket.send_fds(self._server, [msgspec.msgpack.encode(config)], [theirs.fileno()])
        ours.setblocking(False)
        return ours

    def alive(self) -> bool:
        """Whether the spawner is running."""
        return self._spawner is not None and self._spawner.poll() is None

    def close(self) -> None:
        """Ends the supervisors and the spawner, and removes the directory."""
        for slot in self.slots:
            slot.close()
        if self._server:
            self._server.close()
        if self._spawner:
            try:
                self._spawner.wait(5)
            except subprocess.TimeoutExpired:
                self._spawner.kill()
                self._spawner.wait()
        shutil.rmtree(self.root, ignore_errors=True)
