"""A receiver of telemetry, for tests and benchmarks: OTLP over HTTP and gRPC, and Application Insights' endpoint."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web
from grpclib.const import Cardinality, Handler
from grpclib.encoding.proto import ProtoCodec
from grpclib.server import Server, Stream
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from devtools.executor import until
from runtime.observability import otlp


class Receiver:
    """Everything that has arrived; `url` is for HTTP, `grpc` for gRPC."""

    def __init__(self) -> None:
        self.url = self.grpc = ""
        self.traces: list[Any] = []
        self.metrics: list[Any] = []
        self.envelopes: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        #: Answered instead of 200 where it is not 0.
        self.refuses_with = 0

    @property
    def spans(self) -> list[Span]:
        """Every span that has arrived."""
        resources = [resource for message in self.traces for resource in message.resource_spans]
        return [span for resource in resources for scope in resource.scope_spans for span in scope.spans]

    def trace(self, traceparent: str, until_there: str) -> dict[str, Span]:
        """The spans of the trace that an answer's header names, by their names, once the one to wait for is there."""
        trace_id, found = bytes.fromhex(traceparent.split("-")[1]), {}

        def is_there() -> bool:
            found.update({span.name: span for span in self.spans if span.trace_id == trace_id})
            return until_there in found

        assert until(is_there), list(found)
        return found

    def metric(self, name: str) -> Any:
        """The latest metric with this name, once it is there."""
        found: list[Any] = []

        def is_there() -> bool:
            resources = [resource for message in list(self.metrics) for resource in message.resource_metrics]
            metrics = [metric for resource in resources for scope in resource.scope_metrics for metric in scope.metrics]
            found[:] = [metric for metric in metrics if metric.name == name]
            return bool(found)

        assert until(is_there), name
        return found[-1]

    async def _http(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.headers.append(dict(request.headers))
        if self.refuses_with:
            return web.Response(status=self.refuses_with)
        if request.path == "/v2.1/track":
            sent = json.loads(body)
            self.envelopes += sent
            return web.json_response({"itemsReceived": len(sent), "itemsAccepted": len(sent), "errors": []})
        assert request.content_type == "application/x-protobuf"
        kept, (_, _, kind, answer) = (
            (self.traces, otlp.TRACES) if request.path == "/v1/traces" else (self.metrics, otlp.METRICS)
        )
        kept.append(kind.FromString(body))
        return web.Response(body=answer().SerializeToString(), content_type="application/x-protobuf")

    def __mapping__(self) -> dict[str, Handler]:
        """The services of gRPC, as grpclib asks for them."""

        async def traces(stream: Stream[Any, Any]) -> None:
            self.traces.append(await stream.recv_message())
            await stream.send_message(otlp.TRACES[3]())

        async def metrics(stream: Stream[Any, Any]) -> None:
            self.metrics.append(await stream.recv_message())
            await stream.send_message(otlp.METRICS[3]())

        return {
            name: Handler(take, Cardinality.UNARY_UNARY, request, response)
            for take, (_, name, request, response) in ((traces, otlp.TRACES), (metrics, otlp.METRICS))
        }

    async def _serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("POST", "/{path:.*}", self._http)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        # Told its codec, it does not look for Google's types, which another package of the tests defines once more.
        server = Server([self], codec=ProtoCodec())
        # grpclib does not tell which free port it took.
        listener = await asyncio.get_running_loop().create_server(server._protocol_factory, "127.0.0.1", 0)  # noqa: SLF001
        self.grpc = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        ready.set()
        await stop.wait()
        listener.close()
        await runner.cleanup()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver in a thread of its own."""
    receiver, ready = Receiver(), threading.Event()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    serve = receiver._serve(ready, stop)  # noqa: SLF001 - its own
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve))
    thread.start()
    try:
        assert ready.wait(30)
        yield receiver
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()
