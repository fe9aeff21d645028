"""Contests as windows in which replicas are kept warm: what KEDA's cron scaler is told."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HORIZON = timedelta(days=360)
"""A cron expression has no year, so a window further away would already open this year."""

LONGEST = timedelta(days=7)
"""Longer ones are taken for a slip of the pen: each hour of 1,000 replicas costs."""


@dataclass(frozen=True)
class Contest:
    """One contest.

    Attributes:
        name: Name of its scale rule.
        start: When it begins, with its time zone.
        end: When it is over, with its time zone.
        timezone: The time zone's name in the IANA database, as KEDA takes it.
        replicas: Replicas that are kept from some minutes before the start to the end.
    """

    name: str
    start: datetime
    end: datetime
    timezone: str
    replicas: int

    def over(self, now: datetime) -> bool:
        """Tells whether the contest has ended."""
        return self.end <= now


def cron_metadata(contest: Contest, prewarm: timedelta) -> dict[str, str]:
    """Gives the metadata of a KEDA cron rule that opens `prewarm` before the contest and closes at its end.

    Source: KEDA's page on the cron scaler. The scaler compares the next time of `start` with the next time of `end`, so
    windows across midnight and months work.
    """
    # Through UTC, because subtracting from a local time would ignore a clock change in between.
    opens = (contest.start.astimezone(UTC) - prewarm).astimezone(contest.start.tzinfo)
    return {
        "timezone": contest.timezone,
        "start": _cron(opens),
        "end": _cron(contest.end),
        "desiredReplicas": str(contest.replicas),
    }


def _cron(moment: datetime) -> str:
    return f"{moment.minute} {moment.hour} {moment.day} {moment.month} *"
