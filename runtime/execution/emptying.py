"""Empties folders of a run that is over: of any depth, however closed, and without following anything that was left there."""

import contextlib
import os
import time

from runtime.sandbox.impersonation import ReadingAs

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WORK_SECONDS, _PAUSE_SECONDS = 0.005, 0.015


def empty_folder_as(uid: int, path: str, names: list[str]) -> None:
    """Removes `names` from a folder that others use too, with the identity of `uid`, as far as that may."""
    folder = os.open(path, _DIRECTORY)
    try:
        with contextlib.suppress(OSError), ReadingAs(uid):
            empty(folder, [entry for entry in entries_of(folder) if entry[0] in names])
    finally:
        os.close(folder)


def entries_of(directory: int) -> list[tuple[str, bool]]:
    """The names in a directory, each with whether it is a directory itself."""
    with os.scandir(directory) as entries:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]


def empty(directory: int, remaining: list[tuple[str, bool]], pauses: "Pauses | None" = None) -> None:
    """Removes entries of a directory, of any depth and without recursion: inner folders are first moved up to the top."""
    serial = 0
    while remaining:
        moved: list[tuple[str, bool]] = []
        for name, is_directory in remaining:
            if pauses:
                pauses.take()
            if not is_directory:
                os.unlink(name, dir_fd=directory)
                continue
            inner = open_folder(name, directory)
            try:
                for child, child_is_directory in entries_of(inner):
                    if child_is_directory:
                        os.close(open_folder(child, inner))
                        serial = _move_up(child, inner, directory, serial)
                        moved.append((_removed(serial), True))
                    else:
                        if pauses:
                            pauses.take()
                        os.unlink(child, dir_fd=inner)
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=directory)
        remaining = moved


class Pauses:
    """Work that yields: after so much CPU time it waits three times as long."""

    def __init__(self) -> None:
        """Begins with a pause."""
        self._until = 0.0

    def take(self) -> None:
        """Waits where it is time to."""
        now = time.thread_time()
        if now >= self._until:
            time.sleep(_PAUSE_SECONDS)
            self._until = now + _WORK_SECONDS


def _removed(serial: int) -> str:
    return f".removed-{os.getpid()}-{serial}"


def open_folder(name: str, parent: int) -> int:
    """Opens a folder that the program may have closed to everyone, its owner included."""
    with contextlib.suppress(PermissionError):  # it belongs to the service itself and is open to it
        os.chmod(name, 0o700, dir_fd=parent)
    return os.open(name, _DIRECTORY, dir_fd=parent)


def _move_up(name: str, parent: int, top: int, serial: int) -> int:
    """Moves a folder to the top under a name that is free there; returns the next serial number to try."""
    while True:
        serial += 1
        target = _removed(serial)
        try:
            os.rename(name, target, src_dir_fd=parent, dst_dir_fd=top)
        except OSError:
            if not _is_taken(target, top):
                raise
            continue
        return serial


def _is_taken(name: str, directory: int) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
