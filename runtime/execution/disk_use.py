"""How much a run has on disk, counted while its programs go on changing it and may want to hide it."""

import contextlib
import functools
import os
import stat
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from runtime.sandbox.impersonation import ReadingAs

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Each level takes a descriptor of the supervisor's while what is below it is counted.
_DEEPEST = 100
# A folder takes 50 µs, twenty times what a file takes: with more of them a pass would be too slow to be of use.
_MOST_FOLDERS = 1000
_BLOCK = 512
# A program that closes a folder at the very moment for so many times in a row does it to hide what is in there.
_ATTEMPTS = 5

_Found = TypeVar("_Found")


class DiskUse:
    """One pass through a run's directory, taken in parts, because the run's clock is not watched meanwhile.

    Folders that the run has closed to everyone, itself included, are opened for as long as it takes to look into them.
    A tree that cannot be counted counts as one with too many files: with more than 1,000 folders, deeper than 100 of them,
    or with one that is closed again whenever it is opened.
    """

    def __init__(self, directory: int, uid: int, most_files: int) -> None:
        """Begins at the descriptor `directory`, which stays the caller's, with the identity of `uid` (0: one's own)."""
        #: What has been found so far: bytes, and files of any kind.
        self.bytes = self.files = 0
        # The run's directory, and each folder whose name was found: many are refused before it goes into any of them.
        self._folders = 1
        # Files with more than one name, by their numbers: each is on disk once.
        self._linked: set[int] = set()
        self._uid = uid
        self._most_files = most_files
        # The way down to where the pass is: each folder with the names in it that are still to be entered.
        self._way: list[tuple[int, list[str]]] = []
        self._enter(os.dup(directory))

    def count(self, seconds: float) -> bool:
        """Goes on for `seconds`; True once the pass is through, or has found more files than there may be."""
        deadline = time.monotonic() + seconds
        while self._way and self.files <= self._most_files:
            if time.monotonic() > deadline:
                return False
            folder, names = self._way[-1]
            if names:
                inner = self._insist(functools.partial(self._open, names.pop(), folder))
                if inner is not None:
                    self._enter(inner)
            else:
                self._way.pop()
                os.close(folder)
        self.close()
        return True

    def close(self) -> None:
        """Gives the pass up, and its descriptors back."""
        while self._way:
            os.close(self._way.pop()[0])

    def _enter(self, folder: int) -> None:
        """Counts what is in `folder` itself, and takes the descriptor over."""
        size, count, inner = self._insist(functools.partial(self._look, folder)) or (0, 0, [])
        self._way.append((folder, inner))
        self._folders += len(inner)
        self.bytes += size
        self.files += count
        if len(self._way) > _DEEPEST or self._folders > _MOST_FOLDERS:
            self._refuse()

    def _look(self, folder: int) -> tuple[int, int, list[str]]:
        """Bytes, number and folders of what is in `folder`; PermissionError where it is closed meanwhile."""
        size = count = 0
        inner: list[str] = []
        with self._opened_up(folder), os.scandir(f"/proc/self/fd/{folder}") as entries:
            for entry in entries:
                count += 1
                if self.files + count > self._most_files:
                    break
                with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                    status = entry.stat(follow_symlinks=False)
                    if status.st_nlink == 1 or stat.S_ISDIR(status.st_mode):
                        size += status.st_blocks * _BLOCK
                    elif status.st_ino not in self._linked:
                        self._linked.add(status.st_ino)
                        size += status.st_blocks * _BLOCK
                    if entry.is_dir(follow_symlinks=False):
                        inner.append(entry.name)
        return size, count, inner

    def _open(self, name: str, folder: int) -> int:
        with self._opened_up(folder):
            return os.open(name, _FOLDER, dir_fd=folder)

    def _insist(self, look: Callable[[], _Found]) -> _Found | None:
        """What `look` finds; None where what it looks at has gone meanwhile, or is closed again and again."""
        for _ in range(_ATTEMPTS):
            try:
                return look()
            except PermissionError:
                continue
            except OSError:
                return None
        self._refuse()
        return None

    def _refuse(self) -> None:
        self.files = self._most_files + 1

    @contextlib.contextmanager
    def _opened_up(self, folder: int) -> Iterator[None]:
        """As the run, which is the owner, with `folder` open to it."""
        place = f"/proc/self/fd/{folder}"
        with ReadingAs(self._uid):
            mode = stat.S_IMODE(os.fstat(folder).st_mode)
            closed = mode & stat.S_IRUSR == 0 or mode & stat.S_IXUSR == 0
            if closed:
                os.chmod(place, mode | stat.S_IRUSR | stat.S_IXUSR)
            try:
                yield
            finally:
                if closed:
                    os.chmod(place, mode)
