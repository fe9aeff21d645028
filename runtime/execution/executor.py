"""The server's side of execution: the spawner, one supervisor for each slot, and the jobs that go to them."""

import asyncio
import contextlib
import errno
import itertools
import logging
import os
import shutil
import socket
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from runtime.execution import leftovers
from runtime.execution.codec import CANCEL, frame_parts, message_of
from runtime.execution.connection import Connection
from runtime.execution.isolation import Isolation, isolation
from runtime.execution.memory_files import Memory
from runtime.execution.paths import BOOTSTRAP, BOX
from runtime.execution.protocol import Ended, Job, Outcome, SupervisorConfig, WarmStart
from runtime.execution.spawner_process import SpawnerProcess
from runtime.sandbox.layers import FIRST_UID, UIDS_PER_SLOT

if TYPE_CHECKING:
    from runtime.execution.live import LiveStreams

_log = logging.getLogger(__name__)
# Beside its own limit of time, how long a job's answer may take; and how much longer once that is over, because a container
# that was frozen meanwhile finds both clocks run out at the same moment.
_ANSWER_SECONDS, _EXTRA_SECONDS = 5.0, 3.0
_KEEP_SECONDS = 0.5
# Of the work directory's disk: below that not even a worker can be kept ready.
_LEAST_FREE_BYTES, _LEAST_FREE_FILES = 1 << 20, 32
# Of what is sent and not yet received: a compiled program has megabytes. The kernel gives what it gives to anybody at most.
_BUFFER_BYTES = 4 << 20
# In seconds since 1970.
_FAR_AHEAD = 4_000_000_000


class WeakIsolationError(Exception):
    """This host cannot enforce what is necessary to run a stranger's code; the message says what is missing."""


