"""Replicas by the minute, as Azure Monitor counted them: asked of Azure, or read from a file of them."""

import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from infra.resource_manager import AzureError, ResourceManager

METRICS_VERSION = "2023-10-01"
"""Of Microsoft.Insights' metrics."""

SUBSCRIPTIONS_VERSION = "2022-12-01"
SUBSCRIPTION_VARIABLE = "ARM_SUBSCRIPTION_ID"

METRIC = "Replicas"
KEPT_DAYS = 93
"""Days for which Azure keeps metrics. Source: Microsoft's overview of metrics in Azure Monitor."""

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)


class FiguresError(Exception):
    """There are no figures to count from; the message says why and what to do."""


@dataclass(frozen=True)
class Figures:
    """Replicas of one app by the minute.

    Attributes:
        replicas: How many there were in each minute that has a figure.
        minutes: How many minutes were asked for.
    """

    replicas: Mapping[datetime, int]
    minutes: int

    @property
    def hours(self) -> float:
        """Hours of all replicas together."""
        return sum(self.replicas.values()) / 60

    @property
    def most(self) -> int:
        """Replicas in the minute that had the most."""
        return max(self.replicas.values(), default=0)

    def hours_below(self, count: int) -> float:
        """Hours of the first `count` replicas, which the least number keeps there."""
        return sum(min(count, replicas) for replicas in self.replicas.values()) / 60


def ask(app_id: str, begin: datetime, end: datetime) -> Figures:
    """Asks Azure, a day at a time.

    Raises:
        FiguresError: Azure has none, or does not answer this caller.
    """
    manager = ResourceManager()
    merged: dict[datetime, int] = {}
    for start in _days(begin, end):
        until = min(start + _DAY, end)
        query = {
            "metricnames": METRIC,
            "aggregation": "Maximum",
            "interval": "PT1M",
            "timespan": f"{_written(start)}/{_written(until)}",
            # While a revision is replaced, both have replicas, and both cost.
            "$filter": "revisionName eq '*'",
            "top": "1000",
        }
        try:
            answer = manager.get(f"{app_id}/providers/Microsoft.Insights/metrics", METRICS_VERSION, query)
        except AzureError as error:
            raise FiguresError(f"Azure gives no figures of {app_id.rpartition('/')[2]}: {error}") from None
        merged |= _counted(answer, begin, end)
    return _found(merged, begin, end, f"Azure has none of {app_id.rpartition('/')[2]}, and keeps them for {KEPT_DAYS} days")


def read(file: Path, begin: datetime, end: datetime) -> Figures:
    """Reads what `az monitor metrics list --metric Replicas --interval PT1M --aggregation Maximum` printed.

    Raises:
        FiguresError: It is not there, is something else, or has no figures of that time.
    """
    try:
        answer = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise FiguresError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except ValueError:
        raise FiguresError(f"{file} is no JSON") from None
    try:
        return _found(_counted(answer, begin, end), begin, end, f"{file} has none")
    except (KeyError, TypeError, AttributeError, ValueError):
        raise FiguresError(
            f"{file} is not what `az monitor metrics list --metric {METRIC} --interval PT1M --aggregation Maximum` prints"
        ) from None


def subscription() -> str:
    """Gives the subscription that the caller means: the variable's, or the only one there is.

    Raises:
        FiguresError: There are several, or none.
    """
    if named := os.environ.get(SUBSCRIPTION_VARIABLE):
        return named
    try:
        found = [each["subscriptionId"] for each in ResourceManager().pages("/subscriptions", SUBSCRIPTIONS_VERSION)]
    except AzureError as error:
        raise FiguresError(str(error)) from None
    if len(found) != 1:
        raise FiguresError(f"you see {len(found)} subscriptions: name the app's in {SUBSCRIPTION_VARIABLE}")
    return str(found[0])


def _days(begin: datetime, end: datetime) -> Iterator[datetime]:
    while begin < end:
        yield begin
        begin += _DAY


def _written(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _counted(answer: Mapping[str, Any], begin: datetime, end: datetime) -> dict[datetime, int]:
    """Adds up the revisions of each minute."""
    counts: defaultdict[datetime, int] = defaultdict(int)
    for metric in answer["value"]:
        if metric["name"]["value"] != METRIC:
            continue
        for series in metric["timeseries"]:
            for point in series["data"]:
                moment = datetime.fromisoformat(point["timeStamp"])
                # A minute without a figure has a time and nothing else.
                if point.get("maximum") is not None and begin <= moment < end:
                    counts[moment] += round(point["maximum"])
    return dict(counts)


def _found(counts: Mapping[datetime, int], begin: datetime, end: datetime, otherwise: str) -> Figures:
    if not counts:
        raise FiguresError(f"there are no figures from {_written(begin)} to {_written(end)}: {otherwise}")
    return Figures(counts, -(-(end - begin) // _MINUTE))
