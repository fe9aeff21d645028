"""What a deployment costs, as far as its settings decide it."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

RATES_FILE = Path(__file__).with_name("rates.toml")

CONTEST_HOURS = 2
"""The length of the contest that an estimate is for."""

DAYS_A_MONTH = 30


@dataclass(frozen=True)
class Rates:
    """Prices in `currency` for each second of a core and of a GiB, and the day they were looked up."""

    date: date
    currency: str
    vcpu_second_active: float
    vcpu_second_idle: float
    gib_second_active: float
    gib_second_idle: float


@dataclass(frozen=True)
class Size:
    """What an app runs on.

    Attributes:
        min_replicas: Replicas that are always there.
        max_replicas: Replicas at most.
        cpu: Cores of one replica.
        memory_gib: GiB of one replica.
    """

    min_replicas: int
    max_replicas: int
    cpu: float
    memory_gib: float


@dataclass(frozen=True)
class Window:
    """A time for which each app keeps that many replicas at least."""

    replicas: int
    hours: float


@dataclass(frozen=True)
class Estimate:
    """Costs in `currency`, without the registry, logs, requests, network traffic, tax, and Azure's monthly free grant.

    Attributes:
        idle_day: A day on which nobody calls, at the idle rate.
        busy_day: The same replicas at the active rate, which a chatty server or a steady trickle of requests leads to.
        contest: All replicas at work for `CONTEST_HOURS`.
        windows: The windows that are planned, at the active rate, which is that of replicas above the least number.
        month: `DAYS_A_MONTH` idle days and the windows, or one contest where none is planned.
    """

    currency: str
    idle_day: float
    busy_day: float
    contest: float
    windows: float
    month: float


@cache
def load_rates(path: Path = RATES_FILE) -> Rates:
    """Reads the data file."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return Rates(date=content["date"], currency=content["currency"], **content["consumption"])


def replica_hour(cpu: float, memory_gib: float, rates: Rates, *, active: bool) -> float:
    """Gives the price of one replica for an hour."""
    vcpu = rates.vcpu_second_active if active else rates.vcpu_second_idle
    gib = rates.gib_second_active if active else rates.gib_second_idle
    return 3600 * (cpu * vcpu + memory_gib * gib)


def estimate(sizes: Iterable[Size], rates: Rates, windows: Sequence[Window] = ()) -> Estimate:
    """Adds up the apps of a stack, each of which has every window."""
    idle_day = busy_day = contest = planned = 0.0
    for size in sizes:
        idle = replica_hour(size.cpu, size.memory_gib, rates, active=False)
        active = replica_hour(size.cpu, size.memory_gib, rates, active=True)
        idle_day += 24 * size.min_replicas * idle
        busy_day += 24 * size.min_replicas * active
        contest += CONTEST_HOURS * size.max_replicas * active
        planned += sum(window.hours * max(0, window.replicas - size.min_replicas) * active for window in windows)
    month = DAYS_A_MONTH * idle_day + (planned if windows else contest)
    return Estimate(rates.currency, idle_day, busy_day, contest, planned, month)
