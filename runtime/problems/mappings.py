"""YAML files of a package as mappings whose keys are checked: an unknown, doubled or wrong one is a fault with its name."""

import math
from collections.abc import Iterable
from typing import Any

from runtime.execution import command_line
from runtime.problems.faults import Faults

_MOST_BYTES = 256 << 10
_DEPTH = 20
_MISSING = object()


def load(content: bytes, path: str, faults: Faults) -> dict[str, Any]:
    """The mapping in the file; an empty one, and a fault, where there is none. Aliases are refused: no package needs them."""
    import yaml  # noqa: PLC0415 - only where there are packages

    class Loader(yaml.CSafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            for key in {key for key in keys if keys.count(key) > 1}:
                faults.add(path, f"has the key {key!r} twice")
            return super().construct_mapping(node, deep=deep)

    if len(content) > _MOST_BYTES:
        faults.add(path, f"has more than {_MOST_BYTES >> 10} KiB")
        return {}
    try:
        _check_shape(yaml.parse(content, Loader), yaml.events)
        found = yaml.load(content, Loader)  # noqa: S506 - it is a safe one
    except (ArithmeticError, LookupError, AttributeError, TypeError):
        # So the library's constructors fail where they expect another text.
        faults.add(path, "is no YAML that can be read: a value does not fit its tag")
        return {}
    except (yaml.YAMLError, ValueError) as error:
        words = " ".join(str(error).replace(' in "<byte string>",', " at").split())
        faults.add(path, f"is no YAML that can be read: {words[:200]}")
        return {}
    if found is None:
        return {}
    if not isinstance(found, dict):
        faults.add(path, "must be a mapping of keys to values")
        return {}
    return {str(key): value for key, value in found.items()}


def _check_shape(events: Iterable[Any], kinds: Any) -> None:  # noqa: ANN401 - a module that is imported late
    """Raises ValueError for what makes a small file a large value, or is nested deeper than any package needs."""
    depth = 0
    for event in events:
        if isinstance(event, kinds.AliasEvent):
            raise ValueError("it has an alias, which no package needs")
        depth += isinstance(event, kinds.CollectionStartEvent) - isinstance(event, kinds.CollectionEndEvent)
        if depth > _DEPTH:
            raise ValueError(f"it is more than {_DEPTH} levels deep")


class Mapping:
    """The keys of a mapping, each taken once; `finish` makes a fault of every key that nobody took."""

    def __init__(self, values: dict[str, Any], path: str, faults: Faults, place: str = "") -> None:
        """`place` is where the mapping is in its file, as in `limits.`."""
        self._values = values
        self._path = path
        self._faults = faults
        self._place = place
        self._taken: set[str] = set()

    @property
    def path(self) -> str:
        """The file's, inside the package."""
        return self._path

    def fault(self, key: str, message: str) -> None:
        """Notes what is wrong with `key`."""
        self._faults.add(self._path, f"{self._place}{key} {message}")

    def has(self, key: str) -> bool:
        """Whether the key is there and not null."""
        return self._values.get(key) is not None

    def value(self, key: str) -> object:
        """Whatever is there, which stays to be taken; None where nothing is."""
        return self._values.get(key)

    def ignore(self, *keys: str) -> None:
        """Keys that mean nothing to judging."""
        self._taken.update(keys)

    def finish(self) -> None:
        """Makes a fault of every key that was not taken."""
        for key in self._values:
            if key not in self._taken:
                self.fault(key, "is not known")

    def _take(self, key: str) -> Any:  # noqa: ANN401 - whatever somebody wrote
        self._taken.add(key)
        found = self._values.get(key)
        return _MISSING if found is None else found

    def text(self, key: str, default: str = "") -> str:
        """A text; a number is one as well, as in a score that YAML takes for a number."""
        found = self._take(key)
        if found is _MISSING:
            return default
        if isinstance(found, bool) or not isinstance(found, str | int | float):
            self.fault(key, "must be a text")
            return default
        return str(found)

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        """One of these texts."""
        found = self.text(key, default)
        if found not in choices:
            self.fault(key, f"is {found!r}: must be one of {', '.join(choices)}")
            return default
        return found

    def texts(self, key: str, *, split: bool = False) -> tuple[str, ...]:
        """A list of texts, or one alone; with `split`, one whose words are the list."""
        found = self._take(key)
        if found is _MISSING:
            return ()
        if isinstance(found, str):
            return tuple(found.split()) if split else (found,)
        if not isinstance(found, list) or not all(isinstance(item, str | int | float) for item in found):
            self.fault(key, "must be a list of texts")
            return ()
        return tuple(map(str, found))

    def arguments(self, key: str, default: tuple[str, ...], *, split: bool = False) -> tuple[str, ...]:
        """As `texts`, for a command line; `default` where the key is not there."""
        if not self.has(key):
            self.ignore(key)
            return default
        found = self.texts(key, split=split)
        if command_line.has_nul(found):
            self.fault(key, "must not contain NUL")
        if command_line.size(found) > command_line.MOST_BYTES:
            self.fault(key, f"has more than {command_line.MOST_BYTES >> 10} KiB")
        return found

    def number(self, key: str, low: float, default: float | None = None) -> float | None:
        """A finite number above `low`."""
        found = self._take(key)
        if found is _MISSING:
            return default
        try:
            number = math.nan if isinstance(found, bool) or not isinstance(found, int | float) else float(found)
        except OverflowError:
            number = math.inf
        if not low < number < math.inf:
            self.fault(key, f"must be a number above {low:g}")
            return default
        return number

    def switch(self, key: str) -> bool:
        """True or false."""
        found = self._take(key)
        if found is not _MISSING and not isinstance(found, bool):
            self.fault(key, "must be true or false")
        return found is True

    def mapping(self, key: str) -> "Mapping":
        """A mapping inside of this one; empty where it is not there."""
        found = self._take(key)
        if found is not _MISSING and not isinstance(found, dict):
            self.fault(key, "must be a mapping of keys to values")
            found = {}
        values = {} if found is _MISSING else {str(name): value for name, value in found.items()}
        return Mapping(values, self._path, self._faults, f"{self._place}{key}.")

    def items(self) -> dict[str, Any]:
        """Everything, for a mapping whose keys are the author's."""
        self._taken.update(self._values)
        return self._values
