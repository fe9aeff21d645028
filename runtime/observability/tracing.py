"""Traces: which one a request belongs to (W3C Trace Context), and the spans that have ended and wait to be sent."""

import random
import re
from collections import deque
from collections.abc import Mapping

import msgspec

# https://www.w3.org/TR/trace-context: a later version may add fields after these, version ff is none.
_PARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1
_TRACE_BYTES, _SPAN_BYTES = 16, 8
# What a share of traces is compared with: half of an id, as OpenTelemetry's own sampler does.
_SHARE_BYTES = 8
# Half a minute of a replica that answers in 20 ms; beyond it a receiver that does not answer costs spans, and not memory.
_MOST_SPANS = 4096

Value = str | int | float | bool


class Trace(msgspec.Struct, frozen=True):
    """The trace of one request, and its span in there. `parent_id` is empty where the caller has none."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    #: Whether its spans are kept.
    sampled: bool

    def header(self) -> str:
        """As `traceparent`, for whoever comes next."""
        return f"00-{self.trace_id.hex()}-{self.span_id.hex()}-{'01' if self.sampled else '00'}"


class Span(msgspec.Struct, frozen=True):
    """Something that took time; moments in nanoseconds since 1970."""

    name: str
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    began_ns: int
    ended_ns: int
    attributes: Mapping[str, Value]
    #: Whether it is a request's, as its receiver sees it.
    server: bool = False
    #: Why it failed, by the executor's own fault; empty where it did not.
    fault: str = ""


class Tracer:
    """Begins traces and keeps ended spans until they are taken."""

    def __init__(self, share: float = 1.0, *, follows_parent: bool = True) -> None:
        """`share` of the traces are kept; with `follows_parent` a caller that has a trace has decided already."""
        self._bound = round(share * (1 << 8 * _SHARE_BYTES))
        self._follows_parent = follows_parent
        self._spans: deque[Span] = deque()
        #: Spans that were given up, because nobody took them in time.
        self.lost = 0

    def begin(self, traceparent: str) -> Trace:
        """The trace of a request with this header, which may be empty or wrong."""
        found = _PARENT.fullmatch(traceparent.strip())
        span_id = new_id(_SPAN_BYTES)
        if found and (found[1] != "00" or not found[5]) and int(found[2], 16) and int(found[3], 16):
            trace_id, parent_id = bytes.fromhex(found[2]), bytes.fromhex(found[3])
            sampled = bool(int(found[4], 16) & _SAMPLED) if self._follows_parent else self._is_in_share(trace_id)
            return Trace(trace_id, span_id, parent_id, sampled)
        trace_id = new_id(_TRACE_BYTES)
        return Trace(trace_id, span_id, b"", self._is_in_share(trace_id))

    def _is_in_share(self, trace_id: bytes) -> bool:
        return int.from_bytes(trace_id[-_SHARE_BYTES:], "big") < self._bound

    def add(self, span: Span) -> None:
        """Keeps a span that has ended."""
        if len(self._spans) < _MOST_SPANS:
            self._spans.append(span)
        else:
            self.lost += 1

    def child(
        self, trace: Trace, name: str, began_ns: int, ended_ns: int, attributes: Mapping[str, Value], *,
        parent: bytes = b"", fault: str = "",
    ) -> bytes:  # fmt: skip
        """Keeps a span below the request's, or below `parent`; returns its id."""
        span_id = new_id(_SPAN_BYTES)
        self.add(Span(name, trace.trace_id, span_id, parent or trace.span_id, began_ns, ended_ns, attributes, fault=fault))
        return span_id

    def take(self, most: int) -> list[Span]:
        """The oldest spans, which are no longer kept here."""
        return [self._spans.popleft() for _ in range(min(most, len(self._spans)))]

    def put_back(self, spans: list[Span]) -> None:
        """Keeps spans that could not be sent, as far as there is room for them."""
        room = _MOST_SPANS - len(self._spans)
        kept = spans[max(0, len(spans) - room) :] if room > 0 else []
        self.lost += len(spans) - len(kept)
        self._spans.extendleft(reversed(kept))


def new_id(size: int) -> bytes:
    """A random id; none is all zeros."""
    return (random.getrandbits(8 * size) or 1).to_bytes(size, "big")
