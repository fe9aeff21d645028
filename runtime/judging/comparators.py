"""Comparators: whether a program's output is the expected one."""

import math
from collections.abc import Callable

#: Relative or absolute, whichever is more generous.
FLOAT_TOLERANCE = 1e-6


def exact(output: str, expected: str) -> bool:
    """Every character counts."""
    return output == expected


def lines(output: str, expected: str) -> bool:
    """White space at the end of a line and empty lines at the end do not count."""
    return _stripped(output) == _stripped(expected)


def _stripped(text: str) -> list[str]:
    stripped = [line.rstrip() for line in text.split("\n")]
    while stripped and not stripped[-1]:
        stripped.pop()
    return stripped


def tokens(output: str, expected: str) -> bool:
    """Only the words count, not the white space between them."""
    return output.split() == expected.split()


def floats(output: str, expected: str) -> bool:
    """As `tokens`, and two finite numbers are equal within `FLOAT_TOLERANCE`; NaN and infinities only as the same word."""
    found, wanted = output.split(), expected.split()
    return len(found) == len(wanted) and all(map(_same_token, found, wanted))


def _same_token(found: str, wanted: str) -> bool:
    if found == wanted:
        return True
    if "_" in found + wanted:  # Python reads 1_000 as a number, and other languages do not
        return False
    try:
        first, second = float(found), float(wanted)
    except ValueError:
        return False
    # An infinity is within any relative distance of everything.
    return (
        math.isfinite(first)
        and math.isfinite(second)
        and math.isclose(first, second, rel_tol=FLOAT_TOLERANCE, abs_tol=FLOAT_TOLERANCE)
    )


COMPARATORS: dict[str, Callable[[str, str], bool]] = {
    "lines": lines,
    "exact": exact,
    "tokens": tokens,
    "float": floats,
}
