"""The streams of a live run, in its supervisor: output goes to the server as it comes, input and signals come meanwhile.

The client may be slow, and so may the program. What is on its way is bounded by a window each way: the receiver tells what
it has taken. So nobody has to wait for a socket, and a program that is not read from waits in its own write.
"""

import contextlib
import math
import os
import select
import signal
import socket
from collections import deque

from runtime.execution.codec import event_frame, event_of, is_event, number_event_frame, number_of, receive_frame
from runtime.execution.events import Events
from runtime.execution.procfs import is_exiting
from runtime.execution.protocol import LIVE_INPUT_WINDOW, LIVE_OUTPUT_WINDOW, Event, Job
from runtime.execution.streams import CHUNK, READ_PAUSE_MS, Output
from runtime.execution.workers import Worker

# Of stderr, for the verdict: a runtime's last words.
_TAIL_BYTES = 4096
# Of input, as the server does it with output.
_LEAST_TOLD_BYTES = LIVE_INPUT_WINDOW // 4
# What a program may write something about.
_ANSWERED = (Event.STDIN, Event.END_OF_STDIN, Event.SIGNAL)
# By then a program that is ending is gone, or it has another thread that goes on.
_MOST_ENDS_SEEN = 50


class LiveRun:
    """What a run has more where its job is live."""

    def __init__(self, worker: Worker, job: Job, control: socket.socket, events: Events) -> None:
        """The worker has not been given the job yet; `control` is the connection that the job came by."""
        self._worker = worker
        self._control = control
        self._events = events
        #: How many bytes of output may still go to the server.
        self.window: float = LIVE_OUTPUT_WINDOW
        #: Milliseconds that are no wall time of the run's, because another program kept it waiting.
        self.excused_ms = 0
        self._is_paired = job.paired
        self._tells_busy = job.limits.free_waiting
        # How often the end of stdout was found while the program was about to end itself.
        self._ends_seen = 0
        cap = job.limits.output_bytes
        self.stdout = _LiveOutput(self, Event.STDOUT, worker.streams.stdout, cap)
        self.stderr = _LiveOutput(self, Event.STDERR, worker.streams.stderr, cap)
        self._input = deque([memoryview(job.stdin)] if job.stdin else [])
        # What the job brought along is not part of the window.
        self._unaccounted = len(job.stdin)
        # What the program has taken of the window, of which the server has not been told.
        self._untold = 0
        self._input_ends = False
        #: Whether anything came for the program that another attempt would not get.
        self.has_taken = False

    def start(self) -> None:
        """Begins to feed the program."""
        if self._tells_busy:
            self.tell_busy(0)
        self._feed()

    def send(self, frame: bytes) -> None:
        """To the server, which reads at all times; where it is gone, the next read finds that out."""
        with contextlib.suppress(BrokenPipeError):
            self._control.sendall(frame)

    def receive(self) -> bool:
        """Does what the server's next event says; False where the job is given up, or the server is gone."""
        received = receive_frame(self._control)
        if received is None:
            return False
        header, rest = received
        if not is_event(header) or not rest:
            return False
        self.has_taken = True
        event, content = event_of(rest)
        if event in _ANSWERED and self.window:
            # Somebody waits for what the program makes of it.
            self.stdout.resume_at = self.stderr.resume_at = 0.0
        match event:
            case Event.STDIN:
                self._input.append(content)
                self._feed()
            case Event.END_OF_STDIN:
                self._input_ends = True
                self._feed()
            case Event.SIGNAL:
                self._signal(number_of(content))
            case Event.TAKEN:
                self.window += number_of(content)
                for stream in (self.stdout, self.stderr):
                    # A pause goes on: a client that takes each line at once would have the program stopped for each.
                    if math.isinf(stream.resume_at):
                        stream.resume_at = 0.0
            case Event.EXCUSED:
                self.excused_ms += number_of(content)
            case Event.STDOUT | Event.STDERR | Event.END_OF_STDOUT | Event.BUSY:
                return False
        return True

    @property
    def pause_ms(self) -> float:
        """How long output may wait in the pipe after a read: not at all where another program waits for it."""
        return 0.0 if self._is_paired else READ_PAUSE_MS

    def tell_busy(self, milliseconds: int) -> None:
        """Tells the server that the run has not waited for the other one for so long."""
        self.send(number_event_frame(Event.BUSY, milliseconds))

    def tell_end(self, event: Event) -> bool:
        """Tells the server that an output was closed; False where that is to be found out again, after a moment.

        A program that ends closes its outputs just before it is gone. Its end is told by its outcome, which must not come
        after what the other program makes of the closed stream.
        """
        if not self._is_paired or event is not Event.STDOUT or math.isinf(self.window):
            return True
        self._ends_seen += 1
        if self._ends_seen < _MOST_ENDS_SEEN and is_exiting(self._worker.pid):
            return False
        self.send(event_frame(Event.END_OF_STDOUT))
        return True

    def _signal(self, number: int) -> None:
        """As a terminal does: to the program and to what it started in its group."""
        if number in signal.valid_signals():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._worker.pid, number)

    def _feed(self) -> None:
        """Writes what the pipe takes, and waits for it where that is not all."""
        streams = self._worker.streams
        while self._input and streams.stdin >= 0:
            try:
                written = os.write(streams.stdin, self._input[0][:CHUNK])
            except BlockingIOError:
                if streams.stdin not in self._events:
                    self._events.listen(streams.stdin, self._on_stdin, select.POLLOUT)
                return
            except BrokenPipeError:
                self._close_stdin()
                break
            self._took(written)
            self._input[0] = self._input[0][written:]
            if not self._input[0]:
                self._input.popleft()
        self._events.ignore(streams.stdin)
        if streams.stdin < 0:
            # Nobody will read it.
            self._took(sum(map(len, self._input)))
            self._input.clear()
        elif self._input_ends:
            self._close_stdin()

    def _took(self, size: int) -> None:
        free = min(size, self._unaccounted)
        self._unaccounted -= free
        self._untold += size - free
        if self._untold >= _LEAST_TOLD_BYTES:
            self.send(number_event_frame(Event.TAKEN, self._untold))
            self._untold = 0

    def _on_stdin(self, event: int) -> None:
        if event & select.POLLERR:
            self._close_stdin()
        self._feed()

    def _close_stdin(self) -> None:
        self._events.ignore(self._worker.streams.stdin)
        self._worker.streams.close_stdin()


