"""When replicas come and go: the rules, and the contests that replicas are kept warm for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from infra import contests as windows
from infra.contests import Contest
from infra.pricing import Window
from infra.settings import formats
from infra.settings.apps import MAX_REPLICAS, AppSettings
from infra.settings.kinds import integer, objects, setting
from infra.settings.reader import ConfigReader

_FIELDS = ("name", "start", "end", "timezone", "replicas")


@dataclass(frozen=True)
class ScalingSettings:
    """When replicas come and go. `contests` holds only those that are not over."""

    concurrent_requests: int = setting(
        integer(1, 100),
        1,
        "Requests to one replica, {bounds}, at which Azure adds another. A trigger; the executor itself keeps the limit.",
    )
    cooldown_seconds: int = setting(
        integer(10, 3600), 300, "Seconds without a request, {bounds}, before the last replica goes."
    )
    polling_seconds: int = setting(
        integer(5, 600), 30, "Seconds between two looks at the scale rules, {bounds}. Azure ignores it for requests."
    )
    contests: tuple[Contest, ...] = setting(
        objects,
        [],
        "Contests that replicas are kept warm for: a list of {name, start, end, timezone, replicas}, with local times such "
        "as 2026-03-14T09:00 in a zone such as America/New_York.",
        hostings=("app",),
    )
    prewarm_minutes: int = setting(
        integer(0, 240), 20, "Minutes before a contest's start, {bounds}, at which its replicas are asked for."
    )

    @property
    def prewarm(self) -> timedelta:
        """How long before a contest's start its replicas are asked for."""
        return timedelta(minutes=self.prewarm_minutes)

    @property
    def windows(self) -> tuple[Window, ...]:
        """The contests as times that cost."""
        return tuple(
            Window(contest.replicas, (contest.end - contest.start + self.prewarm) / timedelta(hours=1))
            for contest in self.contests
        )


def read_contests(
    reader: ConfigReader, apps: Sequence[AppSettings], now: datetime, warnings: list[str]
) -> tuple[Contest, ...]:
    """Reads the setting `contests`, and leaves out those that are over."""
    contests: list[Contest] = []
    for each in reader.objects("contests", _FIELDS):
        contest = _contest(each, min(app.max_replicas for app in apps), now)
        if contest is None:
            continue
        if contest.name in {other.name for other in contests}:
            each.refuse("name", "must differ from the other contests' names")
        contests.append(contest)
        if contest.over(now):
            warnings.append(f"The contest {contest.name} is over: no replicas are kept for it. Take it out of contests.")
    return tuple(contest for contest in contests if not contest.over(now))


def find_contest(reader: ConfigReader, name: str) -> tuple[Contest | None, list[str]]:
    """Gives the contest of that name in the setting `contests`, over or not, and the names of all."""
    listed = reader.objects("contests", _FIELDS)
    found = next((_contest(each, MAX_REPLICAS, datetime.now(UTC)) for each in listed if each.raw("name") == name), None)
    return found, [each.raw("name") for each in listed]


def _contest(reader: ConfigReader, max_replicas: int, now: datetime) -> Contest | None:
    name = reader.text("name", formats.CONTEST_NAME)
    replicas = reader.integer("replicas", 1, max_replicas)
    zone = _zone(reader)
    start, end = (_moment(reader, key, zone) for key in ("start", "end"))
    if zone is None or start is None or end is None:
        return None
    if end <= start:
        reader.refuse("end", "must be after start")
    elif end - start > windows.LONGEST:
        reader.refuse("end", f"must be at most {windows.LONGEST.days} days after start")
    if start - now > windows.HORIZON:
        reader.refuse(
            "start", f"must be within {windows.HORIZON.days} days: a cron rule has no year, and would open too soon"
        )
    return Contest(name, start, end, zone.key, replicas)


def _zone(reader: ConfigReader) -> ZoneInfo | None:
    try:
        return ZoneInfo(reader.raw("timezone"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        reader.refuse("timezone", "must be a name of the IANA time zone database, such as America/New_York")
        return None


def _moment(reader: ConfigReader, key: str, zone: ZoneInfo | None) -> datetime | None:
    text = reader.text(key, formats.MOMENT)
    if not reader.sound(key) or zone is None:
        return None
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=zone)
    except ValueError:
        reader.refuse(key, formats.MOMENT.expected)
        return None
    if moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment.replace(tzinfo=None):
        reader.refuse(key, f"does not exist in {zone.key}: clocks are put forward over it")
        return None
    return moment
