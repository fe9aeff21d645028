"""The estimate of costs, against the figures that people plan with."""

from pathlib import Path

import pytest

from infra.pricing import RATES_FILE, Size, Window, estimate, load_rates, replica_hour

RATES = load_rates()


def test_the_rates_have_a_date_a_currency_and_a_source_beside_each() -> None:
    assert RATES.date.year >= 2026
    assert RATES.currency == "USD"
    lines = RATES_FILE.read_text(encoding="utf-8").splitlines()
    for place, line in enumerate(lines):
        if "_second_" in line:
            assert lines[place - 1].startswith("#"), line


def test_one_replica_costs_what_was_worked_out_by_hand() -> None:
    assert replica_hour(0.5, 1.0, RATES, active=True) == pytest.approx(0.054)
    assert replica_hour(0.5, 1.0, RATES, active=False) == pytest.approx(0.0162)


@pytest.mark.parametrize(
    ("min_replicas", "low", "high"),
    # The figures that people plan with: the idle rate at least, the active rate at most.
    [(0, 0, 0), (2, 0.5, 3), (5, 1.5, 7)],
)
def test_a_day_without_a_contest_costs_about_what_is_planned(min_replicas: int, low: float, high: float) -> None:
    cost = estimate([Size(min_replicas, 1000, 0.5, 1.0)], RATES)
    assert low <= cost.idle_day <= cost.busy_day <= high


def test_two_hours_of_a_thousand_replicas_cost_what_is_planned() -> None:
    cost = estimate([Size(10, 1000, 0.5, 1.0)], RATES)
    assert cost.contest == pytest.approx(108)
    assert 50 <= cost.contest <= 150
    assert cost.month == pytest.approx(30 * 3.888 + 108)


def test_a_price_list_is_read_from_the_file_that_is_named(tmp_path: Path) -> None:
    other = tmp_path / "rates.toml"
    other.write_text(RATES_FILE.read_text(encoding="utf-8").replace("0.000024", "0.000048"), encoding="utf-8")
    assert replica_hour(0.5, 1.0, load_rates(other), active=True) == pytest.approx(0.0972)


def test_the_apps_of_a_stack_add_up() -> None:
    size = Size(2, 20, 0.5, 1.0)
    one, two = estimate([size], RATES), estimate([size, size], RATES)
    assert (two.idle_day, two.contest) == (2 * one.idle_day, 2 * one.contest)


def test_planned_windows_take_the_place_of_the_one_contest_and_multiply_with_the_apps() -> None:
    size, week = Size(10, 1000, 0.5, 1.0), Window(1000, 168)
    cost = estimate([size], RATES, [week])
    assert cost.windows == pytest.approx(168 * 990 * 0.054)
    assert cost.month == pytest.approx(30 * cost.idle_day + cost.windows)
    assert estimate([size, size], RATES, [week, week]).windows == pytest.approx(4 * cost.windows)
    assert estimate([Size(20, 200, 0.5, 1.0)], RATES, [Window(10, 2)]).windows == 0
