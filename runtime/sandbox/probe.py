"""What this host can enforce, found out by trying each layer on a child process, never by looking at versions."""

import ctypes
import errno
import os
import select
import socket
from collections.abc import Callable
from functools import partial

from runtime.sandbox import bpf, filters, identity, landlock, unotify
from runtime.sandbox.layers import FIRST_UID, Enforceable
from runtime.sandbox.rule import NOTIFY, Rule
from runtime.sandbox.syscalls import LIBC, PR_SET_NO_NEW_PRIVS, prctl

_TRUNCATE = 76


def probe() -> Enforceable:
    """Tries every layer; takes a few milliseconds. Raises OSError only where not even a process can be started."""
    own_uid = _holds(_uid_can_change)
    return Enforceable(
        landlock_abi=landlock.abi() if _holds(_landlock_holds) else 0,
        seccomp=_holds(_seccomp_holds),
        user_notification=_notification_works(),
        own_uid=own_uid,
        no_new_privileges=_holds(_no_new_privileges_holds),
        pid_namespace=_holds(partial(_pid_namespace_holds, FIRST_UID if own_uid else 0)),
    )


def _holds(check: Callable[[], bool]) -> bool:
    """Runs `check` in a child, which may confine itself for good; an error there means that the layer is not to be had."""
    child = os.fork()
    if child == 0:
        held = False
        try:
            held = check()
        finally:
            os._exit(0 if held else 1)
    _, status = os.waitpid(child, 0)
    return status == 0


def _no_new_privileges_holds() -> bool:
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    with open("/proc/self/status", "rb") as file:
        return b"NoNewPrivs:\t1\n" in file.readlines()


def _landlock_holds() -> bool:
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict(landlock.opened((("/usr", landlock.READ),), landlock.abi()), landlock.abi())
    os.listdir("/usr")
    try:
        os.listdir("/")
    except PermissionError:
        return True
    return False


def _pid_namespace_holds(uid: int) -> bool:
    """With a uid of its own besides, where there is one: in a user namespace, where one is needed, there is no other uid."""
    identity.enter_pid_namespace()
    child = os.fork()
    if child == 0:
        if uid:
            identity.become(uid)
        os._exit(0 if os.getpid() == 1 else 1)
    return os.waitpid(child, 0)[1] == 0


def _seccomp_holds() -> bool:
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    program = bpf.assemble((Rule("truncate", "EDOM", "an answer that the kernel would not give by itself"),))
    filters.install(program, notify=False)
    LIBC.syscall(ctypes.c_long(_TRUNCATE), None, ctypes.c_long(0))
    return ctypes.get_errno() == errno.EDOM


def _uid_can_change() -> bool:
    if not identity.may_change_uid(identity.capabilities()):
        return False
    identity.become(FIRST_UID)
    return os.getresuid() == (FIRST_UID,) * 3 and identity.capabilities() == 0


def _notification_works() -> bool:
    """Whether a child's call can be answered from here, and let through, through a listener that the child sent."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        _ask(theirs)
    theirs.close()
    try:
        with ours:
            ours.settimeout(5)
            _, descriptors, _, _ = socket.recv_fds(ours, 16, 1)
            return bool(descriptors) and _answer(descriptors[0])
    except OSError:
        return False
    finally:
        os.waitpid(child, 0)


def _ask(channel: socket.socket) -> None:
    try:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        program = bpf.assemble((Rule("truncate", NOTIFY, "to be answered"),))
        listener = filters.install(program, notify=True)
        socket.send_fds(channel, [b"ask"], [listener])
        os.close(listener)
        LIBC.syscall(ctypes.c_long(_TRUNCATE), None, ctypes.c_long(0))
    finally:
        os._exit(0)


def _answer(listener: int) -> bool:
    poller = select.poll()
    poller.register(listener, select.POLLIN)
    try:
        if not poller.poll(5000):
            return False
        unotify.let_next_through(listener)
    finally:
        os.close(listener)
    return True
