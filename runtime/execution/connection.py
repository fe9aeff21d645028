"""The server's end of the connection to one supervisor: frames out, with descriptors, and frames in."""

import asyncio
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from runtime.execution.codec import HEADER_BYTES, is_event, rest_of_frame
from runtime.execution.memory_files import Memory

if TYPE_CHECKING:
    from runtime.execution.live import LiveStreams


class Connection(asyncio.BufferedProtocol):
    """One job at a time, one message each way, read straight into its place.

    Where the job is live, events come before its answer.
    """

    def __init__(self, own: socket.socket) -> None:
        """`own` is the socket that the transport is of: descriptors go by it."""
        self._socket = own
        self.answer: asyncio.Future[tuple[bytes, memoryview]] | None = None
        #: What events of the present job are for.
        self.live: LiveStreams | None = None
        self.lost = False
        #: Until when the answer is waited for.
        self.timer: asyncio.TimerHandle | None = None
        self.transport: asyncio.WriteTransport | None = None
        self._header = bytearray(HEADER_BYTES)
        self._rest: memoryview | None = None
        self._filled = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self.transport = cast(asyncio.WriteTransport, transport)

    def send(self, parts: Sequence[bytes | memoryview], memories: Sequence[Memory]) -> None:
        """Sends a frame, with descriptors of `memories` at its first byte; raises OSError where that cannot be."""
        if self.transport is None:
            raise ConnectionError("no supervisor")
        first, *others = parts
        if memories:
            # What goes by the transport has gone: the job before has been answered.
            if self.transport.get_write_buffer_size():
                raise ConnectionError("the supervisor does not read")
            sent = socket.send_fds(self._socket, [first], [memory.descriptor for memory in memories])
            first = first[sent:]
        self.transport.writelines((first, *others))

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where the next bytes belong."""
        return memoryview(self._header if self._rest is None else self._rest)[self._filled :]

    def buffer_updated(self, count: int) -> None:
        """Takes up what is complete: a header, an event or the answer."""
        self._filled += count
        if self._rest is None and self._filled == HEADER_BYTES:
            self._rest = rest_of_frame(self._header)
            self._filled = 0
        elif self._rest is not None and self._filled == len(self._rest):
            rest, self._rest, self._filled = self._rest, None, 0
            if self.live and is_event(self._header):
                self.live.event_arrived(rest)
                return
            if self.answer and not self.answer.done():
                self.answer.set_result((bytes(self._header), rest))

    def connection_lost(self, _exc: Exception | None) -> None:
        """Tells a run that waits that there will be no answer."""
        self.lost = True
        if self.answer and not self.answer.done():
            self.answer.set_exception(ConnectionError("the supervisor is gone"))
