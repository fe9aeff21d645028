"""What the files under /proc say of processes: their state, time, memory and descriptors."""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import NamedTuple

from runtime.sandbox.impersonation import ReadingAs

PAGE = os.sysconf("SC_PAGE_SIZE")
# Of the fields of /proc/PID/stat behind the name; and the flag, from include/linux/sched.h of the Linux source.
_FLAGS, _PF_EXITING = 6, 0x4


def read(path: str) -> bytes:
    """The whole of a small file under /proc; empty where the process is gone or does not let itself be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def read_whole(path: str) -> bytes:
    """A file under /proc that may be large; raises OSError where it cannot be read."""
    with open(path, "rb", buffering=0) as file:
        return file.readall()


def living_thread(pid: int) -> str:
    """The folder under /proc of a thread of `pid` that has not begun to end: one that has shows nothing any more."""
    place = f"/proc/{pid}"
    if is_exiting(pid):
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"{place}/task"):
                if not is_exiting(int(thread)):
                    return f"{place}/task/{thread}"
    return place


def living_threads(pid: int) -> Iterator[str]:
    """The folder of `living_thread`, and of another one where that has begun to end while the caller looked at it."""
    place = ""
    while place != (place := living_thread(pid)):
        yield place


def process_clock_ns(pid: int) -> int:
    """CPU time of one process, all threads, in nanoseconds; 0 where it is gone.

    The clock's number is that of clock_getcpuclockid(3): the complement of the pid, and 2 for scheduler time.
    """
    try:
        return time.clock_gettime_ns(~pid << 3 | 2)
    except OSError:
        return 0


def thread_clock_ns(thread: int) -> int:
    """CPU time of one thread in nanoseconds; 0 where it is gone or the kernel keeps no such account."""
    fields = read(f"/proc/{thread}/schedstat").split()
    return int(fields[0]) if fields else 0


def stat_fields(pid: int) -> list[bytes]:
    """The fields of /proc/PID/stat of a process or thread behind the name, state first; empty where it is gone."""
    text = read(f"/proc/{pid}/stat")
    # The name may hold anything, so it ends at the last parenthesis.
    return text[text.rfind(b")") + 2 :].split()


def is_exiting(pid: int) -> bool:
    """Whether a thread, or the first one of a process, has begun to end (PF_EXITING of proc_pid_stat(5)), or is gone."""
    fields = stat_fields(pid)
    return not fields or bool(int(fields[_FLAGS]) & _PF_EXITING)


def thread_count(pid: int) -> int:
    """How many threads a process has, 0 where it is gone."""
    fields = stat_fields(pid)
    return int(fields[17]) if fields else 0


def process_group(pid: int) -> int:
    """The process group of a process, 0 where it is gone."""
    fields = stat_fields(pid)
    return int(fields[2]) if fields else 0


def data_bytes(pid: int) -> int:
    """Private writable memory of a process as RLIMIT_DATA counts it, and its stack."""
    fields = read(f"/proc/{pid}/statm").split()
    return int(fields[5]) * PAGE if fields else 0


def minor_faults(pid: int) -> int:
    """How many pages a process has been given without waiting for a disk, 0 where it is gone."""
    fields = stat_fields(pid)
    return int(fields[7]) if fields else 0


def has_memory(place: str) -> bool:
    """Whether the process or thread in this folder under /proc still has its memory, given back before it is gone."""
    return read(f"{place}/statm").split()[:1] not in ([], [b"0"])


def most_resident(pid: int) -> int:
    """The most bytes a process has had resident, as getrusage(2) would say at its end; 0 where it is gone."""
    return _sizes(read(f"/proc/{pid}/status")).get(b"VmHWM", 0)


def have_same_memory(one: int, other: int) -> bool:
    """Whether two processes look as if they had one memory: its sizes, of which a fork keeps only some, are the same."""
    names = (b"VmPeak", b"VmSize", b"VmHWM", b"RssAnon", b"VmData", b"VmPTE")
    sizes = [[_sizes(read(f"/proc/{pid}/status")).get(name) for name in names] for pid in (one, other)]
    return sizes[0] == sizes[1] and None not in sizes[0]


class Held(NamedTuple):
    """What processes hold, in bytes; pages that several share since a fork count for each."""

    #: What they could give back only by ending: anonymous memory, swap, page tables.
    private: int
    #: What they map of memory files and shared anonymous memory, added up, and by the one that maps most.
    shared: int
    most_shared: int
    #: The most that one of them has ever had resident, and of that the pages of files: its program's, its libraries'.
    most_resident: int
    most_of_files: int
    #: Of all of them.
    threads: int


def held_by(pids: list[int]) -> Held:
    """What the processes hold now."""
    private = shared = most_shared = most_resident = most_of_files = threads = 0
    for pid in pids:
        text = read(f"/proc/{pid}/status")
        sizes = _sizes(text)
        number = text.partition(b"\nThreads:")[2].split(maxsplit=1)
        threads += int(number[0]) if number else 0
        if b"RssAnon" not in sizes:
            sizes = _sizes(read(f"{living_thread(pid)}/status"))
        private += sizes.get(b"RssAnon", 0) + sizes.get(b"VmSwap", 0) + sizes.get(b"VmPTE", 0)
        mapped = sizes.get(b"RssShmem", 0)
        shared += mapped
        most_shared = max(most_shared, mapped)
        most_resident = max(most_resident, sizes.get(b"VmHWM", 0))
        most_of_files = max(most_of_files, sizes.get(b"RssFile", 0))
    return Held(private, shared, most_shared, most_resident, most_of_files, threads)


def record_locks(pids: list[int], uid: int, most: int) -> int:
    """How many record locks the processes hold on files; stops counting beyond `most`."""
    found = 0
    with ReadingAs(uid):
        for pid in pids:
            for name in descriptors_of(pid, "/"):
                with contextlib.suppress(OSError), open(f"/proc/{pid}/fdinfo/{name}", "rb", buffering=0) as file:
                    while found <= most and (text := file.read(1 << 16)):
                        found += text.count(b"lock:\t")
                if found > most:
                    return found
    return found


def descriptors_of(pid: int, kind: str) -> list[str]:
    """The numbers of a process's descriptors whose target begins with `kind`, as far as they can be read.

    What /proc/PID/fdinfo says of others may be long: an epoll descriptor lists all that it waits for.
    """
    found = []
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/{name}").startswith(kind):
                    found.append(name)
    return found


def overlap_bytes(pids: list[int], uid: int) -> int:
    """What `held_by` counts too often: anonymous pages that processes share since a fork.

    Slow, since the kernel walks all page tables. A process that has made itself unreadable has no overlap.
    """
    total = 0
    for pid in pids:
        with ReadingAs(uid):
            sizes = _sizes(read(f"/proc/{pid}/smaps_rollup"))
        total += sizes.get(b"Anonymous", 0) - sizes.get(b"Pss_Anon", 0) if b"Pss_Anon" in sizes else 0
    return total


def stack_bytes(pid: int) -> int:
    """The size of a process's main stack; 0 where it is gone."""
    return _sizes(read(f"/proc/{pid}/status")).get(b"VmStk", 0)


def _sizes(text: bytes) -> dict[bytes, int]:
    """The lines `VmHWM: 12 kB` of a status file, in bytes."""
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(b":")
        number = rest.removesuffix(b" kB").strip()
        # The process's name, which it chooses itself, may end in the unit too.
        if rest.endswith(b" kB") and number.isdigit():
            found[name] = int(number) << 10
    return found


def open_descriptors(pids: list[int], uid: int) -> int:
    """How many descriptors the processes have open, together; an unreadable process counts as full."""
    total = 0
    with ReadingAs(uid):
        for pid in pids:
            try:
                total += len(os.listdir(f"/proc/{pid}/fd"))
            except FileNotFoundError:
                continue
            except OSError:
                total += 256
    return total
