"""How much memory the container, or the machine, still has for programs."""

import contextlib
import sys
from pathlib import Path

# Limit, use, and statistics with what the kernel would give back at once: cgroup version 2, then 1. In a container these
# are its own (cgroup namespace); on a machine's own root there are none.
_CGROUPS = tuple(
    tuple(Path("/sys/fs/cgroup") / name for name in names)
    for names in (
        ("memory.max", "memory.current", "memory.stat"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
    )
)
_UNLIMITED = 1 << 62
_MEMINFO = Path("/proc/meminfo")


def memory_left() -> int:
    """Bytes that can still be taken before something has to be ended; what nobody limits counts as without end."""
    left = sys.maxsize
    for limit, use, statistics in _CGROUPS:
        with contextlib.suppress(FileNotFoundError):
            most = limit.read_text()
            # Version 1 says it with the largest number of whole pages.
            if most != "max\n" and int(most) < _UNLIMITED:
                left = min(left, int(most) - int(use.read_text()) + _field(statistics, "inactive_file "))
    return min(left, _field(_MEMINFO, "MemAvailable:") << 10)


def _field(path: Path, name: str) -> int:
    return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.startswith(name))
