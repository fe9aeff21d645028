"""The rate of `executor-client prewarm` against the model of Azure's scaler, and the command with an executor."""

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from executor_client import ConfigurationError
from executor_client.capacity import Burst, Job, Scaling, simulate
from executor_client.prewarm import rate, until

from devtools.executor import Executor

_NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(("replicas", "concurrent"), [(1, 1), (6, 1), (100, 1), (400, 1), (37, 10)])
def test_the_rate_brings_so_many_replicas_and_no_more_under_the_documented_metric(replicas: int, concurrent: int) -> None:
    scaling = Scaling(minimum=0, maximum=1000, concurrent_requests=concurrent)
    seconds = 600.0
    burst = Burst(
        [Job(1.0, stretches=False)],
        0,
        scaling,
        arrivals=[seconds],
        trickle=rate(replicas, concurrent),
        trickle_seconds=seconds,
    )
    outcome = simulate(burst)
    assert max(count for _, count in outcome.replicas) == replicas
    reached = next(moment for moment, count in outcome.replicas if count == replicas)
    # Each step doubles: 1, 4, 8, ..., one every 15 s, and the first look comes within 15 s.
    assert reached <= 15 * (replicas.bit_length() + 1)


@pytest.mark.parametrize(("words", "seconds"), [("+20", 1200), ("12:30", 1800), ("00:15", None), ("nonsense", None)])
def test_until_is_a_time_of_day_or_minutes_from_now(words: str, seconds: float | None) -> None:
    if seconds is None:
        with pytest.raises(ConfigurationError, match=r"--until is"):
            until(words, _NOON)
    else:
        assert until(words, _NOON) == seconds


def test_a_time_after_midnight_is_tomorrow_s() -> None:
    assert until("01:00", datetime(2026, 11, 28, 23, 0, tzinfo=UTC)) == 7200


def _prewarm(url: str, *words: str) -> tuple[int, str]:
    command = (sys.executable, "-m", "executor_client.command", "prewarm", "--url", url, *words)
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "200"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def test_replicas_are_counted_by_their_own_names(executor: Executor) -> None:
    code, said = _prewarm(executor.url, "--replicas", "1", "--until", "+0.1")
    assert code == 0, said
    assert "1 of 1 replicas came" in said
    code, said = _prewarm(executor.url, "--replicas", "3", "--until", "+0.1")
    assert code == 1
    assert "1 of 3 replicas came" in said


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--replicas", "0", "--until", "+1"), "must be from 1 to 1,000"),
        (("--replicas", "100", "--until", "+300"), "not agreed to a cost of about 27.00"),
        (("--replicas", "1", "--until", "25:00"), "must be HH:MM"),
    ],
)
def test_what_makes_no_sense_or_costs_too_much_is_refused(words: tuple[str, ...], why: str) -> None:
    code, said = _prewarm("http://127.0.0.1:9", *words)
    assert code == 2
    assert why in said


def test_without_a_url_it_says_what_to_give() -> None:
    code, said = _prewarm("", "--replicas", "1", "--until", "+1")
    assert code == 2
    assert "give --url" in said
