"""The supervisor of one slot: takes a job, has a worker run it, answers, and cleans up.

It is the subreaper of all that its programs start, has one thread, and holds nothing that a program may not know.
"""

import contextlib
import errno
import os
import select
import signal
import socket
from collections import deque

import msgspec

from runtime.execution import leftovers
from runtime.execution.codec import frame, is_event, message_of, part_in_memory, receive_frame
from runtime.execution.limit_facts import SlotFacts
from runtime.execution.memory_files import Memory, copy
from runtime.execution.paths import BOX
from runtime.execution.protocol import Ended, Job, Outcome, SupervisorConfig
from runtime.execution.run import Run
from runtime.execution.worker_pool import WorkerPool
from runtime.execution.workers import NotTakenError, Worker, WorkerError, complain
from runtime.execution.workspace import Collected, Workspace
from runtime.sandbox import rlimits
from runtime.sandbox.confine import CHANNEL
from runtime.sandbox.syscalls import PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, PR_SET_PDEATHSIG, prctl

# How long the run of what was just compiled may take to come: the server has the result in its hands.
_EXPECTED_RUN_SECONDS = 0.01
# How many workers a job is given to, where they are gone before they take it: all that wait can die at one moment.
_ATTEMPTS = 4
# What a run may take on disk, generously.
_ROOM_BYTES, _ROOM_FILES = 1 << 30, 50_000
# What the machine says where it has no room.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})


