"""What a configuration may be, and what is said where it is wrong."""

import dataclasses
from typing import Any

import pytest

from infra.settings import KEYS, LOCATION_KEY, MEMORY_FOR_CPU, SettingsError, parse_settings
from tests.infra import stack_files

DIGEST = "registry.example.com/executor-image@sha256:" + "0123456789abcdef" * 4

GOOD = {
    LOCATION_KEY: "eastus2",
    "appName": "code-executor",
    "resourceGroupName": "group",
    "registryName": "registry1",
    "environmentName": "environment",
    "imageName": "executor-image:v1",
    "image": "",
    "minReplicas": "2",
    "maxReplicas": "200",
    "cpu": "0.5",
    "memory": "1.0Gi",
}

WRONG = [
    (LOCATION_KEY, "East US 2", "eastus2"),
    ("appName", "", "2 to 32"),
    ("appName", "x", "2 to 32"),
    ("appName", "x" * 33, "2 to 32"),
    ("appName", "Code-Executor", "small letters"),
    ("appName", "2nd-executor", "from a letter"),
    ("appName", "executor-", "to a letter or digit"),
    ("appName", "code--executor", "single hyphens"),
    ("appName", "code_executor", "single hyphens"),
    ("appName", "executor\n", "small letters"),
    ("resourceGroupName", "group.", "not end in a dot"),
    ("resourceGroupName", "g/roup", "1 to 90"),
    ("resourceGroupName", "g" * 91, "1 to 90"),
    ("registryName", "registry1.azurecr.io", "without .azurecr.io"),
    ("registryName", "acr", "5 to 50"),
    ("environmentName", "my environment", "2 to 60"),
    ("environmentName", "env-", "2 to 60"),
    ("imageName", "executor-image", "repository:tag"),
    ("imageName", "Executor:v1", "repository:tag"),
    ("imageName", "registry.example.com:5000/executor:v1", "without a registry"),
    ("image", "executor-image:v1", "@sha256:"),
    ("image", DIGEST[:-1], "64 hexadecimal digits"),
    ("image", DIGEST.upper(), "64 hexadecimal digits"),
    ("image", DIGEST.partition("/")[2], "registry/repository"),
    ("minReplicas", "-1", "from 0 to 1000"),
    ("minReplicas", "1001", "from 0 to 1000"),
    ("minReplicas", "two", "whole number"),
    ("minReplicas", "2.5", "whole number"),
    ("minReplicas", "1_0", "whole number"),
    ("minReplicas", " 5", "whole number"),
    ("minReplicas", "9" * 5000, "whole number"),
    ("maxReplicas", "0", "from 1 to 1000"),
    ("maxReplicas", "1001", "from 1 to 1000"),
    ("maxReplicas", "", "whole number"),
    ("minReplicas", "201", "not be above maxReplicas, which is 200"),
    ("cpu", "0", "0.25 to 4"),
    ("cpu", "0.3", "steps of 0.25"),
    ("cpu", "4.25", "0.25 to 4"),
    ("cpu", "-0.5", "0.25 to 4"),
    ("cpu", "NaN", "0.25 to 4"),
    ("cpu", "500m", "0.25 to 4"),
    ("memory", "1", "0.5Gi to 8.0Gi"),
    ("memory", "1024Mi", "0.5Gi to 8.0Gi"),
    ("memory", "0.75Gi", "steps of 0.5Gi"),
    ("memory", "16Gi", "0.5Gi to 8.0Gi"),
    ("memory", "4.0Gi", "must be 1.0Gi where cpu is 0.5"),
]


