"""The supervisor's answers to the system calls that the filter hands to it, each by the module whose subject it is.

An error while a call is looked into is the call's answer. A call that no function here is for ends the supervisor, and with
it the run: nothing is let through because an answer is missing.
"""

import errno
import os
import stat
from collections.abc import Callable, Mapping
from typing import ClassVar

from runtime.execution.disk_account import DiskAccount
from runtime.execution.path_calls import TIME_CALLS, PathCalls
from runtime.execution.process_counter import CREATING_CALLS, ProcessCounter, is_thread_of
from runtime.execution.process_tree import ProcessTree
from runtime.execution.procfs import data_bytes, open_descriptors, process_group
from runtime.execution.protocol import Limits
from runtime.execution.shared_memory import SharedMemory
from runtime.execution.workers import Worker
from runtime.sandbox import rlimits, unotify
from runtime.sandbox.impersonation import ActingAs, ReadingAs
from runtime.sandbox.syscall_numbers import NUMBERS
from runtime.sandbox.unotify import LET_THROUGH, Answer, Call, signed

_MAP_SHARED_BIT, _MAP_ANONYMOUS, _MAP_STACK = 0x01, 0x20, 0x20000
# Python takes stacks of up to a gibibyte.
_LARGEST_RESERVATION = 1 << 30
#: Descriptors of one run, open at the same time: the buffers of sockets (208 KiB each way) are in no process's account.
_MOST_DESCRIPTORS = 512
#: Watches that a run asks for in all: each keeps the record of a file in the kernel, about a kilobyte.
_MOST_WATCHES = 8192
_HIGHEST_OFFSET = (1 << 63) - 1
_ZERO_DEVICE = os.makedev(1, 5)
_NAMES = {number: name for name, number in NUMBERS.items()}
_EXIT_GROUP = NUMBERS["exit_group"]


