"""Piston's live interface: a program whose output comes while it runs, and which can be written and signalled to.

The messages are those of github.com/engineer-man/piston (docs/api-v2.md, `/api/v2/connect`). What is more here, Piston's
clients do not notice: `stdin` of the first message is written before all else, a message can end the input, and `exit`
says why and what it took.
"""

import asyncio
import codecs
import functools
import logging
import signal
from collections import deque
from collections.abc import Callable
from typing import Literal, NamedTuple, cast

import msgspec
from aiohttp import WSMsgType, web

from runtime.execution.live import LiveStreams
from runtime.execution.protocol import Event
from runtime.http.auth import PROTOCOL
from runtime.http.doors import piston
from runtime.http.origins import require_own_page
from runtime.http.problems import BadRequestError, BusyError, InvalidJsonError, Refusal, why_no_json
from runtime.http.requests import Call, decode_as
from runtime.http.submissions import Sender, Served, Submissions, sender_of
from runtime.judging.submission import ReturnedFile, RunResult, StepResult
from runtime.settings import Settings

_log = logging.getLogger(__name__)
_INIT_SECONDS = 1.0
_MESSAGE_BYTES = 1 << 20
_CLOSE_SECONDS = 2.0


class _Close(NamedTuple):
    """How a connection ends."""

    code: int
    reason: bytes


_ALREADY = _Close(4000, b"Already Initialized")
_TOO_LATE = _Close(4001, b"Initialization Timeout")
_NOTIFIED = _Close(4002, b"Notified Error")
_NOT_YET = _Close(4003, b"Not yet initialized")
_ONLY_STDIN = _Close(4004, b"Can only write to stdin")
_NO_SIGNAL = _Close(4005, b"Invalid signal")
_COMPLETED = _Close(4999, b"Job Completed")


class _Message(msgspec.Struct, frozen=True):
    """A client's message after the first one; what its `type` has no use for is ignored."""

    type: str = ""
    stream: str = ""
    data: str = ""
    end: bool = False
    signal: str = ""


class _FilesWanted(msgspec.Struct, frozen=True):
    """What the first message may have beside Piston's own fields."""

    return_files: list[str] = []


class RuntimeMessage(msgspec.Struct, frozen=True, tag="runtime", tag_field="type"):
    """The language and its version, once a slot is free."""

    language: str
    version: str


class StageMessage(msgspec.Struct, frozen=True, tag="stage", tag_field="type"):
    """A step begins."""

    stage: Literal["compile", "run"]


class DataMessage(msgspec.Struct, frozen=True, tag="data", tag_field="type"):
    """Output, as it comes."""

    stream: Literal["stdout", "stderr"]
    data: str


class ExitMessage(msgspec.Struct, frozen=True, tag="exit", tag_field="type"):
    """A step is over. `status` is Piston's short one, `reason` that of `/execute`; times in milliseconds, memory in bytes."""

    stage: Literal["compile", "run"]
    code: int | None
    signal: str | None
    message: str | None
    status: str | None
    reason: str
    cpu_time: float
    wall_time: float
    memory: int
    files: tuple[ReturnedFile, ...] | msgspec.UnsetType = msgspec.UNSET


class ErrorMessage(msgspec.Struct, frozen=True, tag="error", tag_field="type"):
    """Why nothing runs; the connection's last message."""

    message: str


Told = RuntimeMessage | StageMessage | DataMessage | ExitMessage | ErrorMessage
_decoder = msgspec.json.Decoder(_Message)
_files_decoder = msgspec.json.Decoder(_FilesWanted)
_encode = msgspec.json.Encoder().encode