@pytest.mark.parametrize(("key", "value", "right"), WRONG, ids=[f"{key}={value[:40]!r}" for key, value, _ in WRONG])
def test_a_wrong_value_is_refused_with_its_key_the_value_and_what_would_be_right(key: str, value: str, right: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings({**GOOD, key: value})
    (problem,) = refused.value.problems
    assert problem.key == key
    assert problem.value == value
    assert right in problem.expected
    assert all(part in str(refused.value) for part in (key, repr(value), right))


@pytest.mark.parametrize("key", [key for key in KEYS if key != "image"])
def test_a_setting_that_is_missing_is_named(key: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings({name: value for name, value in GOOD.items() if name != key})
    assert f"{key}: is not set; it must be" in str(refused.value)
    assert [problem.key for problem in refused.value.problems] == [key]


def test_all_wrong_settings_are_named_at_once_in_the_order_of_the_schema() -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings({**GOOD, "memory": "4.0Gi", "appName": "X", "minReplicas": "50", "maxReplicas": "10", "size": "1"})
    assert [problem.key for problem in refused.value.problems] == ["appName", "minReplicas", "memory", "size"]
    assert "4 settings are wrong, so nothing was declared" in str(refused.value)


def test_a_bound_that_is_wrong_itself_is_not_compared_with_the_other() -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings({**GOOD, "minReplicas": "50", "maxReplicas": "ten", "cpu": "half"})
    assert [problem.key for problem in refused.value.problems] == ["maxReplicas", "cpu"]


def test_a_misspelt_key_is_refused_with_the_right_one_and_without_its_value() -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings({**GOOD, "minReplica": "a secret, perhaps"})
    assert "minReplica: is no setting of this project; minReplicas is" in str(refused.value)
    assert "a secret, perhaps" not in str(refused.value)


def test_a_key_unlike_any_other_is_refused_without_a_guess() -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings({**GOOD, "xyz": "1"})
    assert [str(problem) for problem in refused.value.problems] == ["xyz: is no setting of this project"]


@pytest.mark.parametrize(("cpu", "memory"), [(str(cpu), f"{memory}Gi") for cpu, memory in MEMORY_FOR_CPU.items()])
def test_every_size_of_azure_s_is_taken(cpu: str, memory: str) -> None:
    settings = parse_settings({**GOOD, "cpu": cpu, "memory": memory})
    assert (settings.cpu, settings.memory) == (float(cpu), f"{float(memory.removesuffix('Gi')):.1f}Gi")


@pytest.mark.parametrize(("cpu", "memory"), [("0.50", "1Gi"), ("0.5", "1.00Gi"), ("00.5", "01Gi")])
def test_a_size_is_the_same_however_it_is_written(cpu: str, memory: str) -> None:
    settings = parse_settings({**GOOD, "cpu": cpu, "memory": memory})
    assert (settings.cpu, settings.memory) == (0.5, "1.0Gi")


@pytest.mark.parametrize(("low", "high"), [("0", "1"), ("0", "1000"), ("1000", "1000"), ("1", "1")])
def test_replicas_may_go_to_the_very_bounds(low: str, high: str) -> None:
    settings = parse_settings({**GOOD, "minReplicas": low, "maxReplicas": high})
    assert (settings.min_replicas, settings.max_replicas) == (int(low), int(high))


@pytest.mark.parametrize("group", ["ai-ta-2", "Groupe_(été).1", "g"])
def test_a_resource_group_may_have_every_name_that_azure_allows(group: str) -> None:
    assert parse_settings({**GOOD, "resourceGroupName": group}).resource_group_name == group


def test_an_image_by_digest_takes_the_place_of_a_build() -> None:
    assert parse_settings(GOOD).prebuilt_image is None
    assert parse_settings({**GOOD, "image": DIGEST}).prebuilt_image == DIGEST


def test_settings_cannot_be_changed_after_they_were_checked() -> None:
    settings: Any = parse_settings(GOOD)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.min_replicas = 2000


def test_the_project_file_describes_exactly_the_settings_that_the_program_reads() -> None:
    assert sorted(stack_files.project()["config"]) == sorted(KEYS)


@pytest.mark.parametrize("key", [key for key in KEYS if ":" not in key])
def test_each_setting_of_the_project_has_a_type_and_a_description(key: str) -> None:
    setting = stack_files.project()["config"][key]
    # Numbers that may have a fraction are strings: Pulumi's schema knows none.
    assert setting["type"] == ("integer" if key.endswith("Replicas") else "string")
    assert setting["description"].endswith(".")
    if "default" in setting:
        assert type(setting["default"]) is (int if setting["type"] == "integer" else str)


def test_the_defaults_are_those_for_500_users_and_leave_only_the_app_s_name_open() -> None:
    defaults = {key.removeprefix("code-executor:"): value for key, value in stack_files.project_defaults().items()}
    assert set(KEYS) - set(defaults) == {"appName"}
    settings = parse_settings({**defaults, "appName": "executor"})
    assert (settings.min_replicas, settings.max_replicas) == (5, 1000)
    assert (settings.cpu, settings.memory) == (0.5, "1.0Gi")