class Notifications:
    """The answers for the run that a worker serves, and what they tell of it."""

    def __init__(
        self, worker: Worker, limits: Limits, tree: ProcessTree, disk: DiskAccount, on_first_fork: Callable[[], None]
    ) -> None:
        """The worker has a listener; `on_first_fork` is called before there is a process beside the program."""
        self._worker = worker
        self._listener = worker.listener
        self._pid = worker.pid
        self._uid = worker.uid
        self._limits = limits
        self._tree = tree
        self._processes = ProcessCounter(limits, tree, worker.uid, worker.listener, on_first_fork)
        self._disk = disk
        self._watches = 0
        self._path_calls = PathCalls(worker.workspace, worker.uid, limits.file_bytes)
        unotify.wake_synchronously(worker.listener)
        #: Whether a request for memory went beyond the limit.
        self.memory_refused = False
        #: With what the program is about to end, once it has asked to while it was the only process. It then waits.
        self.exit_code: int | None = None
        #: Shared anonymous memory.
        self.shared = SharedMemory(tree, worker.uid, limits.memory_bytes)
        #: Whether RLIMIT_DATA was raised for what is reserved, so that only looking in time holds the memory limit.
        self.more_reserved = False
        #: Once the run is being ended, every call is refused.
        self.closed = False

    @property
    def forked(self) -> bool:
        """Whether there has ever been a process beside the program."""
        return self._processes.forked

    @property
    def processes_refused(self) -> bool:
        """Whether the run was refused a process or thread, because it had as many as it may have."""
        return self._processes.refused

    @property
    def has_deferred(self) -> bool:
        """Whether calls wait for `answer_deferred`."""
        return self._processes.has_deferred

    def borrowing(self) -> tuple[set[int], bool]:
        """The processes that have their parent's memory until they start a program, and whether there may be more."""
        return self._processes.borrowing()

    def answer_deferred(self) -> None:
        """Looks again at the calls for which it was not clear how many processes there are."""
        self._processes.answer_deferred()

    def answer_next(self) -> None:
        """Takes one call and answers it; returns without one where its process has died meanwhile."""
        call = unotify.receive(self._listener)
        if call is None:
            return
        if self.closed:
            self._respond(call.identifier, errno.EAGAIN)
        elif call.number in CREATING_CALLS:
            self._processes.answer(call)
        elif call.number == _EXIT_GROUP:
            self._exit(call)
        else:
            try:
                if self._worker.input_pipe >= 0 and _NAMES[call.number] in TIME_CALLS:
                    # It is how the worker asks for its pipe, before it goes on to the program.
                    self._worker.install_input_pipe(call)
                    answer: Answer = 0
                else:
                    answer = self._answer(call)
            except OSError as error:
                answer = error.errno or errno.EPERM
            self._respond(call.identifier, answer)

    def _respond(self, identifier: int, answer: Answer) -> None:
        unotify.respond(self._listener, identifier, answer)

    def _answer(self, call: Call) -> Answer:
        name = _NAMES[call.number]
        if name in PathCalls.NAMES:
            return self._path_calls.answer(name, call.thread, call.arguments)
        return self._METHODS[name](self, call.thread, call.arguments)

    def _exit(self, call: Call) -> None:
        """The announced end of a program that is alone is as good as its end, and its memory need not be waited for."""
        if not self.forked and is_thread_of(self._pid, call.thread):
            self.exit_code = call.arguments[0] & 0xFF
        else:
            self._respond(call.identifier, LET_THROUGH)

    def _one_process(self, _thread: int, arguments: tuple[int, ...]) -> Answer:
        return LET_THROUGH if signed(arguments[0]) in self._tree.pids() else errno.EPERM

    def _tkill(self, _thread: int, arguments: tuple[int, ...]) -> Answer:
        target = signed(arguments[0])
        return LET_THROUGH if any(is_thread_of(pid, target) for pid in self._tree.pids()) else errno.EPERM

    def _kill(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        target = signed(arguments[0])
        if target >= 0:
            return self._one_process(thread, arguments)
        # The run has sessions of its own, so a group with one of its processes has no others.
        return LET_THROUGH if any(process_group(pid) == -target for pid in self._tree.pids()) else errno.EPERM

    def _socketpair(self, _thread: int, _arguments: tuple[int, ...]) -> Answer:
        return LET_THROUGH if open_descriptors(self._tree.pids(), self._uid) < _MOST_DESCRIPTORS else errno.EMFILE

    def _mmap(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        _, length, _, flags, descriptor, _ = arguments
        if flags & _MAP_SHARED_BIT:
            anonymous = flags & _MAP_ANONYMOUS or self._is_zero_device(thread, signed(descriptor))
            if anonymous and not self.shared.ask(thread, length):
                self.memory_refused = True
                return errno.ENOMEM
            return LET_THROUGH
        if flags & _MAP_STACK and length <= _LARGEST_RESERVATION:
            self._reserve(thread, length)
            return LET_THROUGH
        self._note_request(thread, length)
        return LET_THROUGH

    def _reserve(self, thread: int, length: int) -> None:
        """Lets so much be reserved, for a thread's stack or a runtime's code: only what is used of it is memory."""
        with ActingAs(self._uid):
            self.more_reserved = rlimits.allow_more(thread, length) or self.more_reserved

    def _mprotect(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        # The first process's language has a headroom of its own.
        if not is_thread_of(self._pid, thread) and arguments[1] <= _LARGEST_RESERVATION:
            self._reserve(thread, arguments[1])
        return LET_THROUGH

    def _fallocate(self, _thread: int, arguments: tuple[int, ...]) -> Answer:
        _, _, offset, length, *_ = arguments
        if offset > _HIGHEST_OFFSET or length > _HIGHEST_OFFSET:
            return LET_THROUGH  # negative, which the kernel refuses
        if offset + length > self._limits.file_bytes:
            return errno.EFBIG
        return LET_THROUGH if self._disk.may_allocate(length) else errno.ENOSPC

    def _inotify_add_watch(self, _thread: int, _arguments: tuple[int, ...]) -> Answer:
        self._watches += 1
        return LET_THROUGH if self._watches <= _MOST_WATCHES else errno.ENOSPC

    def _is_zero_device(self, thread: int, descriptor: int) -> bool:
        try:
            with ReadingAs(self._uid):
                status = os.stat(f"/proc/{thread}/fd/{descriptor}")
        except OSError:
            return True  # what cannot be seen counts
        return stat.S_ISCHR(status.st_mode) and status.st_rdev == _ZERO_DEVICE

    def _mremap(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        self._note_request(thread, max(0, arguments[2] - arguments[1]))
        return LET_THROUGH

    def _note_request(self, thread: int, length: int) -> None:
        """Notes whether the kernel is about to refuse memory, by RLIMIT_DATA."""
        most = self._limits.memory_bytes + self._limits.data_headroom_bytes
        if data_bytes(thread) + length > most:
            self.memory_refused = True

    _METHODS: ClassVar[Mapping[str, Callable[["Notifications", int, tuple[int, ...]], Answer]]] = {
        "kill": _kill, "tkill": _tkill, "tgkill": _one_process, "rt_sigqueueinfo": _one_process,
        "rt_tgsigqueueinfo": _one_process, "pidfd_open": _one_process, "socketpair": _socketpair, "mmap": _mmap,
        "mremap": _mremap, "mprotect": _mprotect, "fallocate": _fallocate, "inotify_add_watch": _inotify_add_watch,
    }  # fmt: skip
