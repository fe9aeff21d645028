"""The supervisor's answers to system calls that the filter hands to it: new processes, signals, attributes, memory.

Only arguments that are plain numbers are let through to the kernel (`CONTINUE`): nobody can change them after the check.
Where an argument is a path, the supervisor reads it once and does the work itself, inside the run's directory.
Formats: seccomp_unotify(2).
"""

import contextlib
import errno
import fcntl
import os
import stat
import struct
import time
from collections.abc import Callable, Iterator

from runtime.execution.protocol import Limits
from runtime.execution.usage import data_bytes, open_descriptors, process_group, stat_fields, thread_clock_ns, thread_count
from runtime.execution.workers import Worker
from runtime.sandbox.acting import ReadingAs
from runtime.sandbox.seccomp import CLONE_THREAD, CLONE_VM, NUMBERS
from runtime.sandbox.syscalls import open_beneath

_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_RESPONSE = struct.Struct("=QqiI")
_RECEIVE = 0xC0502100
_SEND = 0xC0182101
_SET_FLAGS = 0x40082104
_SYNC_WAKE_UP = 1
_CONTINUE = 1
_AT_FDCWD = -100
# What the kernel takes for an address at all; Python has no word for what lies above.
_HIGHEST_ADDRESS = (1 << 63) - 1
_AT_SYMLINK_NOFOLLOW = 0x100
_UTIME_NOW, _UTIME_OMIT = 0x3FFFFFFF, 0x3FFFFFFE
_PATH_MAX = 4096
# How long a call may wait for its answer while it is not clear how many processes there are.
_UNCLEAR_SECONDS = 0.2
# CPU time after which a thread that was allowed to fork is certainly out of the call.
_LONGEST_FORK_NS = 30_000_000
_MAP_SHARED_BIT, _MAP_ANONYMOUS = 0x01, 0x20
#: Sockets of one run, open at the same time: their buffers (208 KiB each way) are charged to nobody.
_MOST_DESCRIPTORS = 512
_NAMES = {number: name for name, number in NUMBERS.items()}
_CREATES = frozenset(NUMBERS[name] for name in ("clone", "fork", "vfork"))
_EXIT_GROUP = NUMBERS["exit_group"]

Allowed = None
Answer = int | None


class _Grant:
    """A thread that was allowed to create a process or thread and may still be about to."""

    __slots__ = ("is_thread", "ran_ns", "shares_memory")

    def __init__(self, *, is_thread: bool, shares_memory: bool) -> None:
        self.is_thread = is_thread
        self.shares_memory = shares_memory
        #: Its CPU time when it was first found running, where nobody can see whether it is still creating.
        self.ran_ns: int | None = None


class _Deferred:
    """A call that waits for its answer until it is clear how many processes there are."""

    __slots__ = ("deadline", "identifier", "is_thread", "shares_memory", "thread")

    def __init__(self, identifier: int, thread: int, *, is_thread: bool, shares_memory: bool) -> None:
        self.identifier = identifier
        self.thread = thread
        self.is_thread = is_thread
        self.shares_memory = shares_memory
        self.deadline = time.monotonic() + _UNCLEAR_SECONDS


def let_through(listener: int) -> None:
    """Allows the next call of a worker that is still starting: it is an interpreter with no line of a user's code in it."""
    notification = _receive(listener)
    if notification:
        _send(listener, _RESPONSE.pack(notification[0], 0, 0, _CONTINUE))


def _receive(listener: int) -> "tuple[int, ...] | None":
    """The next notification, or None where its process has died meanwhile."""
    buffer = bytearray(_NOTIFICATION.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, buffer)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINTR, errno.EAGAIN):
            return None
        raise
    return _NOTIFICATION.unpack(buffer)


def _send(listener: int, response: bytes) -> None:
    with contextlib.suppress(FileNotFoundError):  # the caller was killed while it waited
        fcntl.ioctl(listener, _SEND, response)


