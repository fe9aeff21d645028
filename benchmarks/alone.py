"""What a user waits for where nothing else is measured: a part of a processor is used up by whatever runs beside it."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.asking import Ask, asking
from benchmarks.place import Place
from benchmarks.workloads import WORKLOADS

# A class does not send its programs at once, and no container of half a core is throttled over so long a pause.
_PAUSE_SECONDS = 0.1
_STARTS = 5


@dataclass(frozen=True)
class Alone:
    """Medians and 95th percentiles in milliseconds."""

    name: str
    p50: float
    p95: float
    longest: float


def alone(place: Place, rounds: int) -> list[Alone]:
    """Each quick workload with a pause after each run and without, and the first run of a replica; printed as they come."""
    rows = []
    with place.executor() as (executor, _):
        ask = asking(executor)
        for workload in WORKLOADS[:4]:
            for words, pause in (("with a pause", _PAUSE_SECONDS), ("one after another", 0.0)):
                times = [_timed(ask, workload.body(turn), workload.answer, workload.output, pause) for turn in range(rounds)]
                rows.append(_shown(f"{workload.name}, {words}", times))
    rows.append(_shown("first Python run of a replica", [_first(place) for _ in range(_STARTS)]))
    return rows


def _timed(ask: Ask, body: Mapping[str, Any], read: Callable[[dict[str, Any]], str], output: str, pause: float) -> float:
    """Milliseconds; raises RuntimeError where the answer is wrong."""
    started = time.perf_counter()
    printed = read(ask(body))
    spent = (time.perf_counter() - started) * 1000
    if printed != output:
        raise RuntimeError(f"expected {output!r}, got {printed!r}")
    time.sleep(pause)
    return spent


def _first(place: Place) -> float:
    hello = WORKLOADS[0]
    with place.executor() as (executor, _):
        return _timed(asking(executor), hello.body(0), hello.answer, hello.output, 0.0)


def _shown(name: str, times: list[float]) -> Alone:
    row = Alone(name, statistics.median(times), statistics.quantiles(times, n=20)[-1], max(times))
    print(f"{name:44}{row.p50:9.2f}{row.p95:9.2f}{row.longest:9.2f}   p95 is {row.p95 / row.p50:.2f} times p50", flush=True)
    return row
