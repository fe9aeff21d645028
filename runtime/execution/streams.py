"""The standard streams of a run: the pipes to the program, what is fed to it, and what is kept of its output."""

import contextlib
import fcntl
import os

#: How much is read or written at once, in bytes.
CHUNK = 1 << 16
# What the kernel lets an unprivileged process have by default (fs.pipe-max-size).
_LARGEST_PIPE = 1 << 20
#: How long output may wait in the pipe after a read. Without it a program that prints much wakes the supervisor for every
#: line.
READ_PAUSE_MS = 2.0


class Pipes:
    """The three standard streams of one run: our ends, and the program's ends until they are handed over."""

    def __init__(self) -> None:
        """Opens them; raises OSError where descriptors run out."""
        self.theirs_stdin, self.stdin = os.pipe2(os.O_CLOEXEC)
        self.stdout, self.theirs_stdout = os.pipe2(os.O_CLOEXEC)
        self.stderr, self.theirs_stderr = os.pipe2(os.O_CLOEXEC)
        for descriptor in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(descriptor, False)

    @property
    def theirs(self) -> tuple[int, int, int]:
        """The program's ends, in the order of its descriptors 0, 1 and 2."""
        return self.theirs_stdin, self.theirs_stdout, self.theirs_stderr

    def widen_outputs(self, wanted_bytes: int) -> None:
        """Makes room for all the output that is wanted: Node keeps in its memory what a full pipe does not take."""
        size = min(wanted_bytes + 1, _LARGEST_PIPE)
        for descriptor in (self.stdout, self.stderr):
            with contextlib.suppress(PermissionError):  # the uid's share of pipe memory is used up; it works without
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, size)

    def close_theirs(self) -> None:
        """Closes the program's ends here, once the program has them."""
        for descriptor in self.theirs:
            os.close(descriptor)

    def close_ours(self) -> None:
        """Closes our ends after the run; stdin may have been closed before."""
        for descriptor in (self.stdin, self.stdout, self.stderr):
            if descriptor >= 0:
                os.close(descriptor)
        self.stdin = self.stdout = self.stderr = -1

    def close_stdin(self) -> None:
        """Tells the program that there is no more input."""
        if self.stdin >= 0:
            os.close(self.stdin)
            self.stdin = -1


class Input:
    """What is still to be written to a program's standard input."""

    def __init__(self, pipes: Pipes, data: bytes) -> None:
        """Writes what the pipe takes at once, which for most runs is all of it, and closes the pipe then."""
        self._pipes = pipes
        self._left = memoryview(data)
        while self._left and self._write():
            pass
        if not self._left:
            pipes.close_stdin()

    @property
    def done(self) -> bool:
        """Whether nothing is left to be written, or the program has closed its end."""
        return not self._left

    def feed(self) -> None:
        """Writes once, where the pipe has room; closes the pipe after the last byte."""
        self._write()
        if not self._left:
            self.close()

    def close(self) -> None:
        """Gives up what is left: the program has closed its end."""
        self._left = memoryview(b"")
        self._pipes.close_stdin()

    def _write(self) -> bool:
        """Writes as much as the pipe takes; False once it takes no more, there is no more, or the program has closed it."""
        try:
            written = os.write(self._pipes.stdin, self._left[:CHUNK])
        except BlockingIOError:
            return False
        except BrokenPipeError:
            self._left = memoryview(b"")
            return False
        self._left = self._left[written:]
        return bool(self._left)


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
