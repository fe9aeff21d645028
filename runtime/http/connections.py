"""Connections: how many there may be, and how long each may take for a request's headers, its body and its answer."""

import asyncio
import logging
import math
from collections.abc import Callable
from enum import Enum, auto
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from runtime.http.problems import (
    BadRequestError,
    BusyError,
    HeadersTooLargeError,
    Refusal,
    RequestTimeoutError,
)
from runtime.settings import Settings

_log = logging.getLogger(__name__)
#: How long the rest of a refused request's body is read, so that the client sees the answer before the connection ends.
_LINGERING_SECONDS = 2.0


class _State(Enum):
    #: A request has begun, or the connection is new.
    HEADERS = auto()
    #: A handler has the request, and limits the time itself.
    HANDLED = auto()
    #: A handler waits for the body.
    BODY = auto()
    #: The client takes its answer.
    ANSWERED = auto()
    #: Kept open for the next request.
    IDLE = auto()


class Connection(RequestHandler):
    """aiohttp's protocol, with a deadline for headers, body and answer. Its own timer ends idle connections."""

    __slots__ = ("_body", "_connections", "_state", "deadline")

    def __init__(self, server: web.Server, connections: "Connections", loop: asyncio.AbstractEventLoop) -> None:
        settings = connections.settings
        super().__init__(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type] # what aiohttp's own runner is given to have none
            keepalive_timeout=settings.idle_seconds,
            lingering_time=_LINGERING_SECONDS,
            max_line_size=settings.max_header_kb << 10,
            max_field_size=settings.max_header_kb << 10,
            max_headers=settings.max_headers,
            auto_decompress=False,
        )
        self._connections = connections
        self._state = _State.HEADERS
        self._body: StreamReader | None = None
        self.deadline = math.inf

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Turns the connection away where there are too many."""
        if self._connections.add(self):
            self._enter(_State.HEADERS, self._connections.settings.header_seconds)
            super().connection_made(transport)
        else:
            self._force_close = True
            self._refuse(cast(asyncio.Transport, transport), self._connections.full)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Makes room for another one."""
        self._connections.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """The first bytes of a request start its clock; further ones do not stop it."""
        if self._state is _State.IDLE:
            self._connections.idle.pop(self, None)
            self._enter(_State.HEADERS, self._connections.settings.header_seconds)
        super().data_received(data)

    def pause_writing(self) -> None:
        """The client takes its answer more slowly than the server sends it."""
        super().pause_writing()
        self._connections.bound_unsent(self)

    def handled(self) -> None:
        """A handler has the request now: the connection no longer limits its time."""
        self._connections.idle.pop(self, None)
        self._state, self._body, self.deadline = _State.HANDLED, None, math.inf

    def body_awaited(self, body: StreamReader) -> None:
        """A handler begins to read the body now; past the deadline its read raises RequestTimeoutError."""
        self._body = body
        self._enter(_State.BODY, self._connections.settings.body_seconds)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Sends the answer, and limits the time in which the client takes it."""
        if isinstance(resp, web.HTTPException):  # raised by aiohttp before any handler was called
            refusal = BadRequestError(f"{resp.text or resp.reason}.")
            self._connections.refused(refusal)
            resp = refusal.response()
        self._enter(_State.ANSWERED, self._connections.settings.send_seconds)
        result = await super().finish_response(request, resp, start_time)
        # What is left of a refused body is no new request.
        if self.transport is not None and not self.transport.get_write_buffer_size() and request.content.is_eof():
            self._rest()
        return result

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answers what is not HTTP like every other refusal, without a line in the log."""
        if status == web.HTTPInternalServerError.status_code:
            _log.error("unexpected error", exc_info=exc)
            refusal: Refusal = Refusal("The executor failed; its log says why.")
        elif isinstance(exc, LineTooLong) or "Too many" in (message or ""):
            refusal = HeadersTooLargeError(self._connections.header_limits)
        else:
            refusal = BadRequestError((message or "The request is not HTTP/1.1.").partition("\n")[0].rstrip(":"))
        self._connections.refused(refusal)
        response = refusal.response()
        response.force_close()
        return response

    @property
    def unsent(self) -> int:
        """Bytes of answers that are held for the client to take."""
        return self.transport.get_write_buffer_size() if self.transport else 0

    def abort(self) -> None:
        """Ends the connection, whatever there is still to send."""
        if self.transport:
            self.transport.abort()

    def expire(self) -> None:
        """The deadline has passed: a late request is refused, a late reader or idle client loses the connection."""
        transport = self.transport
        if transport is None:
            return
        if self._state is _State.ANSWERED and not transport.get_write_buffer_size():
            self._rest()
        elif self._state is _State.BODY and self._body is not None:
            self._body.set_exception(
                RequestTimeoutError(f"The body did not arrive within {self._connections.settings.body_seconds:g} s.")
            )
        elif self._state is _State.HEADERS:
            self._force_close = True
            self._refuse(transport, self._connections.late)
        else:
            self.abort()

    def _refuse(self, transport: asyncio.Transport, refusal: Refusal) -> None:
        self._connections.refused(refusal)
        transport.write(refusal.raw())
        if transport.get_write_buffer_size():
            transport.abort()
        else:
            transport.close()

    def _rest(self) -> None:
        self._enter(_State.IDLE)
        self._connections.idle[self] = None

    def _enter(self, state: _State, seconds: float = math.inf) -> None:
        self._state = state
        self.deadline = self._loop.time() + seconds


