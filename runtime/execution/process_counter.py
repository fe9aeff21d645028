"""The limit of processes and tasks: which calls to fork, vfork and clone are granted, by an exact count of what there is."""

import errno
import os
import time
from collections.abc import Callable

from runtime.execution.process_tree import ProcessTree
from runtime.execution.procfs import have_same_memory, read, stat_fields, thread_clock_ns, thread_count
from runtime.execution.protocol import Limits
from runtime.sandbox import unotify
from runtime.sandbox.impersonation import ReadingAs
from runtime.sandbox.seccomp import CLONE_THREAD, CLONE_VM
from runtime.sandbox.syscall_numbers import NUMBERS
from runtime.sandbox.unotify import LET_THROUGH, Call

#: The numbers of the calls that make a process or a thread.
CREATING_CALLS = frozenset(NUMBERS[name] for name in ("clone", "fork", "vfork"))
_CLONE, _VFORK = NUMBERS["clone"], NUMBERS["vfork"]
# How long a call may wait for its answer while it is not clear how many processes there are.
_UNCLEAR_SECONDS = 0.2
# How much longer while it is not known which processes are a starting worker's.
_UNKNOWN_SECONDS = 5.0
# CPU time after which a thread that was allowed to fork is certainly out of the call.
_LONGEST_FORK_NS = 30_000_000
# No call's number; -1 is what the kernel says of a thread that waits outside of any.
_RUNNING = -2


class _Grant:
    """A thread that was allowed to create a process or thread and may still be about to."""

    __slots__ = ("is_thread", "ran_ns", "shares_memory")

    def __init__(self, *, is_thread: bool, shares_memory: bool) -> None:
        self.is_thread = is_thread
        self.shares_memory = shares_memory
        #: Its CPU time when it was first found running, where its call cannot be seen.
        self.ran_ns: int | None = None


class _Request:
    """A call that wants a process or a thread, and until when it may wait for its answer."""

    __slots__ = ("deadline", "identifier", "is_thread", "shares_memory", "thread")

    def __init__(self, call: Call) -> None:
        flags = call.arguments[0] if call.number == _CLONE else 0
        self.identifier = call.identifier
        self.thread = call.thread
        self.is_thread = bool(flags & CLONE_THREAD)
        self.shares_memory = call.number == _VFORK or bool(flags & CLONE_VM)
        self.deadline = time.monotonic() + _UNCLEAR_SECONDS


