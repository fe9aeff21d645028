"""An output's lines and words one after another: 16 MiB of output as a list of words would take 400 MiB of memory."""

import re
from collections.abc import Callable, Iterator
from itertools import zip_longest

# By whether the white space is ASCII's alone, and whether it counts itself.
_WORDS = {
    (False, False): re.compile(r"\S+"),
    (False, True): re.compile(r"\S+|\s+"),
    (True, False): re.compile(r"[^ \t\n\r\f\v]+"),
    (True, True): re.compile(r"[^ \t\n\r\f\v]+|[ \t\n\r\f\v]+"),
}
# Digits of ASCII alone, and no underscore between them: what most languages print and read as a decimal number.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# It can begin only where white space begins, so that no length of it is looked through twice.
_LINE_END = re.compile(r"(?:(?<=[\S\n])|\A)[^\S\n]++(?=\n)")


def lines(text: str) -> Iterator[str]:
    """The lines without white space at their ends, and without empty lines at the end of the text."""
    text = text.rstrip()
    start = 0
    while (end := text.find("\n", start)) >= 0:
        yield text[start:end].rstrip()
        start = end + 1
    if text:
        yield text[start:]


def line_count(text: str) -> int:
    """How many lines `lines` would give."""
    text = text.rstrip()
    return text.count("\n") + bool(text)


def without_line_ends(text: str) -> str:
    """The text of `lines`, in one piece."""
    return _LINE_END.sub("", text.rstrip())


def words(text: str, *, with_space: bool, ascii_space: bool) -> Iterator[str]:
    """What stands between white space; `with_space` also the white space itself, `ascii_space` none but ASCII's."""
    return (found[0] for found in _WORDS[ascii_space, with_space].finditer(text))


def same(found: Iterator[str], wanted: Iterator[str], equal: Callable[[str, str], bool]) -> bool:
    """Whether both give as many texts, each `equal` to the other's; stops at the first difference."""
    return all(
        first is not None and second is not None and equal(first, second) for first, second in zip_longest(found, wanted)
    )


def number(word: str) -> float | None:
    """The number that a word is, which may be infinite where it is too large for a double; None where it is none.

    NaN, infinities by name, hexadecimal numbers and digits of other scripts are none.
    """
    return float(word) if _NUMBER.fullmatch(word) else None
