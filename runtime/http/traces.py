"""The trace of each request: its header taken up and given back, and a span for what was done."""

import time
from collections.abc import Iterable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from runtime.http.request_ids import REQUEST_ID
from runtime.judging.submission import Status
from runtime.judging.timeline import Timed
from runtime.observability.tracing import Span, Trace, Tracer, Value

_HEADER = "traceparent"
#: The trace of a request; None where nobody looks at traces.
TRACE = web.RequestKey("trace", Trace)
# The platform asks each of them every few seconds.
_PROBES = ("/health", "/ready", "/metrics")
_FAULTS = (Status.INTERNAL_ERROR, Status.JUDGE_ERROR, Status.OVERLOADED)


def tracing(tracer: Tracer) -> Middleware:
    """A middleware that gives each request its trace, the platform's probes excepted."""

    @web.middleware
    async def trace_request(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in _PROBES:
            return await handler(request)
        trace = request[TRACE] = tracer.begin(request.headers.get(_HEADER, ""))
        began_ns, status = time.time_ns(), 0
        try:
            response = await handler(request)
            status = response.status
        finally:
            if trace.sampled:
                tracer.add(_span(request, trace, began_ns, status))
        response.headers[_HEADER] = trace.header()
        return response

    return trace_request


def _span(request: web.Request, trace: Trace, began_ns: int, status: int) -> Span:
    resource = request.match_info.route.resource
    # Never the path itself: it may hold what only its caller shall know.
    route = resource.canonical if resource else ""
    attributes: dict[str, Value] = {"http.request.method": request.method, "executor.request_id": request[REQUEST_ID]}
    if route:
        attributes["http.route"] = route
    if status:
        attributes["http.response.status_code"] = status
    fault = "" if 0 < status < 500 else f"answered {status}" if status else "the client left before the answer"
    return Span(
        f"{request.method} {route}".rstrip(), trace.trace_id, trace.span_id, trace.parent_id, began_ns, time.time_ns(),
        attributes, server=True, fault=fault,
    )  # fmt: skip


def trace_submission(
    tracer: Tracer,
    trace: Trace,
    attributes: dict[str, Value],
    timeline: Iterable[Timed],
    *,
    began: float,
    queued: tuple[float, float],
    ended: float,
    status: str,
) -> None:
    """Keeps the spans of a submission: its wait for a slot and its steps, whose moments are of `time.perf_counter`."""
    offset = time.time_ns() - time.perf_counter_ns()

    def moment(seconds: float) -> int:
        return round(seconds * 1e9) + offset

    fault = status if status in _FAULTS else ""
    parent = tracer.child(trace, "submission", moment(began), moment(ended), attributes, fault=fault)
    tracer.child(trace, "queue", moment(queued[0]), moment(queued[1]), {}, parent=parent)
    for step in timeline:
        details: dict[str, Value] = {
            "executor.cpu_time": step.cpu_ms, "executor.memory": step.memory_bytes, "executor.warm": step.warm,
            "executor.ended": step.ended_by,
        }  # fmt: skip
        if step.case:
            details["executor.case"] = step.case
        tracer.child(trace, step.step, moment(step.began), moment(step.ended), details, parent=parent)