class Supervisor:
    """Serves one job after the other over `control`."""

    def __init__(self, config: SupervisorConfig, control: socket.socket, shared_memory_before: frozenset[str]) -> None:
        """Takes over the directory of its slot, which must exist, and removes what a predecessor that was lost left.

        `shared_memory_before` is what was in /dev/shm before the first run of all.
        """
        self._config = config
        self._control = control
        self._shared_memory_before = shared_memory_before
        # Of /dev/shm after the latest run: as long as that is the same, nothing has come or gone.
        self._shared_memory_state: tuple[int, int] | None = None
        self._facts = SlotFacts.of(config)
        self._pool = WorkerPool(config)
        # Directories of earlier runs, which no program can reach any more.
        self._left: deque[Workspace] = deque()
        self._expects_run = False
        # Whether no run of another program could reach the directory of an earlier one.
        self._hides_left = config.landlock_abi > 0 or config.first_uid > 0
        self._serial = 0
        self._decoder = msgspec.msgpack.Decoder(Job)
        self._encoder = msgspec.msgpack.Encoder()
        self._remove_all()

    def serve(self) -> None:
        """Serves until the server closes the connection."""
        # In a call of its own, so that nothing of a job is held while workers are forked.
        while self._serve_next():
            pass
        self._remove_left()

    def _serve_next(self) -> bool:
        if not (self._pool.has_cold and self._expected_run_came()):
            self._remove_left()
            self._pool.prepare()
        self._pool.tend_until(self._control.fileno())
        memories: list[Memory] = []
        received = receive_frame(self._control, memories)
        if received is None:
            return False
        header, rest = received
        if not rest:
            return True  # a cancellation that came after its job had been answered
        if is_event(header):
            return True  # as late as that
        job = message_of(self._decoder, header, rest, memories)
        if self._config.shared_memory and not self._config.first_uid and self._shared_memory_state != _shared_memory_state():
            # What is there now is somebody else's.
            self._shared_memory_before = leftovers.names_in(leftovers.SHARED_MEMORY)
        run, outcome = self._run(job)
        self._expects_run = job.expects_run and (outcome.code == 0 or (not job.hurried and self._hides_left))
        with contextlib.suppress(BrokenPipeError):  # the server is gone, which the next read finds out
            into = memories[-1] if job.collect and job.collect.into_memory else None
            self._answer(outcome, run.collected if run else (), into)
        if run:
            if run.was_alone:
                self._pool.start_successor(run.worker.kind)
            self._finish(run)
        return True

    def _run(self, job: Job, attempts: int = _ATTEMPTS) -> tuple[Run | None, Outcome]:
        """The outcome, and the run where there is something left of it to be ended and cleaned up."""
        try:
            worker = self._pool.take(job)
        except (OSError, WorkerError) as error:
            return None, _failed(error)
        run = Run(worker, job, self._pool, self._facts, self._control)
        try:
            worker.workspace.place(job.files)
            worker.workspace.rename(BOX)
            return run, run.serve(_nothing if job.hurried else self._catch_up)
        except NotTakenError as error:
            if attempts == 1 or not run.can_be_repeated:
                return run, error.outcome or Outcome(Ended.FAILED, message=str(error))
            complain(str(error))
        except (OSError, WorkerError) as error:
            return run, _failed(error)
        self._finish(run)
        return self._run(job, attempts - 1)

    def _catch_up(self) -> None:
        """Does what was put off when the job at hand was expected."""
        self._remove_left()
        self._pool.prepare(beside_run=True)

    def _answer(self, outcome: Outcome, collected: tuple[Collected, ...], into: Memory | None) -> None:
        """Large files go from where they are to the server, or into its memory, without a copy here."""
        try:
            sizes, contents = [], []
            for file in collected:
                if into and file.descriptor >= 0:
                    size, content = part_in_memory(file.size, into.take(file.descriptor, file.size))
                else:
                    size, content = file.size, memoryview(file.content)
                sizes.append(size)
                contents.append(content)
            self._control.sendall(b"".join((frame(self._encoder, outcome, sizes), *contents)))
            for file in collected:
                if file.descriptor >= 0 and not into:
                    self._send_file(file)
        finally:
            for file in collected:
                file.close()

    def _send_file(self, file: Collected) -> None:
        left = copy(self._control.fileno(), file.descriptor, file.size)
        # Where uids are shared, the run of another slot can have made it shorter.
        self._control.sendall(bytes(left))

    def _expected_run_came(self) -> bool:
        """Whether the run comes that the latest job was compiled for: what can be done after it shall not hold it up."""
        return self._expects_run and bool(select.select((self._control,), (), (), _EXPECTED_RUN_SECONDS)[0])

    def _finish(self, run: Run) -> None:
        """Ends what is left of a run. An error here ends the supervisor: nothing may run beside what is left."""
        run.end()
        self._clean_up(run.worker)
        run.close()

    def _clean_up(self, worker: Worker) -> None:
        """Puts what the run left out of reach."""
        worker.close()
        if self._expects_run:
            worker.workspace.rename(f"left{len(self._left)}")
            self._left.append(worker.workspace)
        else:
            self._remove(worker.workspace)
        self._clean_public(range(worker.uid, worker.uid + 1))

    def _remove(self, workspace: Workspace) -> None:
        """Removes a directory at once, or behind the back of the next run where it has much in it; or keeps it, if empty."""
        if self._pool.workspaces.keep(workspace):
            return
        # Without Landlock the next run with this uid could reach it, and on a small disk it may need the room.
        reachable = self._config.first_uid > 0 and not self._config.landlock_abi
        if workspace.holds_many() and not reachable and _has_room_left(workspace.descriptor):
            self._serial += 1
            workspace.rename(f"removed{self._serial}")
            with contextlib.suppress(BlockingIOError):  # no process to be had: then at once
                self._pool.reap_later(workspace.remove_slowly())
                return
        workspace.remove()

    def _remove_left(self) -> None:
        while self._left:
            self._remove(self._left.popleft())

    def _remove_all(self) -> None:
        """Removes what is in the slot's directory, and what its runs have left elsewhere; no run is alive."""
        config = self._config
        uids = range(config.first_uid, config.first_uid + config.uids)
        for name in os.listdir(config.directory):
            path = f"{config.directory}/{name}"
            os.chmod(path, 0o770)  # noqa: S103 - the group is the run's own, where it has one
            group = os.stat(path).st_gid
            Workspace(config.directory, name, group if config.first_uid and group in uids else 0).remove()
        self._clean_public(uids)

    def _clean_public(self, uids: range) -> None:
        """Removes what runs with these uids left where others could find it."""
        config = self._config
        if config.first_uid and not config.landlock_abi:
            leftovers.remove_owned(uids, leftovers.PUBLIC)
            for place in leftovers.PUBLIC:
                leftovers.touch(place)
        elif config.shared_memory and self._shared_memory_state != _shared_memory_state():
            if config.first_uid:
                leftovers.remove_owned(uids, (leftovers.SHARED_MEMORY,))
            else:
                leftovers.remove_new(leftovers.SHARED_MEMORY, self._shared_memory_before)
            leftovers.touch(leftovers.SHARED_MEMORY)
            self._shared_memory_state = _shared_memory_state()


def _nothing() -> None:
    """Where nothing is to be done meanwhile."""


def _shared_memory_state() -> tuple[int, int]:
    """When something last came or went in /dev/shm, and its size, which has a part for each name."""
    status = os.stat(leftovers.SHARED_MEMORY)
    return status.st_mtime_ns, status.st_size


def _has_room_left(directory: int) -> bool:
    """Whether the disk has room for another run beside what is being removed."""
    status = os.statvfs(directory)
    files = status.f_favail if status.f_files else _ROOM_FILES
    return status.f_bavail * status.f_frsize >= _ROOM_BYTES and files >= _ROOM_FILES


def _failed(error: Exception) -> Outcome:
    """The outcome of a job that could not be begun."""
    no_room = isinstance(error, OSError) and error.errno in _NO_ROOM
    return Outcome(Ended.FAILED, message=str(error), no_room=no_room)


def run(config: SupervisorConfig, control: socket.socket, shared_memory_before: frozenset[str]) -> None:
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
