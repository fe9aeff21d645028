"""The kernel's user notification: a filtered call waits until this side answers it or lets it through.

Structures, numbers and the rules for their use: seccomp_unotify(2).
"""

import contextlib
import errno
import fcntl
import os
import struct
from enum import Enum
from typing import Literal, NamedTuple

# struct seccomp_notif: id, pid, flags; then struct seccomp_data: nr, arch, instruction pointer, six arguments.
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
# struct seccomp_notif_resp: id, return value, negated errno, flags.
_RESPONSE = struct.Struct("=QqiI")
_RECEIVE, _SEND, _SET_FLAGS = 0xC0502100, 0xC0182101, 0x40082104
# struct seccomp_notif_addfd: id, flags, our descriptor, the caller's, its flags (Linux 5.9).
_INSTALLATION = struct.Struct("=QIIII")
_INSTALL, _INSTALL_AT = 0x40182103, 1
_FLAG_CONTINUE = 1
_SYNC_WAKE_UP = 1
# What the kernel takes for an address at all, and what a Python file can seek to.
_HIGHEST_ADDRESS = (1 << 63) - 1
_PATH_MAX = 4096
_PAGE = 4096


class _Decision(Enum):
    LET_THROUGH = "let through"


#: The kernel carries the call out. Sound only where every argument that was checked is a plain number: a program cannot
#: change those after the check, as it can change memory behind a pointer.
LET_THROUGH: Literal[_Decision.LET_THROUGH] = _Decision.LET_THROUGH

#: What a call gets: the kernel's own work, or an errno (0: the call was done here and succeeded).
Answer = int | Literal[_Decision.LET_THROUGH]


class Call(NamedTuple):
    """A system call that waits for its answer. `thread` is the caller's, `number` the call's, arguments as unsigned words."""

    identifier: int
    thread: int
    number: int
    arguments: tuple[int, ...]


def receive(listener: int) -> Call | None:
    """The next call, or None where its process has died meanwhile; raises OSError where the listener is no good."""
    buffer = bytearray(_NOTIFICATION.size)
    try:
        # SAFETY: the kernel writes one struct seccomp_notif, whose size the request number states and `buffer` has.
        fcntl.ioctl(listener, _RECEIVE, buffer)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINTR, errno.EAGAIN):
            return None
        raise
    identifier, thread, _, number, _, _, *arguments = _NOTIFICATION.unpack(buffer)
    return Call(identifier, thread, number, tuple(arguments))


def respond(listener: int, identifier: int, answer: Answer) -> None:
    """Answers the call with this identifier. A caller that was killed while it waited needs no answer."""
    if answer is LET_THROUGH:
        response = _RESPONSE.pack(identifier, 0, 0, _FLAG_CONTINUE)
    else:
        response = _RESPONSE.pack(identifier, 0, -answer, 0)
    with contextlib.suppress(FileNotFoundError):
        fcntl.ioctl(listener, _SEND, response)


def install(listener: int, identifier: int, descriptor: int, number: int) -> None:
    """Makes `descriptor` the caller's descriptor `number`, in the place of what that was. Raises OSError where it is gone."""
    fcntl.ioctl(listener, _INSTALL, _INSTALLATION.pack(identifier, _INSTALL_AT, descriptor, number, 0))


def can_install(listener: int) -> bool:
    """Whether the kernel has `install`: asked for a call that there is not, an older one does not know the request."""
    try:
        install(listener, 0, listener, 0)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def let_next_through(listener: int) -> None:
    """Allows the next call of a worker that is still starting: it is an interpreter without a line of a user's code in it."""
    call = receive(listener)
    if call:
        respond(listener, call.identifier, LET_THROUGH)


def wake_synchronously(listener: int) -> None:
    """Has the kernel hand the caller's processor straight to this process, instead of waking another one (Linux 6.6).

    An older kernel refuses the request, and the wait for an answer is a little longer.
    """
    with contextlib.suppress(OSError):
        fcntl.ioctl(listener, _SET_FLAGS, _SYNC_WAKE_UP)


def signed(value: int) -> int:
    """An argument as the C int that the kernel takes it for."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value


def read_memory(thread: int, address: int, count: int) -> bytes:
    """So many bytes of a caller's memory; raises OSError where they are not there to be read."""
    if address > _HIGHEST_ADDRESS:
        raise OSError(errno.EFAULT, "no address")
    with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        data = memory.read(count)
    if len(data) < count:
        raise OSError(errno.EFAULT, "unreadable argument")
    return data


def read_path(thread: int, address: int) -> bytes:
    """The path at an address of a caller's memory, without its end; raises OSError where there is none."""
    found = b""
    while len(found) < _PATH_MAX:
        # To the end of the page, because the next one may not be there.
        position = address + len(found)
        head, end, _ = read_memory(thread, position, _PAGE - position % _PAGE).partition(b"\0")
        found += head
        if end:
            return found
    raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
