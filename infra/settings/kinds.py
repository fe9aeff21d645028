"""What a setting's value may be, and how one setting is declared: as a field of a settings class, on one line."""

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from decimal import Decimal
from typing import Any, TypeVar

from infra.settings.reader import ConfigReader, Problem, TextRule

Default = str | int | bool | Sequence[object] | Mapping[str, object]

HOSTINGS = ("app", "sessions", "local", "scale")
DEPLOYING = ("app", "sessions", "local")
"""The hostings that run an image: `scale` only changes what another stack runs."""
Group = TypeVar("Group")


@dataclass(frozen=True)
class Kind:
    """What values a setting takes.

    Attributes:
        pulumi_type: Its type in the schema of `Pulumi.yaml`, which knows no fractions.
        read: Reads a key's value, and notes what is wrong with it.
        bounds: The bounds in words, for the setting's meaning.
        items: Type of an array's items.
    """

    pulumi_type: str
    read: Callable[[ConfigReader, str], Any]
    bounds: str = ""
    items: str = "string"


@dataclass(frozen=True)
class Declaration:
    """One setting.

    Attributes:
        key: As `Pulumi.yaml` spells it; one without a namespace belongs to the project's own.
        kind: What values it takes.
        default: What it is where no stack sets it, or None where each stack has to.
        meaning: What it is for, in a sentence or more.
        hostings: The hostings that it means something to. Elsewhere another value than the default is refused, because
            it would be ignored in silence.
    """

    key: str
    kind: Kind
    default: Default | None
    meaning: str
    hostings: Collection[str]


def setting(
    kind: Kind, default: Default | None, meaning: str, *, key: str | None = None, hostings: Collection[str] = DEPLOYING
) -> Any:  # noqa: ANN401 - a field of any type
    """Declares a field of a settings class as a setting, whose key is the field's name in camel case unless given.

    `{bounds}` in `meaning` stands for the kind's own.
    """
    words = meaning.replace("{bounds}", kind.bounds)
    return field(metadata={"declared": lambda name: Declaration(key or _camel_case(name), kind, default, words, hostings)})


def declarations(settings_class: type[Any]) -> tuple[Declaration, ...]:
    """Gives the settings of a class in the order of its fields; a field whose type is a dataclass is a group of them."""
    found: list[Declaration] = []
    for item in fields(settings_class):
        if "declared" in item.metadata:
            found.append(item.metadata["declared"](item.name))
        elif isinstance(item.type, type) and is_dataclass(item.type):
            found.extend(declarations(item.type))
    return tuple(found)


def read_group(settings_class: type[Group], reader: ConfigReader) -> Group:
    """Reads the settings of a class, and of its groups; other fields keep their defaults."""
    values: dict[str, Any] = {}
    for item in fields(settings_class):  # type: ignore[arg-type] # every settings class is a dataclass
        if "declared" in item.metadata:
            declared: Declaration = item.metadata["declared"](item.name)
            values[item.name] = declared.kind.read(reader, declared.key)
        elif isinstance(item.type, type) and is_dataclass(item.type):
            values[item.name] = read_group(item.type, reader)
    return settings_class(**values)


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def text(rule: TextRule) -> Kind:
    """A text that follows `rule`."""
    return Kind("string", lambda reader, key: reader.text(key, rule))


def optional(rule: TextRule) -> Kind:
    """A text that follows `rule`, or an empty one, which is read as None."""
    return Kind("string", lambda reader, key: reader.optional_text(key, rule))


def choice(*choices: str) -> Kind:
    """One of `choices`."""
    return Kind("string", lambda reader, key: reader.choice(key, choices))


def integer(low: int, high: int) -> Kind:
    """A whole number from `low` to `high`."""
    return Kind("integer", lambda reader, key: reader.integer(key, low, high), f"{low} to {high}")


switch = Kind("boolean", lambda reader, key: reader.switch(key))
"""True or false."""


def cores(rule: TextRule, allowed: Sequence[Decimal]) -> Kind:
    """One of `allowed`, as a number of cores."""
    return Kind("string", lambda reader, key: float(reader.decimal(key, rule, allowed)))


def gibibytes(rule: TextRule, allowed: Sequence[Decimal]) -> Kind:
    """One of `allowed`, as Azure writes memory: `1.0Gi`."""
    return Kind("string", lambda reader, key: f"{reader.decimal(key, rule, allowed):.1f}Gi")


def texts(rule: TextRule) -> Kind:
    """A list of different texts that each follow `rule`."""
    return Kind("array", lambda reader, key: reader.texts(key, rule))


def mapping(names: TextRule, values: TextRule) -> Kind:
    """A map of texts."""
    return Kind("object", lambda reader, key: reader.mapping(key, names, values))


objects = Kind("array", lambda _reader, _key: (), items="object")
"""A list of maps. What each may be depends on other settings, so the module that declares it reads it after those."""


def networks(rule: TextRule) -> Kind:
    """A list of different IPv4 ranges, read in CIDR notation."""

    def read(reader: ConfigReader, key: str) -> tuple[str, ...]:
        ranges: list[str] = []
        for index, block in enumerate(reader.texts(key, rule)):
            try:
                ranges.append(str(ipaddress.IPv4Network(block)))
            except ValueError:
                if reader.sound(f"{key}[{index}]"):
                    reader.problems.append(Problem(f"{key}[{index}]", block, rule.expected))
        return tuple(ranges)

    return Kind("array", read)


def secret_pairs(rule: TextRule) -> Kind:
    """`name:value` pairs with commas between them, whose names differ; never shown, and None where there are none."""

    def read(reader: ConfigReader, key: str) -> str | None:
        pairs = reader.raw(key)
        names = [pair.partition(":")[0] for pair in pairs.split(",")]
        if pairs and not re.fullmatch(rule.pattern, pairs):
            reader.refuse_hidden(key, rule.expected)
        elif len(set(names)) < len(names):
            reader.refuse_hidden(key, "must give each key a name of its own")
        return pairs or None

    return Kind("string", read)
