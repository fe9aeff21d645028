"""What `GET /metrics` shows, in Prometheus' text format."""

from collections.abc import Callable, Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
disable_created_metrics()  # type: ignore[no-untyped-call] # it has no types


class Metrics:
    """Counters and histograms that the service feeds, and what is asked for when somebody looks."""

    def __init__(self, replica: str, version: str) -> None:
        """All at zero, for one replica that runs this version of the executor."""
        self._registry = CollectorRegistry()
        Info("executor", "Which replica this is", registry=self._registry).info({"replica": replica, "version": version})
        self.executions = Counter(
            "executor_executions", "Executions by language and status of the answer", ["language", "status"],
            registry=self._registry,
        )  # fmt: skip
        self.refusals = Counter("executor_refusals", "Requests refused, by reason", ["reason"], registry=self._registry)
        self.seconds = Histogram(
            "executor_execution_seconds", "From a request's arrival to its answer", ["language"], buckets=_SECONDS,
            registry=self._registry,
        )  # fmt: skip
        self.queue_seconds = Histogram(
            "executor_queue_seconds", "Wait for a slot, of those that got one", buckets=_SECONDS, registry=self._registry
        )
        ProcessCollector(registry=self._registry)

    def watch(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """A gauge whose value is asked for when somebody looks."""
        Gauge(name, meaning, registry=self._registry).set_function(value)

    def watch_count(
        self, name: str, meaning: str, labels: tuple[str, ...], values: Callable[[], dict[tuple[str, ...], int]]
    ) -> None:
        """A counter that is kept elsewhere, by the values of its labels."""
        self._registry.register(_Watched(name, meaning, labels, values))

    def text(self) -> bytes:
        """Everything, in the text format 0.0.4."""
        return generate_latest(self._registry)


class _Watched(Collector):
    def __init__(
        self, name: str, meaning: str, labels: tuple[str, ...], values: Callable[[], dict[tuple[str, ...], int]]
    ) -> None:
        self._name = name
        self._meaning = meaning
        self._labels = labels
        self._values = values

    def collect(self) -> Iterator[Metric]:
        family = CounterMetricFamily(self._name, self._meaning, labels=self._labels)
        for labels, value in self._values().items():
            family.add_metric(labels, value)
        yield family
