"""Puts a system call filter on the calling process.

By itself, without the table that the filter was made from, because it is loaded into the interpreter of programs.
"""

import ctypes
import errno

from runtime.sandbox.syscalls import SYS_SECCOMP, syscall

#: Stands in a filter for the pid of the program, which is known only once the process is there (`for_process`).
OWN_PID = 0x7FABCDEF


def for_process(program: bytes, pid: int) -> bytes:
    """The filter with `pid` in the place of `OWN_PID`."""
    return program.replace(OWN_PID.to_bytes(4, "little"), pid.to_bytes(4, "little"))


_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_FILTER_FLAG_NEW_LISTENER = 1 << 3
# Since Linux 5.19: once the supervisor has taken a call up, only a fatal signal interrupts the wait for its answer.
_SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 1 << 5


def install(program: bytes, *, notify: bool) -> int:
    """Puts the filter on the calling process, for good; returns the listener's descriptor, or -1 without `notify`.

    The process must have no_new_privs. Raises OSError where the kernel refuses.
    """
    # SAFETY: `instructions` keeps the bytes alive until the kernel has copied them, and their length goes with the pointer.
    # No array, of which ctypes would make a type first.
    instructions = ctypes.c_char_p(program)
    address = ctypes.c_size_t.from_buffer(instructions).value
    # struct sock_fprog: the number of instructions and a pointer to them.
    fprog = (len(program) // 8).to_bytes(8, "little") + address.to_bytes(8, "little")
    if not notify:
        syscall(SYS_SECCOMP, ctypes.c_uint(_SECCOMP_SET_MODE_FILTER), ctypes.c_uint(0), fprog)
        return -1
    flags = _SECCOMP_FILTER_FLAG_NEW_LISTENER
    try:
        killable = ctypes.c_uint(flags | _SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
        return syscall(SYS_SECCOMP, ctypes.c_uint(_SECCOMP_SET_MODE_FILTER), killable, fprog)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return syscall(SYS_SECCOMP, ctypes.c_uint(_SECCOMP_SET_MODE_FILTER), ctypes.c_uint(flags), fprog)
