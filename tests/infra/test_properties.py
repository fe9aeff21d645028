"""What holds for every configuration, looked for with generated ones."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.contests import Contest, cron_metadata
from infra.pricing import Size, estimate, load_rates
from infra.quota import Demand, cores_needed
from infra.settings import KEYS, Problem, SettingsError, parse_settings
from infra.settings.formats import MEMORY_FOR_CPU
from tests.infra.test_settings import GOOD, NOW

EXAMPLES = settings(max_examples=60, deadline=None)

REPLICAS = st.integers(min_value=0, max_value=1000)
CPUS = st.sampled_from(sorted(MEMORY_FOR_CPU))
SIZES = st.builds(
    lambda low, extra, cpu: Size(low, min(low + extra, 1000), float(cpu), 2 * float(cpu)), REPLICAS, REPLICAS, CPUS
)
RATES = load_rates()


def problems_of(changes: Mapping[str, str]) -> tuple[Problem, ...]:
    try:
        parse_settings({**GOOD, **changes}, now=NOW)
    except SettingsError as error:
        return error.problems
    return ()


@EXAMPLES
@given(st.dictionaries(st.sampled_from(KEYS), st.text(max_size=40), max_size=6))
def test_any_texts_at_all_are_either_taken_or_refused_by_key(changes: dict[str, str]) -> None:
    problems = problems_of(changes)
    assert {problem.setting for problem in problems} <= set(KEYS)
    assert all(problem.expected for problem in problems)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@EXAMPLES
@given(st.sampled_from(["apps", "contests", "allowedIps", "tags", "environmentVariables", "buildArgs", "alertEmails"]), JSON)
def test_any_json_at_all_is_either_taken_or_refused_by_key(key: str, value: object) -> None:
    assert {problem.setting for problem in problems_of({key: json.dumps(value)})} <= {key}


@EXAMPLES
@given(REPLICAS, REPLICAS)
def test_replicas_are_taken_exactly_where_the_least_is_not_above_the_most(low: int, high: int) -> None:
    try:
        (app,) = parse_settings({**GOOD, "minReplicas": str(low), "maxReplicas": str(high)}, now=NOW).apps
    except SettingsError:
        assert high == 0 or low > high
    else:
        assert (app.min_replicas, app.max_replicas) == (low, high)
        assert 0 <= low <= high <= 1000


@EXAMPLES
@given(st.decimals(min_value=0, max_value=5, places=2), st.decimals(min_value=0, max_value=9, places=2))
def test_a_size_is_taken_exactly_where_azure_has_it(cpu: Decimal, memory: Decimal) -> None:
    try:
        parse_settings({**GOOD, "cpu": str(cpu), "memory": f"{memory}Gi"}, now=NOW)
    except SettingsError:
        assert MEMORY_FOR_CPU.get(cpu) != memory
    else:
        assert MEMORY_FOR_CPU[cpu] == memory


@EXAMPLES
@given(SIZES, SIZES)
def test_more_never_costs_less(one: Size, other: Size) -> None:
    both = estimate([one, other], RATES)
    for part in (estimate([one], RATES), estimate([other], RATES)):
        assert 0 <= part.idle_day <= both.idle_day
        assert part.idle_day <= part.busy_day
        assert part.contest <= both.contest
        assert part.month >= part.contest


@EXAMPLES
@given(st.lists(SIZES, min_size=1, max_size=4), st.integers(min_value=1, max_value=20_000))
def test_a_quota_fits_exactly_where_two_revisions_of_everything_do(sizes: list[Size], quota: int) -> None:
    need = cores_needed(Demand(size.max_replicas, size.cpu) for size in sizes)
    assert need.steady == sum(size.max_replicas * size.cpu for size in sizes)
    assert need.fits(quota) == (2 * need.steady <= quota)
    assert not need.fits(quota) or need.fits(quota + 1)


@EXAMPLES
@given(
    st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2030, 1, 1)),  # noqa: DTZ001 - the zone comes next
    st.integers(min_value=0, max_value=240),
    st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "America/St_Johns"]),
)
def test_a_window_opens_as_many_minutes_before_the_start_as_is_set_and_is_a_cron_expression(
    start: datetime, minutes: int, zone: str
) -> None:
    begin = start.replace(second=0, microsecond=0, tzinfo=ZoneInfo(zone))
    contest = Contest("midterm", begin, begin + timedelta(hours=2), zone, 10)
    metadata = cron_metadata(contest, timedelta(minutes=minutes))
    opens = begin.astimezone(UTC) - timedelta(minutes=minutes)
    local = opens.astimezone(ZoneInfo(zone))
    assert metadata["start"] == f"{local.minute} {local.hour} {local.day} {local.month} *"
    assert re.fullmatch(r"\d+ \d+ \d+ \d+ \*", metadata["end"])