class ProcessCounter:
    """Counts a run's processes and threads, and answers each call that would make one more."""

    def __init__(self, limits: Limits, tree: ProcessTree, uid: int, listener: int, on_first_fork: Callable[[], None]) -> None:
        """`uid` is the run's own, or 0; answers go through `listener`.

        `on_first_fork` is called before the first process beside the program can be there.
        """
        self._on_first_fork = on_first_fork
        self._limits = limits
        self._tree = tree
        self._uid = uid
        self._listener = listener
        self._grants: dict[int, _Grant] = {}
        # Never lower than what there is: counted at some time, and one more for each grant since.
        self._most_processes = self._most_tasks = 1
        self._deferred: list[_Request] = []
        #: Whether there has ever been a process beside the program.
        self.forked = False
        #: Whether a call was refused, because there were as many as there may be.
        self.refused = False

    @property
    def has_deferred(self) -> bool:
        """Whether calls wait for `answer_deferred`."""
        return bool(self._deferred)

    def answer(self, call: Call) -> None:
        """Grants the call, refuses it, or puts it off until it is clear how many processes there are."""
        self._grants.pop(call.thread, None)  # it came back, so what it was granted before is done
        request = _Request(call)
        # A signal that arrives while a call waits for its answer makes it fail with EINTR, which no program expects of
        # fork; so the answer comes without looking at the processes as long as there cannot be too many.
        if self._has_room(request, self._most_processes, self._most_tasks):
            self._grant(request)
        else:
            self._count(request)

    def answer_deferred(self) -> None:
        """Looks again at the calls that were put off."""
        deferred, self._deferred = self._deferred, []
        for request in deferred:
            self._count(request)

    def borrowing(self) -> tuple[set[int], bool]:
        """The processes that have their parent's memory until they start a program (vfork), which waits for that.

        And whether another one may be about to appear.
        """
        found: set[int] = set()
        unclear = False
        for thread, grant in list(self._grants.items()):
            if grant.is_thread or not grant.shares_memory:
                continue
            waits = self._system_call(thread) in CREATING_CALLS and stat_fields(thread)[:1] == [b"D"]
            if not waits and self._is_settled(thread, grant):
                del self._grants[thread]
                continue
            found.update(_borrower(thread))
            # Else it is on its way to that wait, for which it may need a processor.
            unclear = unclear or not waits
        return found, unclear

    def _system_call(self, thread: int) -> int | None:
        """The number of the call that a thread waits in, `_RUNNING` where it does not wait, None where it is gone."""
        try:
            with ReadingAs(self._uid), open(f"/proc/{thread}/syscall", "rb") as file:
                word = file.read(64).split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return None
        except OSError:
            return _RUNNING  # the program has made itself unreadable
        return _RUNNING if word == b"running" else int(word)

    def _has_room(self, request: _Request, processes: int, tasks: int) -> bool:
        return tasks < self._limits.tasks and (request.is_thread or processes < self._limits.processes)

    def _grant(self, request: _Request) -> None:
        self._most_tasks += 1
        self._most_processes += not request.is_thread
        if not (self.forked or request.is_thread):
            self.forked = True
            self._on_first_fork()
        self._grants[request.thread] = _Grant(is_thread=request.is_thread, shares_memory=request.shares_memory)
        unotify.respond(self._listener, request.identifier, LET_THROUGH)

    def _count(self, request: _Request) -> None:
        """Grants or refuses by what there is now; puts the call off while a grant may still be on its way."""
        for thread, grant in list(self._grants.items()):
            if self._is_settled(thread, grant):
                del self._grants[thread]
        # Counted after that: what has settled is among them.
        pids = self._tree.pids()
        processes = len(pids) + sum(not grant.is_thread for grant in self._grants.values())
        tasks = sum(max(thread_count(pid), 1) for pid in pids) + len(self._grants)
        self._most_processes, self._most_tasks = processes, tasks
        if self._has_room(request, processes, tasks):
            self._grant(request)
        elif self._may_wait(request):
            self._deferred.append(request)
        else:
            self.refused = True
            unotify.respond(self._listener, request.identifier, errno.EAGAIN)

    def _may_wait(self, request: _Request) -> bool:
        """Whether it may soon be clear that there is room for what the request wants."""
        now = time.monotonic()
        if self._tree.may_have_others():  # on a busy machine a worker takes its time to say which processes are its own
            return now < request.deadline + _UNKNOWN_SECONDS
        return bool(self._grants) and now < request.deadline

    def _is_settled(self, thread: int, grant: _Grant) -> bool:
        """Whether the thread's new process or thread is there already, or will not come."""
        number = self._system_call(thread)
        if number is None:
            return True
        if number != _RUNNING:
            # With shared memory nothing in clone waits but a parent for its vfork child, which is there by then.
            waits = grant.shares_memory and stat_fields(thread)[:1] in ([b"S"], [b"D"])
            return number not in CREATING_CALLS or waits
        ran_ns = thread_clock_ns(thread)
        if grant.ran_ns is None:
            grant.ran_ns = ran_ns
        return ran_ns > grant.ran_ns + _LONGEST_FORK_NS


def _borrower(thread: int) -> list[int]:
    """The child that the thread has lent its memory, where one looks so.

    It is not always the youngest, since orphans may have come to the thread's process meanwhile. It is one alone: children
    that were forked may look so too, and have memory of their own.
    """
    children = read(f"/proc/{thread}/task/{thread}/children").split()
    return next(([pid] for pid in map(int, reversed(children)) if have_same_memory(thread, pid)), [])


def is_thread_of(pid: int, thread: int) -> bool:
    """Whether `thread` is one of the process `pid` at this moment."""
    return thread == pid or os.path.exists(f"/proc/{pid}/task/{thread}")
