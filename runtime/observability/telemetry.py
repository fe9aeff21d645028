"""Sends spans and metrics every few seconds, from the server's own event loop and without a thread."""

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import aiohttp

from runtime.observability.exposition import Exposition
from runtime.observability.metrics import Metrics
from runtime.observability.telemetry_settings import TelemetrySettings
from runtime.observability.tracing import Span, Tracer

if TYPE_CHECKING:
    from google.protobuf.message import Message

_log = logging.getLogger(__name__)
# Of one message: some 8 ms of encoding. Between two messages requests have their turn.
_SPANS_A_MESSAGE = 128
_LAST_SECONDS = 2.0
#: The receiver has no time now; what else it refuses it would refuse again.
_AGAIN = (429, 502, 503, 504)
_GRPC_AGAIN = ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED")


class SendError(Exception):
    """A message did not arrive; the text says why, and `again` whether it may be sent once more."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


class Sender(Protocol):
    """Takes messages to a receiver."""

    async def spans(self, spans: list[Span]) -> None:
        """Raises SendError."""

    async def metrics(self, exposition: Exposition) -> None:
        """Raises SendError."""

    async def close(self) -> None:
        """Closes what is open."""


class Telemetry:
    """The telemetry of one server."""

    def __init__(
        self, settings: TelemetrySettings, tracer: Tracer, metrics: Metrics, tls: Callable[[], ssl.SSLContext]
    ) -> None:
        """Within the event loop. `tls` gives the certificates that a receiver's is checked with."""
        self._settings = settings
        self._tracer = tracer
        self._exposition = Exposition(metrics)
        self._sender = _sender(settings, metrics, tls)
        self._works = True
        metrics.watch_count("executor_spans_lost", "Spans that no receiver took in time", (), lambda: {(): tracer.lost})
        self._tasks = [
            asyncio.create_task(self._repeat(seconds, send))
            for place, seconds, send in (
                (settings.traces, settings.traces_every_seconds, self._send_spans),
                (settings.metrics, settings.metrics_every_seconds, self._send_metrics),
            )
            if place
        ]

    async def _repeat(self, seconds: float, send: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            await send()

    async def _send_spans(self) -> None:
        while spans := self._tracer.take(_SPANS_A_MESSAGE):
            try:
                await self._sender.spans(spans)
            except SendError as error:
                if error.again:
                    self._tracer.put_back(spans)
                else:
                    self._tracer.lost += len(spans)
                self._failed(error)
                return
            self._arrived()

    async def _send_metrics(self) -> None:
        try:
            await self._sender.metrics(self._exposition)
        except SendError as error:
            self._failed(error)
        else:
            self._arrived()

    def _failed(self, error: SendError) -> None:
        if self._works:
            _log.warning("telemetry does not arrive: %s", error)
        self._works = False

    def _arrived(self) -> None:
        if not self._works:
            _log.warning("telemetry arrives again")
        self._works = True

    async def close(self) -> None:
        """Sends what is left, for a moment."""
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                if self._settings.traces:
                    await self._send_spans()
                if self._settings.metrics:
                    await self._send_metrics()
        await self._sender.close()


def _sender(settings: TelemetrySettings, metrics: Metrics, tls: Callable[[], ssl.SSLContext]) -> Sender:
    if settings.protocol == "application insights":
        return _ApplicationInsights(settings, metrics, tls)
    if settings.protocol == "grpc":
        return _Grpc(settings, metrics, tls)
    return _Http(settings, metrics, tls)


def _resource(settings: TelemetrySettings, metrics: Metrics) -> dict[str, str]:
    return {
        "service.name": settings.service,
        "service.version": metrics.version,
        "service.instance.id": metrics.replica,
        **dict(settings.resource),
    }


class _Poster:
    """POST requests to a receiver."""

    def __init__(self, settings: TelemetrySettings, tls: Callable[[], ssl.SSLContext], content_type: str) -> None:
        needs_tls = any(urlsplit(url).scheme == "https" for url in (settings.traces, settings.metrics))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=2, ssl=tls() if needs_tls else False),
            timeout=aiohttp.ClientTimeout(total=settings.timeout_seconds),
            headers={"Content-Type": content_type, "User-Agent": "code-executor", **dict(settings.headers)},
            trust_env=False,
        )

    async def post(self, url: str, body: bytes) -> bytes:
        """The answer's body; raises SendError."""
        try:
            async with self._session.post(url, data=body, allow_redirects=False) as response:
                answer = await response.read()
                if response.status // 100 != 2:
                    raise SendError(f"{urlsplit(url).netloc} answers {response.status}", again=response.status in _AGAIN)
                return answer
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise SendError(f"{urlsplit(url).netloc}: {error or type(error).__name__}", again=True) from error

    async def close(self) -> None:
        await self._session.close()


