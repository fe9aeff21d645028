"""The working directory of one run: filled before it, read after it, and removed without following anything it left."""

import contextlib
import fnmatch
import os
import signal
import stat
from collections.abc import Iterator

import msgspec

from runtime.execution.disk_use import DiskUse
from runtime.execution.emptying import Pauses, empty, entries_of, open_folder
from runtime.execution.memory_files import in_memory
from runtime.execution.protocol import Collect, File
from runtime.sandbox.impersonation import ReadingAs
from runtime.sandbox.syscalls import PR_SET_PDEATHSIG, close_from, prctl

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_REGULAR = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: Files deeper than this are not brought back.
_DEPTH = 16
# Of a folder with no folder in it, and of one with few names, on file systems that tell so.
_LINKS_WITHOUT_FOLDERS, _SMALL_FOLDER_BYTES = 2, 4096
# More are removed with the directory.
_FEW_FILES = 8
# Removing this many files takes a few milliseconds.
_MANY_FILES = 300
_NICENESS = 19
_FIRST_OWN_DESCRIPTOR = 3
# Large enough for no more of them than a process may have open to fit into what may come back.
_LARGE_BYTES = 1 << 18


class Collected(msgspec.Struct, frozen=True):
    """A file to bring back: a large one as a descriptor, which whoever asked for it closes, others as what they hold."""

    name: str
    executable: bool
    size: int
    content: bytes = b""
    descriptor: int = -1

    def close(self) -> None:
        """Closes the descriptor, where there is one."""
        if self.descriptor >= 0:
            os.close(self.descriptor)


