"""Reads configuration values one by one, and collects everything that is wrong with them instead of stopping."""

import difflib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pulumi

_REMEDY = (
    "Correct with `pulumi config set KEY VALUE` (--path where KEY has a place in it, --secret for keys); what is no setting "
    "goes with `pulumi config rm KEY`."
)


@dataclass(frozen=True)
class Problem:
    """One wrong setting.

    Attributes:
        key: The setting, with the place in it where it is a list or a map: `contests[0].start`.
        value: What it is, or None where there is none to show, as with a secret.
        expected: What would be right.
    """

    key: str
    value: str | None
    expected: str

    def __str__(self) -> str:
        """Gives the line that stands for this problem in an error message."""
        subject = self.key if self.value is None else f"{self.key} is {self.value!r}"
        return f"{subject}: {self.expected}"

    @property
    def setting(self) -> str:
        """The setting's own key, without the place in it."""
        return re.split(r"[\[.]", self.key, maxsplit=1)[0]


class SettingsError(pulumi.RunError):
    """The configuration is wrong. Pulumi shows a RunError's message alone, without a traceback.

    Attributes:
        problems: Everything that is wrong, in the order of the settings.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Builds the message from all `problems`."""
        self.problems = tuple(problems)
        count = "1 setting is" if len(problems) == 1 else f"{len(problems)} settings are"
        lines = [f"{count} wrong, so nothing was declared:", *(f"  {problem}" for problem in problems)]
        super().__init__("\n".join([*lines, _REMEDY]))


@dataclass(frozen=True)
class TextRule:
    """What a text has to look like as a whole, and the same in words."""

    pattern: re.Pattern[str]
    expected: str


class ConfigReader:
    """Reads values and collects problems.

    After a problem a method answers with some value of the right type, so that the settings after it are still read;
    whoever uses a reader looks at `problems` before letting such a value out.

    Attributes:
        problems: What was wrong so far.
    """

    def __init__(self, values: Mapping[str, str], place: str = "", problems: list[Problem] | None = None) -> None:
        """Reads from `values`, whose keys are shown behind `place`."""
        self._values = values
        self._place = place
        self.problems: list[Problem] = [] if problems is None else problems

    def refuse(self, key: str, expected: str) -> None:
        """Adds a problem that shows the value of `key`, unless there is one already: the first one comes first to mend."""
        value = self._values.get(key)
        if self.sound(key):
            self._add(key, value, expected if value is not None else f"is not set; it {expected}")

    def refuse_hidden(self, key: str, expected: str) -> None:
        """Adds a problem that shows no value, for secrets and for what was misspelt and might be one."""
        self._add(key, None, expected)

    def _add(self, key: str, value: str | None, expected: str) -> None:
        self.problems.append(Problem(self._place + key, value, expected))

    def sound(self, *keys: str) -> bool:
        """Tells whether nothing was wrong with `keys`."""
        full = {self._place + key for key in keys}
        return not any(problem.key in full or problem.setting in full for problem in self.problems)

    def given(self, key: str) -> bool:
        """Tells whether `key` has a value other than the empty ones, which switch a setting off."""
        return self._values.get(key, "") not in {"", "[]", "{}"}

    def raw(self, key: str) -> str:
        """Gives the value as it stands, or an empty text."""
        return self._values.get(key, "")

    def text(self, key: str, rule: TextRule) -> str:
        """Reads a text that follows `rule`."""
        value = self.raw(key)
        if not rule.pattern.fullmatch(value):
            self.refuse(key, rule.expected)
        return value

    def optional_text(self, key: str, rule: TextRule) -> str | None:
        """Reads a text that follows `rule` or is empty."""
        return self.text(key, rule) if self.raw(key) else None

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """Reads one of `choices`."""
        value = self.raw(key)
        if value not in choices:
            self.refuse(key, f"must be {_listed(choices)}")
            return choices[0]
        return value

    def switch(self, key: str) -> bool:
        """Reads true or false."""
        return self.choice(key, ("false", "true")) == "true"

    def integer(self, key: str, low: int, high: int) -> int:
        """Reads a whole number within bounds."""
        # int() alone would also take " 5", "1_000" and other scripts' digits; nine digits are beyond every range here.
        value = self.raw(key)
        number = int(value) if re.fullmatch(r"-?[0-9]{1,9}", value) else None
        if number is None or not low <= number <= high:
            self.refuse(key, f"must be a whole number from {low} to {high}")
        return low if number is None else number

    def decimal(self, key: str, rule: TextRule, allowed: Sequence[Decimal]) -> Decimal:
        """Reads one of `allowed`, whose text follows `rule` and may end in a unit."""
        digits = self.text(key, rule).removesuffix("Gi")
        if self.sound(key) and Decimal(digits) not in allowed:
            self.refuse(key, rule.expected)
        return Decimal(digits) if self.sound(key) else allowed[0]

    def texts(self, key: str, rule: TextRule) -> tuple[str, ...]:
        """Reads a list of texts that each follow `rule` and differ."""
        found = self._json(key, list, "must be a list of texts")
        for index, item in enumerate(found):
            if not isinstance(item, str) or not rule.pattern.fullmatch(item):
                self._add(f"{key}[{index}]", _shown(item), rule.expected)
            elif item in found[:index]:
                self._add(f"{key}[{index}]", item, "must not stand there twice")
        return tuple(str(item) for item in found)

    def mapping(self, key: str, names: TextRule, values: TextRule) -> dict[str, str]:
        """Reads a map of texts."""
        found = self._json(key, dict, "must be a map of names to texts")
        for name, value in found.items():
            if not names.pattern.fullmatch(name):
                self._add(f"{key}.{name}", None, names.expected)
            elif not isinstance(value, str) or not values.pattern.fullmatch(value):
                self._add(f"{key}.{name}", _shown(value), values.expected)
        return {name: str(value) for name, value in found.items()}

    def objects(
        self, key: str, required: Collection[str], optional: Collection[str] = (), defaults: Mapping[str, str] | None = None
    ) -> list["ConfigReader"]:
        """Reads a list of maps, each of which gets a reader of its own that shares this one's problems.

        Args:
            key: The setting.
            required: Names that each map has.
            optional: Names that it may have.
            defaults: Values of those optional names that a map leaves out.
        """
        readers: list[ConfigReader] = []
        for index, item in enumerate(self._json(key, list, "must be a list of maps")):
            place = f"{key}[{index}]"
            if not isinstance(item, dict):
                self._add(place, _shown(item), f"must be a map with {_listed(sorted(required), 'and')}")
                continue
            values = {name: _shown(value) for name, value in item.items()}
            reader = ConfigReader({**(defaults or {}), **values}, f"{self._place}{place}.", self.problems)
            for name in sorted(set(required) - values.keys()):
                reader.refuse_hidden(name, "is not set")
            reader.refuse_unknown(values, [*required, *optional])
            readers.append(reader)
        return readers

    def refuse_unknown(self, names: Collection[str], known: Collection[str], what: str = "this list") -> None:
        """Adds a problem for each of `names` that is not `known`, without its value: it may well be a secret."""
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                self.refuse_hidden(name, f"is no setting of {what}{f'; {near[0]} is' if near else ''}")

    def _json(self, key: str, kind: type, expected: str) -> Any:  # noqa: ANN401 - the caller names the kind
        try:
            found = json.loads(self._values.get(key, "") or ("[]" if kind is list else "{}"))
        except ValueError:
            found = None
        if not isinstance(found, kind):
            self.refuse(key, expected)
            return kind()
        return found


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _listed(words: Sequence[str], conjunction: str = "or") -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {conjunction} {words[-1]}"
