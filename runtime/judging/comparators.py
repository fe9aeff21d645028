"""Built-in comparators: whether a program's output is the expected one. None takes much longer than reading it."""

import re
from collections.abc import Callable

import msgspec

from runtime.judging import json_comparator
from runtime.judging.json_comparator import NotJsonError

_SPACE = re.compile(r"(\s+)")
# What RE2 may take for a pattern: a larger one is refused, and none can take more than linear time.
_PATTERN_MEMORY_BYTES = 4 << 20


class ExpectedOutputError(ValueError):
    """What was expected is not of the comparator's form; the message says what it must be."""


class Comparator(msgspec.Struct, frozen=True):
    """A comparator by its name, with its parameters; `PARAMETERS` has which ones count for which name."""

    name: str = "lines"
    #: Numbers are equal within either: the difference, and the difference as a share of what is expected.
    absolute: float = 1e-6
    relative: float = 1e-6
    case_sensitive: bool = True
    space_change_sensitive: bool = False
    #: Lists are equal in whatever order.
    unordered: bool = False

    def same(self, output: str, expected: str) -> bool:
        """Raises ExpectedOutputError."""
        return _COMPARATORS[self.name](self, output, expected)

    def check(self, expected: str) -> None:
        """Raises ExpectedOutputError where no output could be compared with `expected`."""
        if self.name == "regex":
            _pattern(expected)
        elif self.name == "json":
            _expected_json(expected)


#: What each comparator takes beside its name.
PARAMETERS: dict[str, tuple[str, ...]] = {
    "lines": ("case_sensitive",),
    "exact": (),
    "tokens": ("case_sensitive", "space_change_sensitive"),
    "float": ("absolute", "relative", "case_sensitive", "space_change_sensitive"),
    "case_insensitive": (),
    "space_change_sensitive": (),
    "unordered_lines": ("case_sensitive",),
    "regex": (),
    "json": ("absolute", "relative", "unordered"),
}


def _exact(_: Comparator, output: str, expected: str) -> bool:
    """Every character counts."""
    return output == expected


def _lines(how: Comparator, output: str, expected: str) -> bool:
    """White space at the end of a line and empty lines at the end do not count."""
    return _stripped(_cased(how, output)) == _stripped(_cased(how, expected))


def _unordered_lines(how: Comparator, output: str, expected: str) -> bool:
    """As `lines`, in whatever order."""
    return sorted(_stripped(_cased(how, output))) == sorted(_stripped(_cased(how, expected)))


def _cased(how: Comparator, text: str) -> str:
    return text if how.case_sensitive else text.casefold()


def _stripped(text: str) -> list[str]:
    stripped = [line.rstrip() for line in text.split("\n")]
    while stripped and not stripped[-1]:
        stripped.pop()
    return stripped


def _tokens(how: Comparator, output: str, expected: str) -> bool:
    """Only the words count, not the white space between them."""
    return _words(how, output) == _words(how, expected)


def _words(how: Comparator, text: str) -> list[str]:
    """The words; and, where it counts, the white space between them."""
    text = _cased(how, text)
    return _SPACE.split(text) if how.space_change_sensitive else text.split()


def _case_insensitive(_: Comparator, output: str, expected: str) -> bool:
    return _tokens(Comparator(case_sensitive=False), output, expected)


def _space_change_sensitive(_: Comparator, output: str, expected: str) -> bool:
    return _tokens(Comparator(space_change_sensitive=True), output, expected)


def _floats(how: Comparator, output: str, expected: str) -> bool:
    """As `tokens`, and two finite numbers are equal within a tolerance; NaN and infinities only as the same word."""
    found, wanted = _words(how, output), _words(how, expected)
    return len(found) == len(wanted) and all(
        first == second or _same_number(how, first, second) for first, second in zip(found, wanted, strict=True)
    )


def _same_number(how: Comparator, found: str, wanted: str) -> bool:
    if "_" in found + wanted:  # between digits it is Python's own way to write numbers
        return False
    try:
        return json_comparator.close(float(found), float(wanted), how.absolute, how.relative)
    except ValueError:
        return False


def _regex(_: Comparator, output: str, expected: str) -> bool:
    """The expected output is a pattern for all of the output, less white space at the ends of its lines."""
    return _pattern(expected).fullmatch("\n".join(_stripped(output))) is not None


def _pattern(text: str) -> "re.Pattern[str]":
    import re2  # noqa: PLC0415 - only where a pattern is used

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _PATTERN_MEMORY_BYTES
    try:
        return re2.compile(text.removesuffix("\n"), options)  # type: ignore[no-any-return]
    except re2.error as error:
        words = error.args[0] if error.args else error
        words = words.decode(errors="replace") if isinstance(words, bytes) else words
        raise ExpectedOutputError(f"is no regular expression: {words}") from error


def _json(how: Comparator, output: str, expected: str) -> bool:
    """Both are JSON and have the same value."""
    wanted = _expected_json(expected)
    try:
        found = json_comparator.parse(output)
    except NotJsonError:
        return False
    return json_comparator.same(found, wanted, how.absolute, how.relative, unordered=how.unordered)


def _expected_json(text: str) -> object:
    try:
        value = json_comparator.parse(text)
        json_comparator.check(value)
    except NotJsonError as error:
        raise ExpectedOutputError(str(error)) from error
    return value


_COMPARATORS: dict[str, Callable[[Comparator, str, str], bool]] = {
    "lines": _lines,
    "exact": _exact,
    "tokens": _tokens,
    "float": _floats,
    "case_insensitive": _case_insensitive,
    "space_change_sensitive": _space_change_sensitive,
    "unordered_lines": _unordered_lines,
    "regex": _regex,
    "json": _json,
}