class Slot:
    """One place where a program can run. Its user must hold it alone."""

    def __init__(self, executor: "Executor", number: int, halves: "tuple[Slot, ...]" = ()) -> None:
        """Slots are numbered from 0.

        `halves` are two slots that stand in for this one where two programs run at once, with a supervisor and a box each.
        Their first runs open them, and this slot's next run closes them.
        """
        self._executor = executor
        self.number = number
        self.halves = halves
        #: Whether its supervisor has not answered in time, and what comes after it has not yet either.
        self.silent = False
        self._no_room = ""
        self._busy = False
        self._connection: Connection | None = None
        self._decoder = msgspec.msgpack.Decoder(Outcome)
        self._encoder = msgspec.msgpack.Encoder()
        #: Runs that a warm worker could serve, by its kind and by whether one did.
        self.warm_runs: Counter[tuple[str, bool]] = Counter()
        for half in halves:
            half.warm_runs = self.warm_runs

    @property
    def box(self) -> str:
        """The directory in which this slot's programs run."""
        return f"{self._directory}/{BOX}"

    @property
    def no_room(self) -> str:
        """Why a latest job could not be begun: the machine has no room, which is no fault of the job's; empty otherwise."""
        return next(filter(None, (self._no_room, *(half.no_room for half in self.halves))), "")

    @property
    def _directory(self) -> str:
        return f"{self._executor.root}/{self.number}"

    async def open(self) -> None:
        """Has a supervisor spawned, in the place of one that is gone; raises OSError where that cannot be."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(self._directory, 0o711)
        ours = self._executor.spawn(self._directory, self.number)
        _, self._connection = await asyncio.get_running_loop().create_connection(lambda: Connection(ours), sock=ours)

    def _close_halves(self) -> None:
        """A run in this slot counts on being the only one in it."""
        for half in self.halves:
            half.close()

    async def run(self, job: Job, live: "LiveStreams | None" = None) -> Outcome:
        """Runs `job` to its end, a live one with `live`. Where the caller is cancelled the program is ended first.

        A job whose supervisor is lost is given to another one, since it may have been lost for what was there before.
        A second loss is the executor's own fault and gives an outcome that says so, and so does the loss of a live program
        that somebody has seen or written to.
        """
        self._close_halves()
        try:
            outcome = await self._run(job, live)
        except ConnectionError as first:
            if live and live.is_in_use:
                return Outcome(Ended.FAILED, message=str(first))
            try:
                outcome = await self._run(job, live)
            except ConnectionError as error:
                return Outcome(Ended.FAILED, message=str(error))
        self._no_room = outcome.message if outcome.no_room else ""
        if job.warm:
            self.warm_runs[job.warm, outcome.warm] += 1
        return outcome

    async def recover(self) -> None:
        """Has another supervisor spawned where the last one was given up and no job sees to it."""
        if self.silent and not self._busy:
            await self.open()
            self.silent = False

    async def _run(self, job: Job, live: "LiveStreams | None") -> Outcome:
        self._busy = True
        try:
            return await self._run_once(job, live)
        except OSError as error:
            # With no spawner there is no supervisor either, and the next one takes a moment.
            raise ConnectionError(str(error)) from error
        finally:
            self._busy = False

    def _overdue(self, connection: Connection, seconds: float) -> None:
        """The answer has not come in time. The supervisor is given up after `seconds` more, and what it watched with it."""
        answer = connection.answer
        if answer is None or answer.done():
            return
        if seconds:
            connection.timer = asyncio.get_running_loop().call_later(seconds, self._overdue, connection, 0.0)
            return
        _log.error("the supervisor of slot %d does not answer; it is given up", self.number)
        self.silent = connection.lost = True
        answer.set_exception(ConnectionError("the supervisor did not answer in time"))
        if connection.transport:
            connection.transport.abort()

    async def _run_once(self, job: Job, live: "LiveStreams | None") -> Outcome:
        if self._connection is None:
            await self.open()
        elif self._connection.lost:
            _log.error("the supervisor of slot %d is gone; starting another", self.number)
            await self.open()
        connection = self._connection
        if connection is None or connection.transport is None:
            raise ConnectionError("no supervisor")
        connection.answer = answer = asyncio.get_running_loop().create_future()
        seconds = max(job.limits.wall_ms, job.limits.max_wall_ms) / 1000 + _ANSWER_SECONDS
        connection.timer = asyncio.get_running_loop().call_later(seconds, self._overdue, connection, _EXTRA_SECONDS)
        parts, memories = frame_parts(self._encoder, job)
        into = Memory.create() if job.collect and job.collect.into_memory else None
        connection.send(parts, (*memories, into) if into else memories)
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
            if answer.done():
                connection.timer.cancel()
            if live:
                connection.live = None
                live.pause()
        self.silent = False
        if into is None or not into.size:
            return message_of(self._decoder, header, rest)
        into.seal()
        return message_of(self._decoder, header, rest, itertools.repeat(into))

    def close(self) -> None:
        """Lets the supervisor end; another run opens the slot again."""
        if self._connection and self._connection.transport:
            self._connection.transport.close()
        self._connection, self._no_room = None, ""


def _belongs_to_nobody_here(folder: Path) -> bool:
    """Whether every program can read `folder` and no program owns anything in it: programs may have the service's uid."""
    ours = os.geteuid()
    passable = all(above.stat().st_mode & 0o001 for above in folder.parents)
    own = [path.stat() for path in (folder, *folder.iterdir())]
    return passable and all(status.st_mode & 0o004 and (ours == 0 or status.st_uid != ours) for status in own)


