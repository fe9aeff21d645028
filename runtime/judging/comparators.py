"""Built-in comparators: whether a program's output is the expected one. None takes much longer than reading it."""

import re
import string
from collections.abc import Callable, Iterator

import msgspec

from runtime.judging import json_comparator, words
from runtime.judging.json_comparator import NotJsonError

# Values of JSON that are in memory at the same time, some 100 bytes each, unless more are expected.
_MANY_VALUES = 500_000
# What RE2 may take for a pattern: a larger one is refused, and none can take more than linear time.
_PATTERN_MEMORY_BYTES = 4 << 20


# Their texts are read by others, which take Unicode alone.
_WITHOUT_OTHER_BYTES = ("regex", "json")
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


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
    #: As the problem package format has it: letters and white space are those of ASCII, and any other byte is itself.
    ascii: bool = False

    def same_bytes(self, output: bytes, expected: bytes) -> bool:
        """As `same`, for texts as they came; two bytes that are no UTF-8 are equal where they are the same."""
        if self.ascii:
            return self.same(output.decode("latin-1"), expected.decode("latin-1"))
        errors = "replace" if self.name in _WITHOUT_OTHER_BYTES else "surrogateescape"
        return self.same(output.decode(errors=errors), expected.decode(errors=errors))

    def same(self, output: str, expected: str) -> bool:
        """Raises ExpectedOutputError."""
        return _COMPARATORS[self.name](self, output, expected)

    def cased(self, text: str) -> str:
        """The text as it is compared."""
        if self.case_sensitive:
            return text
        return text.translate(_LOWER) if self.ascii else text.casefold()

    def equal(self, found: str, wanted: str) -> bool:
        """Whether two words or lines are the same."""
        return found == wanted or (not self.case_sensitive and self.cased(found) == self.cased(wanted))

    def words(self, text: str) -> Iterator[str]:
        """The words; and, where it counts, the white space between them."""
        return words.words(text, with_space=self.space_change_sensitive, ascii_space=self.ascii)

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
    return words.same(words.lines(output), words.lines(expected), how.equal)


def _unordered_lines(how: Comparator, output: str, expected: str) -> bool:
    """As `lines`, in whatever order."""
    if words.line_count(output) != words.line_count(expected):
        return False
    return sorted(map(how.cased, words.lines(output))) == sorted(map(how.cased, words.lines(expected)))


def _tokens(how: Comparator, output: str, expected: str) -> bool:
    """Only the words count, not the white space between them."""
    return words.same(how.words(output), how.words(expected), how.equal)


def _case_insensitive(_: Comparator, output: str, expected: str) -> bool:
    return _tokens(Comparator(case_sensitive=False), output, expected)


def _space_change_sensitive(_: Comparator, output: str, expected: str) -> bool:
    return _tokens(Comparator(space_change_sensitive=True), output, expected)


def _floats(how: Comparator, output: str, expected: str) -> bool:
    """As `tokens`, and two finite numbers are equal within a tolerance.

    Everything else is a word: NaN and infinities, and also 1e400, which is larger than any double.
    """
    return words.same(
        how.words(output),
        how.words(expected),
        lambda found, wanted: how.equal(found, wanted) or _same_number(how, found, wanted),
    )


def _same_number(how: Comparator, found: str, wanted: str) -> bool:
    first, second = words.number(found), words.number(wanted)
    return first is not None and second is not None and json_comparator.close(first, second, how.absolute, how.relative)


def _regex(_: Comparator, output: str, expected: str) -> bool:
    """The expected output is a pattern for all of the output, less white space at the ends of its lines."""
    return _pattern(expected).fullmatch(words.without_line_ends(output)) is not None


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
    values = _most_values(output)
    if values > _MANY_VALUES and values > 2 * _most_values(expected):
        return False
    try:
        found = json_comparator.parse(output)
    except NotJsonError:
        return False
    return json_comparator.same(found, wanted, how.absolute, how.relative, unordered=how.unordered)


def _most_values(text: str) -> int:
    """What the number of a JSON text's values is at most, without reading it: the same values have about the same."""
    return sum(map(text.count, ",[{")) + 1


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
