"""CPU time that the container's own cgroup has used, whichever processes it was, those included that are gone."""

import functools

from runtime.execution.procfs import read

# Version 2, then version 1, which is mounted under either name: the account, the list of processes, and the account's
# field and its unit in nanoseconds.
_ACCOUNTS = (
    ("/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cgroup.procs", b"usage_usec ", 1000),
    ("/sys/fs/cgroup/cpuacct/cpuacct.usage", "/sys/fs/cgroup/cpuacct/cgroup.procs", b"", 1),
    ("/sys/fs/cgroup/cpu,cpuacct/cpuacct.usage", "/sys/fs/cgroup/cpu,cpuacct/cgroup.procs", b"", 1),
)
_KERNEL_THREADS = "/proc/2/comm"


def used_ns() -> int | None:
    """Nanoseconds; None where this is no container with an account of its own."""
    account = _account()
    if account is None:
        return None
    path, field, unit = account
    text = (b"\n" + read(path)).partition(b"\n" + field)[2].split(maxsplit=1)
    return int(text[0]) * unit if text else None


@functools.cache
def _account() -> tuple[str, bytes, int] | None:
    """The account of this process's container. A machine's own root, where the kernel's threads are seen, is none."""
    if read(_KERNEL_THREADS).strip() == b"kthreadd":
        return None
    for path, processes, field, unit in _ACCOUNTS:
        # In the cgroup of a container's own every process has a number here; those of others would be 0.
        if read(path) and (pids := read(processes).split()) and b"0" not in pids and b"1" in pids:
            return path, field, unit
    return None
