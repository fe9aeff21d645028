"""What the service counts. `exposition` makes text of it, and is loaded at the first request for that."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Durations:
    """How many durations were at most so long, for each of some bounds in seconds."""

    bounds = _SECONDS

    def __init__(self) -> None:
        """None yet."""
        #: For each bound those that it is the least for, and at the end those above all.
        self.counts = [0] * (len(_SECONDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Counts one duration in seconds."""
        self.counts[bisect_left(_SECONDS, seconds)] += 1
        self.total += seconds


@dataclass(frozen=True)
class Watched:
    """What is kept elsewhere and read at each request for metrics: a gauge, or a counter by the values of its labels."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    values: Callable[[], dict[tuple[str, ...], float]]
    counter: bool


class Metrics:
    """Counters and durations that the service feeds, and what is kept elsewhere."""

    def __init__(self, replica: str, version: str) -> None:
        """All at zero, for one replica that runs this version of the executor."""
        self.replica = replica
        self.version = version
        #: By language and status.
        self.executions: Counter[tuple[str, str]] = Counter()
        #: By reason.
        self.refusals: Counter[str] = Counter()
        #: By language.
        self.seconds: defaultdict[str, Durations] = defaultdict(Durations)
        self.queue_seconds = Durations()
        self.watched: list[Watched] = []

    def watch(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Adds a gauge, whose value `value` gives."""
        self.watched.append(Watched(name, meaning, (), lambda: {(): value()}, counter=False))

    def watch_count(
        self, name: str, meaning: str, labels: tuple[str, ...], values: Callable[[], dict[tuple[str, ...], float]]
    ) -> None:
        """Adds a counter; `values` gives it by the values of its labels."""
        self.watched.append(Watched(name, meaning, labels, values, counter=True))
