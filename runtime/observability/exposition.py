"""`GET /metrics`: what was counted, in Prometheus' text format 0.0.4."""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from runtime.observability.metrics import Durations, Metrics


class Exposition(Collector):
    """Makes text of metrics."""

    def __init__(self, metrics: Metrics) -> None:
        """Those of the process itself come along."""
        self._metrics = metrics
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """All metrics as they are now."""
        return generate_latest(self._registry)

    def families(self) -> list[Metric]:
        """All metrics as they are now, those of the process included."""
        return list(self._registry.collect())

    def collect(self) -> Iterator[Metric]:
        """Each metric, for the registry."""
        metrics = self._metrics
        yield InfoMetricFamily("executor", "Which replica this is", {"replica": metrics.replica, "version": metrics.version})
        executions = CounterMetricFamily(
            "executor_executions", "Executions by language and status of the answer", labels=("language", "status")
        )
        for pair, count in metrics.executions.items():
            executions.add_metric(pair, count)
        yield executions
        refusals = CounterMetricFamily("executor_refusals", "Requests refused, by reason", labels=("reason",))
        for reason, count in metrics.refusals.items():
            refusals.add_metric((reason,), count)
        yield refusals
        seconds = HistogramMetricFamily(
            "executor_execution_seconds", "From a request's arrival to its answer", labels=("language",)
        )
        for language, durations in metrics.seconds.items():
            seconds.add_metric((language,), _buckets(durations), durations.total)
        yield seconds
        queue_seconds = HistogramMetricFamily("executor_queue_seconds", "Wait for a slot, of those that got one")
        queue_seconds.add_metric((), _buckets(metrics.queue_seconds), metrics.queue_seconds.total)
        yield queue_seconds
        for watched in metrics.watched:
            kind = CounterMetricFamily if watched.counter else GaugeMetricFamily
            family = kind(watched.name, watched.meaning, labels=watched.labels)
            for values, value in watched.values().items():
                family.add_metric(values, value)
            yield family


def _buckets(durations: Durations) -> list[tuple[str, int]]:
    """Each bound, and how many durations were at most so long."""
    bounds = (*map(floatToGoString, durations.bounds), "+Inf")
    return list(zip(bounds, accumulate(durations.counts), strict=True))