class _LiveOutput(Output):
    """One output that goes to the server as it comes, as far as the window lets it, and up to its cap."""

    def __init__(self, live: LiveRun, event: Event, descriptor: int, cap: int) -> None:
        super().__init__(descriptor, cap)
        self._live = live
        self._event = event
        self._tail = b""
        self._is_at_end = False
        # Somebody waits for the first line.
        self.resume_at = 0.0

    def read_and_pause(self, now: float) -> None:
        """Reads once, and says when to look at the pipe again: not before the client has taken what is on its way."""
        if self._event is Event.STDERR:
            # What the program has printed before may wait for its turn; whoever reads along sees it in its order.
            self._live.stdout.catch_up()
        self._read()
        if not self._live.window:
            self.resume_at = math.inf
        else:
            pause = READ_PAUSE_MS if self._is_at_end else self._live.pause_ms
            self.resume_at = 0.0 if self._full else now + pause

    def catch_up(self) -> None:
        """Reads once what lies in the pipe."""
        if self.open and not self.truncated:
            self._read()

    def drain(self) -> bytes:
        """Sends what lies in the pipe, which is no more than the pipe holds; the last of it all."""
        self._live.window = math.inf
        super().drain()
        return self._tail

    def _read(self) -> bool:
        most = int(min(CHUNK, self._live.window))
        if not most:
            return False
        try:
            data = os.read(self.descriptor, most)
        except BlockingIOError:
            return False
        if not data:
            self._full, self._is_at_end = False, True
            self.open = not self._live.tell_end(self._event)
            return False
        self._full = len(data) == most
        if len(data) > self._room:
            self.truncated = True
            data = data[: self._room]
        self._room -= len(data)
        if data:
            self._live.window -= len(data)
            self._live.send(event_frame(self._event, data))
            if self._event is Event.STDERR:
                self._tail = (self._tail + data)[-_TAIL_BYTES:]
        return not self.truncated
