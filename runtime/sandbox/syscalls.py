"""The few system calls that Python does not wrap, called through ctypes.

SAFETY, for all of them: arguments are numbers, or bytes objects that the caller keeps until the call returns, and the kernel
writes to none of them.

Structures are packed bytes and not ctypes classes: ctypes keeps such classes for good, and these modules must leave no
trace in the interpreter that becomes a student's program.
"""

import ctypes
import os
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
# Looked up here once, and not in each process that is forked.
_SYSCALL, _PRCTL = LIBC.syscall, LIBC.prctl
_PYTHON = ctypes.pythonapi
_BEFORE_FORK, _AFTER_IN_PARENT = _PYTHON.PyOS_BeforeFork, _PYTHON.PyOS_AfterFork_Parent
_AFTER_IN_CHILD = _PYTHON.PyOS_AfterFork_Child
# Through `pythonapi`, which keeps the interpreter's lock during the call.
_LOCKED_SYSCALL = _PYTHON.syscall

# x86-64 numbers, from arch/x86/entry/syscalls/syscall_64.tbl of the Linux source.
SYS_CAPSET = 126
SYS_SECCOMP = 317
SYS_CLOSE_RANGE = 436
SYS_OPENAT2 = 437
SYS_LANDLOCK_CREATE_RULESET = 444
SYS_LANDLOCK_ADD_RULE = 445
SYS_LANDLOCK_RESTRICT_SELF = 446

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2


def checked(result: int, call: str) -> int:
    """Returns `result`, or raises OSError with the C library's errno where `result` is -1."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result


def syscall(number: int, *arguments: object) -> int:
    """Makes a raw system call; raises OSError where the kernel refuses it."""
    return checked(_SYSCALL(ctypes.c_long(number), *arguments), f"system call {number}")


def prctl(option: int, argument: int, third: int = 0) -> int:
    """Calls prctl; raises OSError where the kernel refuses it."""
    return checked(
        _PRCTL(option, ctypes.c_ulong(argument), ctypes.c_ulong(third), ctypes.c_ulong(0), ctypes.c_ulong(0)),
        f"prctl {option}",
    )


def return_freed_memory() -> None:
    """Returns to the kernel what has been freed, and what the C library keeps for later; only GNU's can."""
    trim = getattr(LIBC, "malloc_trim", None)
    if trim:
        trim(ctypes.c_size_t(0))


_SYS_CLONE = 56
_SIGCHLD = 17
CLONE_PARENT = 0x00008000
_CLONE_CHILD_CLEARTID = 0x00200000
_CLONE_CHILD_SETTID = 0x01000000
_PR_GET_TID_ADDRESS = 40


def fork_beside() -> int:
    """Forks a process whose parent is this one's own parent: its pid, 0 in it, and -1 where that is not to be had.

    The process must have a single thread. The C library keeps a thread's number in its memory and has no fork that takes
    flags, so the kernel is asked where that is (prctl(2): PR_GET_TID_ADDRESS, which not every kernel is built with) and
    told to write the new one there, as the C library's own fork does.
    """
    # SAFETY: `address` is checked to hold this thread's number before the kernel writes to it, so it is the C library's own
    # record of it; there is no other thread that could read the record meanwhile. PyOS_BeforeFork and its counterparts run
    # around the call as around os.fork, and the call is made with the interpreter's lock held (`pythonapi`).
    address = ctypes.c_ulong()
    if _PRCTL(_PR_GET_TID_ADDRESS, ctypes.byref(address), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)):
        return -1
    if not address.value or ctypes.c_int.from_address(address.value).value != os.getpid():
        return -1
    flags = CLONE_PARENT | _CLONE_CHILD_CLEARTID | _CLONE_CHILD_SETTID | _SIGCHLD
    arguments = (ctypes.c_ulong(flags), ctypes.c_ulong(0), ctypes.c_ulong(0), address, ctypes.c_ulong(0))
    _BEFORE_FORK()
    pid = int(_LOCKED_SYSCALL(ctypes.c_long(_SYS_CLONE), *arguments))
    if pid == 0:
        _AFTER_IN_CHILD()
    else:
        _AFTER_IN_PARENT()
    return pid


CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000


def unshare(flags: int) -> None:
    """Leaves what `flags` name and gets an own one of each; raises OSError where the kernel refuses it."""
    checked(LIBC.unshare(flags), "unshare")


def setfsuid(uid: int) -> None:
    """Changes the identity for file access; the call never reports failure."""
    LIBC.setfsuid(uid)


def setfsgid(gid: int) -> None:
    """Changes the group for file access; the call never reports failure."""
    LIBC.setfsgid(gid)


def close_from(first: int) -> None:
    """Closes every descriptor from `first` upwards, also on kernels without close_range (before 5.9)."""
    try:
        syscall(SYS_CLOSE_RANGE, ctypes.c_uint(first), ctypes.c_uint(0xFFFFFFFF), ctypes.c_uint(0))
    except OSError:
        os.closerange(first, 65536)


RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_BENEATH = 0x08


def open_beneath(directory: int, path: bytes, flags: int) -> int:
    """Opens `path` below the directory descriptor; OSError where any step of it would lead outside.

    The kernel checks each step while it walks (openat2, Linux 5.6), so a link that is swapped in meanwhile
    cannot lead out.
    """
    # struct open_how: flags, mode, how to resolve.
    how = struct.pack("=3Q", flags | os.O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
    return syscall(SYS_OPENAT2, directory, path, how, ctypes.c_size_t(len(how)))
