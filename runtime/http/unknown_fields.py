"""Finds the fields of a request that its type does not have, so that none is ignored in silence."""

import difflib
from collections.abc import Iterator
from itertools import islice
from typing import get_args, get_type_hints

import msgspec

from runtime.http.problems import FieldError

# Of a name that the client made up, so much is compared and repeated.
_NAME_SHOWN = 64
# Below difflib's own 0.6, so that `memory` finds `memory_limit_mb`.
_NEAR_ENOUGH = 0.55

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])


class Shape:
    """The names of a type's fields, also of those of its fields that are such types or lists of them."""

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        hints = get_type_hints(kind)
        self._nested = {field.encode_name: _shape(hints[field.name]) for field in msgspec.structs.fields(kind)}

    def unknown(self, data: bytes, most: int) -> tuple[FieldError, ...]:
        """At most `most` fields of `data` that are not known, each with the nearest name of one that is.

        `data` has been decoded as the type before, so that it is known to be sound.
        """
        return tuple(islice(self._unknown(data, ""), most))

    def _unknown(self, data: bytes | msgspec.Raw, place: str) -> Iterator[FieldError]:
        for name, value in _object.decode(data).items():
            if name not in self._nested:
                yield FieldError(f"{place}{_shown(name)}", f"is not a field{self._nearest(name)}")
            elif (shape := self._nested[name]) is not None:
                for item, inner in _items(value, f"{place}{name}"):
                    yield from shape._unknown(item, f"{inner}.")  # noqa: SLF001 - the same class

    def _nearest(self, name: str) -> str:
        near = difflib.get_close_matches(name[:_NAME_SHOWN].casefold(), self._nested, 1, _NEAR_ENOUGH)
        return f"; did you mean {near[0]}?" if near else ""


def _items(value: msgspec.Raw, place: str) -> Iterator[tuple[bytes | msgspec.Raw, str]]:
    """The objects in a field's value, which is one, a list of them, or something else, each with its place."""
    start = bytes(value).lstrip()[:1]
    if start == b"{":
        yield value, place
    elif start == b"[":
        for position, item in enumerate(_list.decode(value)):
            yield item, f"{place}[{position}]"


def _shape(hint: object) -> Shape | None:
    """The shape of the first type with fields that the hint names; None where it names none."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return Shape(hint)
    return next((shape for part in get_args(hint) if (shape := _shape(part))), None)


def _shown(name: str) -> str:
    return name if len(name) <= _NAME_SHOWN else f"{name[:_NAME_SHOWN]}…"
