"""The processes that share the tests: how many there are, and what each of them has to itself."""

import os
import re
import subprocess
from collections.abc import Mapping, Sized

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from runtime.sandbox.syscalls import unshare

_CLONE_NEWNS = 0x00020000
_CLONE_NEWIPC = 0x08000000
#: Most tests wait: for a limit, for a watch, for a container that has half of a core. A place of the corpus has a third of a
#: core at work.
_FOR_EACH_CORE = 2
_MOST = 8
#: Each has an executor of its own with everything that waits in it, a container of 1 GiB, and programs up to their limits.
_GIB_OF_EACH = 2
#: The longest groups, the longest first: one that begins last is what all others wait for.
LONGEST = (
    "place_own_uids",
    "place_one_uid",
    "tests/image/test_languages.py",
    "tests/image/test_functions.py",
    *(f"place_{letter}" for letter in "gbeafcd"),
    "tests/attacks/test_layers.py",
    "tests/loadtest/test_azure_stand_in.py",
    "tests/client/test_rehearse.py",
    "tests/image/test_image.py",
    "tests/image/test_contents.py",
    "tests/browser/test_looks.py",
    "tests/client/test_problem_command.py",
    "tests/commands/test_run.py",
    "tests/client/test_client.py",
    "tests/store/test_handover.py",
    "tests/browser/test_playground.py",
    "tests/loadtest/test_burst.py",
)


class ByWhatTheyShare(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Gives each process whole groups: a place of the corpus, or a module, whose tests share its servers and containers.

    The marks of `--dist loadgroup` would say the same; pytest 9.2 does not see the names that pytest-xdist 3.8 makes of them.
    """

    def _split_scope(self, nodeid: str) -> str:
        place = re.search(r"\[(place_\w+)", nodeid)
        return place[1] if place else nodeid.partition("::")[0]

    def _assign_work_unit(self, node: WorkerController) -> None:
        self.workqueue.move_to_end(next_group(self.workqueue), last=False)
        super()._assign_work_unit(node)


def next_group(waiting: Mapping[str, Sized]) -> str:
    """The longest of the groups that wait; of those that are not known to be long, the one with most tests."""
    known = (group for group in LONGEST if group in waiting)
    return next(known, None) or max(waiting, key=lambda group: len(waiting[group]))


def how_many() -> int:
    """Two for each core, where memory suffices.

    One in all where they could not be kept apart, which takes root and the right to mount.
    """
    command = ("unshare", "--mount", "--ipc", "mount", "-t", "tmpfs", "tmpfs", "/dev/shm")
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        return 1
    by_memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // (_GIB_OF_EACH << 30)
    return max(1, min(_FOR_EACH_CORE * len(os.sched_getaffinity(0)), by_memory, _MOST))


def position() -> int:
    """The number of this process among them, from 0; pytest-xdist numbers them from gw0."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def leave_shared_places() -> None:
    """From here on this process and what it starts have a /dev/shm and System V objects of their own.

    Executors that run as root give their programs the same uids, and remove what these uids own after each run; what lies in
    /dev/shm counts as memory of whatever runs. Raises OSError where the kernel refuses it.
    """
    unshare(_CLONE_NEWNS | _CLONE_NEWIPC)
    for command in (("mount", "--make-rslave", "/"), ("mount", "-t", "tmpfs", "tmpfs", "/dev/shm")):
        subprocess.run(command, check=True)
