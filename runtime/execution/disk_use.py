"""How much a run has on disk, counted while its programs go on changing it and may want to hide it."""

import contextlib
import os
import stat
import time
from collections.abc import Iterator

from runtime.sandbox.acting import ReadingAs

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Each level takes a descriptor of the supervisor's while what is below it is counted.
_DEEPEST = 100
_BLOCK = 512


class DiskUse:
    """One pass through a run's directory, taken in parts: nobody watches the run's clock meanwhile.

    Folders that the run has closed to everyone, itself included, are opened for as long as it takes to look into them.
    """

    def __init__(self, directory: int, uid: int, most_files: int) -> None:
        """Begins at the descriptor `directory`, which stays the caller's, with the identity of `uid` (0: one's own)."""
        #: What has been found so far: bytes, and files of any kind.
        self.bytes = self.files = 0
        self._uid = uid
        self._most_files = most_files
        # The way down to where the pass is: each folder with the names in it that are still to be entered.
        self._way: list[tuple[int, list[str]]] = []
        self._enter(os.dup(directory))

    def count(self, seconds: float) -> bool:
        """Goes on for `seconds`; True once the pass is through, or has found more files than there may be.

        A tree that is deeper than 100 folders counts as too many files.
        """
        deadline = time.monotonic() + seconds
        while self._way and self.files <= self._most_files:
            if time.monotonic() > deadline:
                return False
            folder, names = self._way[-1]
            if not names:
                self._way.pop()
                os.close(folder)
                continue
            name = names.pop()
            if len(self._way) == _DEEPEST:
                self.files = self._most_files + 1
                break
            with contextlib.suppress(OSError):  # gone meanwhile: the program is running
                with self._opened_up(folder):
                    inner = os.open(name, _FOLDER, dir_fd=folder)
                self._enter(inner)
        self.close()
        return True

    def close(self) -> None:
        """Gives the pass up, and its descriptors back."""
        while self._way:
            os.close(self._way.pop()[0])

    def _enter(self, folder: int) -> None:
        """Counts what is in `folder` itself, and takes the descriptor over."""
        inner: list[str] = []
        self._way.append((folder, inner))
        with self._opened_up(folder), os.scandir(f"/proc/self/fd/{folder}") as entries:
            for entry in entries:
                self.files += 1
                if self.files > self._most_files:
                    break
                with contextlib.suppress(OSError):  # gone meanwhile
                    self.bytes += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                    if entry.is_dir(follow_symlinks=False):
                        inner.append(entry.name)

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
