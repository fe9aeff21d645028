"""Turns a stack's configuration into one validated object, or into one error that names everything wrong with it."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pulumi
from pulumi.runtime import config as runtime_config

MAX_REPLICAS = 1000
"""Replicas that one revision can have.

Source: Microsoft's page on scaling in Azure Container Apps.
"""

MEMORY_FOR_CPU: Mapping[Decimal, Decimal] = {Decimal(n) / 4: Decimal(n) / 2 for n in range(1, 17)}
"""The sizes a replica can have on the Consumption profile: cores, and the GiB that go with them.

Source: Microsoft's page on containers in Azure Container Apps ("Allocations").
"""

LOCATION_KEY = "azure-native:location"

KEYS = (
    LOCATION_KEY,
    "appName",
    "resourceGroupName",
    "registryName",
    "environmentName",
    "imageName",
    "image",
    "minReplicas",
    "maxReplicas",
    "cpu",
    "memory",
)
"""Every setting, as `Pulumi.yaml` spells it; those without a namespace belong to the project's own."""


@dataclass(frozen=True)
class Settings:
    """What one stack deploys. An instance has passed every check, so nothing that takes one checks it again.

    Attributes:
        location: Azure region of the environment and of everything that is created.
        app_name: Container App that this stack owns.
        resource_group_name: Resource group that exists.
        registry_name: Container registry that exists in that group.
        environment_name: Container Apps environment that exists in that group.
        image_name: `repository:tag` that a build is pushed under.
        prebuilt_image: `registry/repository@sha256:...` to run instead of building, or None to build.
        min_replicas: Replicas that are always there.
        max_replicas: Replicas at most.
        cpu: Cores of one replica.
        memory: Memory of one replica as Azure writes it, such as `1.0Gi`.
    """

    location: str
    app_name: str
    resource_group_name: str
    registry_name: str
    environment_name: str
    image_name: str
    prebuilt_image: str | None
    min_replicas: int
    max_replicas: int
    cpu: float
    memory: str


@dataclass(frozen=True)
class Problem:
    """One wrong setting: its key, its value (None where there is none to show) and what would be right."""

    key: str
    value: str | None
    expected: str

    def __str__(self) -> str:
        """Gives the line that stands for this problem in an error message."""
        subject = self.key if self.value is None else f"{self.key} is {self.value!r}"
        return f"{subject}: {self.expected}"


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
        super().__init__("\n".join([*lines, "Correct with `pulumi config set KEY VALUE`."]))


@dataclass(frozen=True)
class _TextRule:
    pattern: re.Pattern[str]
    expected: str


_REPOSITORY = r"[a-z0-9]+([._/-]+[a-z0-9]+)*"

