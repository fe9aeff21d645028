"""Calls that change a file by its path and that Landlock does not cover: the supervisor does them, in the run's directory.

The supervisor reads a path once and does the work itself. Nobody can change the path between the check and the work.
"""

import contextlib
import errno
import os
import stat
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

from runtime.execution.workspace import Workspace
from runtime.sandbox.impersonation import ReadingAs
from runtime.sandbox.syscalls import open_beneath
from runtime.sandbox.unotify import Answer, read_memory, read_path, signed

_AT_FDCWD = -100
_AT_SYMLINK_NOFOLLOW = 0x100
#: The calls that set a file's times.
TIME_CALLS = frozenset({"utime", "utimes", "futimesat", "utimensat"})
_UTIME_NOW, _UTIME_OMIT = 0x3FFFFFFF, 0x3FFFFFFE


class PathCalls:
    """Does chmod, truncate and the changes of times for one run, or refuses them."""

    def __init__(self, workspace: Workspace, uid: int, file_bytes: int) -> None:
        """`uid` is the run's own, or 0; `file_bytes` is the largest file that it may have."""
        self._workspace = workspace
        self._uid = uid
        self._file_bytes = file_bytes

    def answer(self, name: str, thread: int, arguments: tuple[int, ...]) -> Answer:
        """Does what the call asks for, as the run: 0, or an errno. Raises OSError where it cannot be done."""
        with ReadingAs(self._uid):
            return self._METHODS[name](self, thread, arguments)

    def _chmod(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        return self._fchmodat(thread, (_AT_FDCWD, *arguments))

    def _fchmod(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        with self._opened(thread, arguments[0]) as descriptor:
            os.chmod(f"/proc/self/fd/{descriptor}", arguments[1] & 0o777)
        return 0

    def _fchmodat(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        with self._target(thread, arguments[0], arguments[1], os.O_PATH) as descriptor:
            # Without set-uid, set-gid and sticky bits, which nothing here has a use for.
            os.chmod(f"/proc/self/fd/{descriptor}", arguments[2] & 0o777)
        return 0

    def _truncate(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        length = struct.unpack("=q", struct.pack("=Q", arguments[1]))[0]
        if length > self._file_bytes:
            return errno.EFBIG
        # Not blocking: the path may lead to a FIFO.
        with self._target(thread, _AT_FDCWD, arguments[0], os.O_WRONLY | os.O_NONBLOCK) as descriptor:
            os.ftruncate(descriptor, length)
        return 0

    def _utime(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        times = None
        if arguments[1]:
            seconds = struct.unpack("=2q", read_memory(thread, arguments[1], 16))
            times = (_nanoseconds(seconds[0], 0), _nanoseconds(seconds[1], 0))
        return self._set_times(thread, _AT_FDCWD, arguments[0], times, 0)

    def _utimes(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        return self._futimesat(thread, (_AT_FDCWD, *arguments))

    def _futimesat(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        times = None
        if arguments[2]:
            fields = struct.unpack("=4q", read_memory(thread, arguments[2], 32))
            times = (_nanoseconds(fields[0], fields[1] * 1000), _nanoseconds(fields[2], fields[3] * 1000))
        return self._set_times(thread, arguments[0], arguments[1], times, 0)

    def _utimensat(self, thread: int, arguments: tuple[int, ...]) -> Answer:
        times: tuple[int, int] | None = None
        if arguments[2]:
            fields = struct.unpack("=4q", read_memory(thread, arguments[2], 32))
            now = time.time_ns()
            if fields[1] == _UTIME_OMIT or fields[3] == _UTIME_OMIT:
                with self._named(thread, arguments[0], arguments[1], os.O_PATH) as descriptor:
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
        with self._named(thread, folder, path, os.O_PATH | nofollow) as descriptor:
            if stat.S_ISLNK(os.fstat(descriptor).st_mode):
                return errno.EOPNOTSUPP  # the times of a link itself
            os.utime(f"/proc/self/fd/{descriptor}", ns=times) if times else os.utime(f"/proc/self/fd/{descriptor}")
        return 0

    def _require_inside(self, path: bytes) -> None:
        top = os.fsencode(self._workspace.path)
        if path != top and not path.startswith(top + b"/"):
            raise PermissionError(errno.EPERM, "outside of the run's directory")

    def _named(self, thread: int, folder: int, path_address: int, flags: int) -> contextlib.AbstractContextManager[int]:
        """As `_target`; where there is no path the descriptor `folder` itself is meant, as futimens(3) has it."""
        return self._target(thread, folder, path_address, flags) if path_address else self._opened(thread, folder)

    @contextlib.contextmanager
    def _opened(self, thread: int, number: int) -> Iterator[int]:
        """What the caller has open under `number`; PermissionError unless it lies inside the run's own directory."""
        descriptor = os.open(f"/proc/{thread}/fd/{signed(number)}", os.O_PATH | os.O_CLOEXEC)
        try:
            # From here on it is this file, whatever the program makes of its number.
            self._require_inside(os.readlink(f"/proc/self/fd/{descriptor}".encode()))
            yield descriptor
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _target(self, thread: int, folder: int, path_address: int, flags: int) -> Iterator[int]:
        """Opens what the arguments name; PermissionError unless it is inside the run's own directory."""
        path = read_path(thread, path_address)
        if not path:
            raise OSError(errno.ENOENT, "empty path")
        top = os.fsencode(self._workspace.path)
        if not path.startswith(b"/"):
            link = f"/proc/{thread}/cwd" if signed(folder) == _AT_FDCWD else f"/proc/{thread}/fd/{signed(folder)}"
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

    _METHODS: ClassVar[Mapping[str, Callable[["PathCalls", int, tuple[int, ...]], Answer]]] = {
        "chmod": _chmod, "fchmod": _fchmod, "fchmodat": _fchmodat, "truncate": _truncate,
        "utime": _utime, "utimes": _utimes, "futimesat": _futimesat, "utimensat": _utimensat,
    }  # fmt: skip
    #: The calls that `answer` takes.
    NAMES = frozenset(_METHODS)


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
