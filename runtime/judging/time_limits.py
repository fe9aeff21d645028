"""A run's limits of time: CPU time decides where it can, and wall time bounds what waits without using any."""

from typing import NamedTuple

from runtime.judging.submission import Submission
from runtime.settings import Settings

# A run that is judged by CPU time may take twice that of wall time and a second: a program that sleeps ends then.
_WALL_SHARE, _WALL_MORE_SECONDS = 2, 1.0


class TimeLimits(NamedTuple):
    """Milliseconds. `max_wall_ms` is 0 where the wall time is exact, as in `execution.protocol.Limits`."""

    cpu_ms: int
    wall_ms: int
    max_wall_ms: int


def of_run(submission: Submission, settings: Settings) -> TimeLimits:
    """The limits of one run; those of a judged one are stretched by its language's factor.

    A plain run without a limit of CPU time promises its caller an answer in time: its wall time is exact.
    """
    timeout, time_limit = submission.timeout_seconds, submission.time_limit_seconds
    if time_limit is None and not submission.is_judged:
        wall = settings.default_timeout_seconds if timeout is None else timeout
        return TimeLimits(round(settings.max_time_limit_seconds * 1000), round(wall * 1000), 0)
    if time_limit is None:
        time_limit = settings.default_timeout_seconds if timeout is None else timeout
    cpu = time_limit * submission.time_factor
    return _fair(cpu, max(wall_bound(cpu), (timeout or 0.0) * submission.time_factor), submission.left_seconds, settings)


def of_compile_step(left_seconds: float, settings: Settings) -> TimeLimits:
    """The limits of a compile step, of a submission that may take `left_seconds` in all."""
    return _fair(settings.compile_time_limit_seconds, settings.compile_timeout_seconds, left_seconds, settings)


def wall_bound(cpu_seconds: float) -> float:
    """Seconds of wall time that go with a limit of CPU time."""
    return _WALL_SHARE * cpu_seconds + _WALL_MORE_SECONDS


def _fair(cpu: float, wall: float, left: float, settings: Settings) -> TimeLimits:
    longest = max(0.001, min(wall * settings.max_stretch, left))
    return TimeLimits(round(cpu * 1000), round(wall * 1000), round(longest * 1000))
