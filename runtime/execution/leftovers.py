"""Places outside of the working directory where a program may have been able to write, and what it left there."""

import contextlib
import os
import stat
import sys
from collections.abc import Collection, Iterator

from runtime.execution.emptying import empty_folder_as
from runtime.execution.procfs import PAGE, has_memory, living_threads, read_whole
from runtime.sandbox.impersonation import ReadingAs

SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the kernel's name for it, not a file of ours
#: Where every uid may write on an ordinary system. Landlock closes them; a uid of its own does not.
PUBLIC = ("/tmp", "/var/tmp", SHARED_MEMORY, "/run/lock", "/dev/mqueue")  # noqa: S108


def used_bytes(path: str) -> int:
    """Bytes in use on the file system of `path`, files without a name included, and a kibibyte for each file."""
    status = os.statvfs(path)
    files = status.f_files - status.f_ffree
    return (status.f_blocks - status.f_bfree) * status.f_frsize + files * 1024


def file_count(path: str) -> int:
    """How many files there are on the file system of `path`."""
    status = os.statvfs(path)
    return status.f_files - status.f_ffree


def is_memory(path: str) -> bool:
    """Whether `path` is on a tmpfs, where files are memory."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            fields = line.split()
            if fields[2] == wanted:
                return fields[fields.index("-") + 1] == "tmpfs"
    return False


def unlinked_bytes(pids: list[int], uid: int, directory: str, file_bytes: int, input_file: tuple[int, int] | None) -> int:
    """Bytes of files and folders that the processes hold and that have no name any more, each once, but for their input.

    One of `directory` that is only mapped does not tell its size and counts with the most that it can have,
    `file_bytes`. A process that does not let itself be looked into counts as one that holds without end.
    """
    found: dict[int, int] = {}
    with ReadingAs(uid):
        for pid in pids:
            for place in living_threads(pid):
                try:
                    for inode, size in _unlinked_at(place, directory, file_bytes, input_file).items():
                        found[inode] = min(size, found.get(inode, size))
                except PermissionError:
                    if has_memory(place):
                        return sys.maxsize
                except OSError:
                    continue  # it is just ending
    return sum(found.values())


def _unlinked_at(place: str, directory: str, file_bytes: int, input_file: tuple[int, int] | None) -> dict[int, int]:
    """The same of one process, in this folder under /proc, by inode; raises OSError where it cannot be looked into."""
    found = dict.fromkeys(_unlinked_maps(read_whole(f"{place}/maps"), directory), file_bytes)
    program = os.stat(f"{place}/exe")
    if program.st_nlink == 0:
        found[program.st_ino] = program.st_blocks * 512
    for name in ("cwd", *(f"fd/{name}" for name in os.listdir(f"{place}/fd"))):
        try:
            status = os.stat(f"{place}/{name}")
        except OSError:
            continue
        if status.st_nlink == 0 and _takes_blocks(status.st_mode) and (status.st_dev, status.st_ino) != input_file:
            found[status.st_ino] = max(status.st_blocks * 512, PAGE)
    return found


def _takes_blocks(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def _unlinked_maps(text: bytes, directory: str) -> Iterator[int]:
    """Inodes of a process's mappings of files below `directory` that have no name any more. Format: proc_pid_maps(5)."""
    inside = b" " + os.fsencode(directory) + b"/"
    if inside not in text:
        return
    for line in text.splitlines():
        if inside in line and line.endswith(b" (deleted)"):
            yield int(line.split(maxsplit=5)[4])


def names_in(path: str) -> frozenset[str]:
    """What is in a directory now; nothing where it cannot be listed."""
    try:
        return frozenset(os.listdir(path))
    except OSError:
        return frozenset()


def remove_new(path: str, before: Collection[str]) -> None:
    """Removes the files of this uid in `path` that were not there `before`; raises OSError where one stays.

    Other applications of the same user may have made some meanwhile: what a process holds that is not the run's stays. No
    process of the run may be alive any more.
    """
    new = names_in(path).difference(before)
    if new:
        new -= _held_names(path)
    for name in new:
        status = os.lstat(f"{path}/{name}")
        if status.st_uid == os.geteuid() and not stat.S_ISDIR(status.st_mode):
            os.unlink(f"{path}/{name}")


def _held_names(path: str) -> set[str]:
    """The files in `path` that processes of this uid have open or mapped, as far as those let themselves be looked into."""
    prefix = f"{path}/"
    found: set[str] = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}").st_uid != os.geteuid():
                continue
            for number in os.listdir(f"/proc/{pid}/fd"):
                found.add(os.readlink(f"/proc/{pid}/fd/{number}"))
            found.update(line.split(maxsplit=5)[5] for line in _lines_with(f"/proc/{pid}/maps", prefix))
    return {target.removeprefix(prefix) for target in found if target.startswith(prefix)}


def _lines_with(path: str, part: str) -> list[str]:
    return [line for line in os.fsdecode(read_whole(path)).splitlines() if part in line]


def touch(path: str) -> None:
    """Sets the time of a folder to now, so that it does not tell when a run made or removed something there."""
    with contextlib.suppress(PermissionError, FileNotFoundError):
        os.utime(path)


def remove_owned(uids: range, places: tuple[str, ...]) -> None:
    """Removes everything that belongs to one of a run's own `uids` from directories that others use too."""
    for place in places:
        owned: dict[int, list[str]] = {}
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):  # others come and go here
                        uid = entry.stat(follow_symlinks=False).st_uid
                        if uid in uids:
                            owned.setdefault(uid, []).append(entry.name)
        except OSError:
            continue  # not there, or not readable for us: then it is not public either
        for uid, names in owned.items():
            empty_folder_as(uid, place, names)
