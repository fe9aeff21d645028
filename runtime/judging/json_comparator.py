"""JSON values that are the same: numbers within a tolerance, lists in whatever order where that is wanted."""

import math
from typing import Any

import msgspec

_DEPTH = 100


class NotJsonError(ValueError):
    """The text is no JSON."""


def parse(text: str) -> Any:  # noqa: ANN401 - any value
    """The value; raises NotJsonError, also for one that is nested too deeply to be looked at."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise NotJsonError(f"is no JSON: {error}") from error


def same(found: Any, wanted: Any, absolute: float, relative: float, *, unordered: bool) -> bool:  # noqa: ANN401
    """Whether the values are the same. True and 1 are not; 1 and 1.0 are."""
    try:
        if unordered:
            found, wanted = _ordered(found), _ordered(wanted)
        return _same(found, wanted, absolute, relative)
    except RecursionError:
        return False  # what is expected has been looked at before, so that it is the output that is nested too deeply


def check(value: Any) -> None:  # noqa: ANN401
    """Raises NotJsonError for a value that is nested too deeply to be compared."""
    level = [value]
    for _ in range(_DEPTH):
        inner = [item for item in level if isinstance(item, list | dict)]
        level = [child for item in inner for child in (item if isinstance(item, list) else item.values())]
    if level:
        raise NotJsonError(f"is nested more than {_DEPTH} levels deep")


def close(found: float, wanted: float, absolute: float, relative: float) -> bool:
    """Whether two finite numbers differ by at most `absolute`, or by at most `relative` of what is wanted."""
    # An infinity is within any relative distance of everything.
    return (
        math.isfinite(found)
        and math.isfinite(wanted)
        and (abs(found - wanted) <= absolute or abs(found - wanted) <= relative * abs(wanted))
    )


def _same(found: Any, wanted: Any, absolute: float, relative: float) -> bool:  # noqa: ANN401
    if isinstance(wanted, bool) or isinstance(found, bool) or wanted is None:
        return found is wanted
    if isinstance(wanted, int | float):
        return isinstance(found, int | float) and (found == wanted or _close(found, wanted, absolute, relative))
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(_same(first, second, absolute, relative) for first, second in zip(found, wanted, strict=True))
        )
    if isinstance(wanted, dict):
        return (
            isinstance(found, dict)
            and found.keys() == wanted.keys()
            and all(_same(found[key], wanted[key], absolute, relative) for key in wanted)
        )
    return bool(found == wanted)


def _close(found: float, wanted: float, absolute: float, relative: float) -> bool:
    # Whole numbers are the same or not: a tolerance is for what was rounded.
    if isinstance(found, int) and isinstance(wanted, int):
        return False
    try:
        return close(float(found), float(wanted), absolute, relative)
    except OverflowError:
        return False


def _ordered(value: Any) -> Any:  # noqa: ANN401
    """The value with every list in one order, so that lists with the same items become the same."""
    if isinstance(value, list):
        return sorted(map(_ordered, value), key=_rank)
    if isinstance(value, dict):
        return {key: _ordered(item) for key, item in value.items()}
    return value


def _rank(value: Any) -> tuple[Any, ...]:  # noqa: ANN401
    """Something that sorts values of every kind; numbers by their size, so that close ones stay beside one another."""
    if value is None or isinstance(value, bool):
        return (0, str(value))
    if isinstance(value, int | float):
        return (1, value)
    if isinstance(value, str):
        return (2, value)
    if isinstance(value, list):
        return (3, len(value), *map(_rank, value))
    return (4, len(value), *((key, _rank(value[key])) for key in sorted(value)))
