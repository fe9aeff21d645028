"""How much memory the container, or the machine, still has for programs."""

import functools
import sys

from runtime.execution.procfs import read

# Limit, use, statistics, and what of the use is the kernel's where the statistics have not got it: cgroup version 2, then 1.
# In a container these are its own (cgroup namespace); on a machine's own root there are none.
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat", ""),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
        "/sys/fs/cgroup/memory/memory.kmem.usage_in_bytes",
    ),
)
# What the kernel gives back before it refuses anything: files' pages, and with version 2 its records of names and files.
_GIVEN_BACK = (b"inactive_file ", b"active_file ", b"slab_reclaimable ")
# Version 1 does not tell those apart. What the kernel holds for a replica's processes was less than this.
_KERNEL_IN_USE_BYTES = 64 << 20
# Of version 2, Linux 5.15 and later: each only where the kernel has it.
_KERNEL_FIELDS = (b"slab_unreclaimable ", b"kernel_stack ", b"pagetables ", b"percpu ", b"sock ", b"vmalloc ")
_EVENTS, _OOM_CONTROL = "/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"
_UNLIMITED = 1 << 62
_MEMINFO = "/proc/meminfo"


@functools.cache
def _limited() -> tuple[tuple[str, str, str, str], ...]:
    """Those of the control groups that are here and have a limit. Version 1 writes "no limit" as its largest number."""
    found = ((names, read(names[0])) for names in _CGROUPS)
    return tuple(names for names, most in found if most.strip().isdigit() and int(most) < _UNLIMITED)


def memory_limit() -> int | None:
    """Bytes that the control group may use; None where it has no limit, or there is none."""
    return min((int(read(limit)) for limit, *_ in _limited()), default=None)


def memory_left() -> int:
    """Bytes that can still be taken before something has to be ended; without any limit it is `sys.maxsize`."""
    left = sys.maxsize
    for limit, use, statistics, kernel in _limited():
        most = read(limit)
        given_back = sum(_fields(statistics, _GIVEN_BACK))
        if kernel:
            given_back += max(0, int(read(kernel) or 0) - _KERNEL_IN_USE_BYTES)
        left = min(left, int(most) - int(read(use) or most) + given_back)
    return min(left, _fields(_MEMINFO, (b"MemAvailable:",))[0] << 10)


def oom_kills() -> int:
    """How often the kernel has ended a process here because the container's memory was used up; 0 where it does not tell."""
    return max(_fields(_EVENTS, (b"oom_kill ",))[0], _fields(_OOM_CONTROL, (b"oom_kill ",))[0])


def kernel_bytes() -> tuple[int, bool]:
    """What the kernel holds for all processes of this container, and whether what it would give back is among it.

    Zero where there is no control group with a limit: what is there then is the whole machine's.
    """
    for _, _, statistics, kernel in _limited():
        if kernel:
            return int(read(kernel) or 0), True
        return sum(_fields(statistics, _KERNEL_FIELDS)), False
    return 0, False


def _fields(path: str, names: tuple[bytes, ...]) -> list[int]:
    """The number behind each of `names` at the start of a line; 0 where the file cannot be read or has no such line."""
    text = b"\n" + read(path)
    found = (text.partition(b"\n" + name)[2].split(maxsplit=1) for name in names)
    return [int(number[0]) if number else 0 for number in found]
