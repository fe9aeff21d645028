"""The processes that share the tests: how many there are, and what each of them has to itself."""

import os
import re
import subprocess

from xdist.scheduler import LoadScopeScheduling

from runtime.sandbox.syscalls import unshare

_CLONE_NEWNS = 0x00020000
_CLONE_NEWIPC = 0x08000000
#: Each has an executor of its own, with everything that waits in it.
_MOST = 4


class ByWhatTheyShare(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Gives each process whole groups: a place of the corpus, or a module, whose tests share its servers and containers.

    The marks of `--dist loadgroup` would say the same; pytest 9.2 does not see the names that pytest-xdist 3.8 makes of them.
    """

    def _split_scope(self, nodeid: str) -> str:
        place = re.search(r"\[(place_\w+)", nodeid)
        return place[1] if place else nodeid.partition("::")[0]


def how_many() -> int:
    """One for each core. One in all where they could not be kept apart, which takes root and the right to mount."""
    command = ("unshare", "--mount", "--ipc", "mount", "-t", "tmpfs", "tmpfs", "/dev/shm")
    apart = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    return min(len(os.sched_getaffinity(0)), _MOST) if apart else 1


def leave_shared_places() -> None:
    """From here on this process and what it starts have a /dev/shm and System V objects of their own.

    Executors that run as root give their programs the same uids, and remove what these uids own after each run; what lies in
    /dev/shm counts as memory of whatever runs. Raises OSError where the kernel refuses it.
    """
    unshare(_CLONE_NEWNS | _CLONE_NEWIPC)
    for command in (("mount", "--make-rslave", "/"), ("mount", "-t", "tmpfs", "tmpfs", "/dev/shm")):
        subprocess.run(command, check=True)
