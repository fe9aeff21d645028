"""The bytes of OpenTelemetry's protocol: spans and metrics as the messages of `opentelemetry-proto`, which only this imports.

The SDK is left out on purpose. Its exporter brings `requests`, a thread and 15 MB; the messages alone take two.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from runtime.observability.tracing import Span, Value

_SCOPE = "code-executor"
_CUMULATIVE = metrics_pb2.AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
#: What the two services of a receiver are called, in a URL and with gRPC, and what they take and answer.
TRACES = (
    "/v1/traces",
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
METRICS = (
    "/v1/metrics",
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)


def _value(value: Value) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    # A case's id may hold what UTF-8 has no bytes for.
    return AnyValue(string_value=value.encode(errors="replace").decode())


def _attributes(values: Mapping[str, Value]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in values.items()]


class Encoder:
    """Makes requests of what one replica has measured."""

    def __init__(self, resource: Mapping[str, str], version: str, started_ns: int) -> None:
        """`resource` says which replica it is; counters began at `started_ns`, in nanoseconds since 1970."""
        self._resource = Resource(attributes=_attributes(resource))
        self._scope = InstrumentationScope(name=_SCOPE, version=version)
        self._started_ns = started_ns

    def traces(self, spans: Iterable[Span]) -> ExportTraceServiceRequest:
        """A request with these spans."""
        scoped = trace_pb2.ScopeSpans(scope=self._scope, spans=map(_span, spans))
        return ExportTraceServiceRequest(
            resource_spans=[trace_pb2.ResourceSpans(resource=self._resource, scope_spans=[scoped])]
        )

    def metrics(self, families: Iterable[Metric], now_ns: int) -> ExportMetricsServiceRequest:
        """A request with the metrics as they are now, under the names that `/metrics` has."""
        found = [metric for family in families for metric in self._family(family, now_ns)]
        scoped = metrics_pb2.ScopeMetrics(scope=self._scope, metrics=found)
        return ExportMetricsServiceRequest(
            resource_metrics=[metrics_pb2.ResourceMetrics(resource=self._resource, scope_metrics=[scoped])]
        )

    def _family(self, family: Metric, now_ns: int) -> Iterator[metrics_pb2.Metric]:
        if family.type == "histogram":
            points = list(self._histograms(family.samples, now_ns))
            data = metrics_pb2.Histogram(data_points=points, aggregation_temporality=_CUMULATIVE)
            yield metrics_pb2.Metric(name=family.name, description=family.documentation, unit="s", histogram=data)
            return
        by_name: dict[str, list[metrics_pb2.NumberDataPoint]] = {}
        for sample in family.samples:
            point = metrics_pb2.NumberDataPoint(
                attributes=_attributes(sample.labels), as_double=sample.value, time_unix_nano=now_ns
            )
            if family.type == "counter":
                point.start_time_unix_nano = self._started_ns
            by_name.setdefault(sample.name, []).append(point)
        for name, numbers in by_name.items():
            metric = metrics_pb2.Metric(name=name, description=family.documentation)
            if family.type == "counter":
                total = metrics_pb2.Sum(data_points=numbers, aggregation_temporality=_CUMULATIVE, is_monotonic=True)
                metric.sum.CopyFrom(total)
            else:
                metric.gauge.CopyFrom(metrics_pb2.Gauge(data_points=numbers))
            yield metric

    def _histograms(self, samples: Sequence[Sample], now_ns: int) -> Iterator[metrics_pb2.HistogramDataPoint]:
        by_labels: dict[tuple[tuple[str, str], ...], list[Sample]] = {}
        for sample in samples:
            labels = tuple((name, value) for name, value in sample.labels.items() if name != "le")
            by_labels.setdefault(labels, []).append(sample)
        for labels, group in by_labels.items():
            buckets = [sample for sample in group if "le" in sample.labels]
            total = next((sample.value for sample in group if sample.name.endswith("_sum")), 0.0)
            # Prometheus counts up to each bound, OpenTelemetry between two of them.
            counts = [int(after.value - before) for before, after in zip((0.0, *(b.value for b in buckets)), buckets)]  # noqa: B905
            yield metrics_pb2.HistogramDataPoint(
                attributes=_attributes(dict(labels)),
                start_time_unix_nano=self._started_ns,
                time_unix_nano=now_ns,
                count=sum(counts),
                sum=total,
                bucket_counts=counts,
                explicit_bounds=[float(sample.labels["le"]) for sample in buckets[:-1]],
            )


def _span(span: Span) -> trace_pb2.Span:
    failed = trace_pb2.Status(code=trace_pb2.Status.STATUS_CODE_ERROR, message=span.fault) if span.fault else None
    return trace_pb2.Span(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_id,
        name=span.name,
        kind=trace_pb2.Span.SPAN_KIND_SERVER if span.server else trace_pb2.Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=span.began_ns,
        end_time_unix_nano=span.ended_ns,
        attributes=_attributes(span.attributes),
        status=failed,
    )