class Executor:
    """Owns the spawner and the slots. `start` before the event loop, `open` within it, `close` at the end."""

    def __init__(self, *, concurrency: int, work_parent: str, disabled: tuple[str, ...], highest_abi: int) -> None:
        """`disabled` and `highest_abi` are for tests and leave layers out."""
        self.root = tempfile.mkdtemp(prefix="executor-", dir=work_parent)
        # Programs with a uid of their own have to pass through, but not to look around.
        os.chmod(self.root, 0o711)  # noqa: S103
        # Interpreters load it with a program's identity, which the service's own files are closed to.
        self.bootstrap = BOOTSTRAP if _belongs_to_nobody_here(Path(BOOTSTRAP)) else self._copied_bootstrap()
        self.slots = [self._slot(number, concurrency) for number in range(concurrency)]
        self._disabled = disabled
        self._highest_abi = highest_abi
        self._rules: tuple[tuple[str, int], ...] = ()
        self._warm: dict[str, tuple[WarmStart, ...]] = {}
        self._spawner: SpawnerProcess | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.isolation: Isolation

    def _slot(self, number: int, concurrency: int) -> Slot:
        first = concurrency + 2 * number
        return Slot(self, number, (Slot(self, first), Slot(self, first + 1)))

    def every_slot(self) -> list[Slot]:
        """The slots and their halves, which need not be open."""
        return [found for slot in self.slots for found in (slot, *slot.halves)]

    def _copied_bootstrap(self) -> str:
        folder = Path(self.root, "bootstrap")
        shutil.copytree(BOOTSTRAP, folder, ignore=shutil.ignore_patterns("__pycache__"))
        folder.chmod(0o755)
        for path in folder.iterdir():
            path.chmod(0o444)
            # No reading changes a time that is far ahead, so that nobody can tell whether somebody has read.
            os.utime(path, (_FAR_AHEAD, path.stat().st_mtime))
        return str(folder)

    def start(self) -> None:
        """Starts the spawner and learns from it what this host can enforce; OSError where it does not come up."""
        self._spawner = SpawnerProcess()
        self.isolation = self._isolation(self._spawner)

    def _isolation(self, spawner: SpawnerProcess) -> Isolation:
        return isolation(spawner.enforceable(), self._disabled, self._highest_abi, len(self.slots))

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
        self._keeper = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        """Puts a spawner in the place of one that is gone, and tries a slot again that did not answer."""
        while True:
            await asyncio.sleep(_KEEP_SECONDS)
            try:
                if self._spawner and not self._spawner.alive:
                    await self._start_again(self._spawner)
                for slot in self.slots:
                    await slot.recover()
            except OSError as error:
                _log.error("the executor does not recover yet: %s", error)

    async def _start_again(self, lost: SpawnerProcess) -> None:
        _log.error("the spawner is gone; starting another")
        await asyncio.to_thread(lost.close)
        # By this thread: the spawner ends with the one that started it.
        spawner = SpawnerProcess()
        if await asyncio.to_thread(self._isolation, spawner) != self.isolation:
            spawner.close()
            raise OSError(errno.EPERM, "this host does not enforce any more what it did")
        self._spawner = spawner

    def spawn(self, directory: str, number: int) -> socket.socket:
        """Has a supervisor forked for the slot `number` with its own `directory`; returns the connection to it."""
        if self._spawner is None:
            raise ConnectionError("the spawner has not been started")
        force = self.isolation
        # Of two halves neither is.
        alone = len(self.slots) == 1 and number == 0
        shared_memory = force.shared_memory and alone
        config = SupervisorConfig(
            directory=directory,
            rules=self._rules if shared_memory else tuple(rule for rule in self._rules if rule[0] != leftovers.SHARED_MEMORY),
            landlock_abi=force.landlock_abi,
            seccomp=force.seccomp,
            notify=force.user_notification,
            own_pid_namespace=force.pid_namespace,
            service_pids=(1, os.getpid(), os.getppid(), self._spawner.pid),
            first_uid=FIRST_UID + number * UIDS_PER_SLOT if force.own_uid else 0,
            uids=UIDS_PER_SLOT,
            shared_memory=shared_memory,
            alone=alone,
            rlimits="rlimits" not in self._disabled,
            watcher="watcher" not in self._disabled,
            warm=self._warm.get(f"{directory}/{BOX}", ()),
        )
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        with theirs:
            self._spawner.spawn(config, theirs)
        ours.setblocking(False)
        return ours

    def alive(self) -> bool:
        """Whether the spawner is running."""
        return self._spawner is not None and self._spawner.alive

    def problem(self) -> str:
        """What keeps this executor from taking work just now; empty where nothing does."""
        if not self.alive():
            return "the spawner is gone"
        if silent := [str(slot.number) for slot in self.slots if slot.silent]:
            return f"no answer from the supervisor of slot {', '.join(silent)}"
        status = os.statvfs(self.root)
        if status.f_bavail * status.f_frsize < _LEAST_FREE_BYTES or (
            status.f_files > 0 and status.f_favail < _LEAST_FREE_FILES
        ):
            return "the disk of the work directory is full"
        return ""

    def close(self) -> None:
        """Ends the supervisors and the spawner, and removes the directory."""
        if self._keeper:
            self._keeper.cancel()
        for slot in self.every_slot():
            slot.close()
        if self._spawner:
            self._spawner.close()
        shutil.rmtree(self.root, ignore_errors=True)