class PistonLive:
    """All live connections."""

    def __init__(self, submissions: Submissions, settings: Settings, count: Callable[[Refusal], None]) -> None:
        """`count` is given each refusal that is told over a connection."""
        self._submissions = submissions
        self._settings = settings
        self._count = count
        self._open = 0

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        """`GET /api/v2/connect`: serves one connection to its end."""
        require_own_page(request)
        socket = web.WebSocketResponse(
            timeout=_CLOSE_SECONDS,
            max_msg_size=_MESSAGE_BYTES,
            compress=False,
            protocols=(PROTOCOL,) if "Sec-WebSocket-Protocol" in request.headers else (),
        )
        if not socket.can_prepare(request).ok:
            raise BadRequestError(f"{request.path} is for WebSocket connections.")
        if self._open >= self._settings.max_live_sessions:
            raise BusyError(f"{self._open} live sessions are open already.", reason="live_sessions")
        self._open += 1
        try:
            await socket.prepare(request)
            session = _Session(socket, self._submissions, self._settings, sender_of(request), self._count)
            close = await session.serve()
            if close and not socket.closed:
                await socket.close(code=close.code, message=close.reason)
        finally:
            self._open -= 1
        return socket


class _Session:
    """One connection; the `Watcher` of its submission."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        submissions: Submissions,
        settings: Settings,
        sender: Sender,
        count: Callable[[Refusal], None],
    ) -> None:
        self._socket = socket
        self._submissions = submissions
        self._settings = settings
        self._sender = sender
        self._count = count
        self.streams = LiveStreams(self._on_output)
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {Event.STDOUT: decoder("replace"), Event.STDERR: decoder("replace")}
        # What is to be sent, with how many bytes of the program's output that is.
        self._outbox: deque[tuple[Told, int]] = deque()
        self._wake = asyncio.Event()
        self._complete = False

    async def serve(self) -> _Close | None:
        """How the connection is to end; None where the client has ended it."""
        try:
            async with asyncio.timeout(_INIT_SECONDS):
                call = await self._first()
        except TimeoutError:
            return _TOO_LATE
        except Refusal as refusal:
            self._refuse(refusal)
            return await self._ended_with(_NOTIFIED)
        if not isinstance(call, Call):
            return call
        return await self._serve(call)

    async def _first(self) -> Call | _Close | None:
        """What the first message of note asks for; raises Refusal."""
        while (data := await self._receive()) is not None:
            match _message(data).type:
                case "init":
                    wanted = decode_as(_files_decoder, data).return_files
                    return self._submissions.parsed(data, functools.partial(piston.decode, return_files=wanted))
                case "data" | "signal":
                    return _NOT_YET
        return None

    async def _serve(self, call: Call) -> _Close | None:
        reader, sender = asyncio.create_task(self._read()), asyncio.create_task(self._send())
        run = asyncio.create_task(self._run(self._announced(call)))
        tasks = (run, reader, sender)
        try:
            # Where a message cannot be sent any more the client is gone.
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if run.done():
                return await self._ended_with(run.result(), sender)
            return reader.result() if reader.done() else None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, call: Call) -> _Close:
        try:
            served = await self._submissions.execute(call, self._sender, self)
        except Refusal as refusal:
            self._refuse(refusal)
        except Exception:  # noqa: BLE001 - the last line: whatever it is, it is logged whole and told
            _log.exception("unexpected error in a live session")
            self._tell(ErrorMessage("The executor failed; its log says why."))
        else:
            self._tell_end(served)
            return _COMPLETED
        return _NOTIFIED

    def _announced(self, call: Call) -> Call:
        """`call`, with its language told as soon as its version is known."""

        def check_version(version: str) -> None:
            if call.check_version:
                call.check_version(version)
            self._tell(RuntimeMessage(call.submission.language.name, version))

        return msgspec.structs.replace(call, check_version=check_version)

    def _tell_end(self, served: Served) -> None:
        result = cast(RunResult, served.result)
        cut = {Event.STDOUT: result.run.stdout_truncated, Event.STDERR: result.run.stderr_truncated}
        for event, decoder in self._decoders.items():
            # A character that the limit cut in two was whole when the program wrote it.
            if not cut[event] and (rest := decoder.decode(b"", final=True)):
                self._tell(DataMessage(_NAMES[event], rest))
        if not self._refused_by_compiler(result):
            self._tell(_exit("run", result.run, result.files))

    @staticmethod
    def _refused_by_compiler(result: RunResult) -> bool:
        return result.compile is not None and result.compile.code != 0

    def begun(self, stage: Literal["compile", "run"]) -> None:
        """A step begins."""
        self._tell(StageMessage(stage))

    def compiled(self, step: StepResult) -> None:
        """The compile step is over; what the compiler said comes as its output."""
        if step.stdout:
            self._tell(DataMessage("stdout", step.stdout))
        if step.stderr:
            self._tell(DataMessage("stderr", step.stderr))
        self._tell(_exit("compile", step))

    def _on_output(self, event: Event, data: bytes) -> None:
        self._tell(DataMessage(_NAMES[event], self._decoders[event].decode(data)), len(data))

    def _refuse(self, refusal: Refusal) -> None:
        self._count(refusal)
        self._tell(ErrorMessage(piston.words(refusal)))

    def _tell(self, message: Told, output_bytes: int = 0) -> None:
        self._outbox.append((message, output_bytes))
        self._wake.set()

    async def _send(self) -> None:
        """Sends what is told, until it is complete. A client that does not read is waited for, and so is its program."""
        while True:
            while self._outbox:
                message, output_bytes = self._outbox.popleft()
                await self._socket.send_str(_encode(message).decode())
                self.streams.taken(output_bytes)
            if self._complete:
                return
            self._wake.clear()
            await self._wake.wait()

    async def _ended_with(self, close: _Close, sender: asyncio.Task[None] | None = None) -> _Close | None:
        """`close`, once all has been sent; None where the client takes too long, or is gone."""
        self._complete = True
        self._wake.set()
        try:
            async with asyncio.timeout(self._settings.send_seconds):
                await (sender or self._send())
        except (TimeoutError, ConnectionError):
            return None
        return close

    async def _read(self) -> _Close | None:
        """Gives the program what the client sends, until one of them ends; how the connection is to end."""
        try:
            while (data := await self._receive()) is not None:
                close = await self._obey(_message(data))
                if close:
                    return close
        except Refusal as refusal:
            self._count(refusal)
            await self._socket.send_str(_encode(ErrorMessage(piston.words(refusal))).decode())
            return _NOTIFIED
        return None

    async def _obey(self, message: _Message) -> _Close | None:
        match message.type:
            case "init":
                return _ALREADY
            case "data":
                if message.stream != "stdin":
                    return _ONLY_STDIN
                await self.streams.write(message.data.encode(errors="replace"))
                if message.end:
                    await self.streams.end_input()
            case "signal":
                number = signal.Signals.__members__.get(message.signal)
                if number is None:
                    return _NO_SIGNAL
                await self.streams.signal(number)
        return None

    async def _receive(self) -> bytes | None:
        """The next message; None where the client has closed, or broke the protocol and was told so."""
        message = await self._socket.receive()
        if message.type is WSMsgType.TEXT:
            return cast(str, message.data).encode()
        return cast(bytes, message.data) if message.type is WSMsgType.BINARY else None


_NAMES: dict[Event, Literal["stdout", "stderr"]] = {Event.STDOUT: "stdout", Event.STDERR: "stderr"}


def _message(data: bytes) -> _Message:
    """Raises Refusal."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidJsonError(f"The message is not valid: {why_no_json(error, data)}.") from error


def _exit(stage: Literal["compile", "run"], step: StepResult, files: tuple[ReturnedFile, ...] = ()) -> ExitMessage:
    return ExitMessage(
        stage,
        code=step.code,
        signal=step.signal,
        message=step.message or None,
        status=piston.status_of(step),
        reason=step.status,
        cpu_time=step.cpu_time,
        wall_time=step.wall_time,
        memory=step.memory,
        files=files or msgspec.UNSET,
    )
