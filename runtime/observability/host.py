"""What this host is: kernel, processors, control group, and how often that group was throttled."""

import os
import platform
import time
from pathlib import Path

import msgspec

from runtime.execution.container_memory import memory_limit

_CPU = Path("/sys/fs/cgroup/cpu")


class Throttling(msgspec.Struct, frozen=True):
    """Since the container started: periods of the processor's quota, those in which it ran out, and ms spent waiting."""

    periods: int
    throttled_periods: int
    throttled_ms: float


class Host(msgspec.Struct, frozen=True):
    """What can be seen from inside. None stands for what this host does not show.

    Attributes:
        clock: Milliseconds since 1970, as this host has them.
        processors: That the server may run on.
        cpu_quota: Cores that the control group may use.
        memory_limit: Bytes that the control group may use.
        cgroup: `v1` or `v2`.
        steal_ms: Time that the hypervisor kept from this machine's processors, since its start.
    """

    clock: int
    kernel: str
    machine: str
    python: str
    processors: int
    cgroup: str | None
    cpu_quota: float | None
    memory_limit: int | None
    throttling: Throttling | None
    steal_ms: float | None


def describe() -> Host:
    """Reads it anew; takes less than a millisecond."""
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    cgroup = "v2" if unified else "v1" if Path("/sys/fs/cgroup").is_dir() else None
    return Host(
        clock=round(time.time() * 1000),
        kernel=platform.release(),
        machine=platform.machine(),
        python=platform.python_version(),
        processors=len(os.sched_getaffinity(0)),
        cgroup=cgroup,
        cpu_quota=_quota(unified),
        memory_limit=memory_limit(),
        throttling=_throttling(unified),
        steal_ms=_steal_ms(),
    )


def _quota(unified: bool) -> float | None:
    if unified:
        words = _text(Path("/sys/fs/cgroup/cpu.max")).split()
        return int(words[0]) / int(words[1]) if len(words) == 2 and words[0] != "max" else None
    quota, period = (_text(_CPU / name).strip() for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
    return int(quota) / int(period) if quota and period and int(quota) > 0 else None


def _throttling(unified: bool) -> Throttling | None:
    path = Path("/sys/fs/cgroup/cpu.stat") if unified else _CPU / "cpu.stat"
    found = dict(line.split() for line in _text(path).splitlines() if len(line.split()) == 2)
    if "nr_periods" not in found:
        return None
    spent = int(found["throttled_usec"]) / 1e3 if "throttled_usec" in found else int(found.get("throttled_time", 0)) / 1e6
    return Throttling(int(found["nr_periods"]), int(found["nr_throttled"]), round(spent, 3))


def _steal_ms() -> float | None:
    words = _text(Path("/proc/stat")).partition("\n")[0].split()
    return int(words[8]) * 1000 / os.sysconf("SC_CLK_TCK") if len(words) > 8 and words[0] == "cpu" else None


def _text(path: Path) -> str:
    """Empty where it cannot be read: a host need not show it."""
    try:
        return path.read_text()
    except OSError:
        return ""
