"""The flags of the format's default output validator.

Source: the problem package format's chapter on the default validator, the same in all of its versions.
"""

import math

import msgspec

_SWITCHES = ("case_sensitive", "space_change_sensitive")
_TOLERANCES = {
    "float_absolute_tolerance": ("absolute",),
    "float_relative_tolerance": ("relative",),
    "float_tolerance": ("absolute", "relative"),
}


class FlagsError(ValueError):
    """A flag that there is not, or a tolerance that is no number."""


class DefaultValidator(msgspec.Struct, frozen=True):
    """Tokens are compared, without regard to case and to the amount of white space unless a flag says so."""

    case_sensitive: bool = False
    space_change_sensitive: bool = False
    #: None compares numbers as tokens.
    absolute: float | None = None
    relative: float | None = None


def parse(flags: tuple[str, ...], *, once: bool = False) -> DefaultValidator:
    """Raises FlagsError; with `once` also where a tolerance is set twice, which is an error in 2025-09."""
    switches: set[str] = set()
    tolerances: dict[str, float] = {}
    words = iter(flags)
    for word in words:
        if word in _SWITCHES:
            switches.add(word)
            continue
        if word not in _TOLERANCES:
            raise FlagsError(f"{word!r} is no flag of the default validator")
        if once and not tolerances.keys().isdisjoint(_TOLERANCES[word]):
            raise FlagsError(f"{word} sets a tolerance that was set before")
        tolerances |= dict.fromkeys(_TOLERANCES[word], _tolerance(word, next(words, "")))
    return DefaultValidator(
        case_sensitive="case_sensitive" in switches,
        space_change_sensitive="space_change_sensitive" in switches,
        absolute=tolerances.get("absolute"),
        relative=tolerances.get("relative"),
    )


def _tolerance(flag: str, text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise FlagsError(f"{flag} needs a number from 0 after it, not {text!r}")
    return found
