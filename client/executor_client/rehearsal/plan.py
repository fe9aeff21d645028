"""What is rehearsed: how many submissions come and when, and within which bounds."""

import math
import random
from dataclasses import dataclass
from pathlib import Path

MOST_SUBMISSIONS = 20_000
_SEED = 1
# Of a contest: the part of its submissions that comes in the last tenth of its time.
_RUSH, _RUSH_TIME = 0.3, 0.1


class PlanError(Exception):
    """The rehearsal cannot be done as it was asked for; one line for a person."""


@dataclass(frozen=True)
class Plan:
    """A rehearsal. Times in seconds.

    Attributes:
        arrivals: When each submission comes, from the start, in order.
        arrival: What they are like, in a word.
        deadline: A submission is to have its answer within it.
        patience: After that it counts as lost.
        part: The part of the submissions that the deadline is for.
        warm: Replicas that the app keeps, as its operator says; None where nobody did.
        most: Replicas at most, by setting or by quota.
        concurrent_requests: Of the app's scale rule.
        interval: Between two decisions of its scaler.
        replica_hour: What a replica costs in an hour.
        contest_hours: Length of the real contest.
    """

    arrivals: tuple[float, ...]
    arrival: str = "burst"
    users: int = 1
    deadline: float = 60.0
    patience: float = 120.0
    part: float = 0.95
    warm: int | None = None
    most: int = 200
    concurrent_requests: int = 1
    interval: float = 15.0
    replica_hour: float = 0.054
    contest_hours: float = 2.0


def arrivals(kind: str, users: int, questions: int, minutes: float) -> tuple[float, ...]:
    """When the submissions of a `burst`, of a `contest`, or of a file with a number of seconds on each line arrive.

    In a burst all come at one moment. In a contest they come at any time, and a third of them in the last tenth of it.
    Raises PlanError.
    """
    count = users * questions
    if kind not in ("burst", "contest"):
        return _of_file(Path(kind), minutes)
    if not 1 <= count <= MOST_SUBMISSIONS:
        raise PlanError(f"--users times --questions is {count}: must be from 1 to {MOST_SUBMISSIONS:,}")
    if kind == "burst":
        return (0.0,) * count
    source = random.Random(_SEED)  # noqa: S311 - a plan, the same each time
    seconds, late = minutes * 60, round(count * _RUSH)
    early = [source.uniform(0, seconds) for _ in range(count - late)]
    return tuple(sorted([*early, *(source.uniform(seconds * (1 - _RUSH_TIME), seconds) for _ in range(late))]))


def _of_file(path: Path, minutes: float) -> tuple[float, ...]:
    try:
        lines = path.read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"--arrival is contest, burst or a file, and {path} cannot be read: {error}") from error
    found = []
    for number, line in enumerate(lines, 1):
        try:
            seconds = float(line)
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds <= minutes * 60:
            raise PlanError(f"{path}, number {number}: {line[:40]!r} must be seconds from 0 to {minutes * 60:g} (--minutes)")
        found.append(seconds)
    if not 1 <= len(found) <= MOST_SUBMISSIONS:
        raise PlanError(f"{path} has {len(found)} numbers: must be from 1 to {MOST_SUBMISSIONS:,}")
    return tuple(sorted(found))
