"""The server's side of a live job: its output as it comes, and standard input and signals for it while it runs."""

import asyncio
from collections.abc import Callable

from runtime.execution.codec import CANCEL, event_frame, event_of, number_event_frame, number_of
from runtime.execution.protocol import LIVE_INPUT_WINDOW, LIVE_OUTPUT_WINDOW, Event

# Of output. A program waits only once a whole window is on its way, so nobody has to hear of each line that was taken.
_LEAST_TOLD_BYTES = LIVE_OUTPUT_WINDOW // 4


class LiveStreams:
    """The open streams of one live job. They may be used before the job runs; input waits until it does."""

    def __init__(self, on_output: Callable[[Event, bytes], None]) -> None:
        """`on_output` is given what the program writes: `Event.STDOUT` or `Event.STDERR`, and the bytes.

        Of a paired job it is given the other events to the server as well.

        It must not wait. `taken` tells later that the client has them, and without that the program stops in a write.
        """
        self._on_output = on_output
        self._send: Callable[[bytes], None] | None = None
        self._changed = asyncio.Event()
        self._over = False
        self._given_up = False
        self._window = LIVE_INPUT_WINDOW
        # Bytes of output that the client has taken, of which the supervisor has not been told.
        self._untold = 0
        #: Whether the program was seen to run, or was given anything: it cannot be run again unseen.
        self.is_in_use = False

    def begin(self, send: Callable[[bytes], None]) -> None:
        """The job has been sent to its supervisor, which `send` speaks to."""
        self._send = send
        self._untold = 0
        if self._given_up:
            send(CANCEL)
        self._changed.set()

    def pause(self) -> None:
        """The supervisor is no longer there for this job; another one may follow."""
        self._send = None

    def end(self) -> None:
        """The job is over: what still comes for it is dropped."""
        self._send = None
        self._over = True
        self._changed.set()

    def event_arrived(self, rest: memoryview) -> None:
        """The supervisor has sent an event."""
        event, content = event_of(rest)
        self.is_in_use = True
        if event is Event.TAKEN:
            self._window += number_of(content)
            self._changed.set()
        else:
            self._on_output(event, bytes(content))

    def taken(self, size: int) -> None:
        """The client has taken so many bytes of output."""
        self._untold += size
        if self._send and self._untold >= _LEAST_TOLD_BYTES:
            self._send(number_event_frame(Event.TAKEN, self._untold))
            self._untold = 0

    async def write(self, data: bytes) -> None:
        """Gives the program more standard input; waits while it does not read what it has. Dropped after its end."""
        left = memoryview(data)
        while left:
            send = await self._room()
            if send is None:
                return
            part = left[: self._window]
            self._window -= len(part)
            left = left[len(part) :]
            send(event_frame(Event.STDIN, part))

    async def end_input(self) -> None:
        """Closes the program's standard input, after all that was written before."""
        await self._tell(event_frame(Event.END_OF_STDIN))

    def excuse(self, milliseconds: int) -> None:
        """So much time is no wall time of the program's: another one kept it waiting."""
        if self._send and milliseconds:
            self._send(number_event_frame(Event.EXCUSED, milliseconds))

    def give_up(self) -> None:
        """Has the program ended; its outcome says that it was cancelled."""
        self._given_up = True
        if self._send:
            self._send(CANCEL)

    async def signal(self, number: int) -> None:
        """Sends a signal to the program and what it started in its group."""
        await self._tell(number_event_frame(Event.SIGNAL, number))

    async def _tell(self, frame: bytes) -> None:
        while not self._send and not self._over:
            await self._wait()
        if self._send:
            self.is_in_use = True
            self._send(frame)

    async def _room(self) -> Callable[[bytes], None] | None:
        """The way to the program, once there is room for more; None after its end."""
        while not self._over and not (self._send and self._window):
            await self._wait()
        self.is_in_use = True
        return self._send

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()
