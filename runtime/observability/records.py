"""The log: one JSON record a line for each execution, on standard output. Never code, input or output of a program."""

import asyncio
import logging
import os
import select
from collections import deque
from datetime import datetime

import msgspec

_log = logging.getLogger(__name__)
# Some minutes of a burst; beyond it a reader that does not read costs records and not the server's memory.
_BACKLOG = 10_000
# The log's reader is woken at most this often: woken for each record, it would take a processor from programs.
_PAUSE_SECONDS = 0.1


class ExecutionRecord(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="event", tag="execution"):
    """One execution; times in milliseconds, memory in bytes. What there is nothing to say of is left out."""

    time: datetime
    request_id: str
    language: str
    #: The answer's status, or `cancelled` where the client left before there was one.
    status: str
    #: From the request's arrival to its answer, and the part of it that was spent waiting for a slot.
    total_time: float
    queue_time: float
    #: Of all the submission's runs together, compile step included; `memory` is that of the largest.
    cpu_time: float
    wall_time: float
    memory: int
    version: str = ""
    passed: int | None = None
    total: int | None = None
    user_id: str | None = None
    question_id: str | None = None
    #: The name of the caller's key.
    caller: str = ""
    #: In hexadecimal, where traces are kept.
    trace_id: str = ""
    span_id: str = ""
    #: The name of the rehearsal that it belongs to.
    rehearsal: str = ""


class Log:
    """Writes records to a descriptor without ever waiting for whoever reads it."""

    def __init__(self, descriptor: int) -> None:
        """Takes any open descriptor; it is not closed here."""
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._backlog: deque[bytes] = deque()
        self._planned = False
        self._encoder = msgspec.json.Encoder()
        #: Records that were given up because the log was not read.
        self.lost = 0

    def write(self, record: ExecutionRecord) -> None:
        """Keeps the record, to be written by the running event loop within a tenth of a second."""
        if len(self._backlog) < _BACKLOG:
            self._backlog.append(self._encoder.encode(record) + b"\n")
        else:
            self._give_up(1, "its reader does not read")
        if not self._planned:
            self._planned = True
            asyncio.get_running_loop().call_later(_PAUSE_SECONDS, self._flush_as_planned)

    def flush(self, wait_ms: int = 0) -> None:
        """Writes what there is room for, as far as the reader takes it within `wait_ms`."""
        lines = b""
        try:
            while self._backlog and self._poll.poll(wait_ms):
                lines = self._next_lines()
                if rest := lines[os.write(self._descriptor, lines) :]:
                    self._backlog.appendleft(rest)
                lines = b""
        except OSError as error:
            self._give_up(len(self._backlog) + lines.count(b"\n"), str(error))
            self._backlog.clear()

    def _flush_as_planned(self) -> None:
        self._planned = False
        self.flush()

    def _next_lines(self) -> bytes:
        """As many records as a pipe takes at once that says it has room: PIPE_BUF bytes, which one record is below."""
        lines = self._backlog.popleft()
        while self._backlog and len(lines) + len(self._backlog[0]) <= select.PIPE_BUF:
            lines += self._backlog.popleft()
        return lines

    def _give_up(self, count: int, why: str) -> None:
        if not self.lost:
            _log.error("the log on standard output loses records: %s; /metrics counts them", why)
        self.lost += count
