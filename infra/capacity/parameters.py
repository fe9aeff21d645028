"""Reads `capacity.toml`: what a rehearsal measured of a deployment, in the place of the model's documented figures."""

import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path("capacity.toml")
"""Where `executor-client rehearse` writes it."""

METRICS = {"requests_per_second": "rate", "concurrency": "concurrency"}
"""What the file calls a metric, and what `Scaling` calls it."""


class ParametersError(Exception):
    """The file cannot be used; the message names the key."""


@dataclass(frozen=True)
class Parameters:
    """What was measured; None where nothing was. Times in seconds.

    Attributes:
        cold_start_seconds: Median of the time until a new replica answers.
        poll_seconds: Between two decisions of the scaler.
        steps: Replicas that there were after each step up.
        metric: `rate` or `concurrency`, as in `Scaling`.
        service_seconds: Mean time of a submission on a replica.
    """

    cold_start_seconds: float | None = None
    poll_seconds: float | None = None
    steps: tuple[int, ...] | None = None
    metric: str | None = None
    service_seconds: float | None = None


def read_parameters(file: Path) -> Parameters:
    """Reads the file.

    Raises:
        ParametersError: It is not there, is no TOML, or has a key that is unknown or a value that cannot be.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ParametersError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ParametersError(f"{file} is no TOML: {error}") from None
    for key in content:
        if key not in _READ:
            raise ParametersError(f"{file}: {key} is no parameter: must be one of {', '.join(_READ)}")
    try:
        return Parameters(**{key: _READ[key](key, value) for key, value in content.items()})
    except ParametersError as error:
        raise ParametersError(f"{file}: {error}") from None


def _seconds(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise ParametersError(f"{key} is {value!r}: must be a number of seconds above 0")
    return float(value)


def _steps(key: str, value: object) -> tuple[int, ...]:
    steps = tuple(each for each in value if type(each) is int and each >= 1) if isinstance(value, list) else ()
    if not steps or list(steps) != value or list(steps) != sorted(set(steps)):
        raise ParametersError(f"{key} is {value!r}: must be a list of rising numbers of replicas, such as [1, 4, 8]")
    return steps


def _metric(key: str, value: object) -> str:
    if not isinstance(value, str) or value not in METRICS:
        raise ParametersError(f"{key} is {value!r}: must be {' or '.join(METRICS)}")
    return METRICS[value]


_READ: dict[str, Callable[[str, object], Any]] = {
    "cold_start_seconds": _seconds,
    "poll_seconds": _seconds,
    "steps": _steps,
    "metric": _metric,
    "service_seconds": _seconds,
}
