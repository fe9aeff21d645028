"""What the words of a command can hold: the kernel ends each at a NUL."""

from collections.abc import Iterable

#: All words of a request or a package together, each with the NUL that ends it.
MOST_BYTES = 32 << 10


def has_nul(words: Iterable[str]) -> bool:
    """Whether a word would end before its end."""
    return any("\0" in word for word in words)


def size(words: Iterable[str]) -> int:
    """Bytes of the words, each with the NUL that ends it."""
    return sum(len(word.encode(errors="replace")) + 1 for word in words)