class _Http:
    """OTLP over HTTP, as Protobuf."""

    def __init__(self, settings: TelemetrySettings, metrics: Metrics, tls: Callable[[], ssl.SSLContext]) -> None:
        from runtime.observability.otlp import Encoder  # noqa: PLC0415 - only where it is used

        self._settings = settings
        self._encoder = Encoder(_resource(settings, metrics), metrics.version, time.time_ns())
        self._poster = _Poster(settings, tls, "application/x-protobuf")

    async def spans(self, spans: list[Span]) -> None:
        await self._poster.post(self._settings.traces, self._encoder.traces(spans).SerializeToString())

    async def metrics(self, exposition: Exposition) -> None:
        message = self._encoder.metrics(exposition.families(), time.time_ns())
        await self._poster.post(self._settings.metrics, message.SerializeToString())

    async def close(self) -> None:
        await self._poster.close()


class _ApplicationInsights:
    """Application Insights' own endpoint."""

    def __init__(self, settings: TelemetrySettings, metrics: Metrics, tls: Callable[[], ssl.SSLContext]) -> None:
        from runtime.observability.application_insights import Envelopes  # noqa: PLC0415 - only where it is used

        self._settings = settings
        self._envelopes = Envelopes(settings.instrumentation_key, settings.service, metrics.replica, metrics.version)
        self._poster = _Poster(settings, tls, "application/json")

    async def spans(self, spans: list[Span]) -> None:
        await self._poster.post(self._settings.traces, self._envelopes.traces(spans))

    async def metrics(self, exposition: Exposition) -> None:
        await self._poster.post(self._settings.metrics, self._envelopes.metrics(exposition.families(), time.time_ns()))

    async def close(self) -> None:
        await self._poster.close()


class _Grpc:
    """OTLP over gRPC, which is all that Container Apps' own agent speaks."""

    def __init__(self, settings: TelemetrySettings, metrics: Metrics, tls: Callable[[], ssl.SSLContext]) -> None:
        from grpclib.client import Channel, UnaryUnaryMethod  # noqa: PLC0415 - only where it is used

        from runtime.observability import otlp  # noqa: PLC0415 - likewise

        self._settings = settings
        self._encoder = otlp.Encoder(_resource(settings, metrics), metrics.version, time.time_ns())
        self._channels: dict[str, Channel] = {}
        self._methods = {}
        for url, (_, name, request, response) in ((settings.traces, otlp.TRACES), (settings.metrics, otlp.METRICS)):
            parts = urlsplit(url)
            if not parts.hostname:
                continue
            secure = parts.scheme == "https"
            if parts.netloc not in self._channels:
                port = parts.port or (443 if secure else 4317)
                self._channels[parts.netloc] = Channel(parts.hostname, port, ssl=tls() if secure else None)
            self._methods[name] = UnaryUnaryMethod(self._channels[parts.netloc], name, request, response)
        self._traces, self._metrics = otlp.TRACES[1], otlp.METRICS[1]

    async def spans(self, spans: list[Span]) -> None:
        await self._call(self._traces, self._encoder.traces(spans))

    async def metrics(self, exposition: Exposition) -> None:
        await self._call(self._metrics, self._encoder.metrics(exposition.families(), time.time_ns()))

    async def _call(self, name: str, message: "Message") -> None:
        from grpclib.exceptions import GRPCError, StreamTerminatedError  # noqa: PLC0415 - only where it is used

        place = ", ".join(self._channels)
        try:
            headers = {key.lower(): value for key, value in self._settings.headers}
            await self._methods[name](message, timeout=self._settings.timeout_seconds, metadata=headers)
        except GRPCError as error:
            words = f"{place} answers {error.status.name}: {error.message}"
            raise SendError(words, again=error.status.name in _GRPC_AGAIN) from error
        except (StreamTerminatedError, OSError, TimeoutError) as error:
            raise SendError(f"{place}: {error or type(error).__name__}", again=True) from error

    async def close(self) -> None:
        for channel in self._channels.values():
            channel.close()