# Name rules: Microsoft's "Naming rules and restrictions for Azure resources", and the image reference grammar of the
# OCI distribution specification. The environment's rule is wider than that page, which knows only small letters: the
# environment that this project starts from has capitals.
_TEXT_RULES: Mapping[str, _TextRule] = {
    LOCATION_KEY: _TextRule(
        re.compile(r"[a-z]+[a-z0-9]*"),
        "must be an Azure region in its short form, such as eastus2",
    ),
    "appName": _TextRule(
        re.compile(r"(?!.*--)[a-z][a-z0-9-]{0,30}[a-z0-9]"),
        "must be 2 to 32 small letters, digits and single hyphens, from a letter to a letter or digit",
    ),
    "resourceGroupName": _TextRule(
        re.compile(r"[\w().-]{0,89}[\w()-]"),
        "must be 1 to 90 letters, digits, _ - . ( ) and not end in a dot",
    ),
    "registryName": _TextRule(
        re.compile(r"[A-Za-z0-9]{5,50}"),
        "must be 5 to 50 letters and digits, without .azurecr.io",
    ),
    "environmentName": _TextRule(
        re.compile(r"(?!.*--)[A-Za-z][A-Za-z0-9-]{0,58}[A-Za-z0-9]"),
        "must be 2 to 60 letters, digits and single hyphens, from a letter to a letter or digit",
    ),
    "imageName": _TextRule(
        re.compile(_REPOSITORY + r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"),
        "must be repository:tag without a registry, such as executor-image:v1",
    ),
    "image": _TextRule(
        re.compile(r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?/" + _REPOSITORY + r"@sha256:[0-9a-f]{64}"),
        "must be registry/repository@sha256: and 64 hexadecimal digits, or empty to build ./runtime",
    ),
}

_CPU_RULE = _TextRule(re.compile(r"[0-9]{1,2}(\.[0-9]{1,3})?"), "must be 0.25 to 4 in steps of 0.25")
_MEMORY_RULE = _TextRule(re.compile(r"([0-9]{1,2}(\.[0-9]{1,3})?)Gi"), "must be 0.5Gi to 8.0Gi in steps of 0.5Gi")


class _Reader:
    """Reads values one by one and collects problems.

    After a problem a reader method answers with some value of the right type, so that the settings after it are
    still read; `parse_settings` never lets such a value out.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values
        self.problems: list[Problem] = []

    def refuse(self, key: str, expected: str) -> None:
        value = self.values.get(key)
        self.problems.append(Problem(key, value, expected if value is not None else f"is not set; it {expected}"))

    def sound(self, *keys: str) -> bool:
        return not any(problem.key in keys for problem in self.problems)

    def matched(self, key: str, rule: _TextRule) -> str:
        value = self.values.get(key, "")
        if not rule.pattern.fullmatch(value):
            self.refuse(key, rule.expected)
        return value

    def text(self, key: str) -> str:
        return self.matched(key, _TEXT_RULES[key])

    def optional_text(self, key: str) -> str | None:
        return self.text(key) if self.values.get(key) else None

    def integer(self, key: str, low: int, high: int) -> int:
        value = self.values.get(key, "")
        # int() alone would also take " 5", "1_000" and other scripts' digits; six digits are beyond every range here.
        number = int(value) if re.fullmatch(r"-?[0-9]{1,6}", value) else None
        if number is None or not low <= number <= high:
            self.refuse(key, f"must be a whole number from {low} to {high}")
        return low if number is None else number

    def one_of(self, key: str, rule: _TextRule, allowed: Sequence[Decimal]) -> Decimal:
        digits = self.matched(key, rule).removesuffix("Gi")
        if self.sound(key) and Decimal(digits) not in allowed:
            self.refuse(key, rule.expected)
        return Decimal(digits) if self.sound(key) else allowed[0]


def parse_settings(values: Mapping[str, str]) -> Settings:
    """Checks a whole configuration.

    Args:
        values: Each setting as Pulumi hands it over, a string, by its key as in `KEYS`.

    Raises:
        SettingsError: With every problem at once.
    """
    reader = _Reader(values)
    min_replicas = reader.integer("minReplicas", 0, MAX_REPLICAS)
    max_replicas = reader.integer("maxReplicas", 1, MAX_REPLICAS)
    if reader.sound("minReplicas", "maxReplicas") and min_replicas > max_replicas:
        reader.refuse("minReplicas", f"must not be above maxReplicas, which is {max_replicas}")
    cpu = reader.one_of("cpu", _CPU_RULE, tuple(MEMORY_FOR_CPU))
    memory = reader.one_of("memory", _MEMORY_RULE, tuple(MEMORY_FOR_CPU.values()))
    if reader.sound("cpu", "memory") and memory != MEMORY_FOR_CPU[cpu]:
        reader.refuse("memory", f"must be {MEMORY_FOR_CPU[cpu]:.1f}Gi where cpu is {cpu} (2 GiB for each core)")
    settings = Settings(
        location=reader.text(LOCATION_KEY),
        app_name=reader.text("appName"),
        resource_group_name=reader.text("resourceGroupName"),
        registry_name=reader.text("registryName"),
        environment_name=reader.text("environmentName"),
        image_name=reader.text("imageName"),
        prebuilt_image=reader.optional_text("image"),
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        cpu=float(cpu),
        memory=f"{memory:.1f}Gi",
    )
    problems = [*reader.problems, *(_unknown(key) for key in values if key not in KEYS)]
    if problems:
        order = {key: place for place, key in enumerate(KEYS)}
        raise SettingsError(sorted(problems, key=lambda problem: order.get(problem.key, len(order))))
    return settings


def _unknown(key: str) -> Problem:
    # The value stays out of the message: a misspelt key may well hold a secret.
    near = difflib.get_close_matches(key, KEYS, n=1)
    return Problem(key, None, f"is no setting of this project{f'; {near[0]} is' if near else ''}")


def read_settings() -> Settings:
    """Reads and checks the configuration of the stack that the running program belongs to.

    Raises:
        SettingsError: With every problem at once.
    """
    project = pulumi.get_project()
    values: dict[str, str] = {}
    for key in KEYS:
        namespace, _, name = key.rpartition(":")
        if (value := pulumi.Config(namespace or project).get(name)) is not None:
            values[key] = value
    # pulumi.Config can only be asked for names one knows. A misspelt one would go unnoticed, and its default deployed.
    for full_key in {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}:
        namespace, _, name = full_key.partition(":")
        if namespace == project:
            values.setdefault(name, "")
    return parse_settings(values)
