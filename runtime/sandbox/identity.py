"""Whom a program runs as: a uid of its own where this process may give one, and no capability anywhere."""

# Only what is compiled in: the rest of `signal` would be imported into the interpreter of programs.
import _signal  # type: ignore[import-not-found]
import os
import struct

from runtime.sandbox.syscalls import (
    CLONE_NEWPID,
    CLONE_NEWUSER,
    PR_CAP_AMBIENT,
    PR_CAP_AMBIENT_RAISE,
    PR_SET_DUMPABLE,
    SYS_CAPSET,
    close_from,
    prctl,
    syscall,
    unshare,
)

# Bits of the capability sets, from include/uapi/linux/capability.h of the Linux source.
CAP_CHOWN = 0
CAP_KILL = 5
CAP_SETGID = 6
CAP_SETUID = 7
CAP_SYS_ADMIN = 21
#: What it takes to give each run a uid of its own: become it, hand it a directory, and end its processes.
OWN_UID_CAPABILITIES = (CAP_CHOWN, CAP_KILL, CAP_SETGID, CAP_SETUID)

# struct __user_cap_header_struct: the version of three, and this process.
_HEADER = struct.pack("=Ii", 0x20080522, 0)
# struct __user_cap_data_struct, twice: 32 bits of each set, and the rest.
_DATA = struct.Struct("=6I")


def _set_capabilities(effective: int, permitted: int, inheritable: int) -> None:
    words = [value >> shift & 0xFFFFFFFF for shift in (0, 32) for value in (effective, permitted, inheritable)]
    syscall(SYS_CAPSET, _HEADER, _DATA.pack(*words))


def capabilities() -> int:
    """The capabilities in force for this process, as a bit set."""
    return _status_set(b"CapEff:")


def _status_set(name: bytes) -> int:
    with open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(name):
                return int(line.split()[1], 16)
    return 0


def raise_capabilities() -> None:
    """Makes the capabilities that this process is permitted to have effective; without any it changes nothing."""
    permitted = _status_set(b"CapPrm:")
    if permitted:
        _set_capabilities(permitted, permitted, _status_set(b"CapInh:"))


def may_change_uid(held: int) -> bool:
    """Whether a process that holds the capabilities `held` can give a run a uid of its own."""
    return all(held >> bit & 1 for bit in OWN_UID_CAPABILITIES)


def pass_on_capabilities() -> None:
    """Keeps exactly the capabilities for own uids, also over an exec of a file that has none (ambient set)."""
    wanted = sum(1 << bit for bit in OWN_UID_CAPABILITIES)
    _set_capabilities(capabilities(), capabilities(), wanted)
    for bit in OWN_UID_CAPABILITIES:
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, bit)


def become(uid: int) -> None:
    """Makes this process `uid` with the group of the same number, no other group, and no capability, for good."""
    if os.getgroups():
        os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    drop_capabilities()


def drop_capabilities() -> None:
    """Empties every capability set; going from one ordinary uid to another does not do it.

    The ambient set goes with the permitted one (security/commoncap.c of the Linux source).
    """
    _set_capabilities(0, 0, 0)


def enter_pid_namespace() -> None:
    """Puts the children of this process into a pid namespace of their own; OSError where that is not to be had.

    Without CAP_SYS_ADMIN it first enters a user namespace, in which it keeps its uid and gid. The first child becomes
    the namespace's first process: `reap_for_ever` is for that one.
    """
    if capabilities() >> CAP_SYS_ADMIN & 1:
        unshare(CLONE_NEWPID)
        return
    uid, gid = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER | CLONE_NEWPID)
    # The capabilities that come with it made this process unreadable for itself.
    prctl(PR_SET_DUMPABLE, 1)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def reap_for_ever() -> None:
    """Is the life of a pid namespace's first process: it reaps orphans, and its end is the end of all.

    Nothing may look into it, and as no signal has a handler here, none that a program sends reaches it.
    """
    prctl(PR_SET_DUMPABLE, 0)
    drop_capabilities()
    _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
    _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGCHLD,))
    close_from(0)
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            _signal.sigwait((_signal.SIGCHLD,))
