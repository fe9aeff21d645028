"""The flags of the format's default output validator.

Source: the problem package format's chapter on the default validator, the same in all of its versions.
"""

import math

import msgspec


class FlagsError(ValueError):
    """A flag that there is not, or a tolerance that is no number."""


class DefaultValidator(msgspec.Struct, frozen=True):
    """Tokens are compared, without regard to case and to the amount of white space unless a flag says so."""

    case_sensitive: bool = False
    space_change_sensitive: bool = False
    #: None compares numbers as tokens.
    absolute: float | None = None
    relative: float | None = None


def parse(flags: tuple[str, ...]) -> DefaultValidator:
    """Raises FlagsError."""
    case_sensitive = space_change_sensitive = False
    absolute = relative = None
    words = iter(flags)
    for word in words:
        match word:
            case "case_sensitive":
                case_sensitive = True
            case "space_change_sensitive":
                space_change_sensitive = True
            case "float_absolute_tolerance":
                absolute = _tolerance(word, next(words, ""))
            case "float_relative_tolerance":
                relative = _tolerance(word, next(words, ""))
            case "float_tolerance":
                absolute = relative = _tolerance(word, next(words, ""))
            case _:
                raise FlagsError(f"{word!r} is no flag of the default validator")
    return DefaultValidator(case_sensitive, space_change_sensitive, absolute, relative)


def _tolerance(flag: str, text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise FlagsError(f"{flag} needs a number from 0 after it, not {text!r}")
    return found