class Connections:
    """All connections of the server: a factory of protocols for `loop.create_server`."""

    def __init__(self, server: web.Server, settings: Settings, most: int, refused: Callable[[Refusal], None]) -> None:
        """At most `most` at the same time; `refused` is called with each refusal that no handler sees."""
        self.settings = settings
        self.refused = refused
        self.full = BusyError(f"{most} connections are open already.", reason="connections")
        self.late = RequestTimeoutError(f"The headers did not arrive within {settings.header_seconds:g} s.")
        self.header_limits = (
            f"The request line and each header may have at most {settings.max_header_kb} KiB, "
            f"and there may be {settings.max_headers} headers."
        )
        #: Those that wait for their next request, the longest first.
        self.idle: dict[Connection, None] = {}
        self._most = most
        self._server = server
        self._open: set[Connection] = set()
        #: Those whose clients have not taken all of their answer, the longest first.
        self._unsent: dict[Connection, None] = {}
        self._most_unsent = int(settings.max_unsent_mb * (1 << 20))

    def __call__(self) -> Connection:
        """Makes the protocol of a new connection."""
        return Connection(self._server, self, asyncio.get_running_loop())

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> bool:
        """Whether there is room for one more connection; the one that has been idle for longest is ended for it."""
        if len(self._open) >= self._most:
            if not self.idle:
                return False
            longest = next(iter(self.idle))
            self.remove(longest)
            longest.expire()
        self._open.add(connection)
        return True

    def remove(self, connection: Connection) -> None:
        """Forgets a connection that has ended."""
        self._open.discard(connection)
        self.idle.pop(connection, None)
        self._unsent.pop(connection, None)

    def bound_unsent(self, connection: Connection) -> None:
        """Counts `connection` among those with answers to send, and ends the oldest where these are too large together."""
        self._unsent = {each: None for each in (*self._unsent, connection) if each.unsent}
        held = sum(each.unsent for each in self._unsent)
        for each in tuple(self._unsent):
            if held <= self._most_unsent:
                break
            held -= each.unsent
            del self._unsent[each]
            each.abort()

    def sweep(self) -> None:
        """Ends the connections whose deadline has passed. To be called about once a second."""
        now = asyncio.get_running_loop().time()
        for connection in [connection for connection in self._open if connection.deadline < now]:
            connection.expire()
