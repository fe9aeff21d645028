"""What KEDA is told of a contest."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from infra.contests import Contest, cron_metadata


def contest(start: str, end: str, zone: str) -> Contest:
    tz = ZoneInfo(zone)
    return Contest(
        "midterm", datetime.fromisoformat(start).replace(tzinfo=tz), datetime.fromisoformat(end).replace(tzinfo=tz), zone, 500
    )


@pytest.mark.parametrize(
    ("start_and_end", "zone", "minutes", "opens", "closes"),
    [
        (("2026-03-14T09:00", "2026-03-14T11:00"), "America/New_York", 20, "40 8 14 3 *", "0 11 14 3 *"),
        (("2026-01-01T00:10", "2026-01-01T02:00"), "Europe/Paris", 20, "50 23 31 12 *", "0 2 1 1 *"),
        (("2028-03-01T00:00", "2028-03-01T01:00"), "UTC", 30, "30 23 29 2 *", "0 1 1 3 *"),
        (("2026-03-14T09:00", "2026-03-15T01:30"), "Asia/Kolkata", 0, "0 9 14 3 *", "30 1 15 3 *"),
        # Clocks went from 02:00 to 03:00: twenty minutes before 03:10 was 01:50.
        (("2026-03-08T03:10", "2026-03-08T05:00"), "America/New_York", 20, "50 1 8 3 *", "0 5 8 3 *"),
    ],
)
def test_the_window_opens_before_the_start_and_closes_at_the_end_by_the_clocks_of_the_contest(
    start_and_end: tuple[str, str], zone: str, minutes: int, opens: str, closes: str
) -> None:
    assert cron_metadata(contest(*start_and_end, zone), timedelta(minutes=minutes)) == {
        "timezone": zone,
        "start": opens,
        "end": closes,
        "desiredReplicas": "500",
    }


def test_a_contest_is_over_at_its_end_wherever_it_is() -> None:
    midterm = contest("2026-03-14T09:00", "2026-03-14T11:00", "America/New_York")
    assert not midterm.over(datetime(2026, 3, 14, 14, 59, tzinfo=UTC))
    assert midterm.over(datetime(2026, 3, 14, 15, 0, tzinfo=UTC))