class Notifications:
    """The answers for the run that `worker` serves. `tree` gives the run's processes at this moment."""

    def __init__(self, worker: Worker, limits: Limits, tree: Callable[[], list[int]]) -> None:
        """The worker has a listener."""
        self._listener = worker.listener
        self._pid = worker.pid
        self._uid = worker.uid
        self._workspace = worker.workspace
        # Since Linux 6.6: the caller's processor is handed straight to us, instead of another one being woken. Elsewhere
        # the call is refused, and the wait for an answer is a little longer.
        with contextlib.suppress(OSError):
            fcntl.ioctl(worker.listener, _SET_FLAGS, _SYNC_WAKE_UP)
        self._limits = limits
        self._tree = tree
        self._grants: dict[int, _Grant] = {}
        # Never lower than what there is: counted at some time, and one more for each grant since.
        self._most_processes = self._most_tasks = 1
        self._deferred: list[_Deferred] = []
        self.memory_refused = False
        #: Whether there has ever been a process beside the program.
        self.forked = False
        #: With what the program is about to end, once it has asked to while it was the only process. It then waits.
        self.exit_code: int | None = None
        #: Shared anonymous memory that the run has mapped, in bytes, whether or not any process still shows it.
        self.shared_bytes = 0
        self.closed = False
        self._answers: dict[str, Callable[[int, tuple[int, ...]], Answer]] = {
            "kill": self._kill, "tkill": self._tkill, "tgkill": self._one_process, "rt_sigqueueinfo": self._one_process,
            "rt_tgsigqueueinfo": self._one_process, "pidfd_open": self._one_process, "socketpair": self._socketpair,
            "mmap": self._mmap, "mremap": self._mremap, "chmod": self._chmod, "fchmod": self._fchmod,
            "fchmodat": self._fchmodat, "truncate": self._truncate, "utime": self._utime, "utimes": self._utimes,
            "futimesat": self._futimesat, "utimensat": self._utimensat,
        }  # fmt: skip

    def answer_next(self) -> None:
        """Takes one notification and answers it; returns without one where its process has died meanwhile."""
        notification = _receive(self._listener)
        if notification is None:
            return
        identifier, thread, _, number, _, _, *arguments = notification
        if self.closed:
            self._respond(identifier, errno.EAGAIN)
        elif number in _CREATES:
            self._create(identifier, thread, number, arguments[0])
        elif number == _EXIT_GROUP:
            self._exit(identifier, thread, arguments[0])
        else:
            try:
                answer = self._answers[_NAMES[number]](thread, tuple(arguments))
            except OSError as error:
                answer = error.errno or errno.EPERM
            self._respond(identifier, answer)

    def _respond(self, identifier: int, answer: Answer) -> None:
        if answer is Allowed:
            response = _RESPONSE.pack(identifier, 0, 0, _CONTINUE)
        else:
            response = _RESPONSE.pack(identifier, 0, -answer, 0)
        _send(self._listener, response)

    def _exit(self, identifier: int, thread: int, code: int) -> None:
        """The last word of a program that is alone is as good as its end, and its memory need not be waited for."""
        if not self.forked and (thread == self._pid or os.path.exists(f"/proc/{self._pid}/task/{thread}")):
            self.exit_code = code & 0xFF
        else:
            self._respond(identifier, Allowed)

    @property
    def waiting(self) -> bool:
        """Whether calls wait for `answer_waiting`."""
        return bool(self._deferred)

    def answer_waiting(self) -> None:
        """Looks again at the calls for which it was not clear how many processes there are."""
        deferred, self._deferred = self._deferred, []
        for call in deferred:
            self._count(call)

    def _create(self, identifier: int, thread: int, number: int, flags: int) -> None:
        is_clone = number == NUMBERS["clone"]
        is_thread = is_clone and bool(flags & CLONE_THREAD)
        shares_memory = number == NUMBERS["vfork"] or (is_clone and bool(flags & CLONE_VM))
        self._grants.pop(thread, None)  # it came back, so what it was granted before is done
        # A signal that arrives while a call waits for its answer makes it fail with EINTR, which no program expects of
        # fork; so the answer comes without looking at the processes as long as there cannot be too many.
        if self._most_tasks < self._limits.tasks and (is_thread or self._most_processes < self._limits.processes):
            self._grant(identifier, thread, is_thread=is_thread, shares_memory=shares_memory)
        else:
            self._count(_Deferred(identifier, thread, is_thread=is_thread, shares_memory=shares_memory))

    def _grant(self, identifier: int, thread: int, *, is_thread: bool, shares_memory: bool) -> None:
        self._most_tasks += 1
        self._most_processes += not is_thread
        self.forked = self.forked or not is_thread
        self._grants[thread] = _Grant(is_thread=is_thread, shares_memory=shares_memory)
        self._respond(identifier, Allowed)

    def _count(self, call: _Deferred) -> None:
        """Grants or refuses by what there is now; puts the call off while a grant may still be on its way."""
        for thread, grant in list(self._grants.items()):
            if self._is_settled(thread, grant):
                del self._grants[thread]
        # Counted after that: what has settled is among them.
        tree = self._tree()
        processes = len(tree) + sum(not grant.is_thread for grant in self._grants.values())
        tasks = sum(max(thread_count(pid), 1) for pid in tree) + len(self._grants)
        self._most_processes, self._most_tasks = processes, tasks
        if tasks < self._limits.tasks and (call.is_thread or processes < self._limits.processes):
            self._grant(call.identifier, call.thread, is_thread=call.is_thread, shares_memory=call.shares_memory)
        elif self._grants and time.monotonic() < call.deadline:
            self._deferred.append(call)
        else:
            self._respond(call.identifier, errno.EAGAIN)

    def _is_settled(self, thread: int, grant: _Grant) -> bool:
        """Whether the thread's new process or thread is there already, or will not come."""
        try:
            with ReadingAs(self._uid), open(f"/proc/{thread}/syscall", "rb") as file:
                word = file.read(64).split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        except OSError:
            word = b"running"  # the program has made itself unreadable
        if word != b"running":
            # With shared memory nothing in clone waits but a parent for its vfork child, which is there by then.
            return int(word) not in _CREATES or (grant.shares_memory and stat_fields(thread)[:1] in ([b"S"], [b"D"]))
        ran_ns = thread_clock_ns(thread)
        if grant.ran_ns is None:
            grant.ran_ns = ran_ns
        return ran_ns > grant.ran_ns + _LONGEST_FORK_NS

    def _one_process(self, _thread: int, arguments: tuple[int, ...]) -> Answer:
        return Allowed if _signed(arguments[0]) in self._tree() else errno.EPERM

    def _tkill(self, _thread: int, arguments: tuple[int, ...]) -> Answer:
        target = _signed(arguments[0])
        return Allowed if any(os.path.exists(f"/proc/{pid}/task/{target}") for pid in self._tree()) else errno.EPERM

    def _kill(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        target = _signed(arguments[0])
        if target >= 0:
            return self._one_process(thread, arguments)
        # The run has sessions of its own, so a group with one of its processes has no others.
        return Allowed if any(process_group(pid) == -target for pid in self._tree()) else errno.EPERM

    def _socketpair(self, _thread: int, _arguments: tuple[int, ...]) -> Answer:
        return Allowed if open_descriptors(self._tree(), self._uid) < _MOST_DESCRIPTORS else errno.EMFILE

    def _mmap(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        _, length, _, flags, descriptor, _ = arguments
        if flags & _MAP_SHARED_BIT:
            if flags & _MAP_ANONYMOUS or self._is_zero_device(thread, _signed(descriptor)):
                if self.shared_bytes + length > self._limits.memory_bytes:
                    self.memory_refused = True
                    return errno.ENOMEM
                self.shared_bytes += length
            return Allowed
        self._note_request(thread, length)
        return Allowed

    def _is_zero_device(self, thread: int, descriptor: int) -> bool:
        try:
            with ReadingAs(self._uid):
                status = os.stat(f"/proc/{thread}/fd/{descriptor}")
        except OSError:
            return True  # what cannot be seen counts
        return stat.S_ISCHR(status.st_mode) and status.st_rdev == os.makedev(1, 5)

    def _mremap(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        self._note_request(thread, max(0, arguments[2] - arguments[1]))
        return Allowed

    def _note_request(self, thread: int, length: int) -> None:
        most = self._limits.memory_bytes + self._limits.data_headroom_bytes
        if data_bytes(thread) + length > most:
            self.memory_refused = True

    def _chmod(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        return self._fchmodat(thread, (_AT_FDCWD, *arguments))

    def _fchmod(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        with ReadingAs(self._uid):
            descriptor = os.open(f"/proc/{thread}/fd/{_signed(arguments[0])}", os.O_PATH | os.O_CLOEXEC)
        try:
            # From here on it is this file, whatever the program makes of its number.
            place = f"/proc/self/fd/{descriptor}"
            self._require_inside(os.readlink(place.encode()))
            os.chmod(place, arguments[1] & 0o777)
        finally:
            os.close(descriptor)
        return 0

    def _fchmodat(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        with self._target(thread, arguments[0], arguments[1], os.O_PATH) as descriptor:
            # Without set-uid, set-gid and sticky bits, which nothing here has a use for.
            os.chmod(f"/proc/self/fd/{descriptor}", arguments[2] & 0o777)
        return 0

    def _truncate(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        length = struct.unpack("=q", struct.pack("=Q", arguments[1]))[0]
        if length > self._limits.file_bytes:
            return errno.EFBIG
        # Not blocking: the path may lead to a FIFO.
        with self._target(thread, _AT_FDCWD, arguments[0], os.O_WRONLY | os.O_NONBLOCK) as descriptor:
            os.ftruncate(descriptor, length)
        return 0

    def _utime(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        times = None
        if arguments[1]:
            seconds = struct.unpack("=2q", self._memory(thread, arguments[1], 16))
            times = (_nanoseconds(seconds[0], 0), _nanoseconds(seconds[1], 0))
        return self._set_times(thread, _AT_FDCWD, arguments[0], times, 0)

    def _utimes(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        return self._futimesat(thread, (_AT_FDCWD, *arguments))

    def _futimesat(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        times = None
        if arguments[2]:
            fields = struct.unpack("=4q", self._memory(thread, arguments[2], 32))
            times = (_nanoseconds(fields[0], fields[1] * 1000), _nanoseconds(fields[2], fields[3] * 1000))
        return self._set_times(thread, arguments[0], arguments[1], times, 0)

    def _utimensat(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        times: tuple[int, int] | None = None
        if arguments[2]:
            fields = struct.unpack("=4q", self._memory(thread, arguments[2], 32))
            now = time.time_ns()
            if fields[1] == _UTIME_OMIT or fields[3] == _UTIME_OMIT:
                with self._target(thread, arguments[0], arguments[1], os.O_PATH) as descriptor:
                    status = os.fstat(descriptor)
                old = (status.st_atime_ns, status.st_mtime_ns)
            else:
                old = (now, now)
            times = (_time(fields[0], fields[1], now, old[0]), _time(fields[2], fields[3], now, old[1]))
        return self._set_times(thread, arguments[0], arguments[1], times, arguments[3])

    def _set_times(self, thread: int, folder: int, path: int, times: tuple[int, int] | None, flags: int) -> Answer:
        if flags & ~_AT_SYMLINK_NOFOLLOW:
            return errno.EINVAL
        nofollow = os.O_NOFOLLOW if flags & _AT_SYMLINK_NOFOLLOW else 0
        with self._target(thread, folder, path, os.O_PATH | nofollow) as descriptor:
            if stat.S_ISLNK(os.fstat(descriptor).st_mode):
                return errno.EOPNOTSUPP  # the times of a link itself
            os.utime(f"/proc/self/fd/{descriptor}", ns=times) if times else os.utime(f"/proc/self/fd/{descriptor}")
        return 0

    def _memory(self, thread: int, address: int, count: int) -> bytes:
        if address > _HIGHEST_ADDRESS:
            raise OSError(errno.EFAULT, "no address")
        with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            data = memory.read(count)
        if len(data) < count:
            raise OSError(errno.EFAULT, "unreadable argument")
        return data

    def _path(self, thread: int, address: int) -> bytes:
        found = b""
        while len(found) < _PATH_MAX:
            # To the end of the page, because the next one may not be there.
            data = self._memory(thread, address + len(found), 4096 - (address + len(found)) % 4096)
            head, end, _ = data.partition(b"\0")
            found += head
            if end:
                return found
        raise OSError(errno.ENAMETOOLONG, "path too long")

    def _require_inside(self, path: bytes) -> None:
        top = os.fsencode(self._workspace.path)
        if path != top and not path.startswith(top + b"/"):
            raise PermissionError(errno.EPERM, "outside of the run's directory")

    @contextlib.contextmanager
    def _target(self, thread: int, folder: int, path_address: int, flags: int) -> Iterator[int]:
        """Opens what the arguments name; PermissionError unless it is inside the run's own directory."""
        path = self._path(thread, path_address)
        if not path:
            raise OSError(errno.ENOENT, "empty path")
        top = os.fsencode(self._workspace.path)
        if not path.startswith(b"/"):
            link = f"/proc/{thread}/cwd" if _signed(folder) == _AT_FDCWD else f"/proc/{thread}/fd/{_signed(folder)}"
            path = os.readlink(link.encode()) + b"/" + path
        self._require_inside(path)
        try:
            descriptor = open_beneath(self._workspace.descriptor, path[len(top) + 1 :] or b".", flags)
        except OSError as error:
            if error.errno in (errno.EXDEV, errno.ELOOP):
                raise PermissionError(errno.EPERM, "leads out of the run's directory") from error
            raise
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _signed(value: int) -> int:
    """An argument as the C int that the kernel takes it for."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value


def _time(seconds: int, nanoseconds: int, now: int, old: int) -> int:
    if nanoseconds == _UTIME_NOW:
        return now
    if nanoseconds == _UTIME_OMIT:
        return old
    return _nanoseconds(seconds, nanoseconds)


def _nanoseconds(seconds: int, nanoseconds: int) -> int:
    """As the kernel takes a time; OSError where a part is out of its range."""
    if not 0 <= nanoseconds < 10**9:
        raise OSError(errno.EINVAL, "no time")
    return seconds * 10**9 + nanoseconds
