"""Versions as npm's selectors name them (docs.npmjs.com, semver): `3.x`, `^3.8.0`, `>=3.8 <4`, `2.x || 3.x`."""

import itertools
import re

_WORD = re.compile(r"(\^|~|>=|<=|>|<|=)?v?((?:\d{1,9}|[xX*])(?:\.(?:\d{1,9}|[xX*])){0,2})(?:[-+][\w.+-]*)?", re.ASCII)
_LONGEST_SELECTOR = 256


def is_selector(text: str) -> bool:
    """Whether `text` can select versions at all."""
    return len(text) <= _LONGEST_SELECTOR and bool(text.strip() and _alternatives(text))


def selects(selector: str, version: str) -> bool:
    """Whether `version`, of which up to three numbers count, is among those that `selector` names."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    ours = (*numbers, 0, 0, 0)[:3]
    return any(all(_matches(ours, sign, place) for sign, place in words) for words in _alternatives(selector))


def _alternatives(selector: str) -> list[list[tuple[str, str]]]:
    """The alternatives of a selector, each a list of a sign and a place; empty where it is no selector."""
    alternatives = []
    for alternative in selector.split("||"):
        found = [_WORD.fullmatch(word) for word in re.sub(r"([\^~<>=])\s+", r"\1", alternative).split()]
        words = [(match[1] or "=", match[2]) for match in found if match]
        if len(words) < len(found):
            return []
        alternatives.append(words)
    return alternatives


def _matches(ours: tuple[int, ...], sign: str, place: str) -> bool:  # noqa: PLR0911 - a return for each sign
    """Whether a version of three numbers is one that `sign` and `place`, which may have fewer, select."""
    parts = tuple(int(part) for part in itertools.takewhile(str.isdigit, place.split(".")))
    least = (*parts, 0, 0, 0)[:3]
    match sign:
        case "^":
            leading = next((position for position, part in enumerate(parts) if part), len(parts) - 1)
            return ours >= least and ours[: leading + 1] == parts[: leading + 1]
        case "~":
            return ours >= least and ours[: len(parts[:2])] == parts[:2]
        case ">=":
            return ours >= least
        case "<":
            return ours < least
        case ">":
            return ours[: len(parts)] > parts
        case "<=":
            return ours[: len(parts)] <= parts
    return ours[: len(parts)] == parts
