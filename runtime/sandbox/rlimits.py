"""Resource limits: what the kernel holds for each process by itself, behind the supervisor's counts for the whole run."""

import functools
import resource

#: No core files, no POSIX message queues, no locked memory beyond a little, no real-time scheduling.
FIXED = (
    (resource.RLIMIT_CORE, 0, 0),
    (resource.RLIMIT_MSGQUEUE, 0, 0),
    (resource.RLIMIT_MEMLOCK, 64 << 10, 64 << 10),
    (resource.RLIMIT_RTPRIO, 0, 0),
    (resource.RLIMIT_NICE, 0, 0),
    (resource.RLIMIT_SIGPENDING, 1024, 1024),
)


#: A stack that is only limited by the memory limit. The kernel lays a program's address space out by what holds when it
#: starts, so this must hold before; and the C library then gives threads 2 MiB each by default.
UNLIMITED_STACK = 1 << 62
#: For stacks of threads, which are reserved far larger than they are used: as many tasks as there may be, of 256 MiB each.
_MOST_STACKS_BYTES = 32 << 30


def fix() -> None:
    """Sets the limits that are the same for every run, on this process and what it forks."""
    for kind, soft, hard in FIXED:
        lower(0, kind, soft, hard)
    most = resource.getrlimit(resource.RLIMIT_STACK)[1]
    resource.setrlimit(resource.RLIMIT_STACK, (most, most))


@functools.cache
def _ceiling(kind: int) -> int:
    """The hard limit that this process had before it set any, which no process that descends from it exceeds."""
    return resource.getrlimit(kind)[1]


def lower(pid: int, kind: int, soft: int, hard: int) -> None:
    """Sets a limit of this process (`pid` 0) or of one that descends from it and has not lowered its own by itself."""
    ceiling = _ceiling(kind)
    if ceiling != resource.RLIM_INFINITY and (hard > ceiling or hard == resource.RLIM_INFINITY):
        hard = ceiling
    resource.prlimit(pid, kind, (min(soft, hard) if hard != resource.RLIM_INFINITY else soft, hard))


def limit(
    pid: int, *, data_bytes: int, stack_bytes: int, file_bytes: int, open_files: int, cpu_seconds: int, tasks: int
) -> None:
    """Sets the limits of one run on its first process `pid`, before any of the user's code runs there.

    `data_bytes` bounds private writable memory (RLIMIT_DATA): unlike RLIMIT_AS it lets V8, the JVM and Go reserve
    address space that they never use. `allow_more` adds to it what threads and runtimes reserve; a program itself may not.
    `cpu_seconds` is for each process and only backs the supervisor's sum.
    `tasks` bounds processes and threads of the uid. It is 0 where the uid is shared with the service, and where the
    supervisor grants each of them: the kernel counts for a uid what runs with it in every container of the host.
    """
    lower(pid, resource.RLIMIT_DATA, data_bytes, data_bytes + _MOST_STACKS_BYTES)
    if stack_bytes < UNLIMITED_STACK:
        lower(pid, resource.RLIMIT_STACK, stack_bytes, stack_bytes)
    lower(pid, resource.RLIMIT_FSIZE, file_bytes, file_bytes)
    lower(pid, resource.RLIMIT_NOFILE, open_files, open_files)
    lower(pid, resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1)
    if tasks:
        lower(pid, resource.RLIMIT_NPROC, tasks, tasks)


def allow_more(pid: int, size: int) -> bool:
    """Lets a process reserve so many bytes more, which it may never use; False where it has reserved as many as it may."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_DATA)
    if soft == resource.RLIM_INFINITY:
        return True
    if hard != resource.RLIM_INFINITY and soft + size > hard:
        return False
    resource.prlimit(pid, resource.RLIMIT_DATA, (soft + size, hard))
    return True
