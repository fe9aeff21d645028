"""All layers, in the order in which they have to come, on the process that is about to become a program."""

import os

from runtime.sandbox import filters, identity, landlock
from runtime.sandbox.syscalls import PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG, close_from, prctl

# As in `typing`, which must not be imported into the interpreter of programs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.sandbox.confinement import Confinement

_SIGKILL = 9
#: The highest descriptor that a worker has besides its streams: where it waits for its run.
CHANNEL = 3
#: What a program may read of its own process under /proc. Not what it has of the network, which is the service's.
OWN_PROCESS = ("maps", "stat", "statm", "status", "cmdline", "environ", "mem", "cgroup", "mountinfo")
#: How much more than its supervisor a program yields, so that the killer wins.
NICENESS = 15


def confine(plan: "Confinement", directory: str, uid: int) -> int:
    """Confines this process to `plan` with `directory` as its own; returns the seccomp listener, or -1 where there is none.

    `uid` above 0 is taken on. Every descriptor beyond `CHANNEL` is closed. Raises OSError where any layer fails: the
    process must then end without running anything. The process has done `be_killed_first`, or comes from one that has.
    """
    os.setsid()
    os.nice(NICENESS)
    if uid > 0:
        identity.become(uid)
        # A change of uid makes a process unreadable again.
        prctl(PR_SET_DUMPABLE, 1)
    if plan.own_pids:
        # Those that came with a user namespace.
        identity.drop_capabilities()
        prctl(PR_SET_DUMPABLE, 1)
    prctl(PR_SET_PDEATHSIG, _SIGKILL)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    os.umask(0o022)
    if plan.landlock_abi:
        own = landlock.opened(((directory, landlock.OWN),), plan.landlock_abi)
        own += landlock.opened_files("/proc/self", OWN_PROCESS, plan.landlock_abi)
        landlock.restrict(plan.opened + own, plan.landlock_abi)
    close_from(CHANNEL + 1)
    if not plan.program:
        return -1
    return filters.install(filters.for_process(plan.program, os.getpid()), notify=plan.notify)


def fork_into(plan: "Confinement", supervisor: int) -> "tuple[int, int]":
    """Forks the process that is to be confined: its pid and that of its namespace's first process, as we see them.

    Returns (0, 0) in the new process. The second pid is 0 where there is no namespace. The caller must then end itself
    at once, so that both become children of the `supervisor`.
    """
    middle = os.getpid()
    first = 0
    if plan.own_pids:
        identity.enter_pid_namespace()
        first = os.fork()
        if first == 0:
            try:
                _wait_until_adopted(middle)
                prctl(PR_SET_PDEATHSIG, _SIGKILL)
                if _parent() == supervisor:  # otherwise it was gone before it could take this process with it
                    identity.reap_for_ever()
            finally:
                os._exit(1)
    worker = os.fork()
    if worker:
        return worker, first
    _wait_until_adopted(middle)
    return 0, 0


def _wait_until_adopted(middle: int) -> None:
    """Returns once the process in between has ended, so that the death signal to come is about the supervisor.

    Within a pid namespace a parent outside has no number, but under /proc of the outer one it has.
    """
    while _parent() == middle:
        os.sched_yield()


def _parent() -> int:
    descriptor = os.open("/proc/self/stat", os.O_RDONLY | os.O_CLOEXEC)
    text = os.read(descriptor, 4096)
    os.close(descriptor)
    return int(text[text.rfind(b")") + 2 :].split()[1])


def be_killed_first() -> None:
    """When the container's memory ends, this process and all that come from it go, and not the service."""
    # A fork of the supervisor is unreadable as that is, and could not open its own files under /proc.
    prctl(PR_SET_DUMPABLE, 1)
    descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, b"1000")
    finally:
        os.close(descriptor)
