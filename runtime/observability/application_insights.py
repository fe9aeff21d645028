"""Spans and metrics as Application Insights takes them: envelopes of JSON, at the endpoint that a connection string names.

Microsoft's own exporter makes the same envelopes, and brings 24 MB of packages with it. The schema is that of
github.com/microsoft/ApplicationInsights-Home, EndpointSpecs.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

import msgspec
from prometheus_client.metrics_core import Metric

from runtime.observability.tracing import Span, Value

_ROLE, _INSTANCE = "ai.cloud.role", "ai.cloud.roleInstance"
_SECONDS_A_DAY = 86_400
_STATUS_CODE = "http.response.status_code"


class Envelopes:
    """Makes bodies of what one replica has measured."""

    def __init__(self, key: str, service: str, replica: str, version: str) -> None:
        """`key` is the instrumentation key."""
        self._key = key
        self._tags = {
            _ROLE: service, _INSTANCE: replica, "ai.application.ver": version, "ai.internal.sdkVersion": f"executor:{version}"
        }  # fmt: skip
        self._encode = msgspec.json.Encoder().encode
        # What counters and histograms had reached: what is sent is what was added since.
        self._before: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}

    def traces(self, spans: Iterable[Span]) -> bytes:
        """A body with these spans: a request each, or a dependency within the process."""
        return self._encode([self._span(span) for span in spans])

    def metrics(self, families: Iterable[Metric], now_ns: int) -> bytes:
        """A body with the metrics; of what only grows, what was added since the last one."""
        data = (point for family in families for point in self._points(family))
        return self._encode(
            [
                self._envelope("Metric", "MetricData", {"metrics": [point], "properties": labels}, now_ns, {})
                for point, labels in data
            ]
        )

    def _envelope(
        self, name: str, kind: str, data: Mapping[str, object], at_ns: int, tags: Mapping[str, str]
    ) -> dict[str, object]:  # fmt: skip
        return {
            "ver": 1,
            "name": f"Microsoft.ApplicationInsights.{name}",
            "time": datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "sampleRate": 100.0,
            "iKey": self._key,
            "tags": {**self._tags, **tags},
            "data": {"baseType": kind, "baseData": {"ver": 2, **data}},
        }

    def _span(self, span: Span) -> dict[str, object]:
        tags = {"ai.operation.id": span.trace_id.hex()}
        if span.parent_id:
            tags["ai.operation.parentId"] = span.parent_id.hex()
        data: dict[str, object] = {
            "id": span.span_id.hex(),
            "name": span.name,
            "duration": _duration((span.ended_ns - span.began_ns) / 1e9),
            "success": not span.fault,
            "properties": {key: _text(value) for key, value in span.attributes.items()},
        }
        if span.server:
            code = span.attributes.get(_STATUS_CODE, 0)
            found = {"responseCode": str(code), "success": not span.fault and isinstance(code, int) and 0 < code < 400}
            tags["ai.operation.name"] = span.name
            return self._envelope("Request", "RequestData", data | found, span.began_ns, tags)
        inner = {"type": "InProc", "resultCode": span.fault or "0"}
        return self._envelope("RemoteDependency", "RemoteDependencyData", data | inner, span.began_ns, tags)

    def _points(self, family: Metric) -> Iterator[tuple[dict[str, object], dict[str, str]]]:
        if family.type == "histogram":
            sums = {_labels(s.labels): s for s in family.samples if s.name.endswith("_sum")}
            for sample in family.samples:
                if sample.name.endswith("_count"):
                    labels = _labels(sample.labels)
                    count, total = self._added(sample.name, labels, sample.value), sums[labels]
                    added = self._added(total.name, labels, total.value)
                    if count:
                        yield {"name": family.name, "value": added, "count": int(count)}, dict(labels)
            return
        for sample in family.samples:
            labels, value = _labels(sample.labels), sample.value
            if family.type == "counter":
                value = self._added(sample.name, labels, value)
                if not value:
                    continue
            yield {"name": sample.name, "value": value, "count": 1}, dict(labels)

    def _added(self, name: str, labels: frozenset[tuple[str, str]], value: float) -> float:
        before = self._before.get((name, labels), 0.0)
        self._before[name, labels] = value
        return value - before


def _labels(labels: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(labels.items())


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).encode(errors="replace").decode()


def _duration(seconds: float) -> str:
    """As .NET writes a TimeSpan: days, hours, minutes, and seconds with six digits behind the point."""
    whole, micro = divmod(round(seconds * 1e6), 1_000_000)
    days, rest = divmod(whole, _SECONDS_A_DAY)
    return f"{days}.{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}.{micro:06}"