class Workspace:
    """A directory that belongs to one run. `uid` above 0 is the run's own, which then may write here through its group."""

    def __init__(self, parent: str, name: str, uid: int) -> None:
        """Takes over the directory `name` in `parent`; raises OSError where it cannot be opened."""
        self._parent = parent
        self._name = name
        self._uid = uid
        self.descriptor = os.open(self.path, _DIRECTORY)
        # What was put here, by whether it can be executed; and files of a former run that wait here, empty, for the next one.
        self._placed: dict[str, bool] = {}
        self._spare: dict[str, bool] = {}
        # What the directory itself was when it was empty, where it was made here.
        self._empty: tuple[int, ...] = ()

    @classmethod
    def create(cls, parent: str, name: str, uid: int) -> "Workspace":
        """A new one; raises OSError where that cannot be."""
        os.mkdir(f"{parent}/{name}", 0o700)
        created = cls(parent, name, uid)
        created.give_to(uid)
        return created

    def give_to(self, uid: int) -> None:
        """Makes it the next run's, which has `uid`."""
        self._uid = uid
        self._share(self.descriptor, 0o770)
        self._empty = _lasting(os.fstat(self.descriptor))

    @property
    def path(self) -> str:
        """Where it is now."""
        return f"{self._parent}/{self._name}"

    def _share(self, descriptor: int, mode: int) -> None:
        if self._uid > 0:
            os.fchown(descriptor, -1, self._uid)
            os.fchmod(descriptor, mode)

    def rename(self, name: str) -> None:
        """Moves the directory within its parent; confinement by inode moves along."""
        os.rename(self.path, f"{self._parent}/{name}")
        self._name = name

    def place(self, files: tuple[File, ...]) -> None:
        """Writes `files`, whose names were checked; no program has run here yet. Raises OSError on a full disk."""
        waiting, self._spare = self._spare, {}
        self._placed = {file.name: file.executable for file in files if "/" not in file.name.removesuffix("/")}
        spare = {name for name, executable in waiting.items() if self._placed.get(name) is executable}
        for name in waiting.keys() - spare:
            os.unlink(name, dir_fd=self.descriptor)
        for file in files:
            folder = self.descriptor
            *folders, base = file.name.split("/")
            opened: list[int] = []
            try:
                for part in folders:
                    with contextlib.suppress(FileExistsError):  # an earlier file of the same folder made it
                        os.mkdir(part, 0o755, dir_fd=folder)
                    folder = os.open(part, _DIRECTORY, dir_fd=folder)
                    opened.append(folder)
                    self._share(folder, 0o770)
                flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
                if not base:
                    continue
                if file.name not in spare:
                    flags |= os.O_CREAT | os.O_EXCL
                target = os.open(base, flags, _mode(executable=file.executable), dir_fd=folder)
                opened.append(target)
                content = file.content
                if kept := in_memory(content):
                    kept.write_to(target)
                    continue
                while content:
                    content = content[os.write(target, content) :]
            finally:
                for descriptor in opened:
                    os.close(descriptor)

    def collect(self, wanted: Collect) -> tuple[Collected, ...]:
        """The regular files that match `wanted` by name, as many as fit into its bytes; those with a descriptor come last."""
        found: list[Collected] = []
        self._open_up()
        try:
            self._collect(wanted, found)
        except BaseException:
            for file in found:
                file.close()
            raise
        return tuple(sorted(found, key=lambda file: (file.descriptor >= 0, file.name)))

    def _collect(self, wanted: Collect, found: list[Collected]) -> None:
        left = wanted.max_bytes
        for name, folder, base in self._regular_files():
            if not any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted.patterns) or not _is_text(name):
                continue
            try:
                descriptor = os.open(base, _REGULAR, dir_fd=folder)
            except OSError:
                continue  # unreadable on purpose, or not a plain file: it does not come back
            kept = False
            try:
                status = os.fstat(descriptor)
                size, executable = status.st_size, bool(status.st_mode & 0o100)
                if not stat.S_ISREG(status.st_mode) or size > left:
                    continue
                left -= size
                if size >= _LARGE_BYTES:
                    found.append(Collected(name, executable, size, descriptor=descriptor))
                    kept = True
                else:
                    content = os.read(descriptor, size)
                    found.append(Collected(name, executable, len(content), content))
            finally:
                if not kept:
                    os.close(descriptor)

    def _regular_files(self) -> Iterator[tuple[str, int, str]]:
        """Each regular file's name from the top, its folder, and its name there; the folders close at the end."""
        waiting = [("", os.dup(self.descriptor))]
        opened = [waiting[0][1]]
        try:
            while waiting:
                prefix, folder = waiting.pop()
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.is_file(follow_symlinks=False):
                            yield prefix + entry.name, folder, entry.name
                        elif entry.is_dir(follow_symlinks=False) and prefix.count("/") < _DEPTH and len(opened) < 256:
                            try:
                                inner = os.open(entry.name, _DIRECTORY, dir_fd=folder)
                            except OSError:
                                continue  # unreadable on purpose
                            opened.append(inner)
                            waiting.append((f"{prefix}{entry.name}/", inner))
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def disk_use(self, most_files: int) -> DiskUse:
        """A pass that counts what is here, which can be taken in parts."""
        return DiskUse(self.descriptor, self._uid, most_files)

    def _open_up(self) -> None:
        """Where the service's uid is the program's, that may have closed the directory itself."""
        if self._uid <= 0:
            os.fchmod(self.descriptor, 0o700)

    def recycle(self) -> bool:
        """Makes it as empty as a new one for another run, but for files that had a place here; False where it has to go.

        Emptying is cheaper than removing and making, most of all on ext4 without a journal, which looks for each new file
        through those that were removed in the minute before (`recently_deleted` in fs/ext4/ialloc.c of the Linux source).
        A run can leave no mark here: extended attributes, flags and hints of files are refused to it, and times and mode are
        set anew. What has grown by the names that were in it is not kept. Nothing of the run may be alive any more. Raises
        OSError where something stays.
        """
        if not self._empty or os.fstat(self.descriptor).st_size != self._empty[0]:
            return False
        entries = entries_of(self.descriptor)
        if len(entries) > _FEW_FILES:
            return False
        self._open_up()
        kept: dict[str, bool] = {}
        for name, is_directory in entries:
            if is_directory:
                if f"{name}/" not in self._placed or not self._remove_folder(name):
                    return False
            elif name in self._placed and self._empty_file(name, executable=self._placed[name]):
                kept[name] = self._placed[name]
            else:
                os.unlink(name, dir_fd=self.descriptor)
        if _lasting(os.fstat(self.descriptor)) != self._empty:
            return False
        os.fchmod(self.descriptor, 0o700)
        os.utime(self.descriptor)
        self._spare = kept
        return True

    def _remove_folder(self, name: str) -> bool:
        """Removes a folder that was made here, with the few files in it; False where that cannot be done at once."""
        try:
            folder = open_folder(name, self.descriptor)
            try:
                entries = entries_of(folder)
                if len(entries) > _FEW_FILES or any(is_directory for _, is_directory in entries):
                    return False
                for inner, _ in entries:
                    os.unlink(inner, dir_fd=folder)
            finally:
                os.close(folder)
            os.rmdir(name, dir_fd=self.descriptor)
        except OSError:
            return False  # the run has put one of its own there
        return True

    def _empty_file(self, name: str, *, executable: bool) -> bool:
        """Makes a file as it was before it was written; False where it is not one that can be."""
        try:
            descriptor = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self.descriptor)
        except OSError:
            return False  # closed by the program, or no file
        try:
            status = os.fstat(descriptor)
            made = (status.st_mode, status.st_nlink, status.st_uid, status.st_gid)
            if made != (stat.S_IFREG | _mode(executable=executable), 1, os.geteuid(), os.getegid()):
                return False
            os.ftruncate(descriptor, 0)
            os.utime(descriptor)
            return True
        finally:
            os.close(descriptor)

    def holds_many(self) -> bool:
        """Whether removing it takes longer than the next run should wait."""
        status = os.fstat(self.descriptor)
        if status.st_nlink == _LINKS_WITHOUT_FOLDERS and status.st_size <= _SMALL_FOLDER_BYTES:
            return False
        left = _MANY_FILES
        for _ in self._entries_anywhere():
            left -= 1
            if left < 0:
                return True
        return False

    def _entries_anywhere(self) -> Iterator[os.DirEntry[str]]:
        waiting = [f"/proc/self/fd/{self.descriptor}"]
        while waiting:
            # A folder may be closed on purpose; it is opened up when it is removed.
            with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    yield entry
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)

    def remove_slowly(self) -> int:
        """Has a child process do what `remove` does, with pauses in which runs come first; its pid.

        Here the directory is let go of.
        """
        child = os.fork()
        if child == 0:
            try:
                prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                os.nice(_NICENESS)
                # Nothing of a later run may be kept open by this process.
                close_from(_FIRST_OWN_DESCRIPTOR)
                Workspace(self._parent, self._name, self._uid).remove(Pauses())
            finally:
                os._exit(0)
        os.close(self.descriptor)
        return child

    def remove(self, pauses: Pauses | None = None) -> None:
        """Removes the directory with all that is in it; nothing of the run may be alive any more.

        Where the run had a uid of its own and this process is not root, the folders that only that uid may enter are
        emptied with its identity. Raises OSError where something stays.
        """
        try:
            self._open_up()
            entries = entries_of(self.descriptor)
            if self._uid > 0 and any(is_directory for _, is_directory in entries) and os.geteuid() != 0:
                with contextlib.suppress(OSError), ReadingAs(self._uid):
                    empty(self.descriptor, entries, pauses)
                entries = entries_of(self.descriptor)
            empty(self.descriptor, entries, pauses)
        finally:
            os.close(self.descriptor)
        os.rmdir(self.path)


def _mode(*, executable: bool) -> int:
    return 0o755 if executable else 0o644


def _lasting(directory: os.stat_result) -> tuple[int, ...]:
    """What a directory keeps of what was in it."""
    return directory.st_size, directory.st_nlink, directory.st_uid, directory.st_gid


def _is_text(name: str) -> bool:
    """Whether a name is UTF-8: another one has no place in a JSON answer."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
