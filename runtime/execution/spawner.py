"""The spawner: a small process with one thread and an empty environment that forks the supervisors.

It is a process of its own, so that what it forks holds nothing of the server; `spawner_process` starts it.
"""

import contextlib
import gc
import os
import select
import signal
import socket
import sys

import msgspec

from runtime.execution import leftovers
from runtime.execution.copy_on_write import make_immortal
from runtime.execution.process_tree import children, descendants
from runtime.execution.protocol import SupervisorConfig
from runtime.execution.supervisor import run
from runtime.execution.workers import complain
from runtime.sandbox import identity
from runtime.sandbox.probe import probe
from runtime.sandbox.scheduling import run_soon_after_waking
from runtime.sandbox.syscalls import (
    PR_SET_CHILD_SUBREAPER,
    PR_SET_DUMPABLE,
    PR_SET_PDEATHSIG,
    prctl,
    return_freed_memory,
)

_MESSAGE = 1 << 20


def main(connection: int) -> None:
    """Serves the server's `connection`, a descriptor.

    Answers with what the host can enforce, then forks a supervisor for each request until the server goes.
    """
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_DUMPABLE, 0)
    identity.raise_capabilities()
    server = socket.socket(fileno=connection)
    server.set_inheritable(False)
    server.send(msgspec.msgpack.encode(probe()))
    shared_memory = leftovers.names_in(leftovers.SHARED_MEMORY)
    wake_reader, wake_writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(wake_writer)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # Ctrl-C reaches the whole group; the server decides when the spawner goes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Counting references to objects, or looking through them, writes to pages that a fork would then no longer share.
    gc.collect()
    make_immortal(gc.get_objects(), gc)
    gc.freeze()
    return_freed_memory()
    poller = select.poll()
    poller.register(server, select.POLLIN)
    poller.register(wake_reader, select.POLLIN)
    supervisors: dict[str, int] = {}
    while True:
        for descriptor, _ in poller.poll():
            if descriptor == wake_reader:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake_reader, 4096)
                _reap(supervisors)
                continue
            message, descriptors, _, _ = socket.recv_fds(server, _MESSAGE, 1)
            if not message:
                for pid in descendants(children(os.getpid())):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                return
            config = msgspec.msgpack.decode(message, type=SupervisorConfig)
            _end_predecessor(supervisors, config.directory)
            ours = (server.fileno(), wake_reader, wake_writer)
            try:
                supervisors[config.directory] = _fork(config, descriptors[0], ours, shared_memory)
            except OSError as error:
                # The server finds the connection closed, and asks again.
                os.close(descriptors[0])
                complain(str(error))


def _fork(config: SupervisorConfig, connection: int, ours: tuple[int, ...], shared_memory: frozenset[str]) -> int:
    pid = os.fork()
    if pid:
        os.close(connection)
        return pid
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in ours:
            os.close(descriptor)
        os.set_inheritable(connection, False)
        with contextlib.suppress(OSError):  # a container's own filter may refuse it
            run_soon_after_waking()
        run(config, socket.socket(fileno=connection), shared_memory)
    except BaseException:  # noqa: BLE001 - a forked process must end here, whatever happened
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def _end_predecessor(supervisors: dict[str, int], directory: str) -> None:
    """Ends the supervisor that had this directory, with all that it watched; the server has lost it already."""
    pid = supervisors.get(directory)
    if pid:
        os.kill(pid, signal.SIGKILL)
        while directory in supervisors:
            _reap_one(supervisors, 0)
        _end_strays(supervisors)


def _reap(supervisors: dict[str, int]) -> None:
    """Reaps what has ended; where a supervisor died, ends what it had been watching, which the kernel hands to us."""
    with contextlib.suppress(ChildProcessError):
        while _reap_one(supervisors, os.WNOHANG):
            pass
    _end_strays(supervisors)


def _reap_one(supervisors: dict[str, int], options: int) -> int:
    """Reaps the next child that has ended, a supervisor too; its pid, or 0 where there is none."""
    pid, _ = os.waitpid(-1, options)
    for directory in [directory for directory, supervisor in supervisors.items() if supervisor == pid]:
        del supervisors[directory]
    return pid


def _end_strays(supervisors: dict[str, int]) -> None:
    """Ends and reaps all that no living supervisor watches."""
    while strays := [pid for pid in children(os.getpid()) if pid not in supervisors.values()]:
        for pid in descendants(strays):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # Whichever is first: the end of a pid namespace's first process waits until all in there are reaped.
        _reap_one(supervisors, 0)
