"""How much memory the container, or the machine, still has for programs."""

import functools
import os
import sys

from runtime.execution.procfs import read

# Limit, use, and statistics with what the kernel would give back at once: cgroup version 2, then 1. In a container these
# are its own (cgroup namespace); on a machine's own root there are none.
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
    ),
)
_UNLIMITED = 1 << 62
_MEMINFO = "/proc/meminfo"


@functools.cache
def _limited() -> tuple[tuple[str, str, str], ...]:
    """Those of the control groups that are here."""
    return tuple(names for names in _CGROUPS if os.path.exists(names[0]))


def memory_left() -> int:
    """Bytes that can still be taken before something has to be ended; without any limit it is `sys.maxsize`."""
    left = sys.maxsize
    for limit, use, statistics in _limited():
        most = read(limit)
        # Version 1 writes "no limit" as the largest number of whole pages.
        if most and most != b"max\n" and int(most) < _UNLIMITED:
            left = min(left, int(most) - int(read(use) or most) + _field(statistics, b"inactive_file "))
    return min(left, _field(_MEMINFO, b"MemAvailable:") << 10)


def held_bytes_of_all() -> int:
    """What all processes in this container hold, kernel memory included, which is in no process's account; 0 if unknown."""
    for _, use, statistics in _limited():
        if used := read(use):
            return int(used) - _field(statistics, b"inactive_file ") - _field(statistics, b"active_file ")
    return 0


def _field(path: str, name: bytes) -> int:
    """The number behind `name` at the start of a line; 0 where the file cannot be read now."""
    found = (b"\n" + read(path)).partition(b"\n" + name)[2].split(maxsplit=1)
    return int(found[0]) if found else 0
