"""Fits the model's scaler to what a rehearsal saw, and writes `capacity.toml`, which `python -m infra.capacity` reads.

The requests are known, and when each replica was up. For each way in which a scaler may work (its metric, its steps, the
moment of its first look) it follows when replicas would have been asked for. The way counts in which the replicas took the
most equal times to come.
"""

import bisect
import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from executor_client.capacity import Scaling
from executor_client.rehearsal.findings import Findings
from executor_client.rehearsal.play import Recording

LEAST_REPLICAS = 3
"""New replicas below which nothing can be said of a scaler."""

_PHASES = 30
_METRICS = ("rate", "concurrency")
_NAMES = {"rate": "requests_per_second", "concurrency": "concurrency"}
#: What a step reaches from one replica on at least, and times the replicas that there are. The first is documented.
_LAWS = ((4, 2.0), (1, 2.0), (2, 2.0), (3, 2.0), (8, 2.0), (4, 1.5), (4, 3.0), (4, 4.0), (10, 2.0), (1000, 2.0))
# Another way than the documented one must be clearly better.
_CLEARLY = 0.7
# A cold start is expected to take 5 to 10 s where the scaler looks every 15.
_COLD_START_PART = 7 / 15
_UNEXPECTED = 0.02
# Errors that differ by less than a tenth, and a tenth of a second, are alike.
_AS_WELL = 0.1


class Fitted(msgspec.Struct, frozen=True):
    """How the scaler behaved. `steps` are empty where they are as documented; `error` is the mean deviation in seconds.

    When the scaler looked first is not known. A later look and a shorter cold start bring replicas at the same moment, so
    `cold_start` is the one nearest to what is expected of those in `cold_start_range`, which fit as well.
    """

    cold_start: float
    cold_start_range: tuple[float, float]
    spread: float
    metric: str
    steps: tuple[int, ...]
    error: float
    replicas: int
    documented: bool


class _Way(NamedTuple):
    """How a scaler may work: `law` is one of _LAWS, `first` the moment of its first look."""

    metric: str
    law: tuple[int, float]
    first: float


class _Load:
    """What the scaler could see: when requests came, and how many were under way."""

    def __init__(self, recording: Recording) -> None:
        attempts = [attempt for each in recording.played for attempt in each.attempts]
        self.sent = sorted(attempt.sent - recording.started for attempt in attempts)
        self._ended = sorted(attempt.ended - recording.started for attempt in attempts)

    def measured(self, metric: str, moment: float, interval: float) -> float:
        came = bisect.bisect_right(self.sent, moment)
        if metric == "rate":
            return (came - bisect.bisect_right(self.sent, moment - interval)) / interval
        return came - bisect.bisect_right(self._ended, moment)


def fit(recording: Recording, findings: Findings) -> Fitted | None:
    """None where too few replicas came to say anything."""
    came = sorted(replica.up for replica in findings.replicas if not replica.warm)
    if len(came) < LEAST_REPLICAS:
        return None
    plan, load = recording.plan, _Load(recording)
    warm = max(findings.warm, plan.warm or 0)
    best: Fitted | None = None
    best_score, way = math.inf, (_LAWS[0], _METRICS[0])
    medians: dict[tuple[tuple[int, float], str], list[tuple[float, float]]] = {}
    for law, metric in itertools.product(_LAWS, _METRICS):
        documented = law == _LAWS[0] and metric == _METRICS[0]
        for phase in range(_PHASES):
            first = plan.interval * (phase + 0.5) / _PHASES
            asked, counts = _asked(load, _Way(metric, law, first), recording, warm, len(came))
            found = _delays(came, asked)
            if found is None:
                continue
            median, error = found
            medians.setdefault((law, metric), []).append((error, median))
            unexpected = abs(math.log(median / (_COLD_START_PART * plan.interval)))
            score = error * (_CLEARLY if documented else 1.0) + _UNEXPECTED * plan.interval * unexpected
            if score < best_score:
                spread = statistics.pstdev(math.log(each - at) for each, at in zip(came, asked, strict=True))
                steps = () if law == _LAWS[0] else tuple(dict.fromkeys(counts))
                way = (law, metric)
                best_score, best = score, Fitted(median, (0.0, 0.0), spread, metric, steps, error, len(came), documented)
    if best is None:
        return None
    bound = best.error * (1 + _AS_WELL) + _AS_WELL
    as_well = [median for error, median in medians[way] if error <= bound]
    return msgspec.structs.replace(best, cold_start_range=(min(as_well), max(as_well)))


def _asked(load: _Load, way: _Way, recording: Recording, warm: int, most: int) -> tuple[list[float], list[int]]:
    """When each new replica was asked for, at most so many, and how many there were after each step that was a whole one."""
    plan, current = recording.plan, warm
    moments: list[float] = []
    counts: list[int] = []
    moment = way.first
    while moment < recording.ended - recording.started and len(moments) < most:
        desired = math.ceil(load.measured(way.metric, moment, plan.interval) / plan.concurrent_requests)
        step = 1 if current == 0 else max(way.law[0], int(way.law[1] * current))
        more = min(desired, step, plan.most) - current
        if more > 0:
            moments += [moment] * more
            current += more
            if step <= min(desired, plan.most):  # else it was not the step that was too short
                counts.append(current)
        moment += plan.interval
    return moments[:most], counts or [current]


def _delays(came: Sequence[float], asked: Sequence[float]) -> tuple[float, float] | None:
    """Median and mean deviation of the times that replicas took; None where this cannot have been."""
    if len(asked) < len(came):
        return None
    delays = [up - at for up, at in zip(came, asked, strict=True)]
    if min(delays) <= 0:
        return None
    median = statistics.median(delays)
    return median, statistics.fmean(abs(delay - median) for delay in delays)


def as_seen(documented: Scaling, fitted: Fitted | None) -> Scaling:
    """The scaler as it was seen, where it was."""
    if fitted is None:
        return documented
    return replace(
        documented,
        metric=fitted.metric,
        steps=fitted.steps,
        start_seconds=fitted.cold_start,
        start_spread=fitted.spread,
    )


def write(path: Path, findings: Findings, fitted: Fitted | None, interval: float) -> None:
    """Writes what was seen; what was not is left out, and stays as documented. Raises OSError."""
    began = datetime.fromtimestamp(findings.began_at, UTC)
    came = f"{findings.submissions:,} submissions, {findings.cold_starts} replicas came"
    lines = [f"# Seen in {findings.name}, {began:%Y-%m-%d %H:%M} UTC: {came}."]
    if fitted is None:
        lines.append(f"# Fewer than {LEAST_REPLICAS} replicas came: nothing is known of the scaler.")
    else:
        lines += [
            f"# Replicas came {fitted.error:.1f} s from this on average.",
            f"cold_start_seconds = {fitted.cold_start:.2f}",
            f'metric = "{_NAMES[fitted.metric]}"',
            f"poll_seconds = {interval:g}",
        ]
        if fitted.steps:
            lines.append(f"steps = {list(fitted.steps)}")
    if findings.service is not None:
        lines.append(f"service_seconds = {findings.service[0]:.3f}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
