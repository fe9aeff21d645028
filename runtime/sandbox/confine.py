"""All layers, in the order in which they have to come, on the process that is about to become a program."""

import os

from runtime.sandbox import identity, landlock, rlimits, seccomp
from runtime.sandbox.syscalls import PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG, prctl

_SIGKILL = 9
#: How much more than its supervisor a program yields, so that the killer wins.
NICENESS = 5


class Confinement:
    """What to confine a program to. A plain class, because it is loaded into the interpreter programs are forked from.

    `rules`: Landlock's, as pairs of a path and the rights below it, without the program's own directory;
    `landlock_abi`: the level to use, 0 leaves Landlock out; `program`: the seccomp filter with `seccomp.OWN_PID` in
    it, empty for none; `notify`: the supervisor answers some calls.
    """

    __slots__ = ("landlock_abi", "notify", "program", "rules")

    def __init__(self, rules: "tuple[tuple[str, int], ...]", landlock_abi: int, program: bytes, notify: bool) -> None:
        """Every field, in the order in which `as_tuple` gives them."""
        self.rules = rules
        self.landlock_abi = landlock_abi
        self.program = program
        self.notify = notify

    def as_tuple(self) -> "tuple[tuple[tuple[str, int], ...], int, bytes, bool]":
        """The fields in order, to hand to a process that cannot share the object."""
        return (self.rules, self.landlock_abi, self.program, self.notify)


def confine(plan: Confinement, directory: str, uid: int) -> int:
    """Confines this process to `plan` with `directory` as its own; returns the seccomp listener, or -1 where there is none.

    `uid` above 0 is taken on. Descriptors are the caller's to close. Raises OSError where any layer fails: the
    process must then end without running anything.
    """
    os.setsid()
    os.nice(NICENESS)
    # A fork of the supervisor is unreadable as that is, and could not open its own files under /proc.
    prctl(PR_SET_DUMPABLE, 1)
    _be_killed_first()
    rlimits.fix()
    if uid > 0:
        identity.become(uid)
        # A change of uid makes a process unreadable again.
        prctl(PR_SET_DUMPABLE, 1)
    prctl(PR_SET_PDEATHSIG, _SIGKILL)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    os.umask(0o022)
    if plan.landlock_abi:
        own = ((directory, landlock.OWN), ("/proc/self", landlock.READ))
        landlock.restrict(plan.rules + own, plan.landlock_abi)
    if not plan.program:
        return -1
    return seccomp.install(seccomp.for_process(plan.program, os.getpid()), notify=plan.notify)


def _be_killed_first() -> None:
    """When the container's memory ends, the program goes and not the service."""
    descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, b"1000")
    finally:
        os.close(descriptor)
