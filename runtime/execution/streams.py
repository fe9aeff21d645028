"""The standard streams of a run: its input, the pipes of its output, and what is kept of that."""

import contextlib
import fcntl
import os

#: How much is read or written at once, in bytes.
CHUNK = 1 << 16
# What the kernel lets an unprivileged process have by default (fs.pipe-max-size).
_LARGEST_PIPE = 1 << 20
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
#: How long output may wait in the pipe after a read. Without it a program that prints much wakes the supervisor for every
#: line.
READ_PAUSE_MS = 2.0


class Streams:
    """The three standard streams of one run: our ends, and the program's ends until they are handed over.

    Standard input is a file in memory that the program can only read, from wherever it likes: it is there as a whole before
    the run begins. A live run has a pipe instead.
    """

    def __init__(self, *, live: bool = False) -> None:
        """Opens them; raises OSError where descriptors run out."""
        #: Our end of a live run's input pipe, else -1.
        self.stdin = -1
        self._file = -1
        if live:
            self.theirs_stdin, self.stdin = _input_pipe()
        else:
            self._file = os.memfd_create("stdin", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            # Without Landlock, whoever has the service's uid could open it for writing.
            os.fchmod(self._file, 0o444)
            self.theirs_stdin = os.open(f"/proc/self/fd/{self._file}", os.O_RDONLY | os.O_CLOEXEC)
        self.stdout, self.theirs_stdout = _pipe()
        self.stderr, self.theirs_stderr = _pipe()
        for descriptor in (self.stdout, self.stderr):
            os.set_blocking(descriptor, False)

    @property
    def theirs(self) -> tuple[int, int, int]:
        """The program's ends, in the order of its descriptors 0, 1 and 2."""
        return self.theirs_stdin, self.theirs_stdout, self.theirs_stderr

    @property
    def input_file(self) -> tuple[int, int] | None:
        """Device and inode of the file that standard input is, None where it is a pipe."""
        if self._file < 0:
            return None
        status = os.fstat(self._file)
        return status.st_dev, status.st_ino

    def widen_outputs(self, wanted_bytes: int) -> None:
        """Makes room for all the output that is wanted: Node keeps in its memory what a full pipe does not take."""
        size = min(wanted_bytes + 1, _LARGEST_PIPE)
        for descriptor in (self.stdout, self.stderr):
            with contextlib.suppress(PermissionError):  # the uid's share of pipe memory is used up; it works without
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, size)

    def fill_input(self, data: bytes) -> None:
        """Writes all of standard input, which nobody can change from then on; raises OSError where there is no room."""
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]
        fcntl.fcntl(self._file, fcntl.F_ADD_SEALS, _SEALS)

    def replace_input_by_pipe(self) -> int:
        """Takes a pipe instead of the file, and gives the program's end, which the caller hands over and closes."""
        os.close(self._file)
        self._file = -1
        theirs, self.stdin = _input_pipe()
        return theirs

    def close_theirs(self) -> None:
        """Closes the program's ends here, once the program has them."""
        for descriptor in self.theirs:
            os.close(descriptor)

    def close_ours(self) -> None:
        """Closes our ends after the run; a pipe to stdin may have been closed before."""
        for descriptor in (self.stdin, self.stdout, self.stderr, self._file):
            if descriptor >= 0:
                os.close(descriptor)
        self.stdin = self.stdout = self.stderr = self._file = -1

    def close_stdin(self) -> None:
        """Tells a live program that there is no more input."""
        if self.stdin >= 0:
            os.close(self.stdin)
            self.stdin = -1


def _input_pipe() -> tuple[int, int]:
    """The program's end of a new pipe, and ours, which does not block."""
    theirs, ours = _pipe()
    os.set_blocking(ours, False)
    return theirs, ours


def _pipe() -> tuple[int, int]:
    """A pipe that a program with a uid of its own may open again by a name such as /dev/stdout."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    os.fchmod(writer, 0o666)
    return reader, writer


class Output:
    """One output of a program, kept up to its cap. Moments are milliseconds since the run's start."""

    def __init__(self, descriptor: int, cap: int) -> None:
        """`descriptor` is our end of the pipe and does not block; `cap` is in bytes."""
        self.descriptor = descriptor
        self.open = True
        self.truncated = False
        self.resume_at = READ_PAUSE_MS
        # The last read took all that fits into the pipe, so the program is waiting.
        self._full = False
        self._parts: list[bytes] = []
        self._room = cap

    def read_and_pause(self, now: float) -> None:
        """Reads once, and says when to look at the pipe again."""
        self._read()
        self.resume_at = 0.0 if self._full else now + READ_PAUSE_MS

    def drain(self) -> bytes:
        """All that was kept, with what lies in the pipe now that the program is at its end.

        A signal's handler can go on to write before Linux 5.19; this does not wait for it.
        """
        while self.open and not self.truncated and self._read() and self._full:
            pass
        return b"".join(self._parts)

    def _read(self) -> bool:
        """Reads once; False where there is nothing more at the moment or nothing more is wanted."""
        try:
            data = os.read(self.descriptor, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self.open = False
            return False
        self._full = len(data) == CHUNK
        if len(data) > self._room:
            self.truncated = True
            data = data[: self._room]
        self._parts.append(data)
        self._room -= len(data)
        return not self.truncated
