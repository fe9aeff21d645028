"""What a change of settings does to resources that are there already: whether Azure changes them or replaces them."""

from collections.abc import Iterator
from typing import Any

import pytest

from devtools.engine_double import Declared, EngineDouble
from tests.infra import arm_types
from tests.infra.program import API_KEYS, APP, PREBUILT, deploy, update

NAME = "ai-ta-ra-code-executor2"
CONTEST = {"minReplicas": "10", "maxReplicas": "1000"}


def identity_of(resource: Declared) -> dict[str, Any]:
    """Gives the inputs that cannot change without another resource in its place: those in its URL, and its region."""
    arm = arm_types.RESOURCES.get(resource.type)
    fixed = {*(arm.in_url if arm else ()), "location"}
    return {key: value for key, value in resource.inputs.items() if key in fixed}


def differences(old: object, new: object, place: str = "") -> Iterator[str]:
    """Gives the places in which two declarations differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from differences(old.get(key), new.get(key), f"{place}.{key}" if place else key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(*pair, f"{place}[{index}]")
    elif old != new:
        yield place


def changes(before: EngineDouble, after: EngineDouble) -> dict[str, list[str]]:
    """Gives for each resource the inputs that an update changes; nothing may be replaced, added or removed."""
    old = {resource.urn: resource for resource in before.resources}
    new = {resource.urn: resource for resource in after.resources}
    assert old.keys() == new.keys()
    for urn, resource in new.items():
        assert identity_of(old[urn]) == identity_of(resource), f"{urn} would be replaced"
    found = {resource.name: list(differences(dict(old[urn].inputs), dict(resource.inputs))) for urn, resource in new.items()}
    return {name: places for name, places in found.items() if places}


def test_going_from_dev_to_contest_settings_changes_the_scale_in_place_and_nothing_else() -> None:
    before = deploy("dev", update(), appName=NAME)
    after = deploy("dev", update(), appName=NAME, **CONTEST)
    assert changes(before, after) == {
        "executor-app": ["template.scale.maxReplicas", "template.scale.minReplicas"],
    }


def test_going_back_to_an_earlier_image_changes_nothing_but_the_image() -> None:
    before = deploy("contest", update(), image=PREBUILT)
    after = deploy("contest", update(), image=PREBUILT.replace("ab", "cd"))
    assert changes(before, after) == {"executor-app": ["template.containers[0].image"]}


@pytest.mark.parametrize(
    "setting",
    [
        {"apiKeys": API_KEYS},
        {"allowedIps": '["203.0.113.0/24"]'},
        {"cpu": "1", "memory": "2.0Gi"},
        {"environmentVariables": '{"EXECUTOR_LOG_LEVEL": "debug"}'},
        {"tags": '{"course": "cs101"}'},
        {"customDomain": "executor.example.org"},
        {"terminationGraceSeconds": "300"},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_a_choice_that_is_made_later_changes_the_app_in_place(setting: dict[str, str]) -> None:
    found = changes(deploy("contest", update()), deploy("contest", update(), **setting))
    assert "executor-app" in found
    if "tags" not in setting:
        assert set(found) == {"executor-app"}


def test_another_app_name_is_another_app() -> None:
    with pytest.raises(AssertionError, match="would be replaced"):
        changes(deploy("dev", update()), deploy("dev", update(), appName="another"))


def test_adding_an_address_adds_the_guardrails_and_leaves_the_rest_alone() -> None:
    before = deploy("contest", update())
    after = deploy("contest", update(), alertEmails='["ta@example.org"]')
    there = {resource.urn: resource.inputs for resource in before.resources}
    assert {urn: inputs for urn, inputs in ((r.urn, r.inputs) for r in after.resources) if urn in there} == there
    assert after.only(APP).inputs == before.only(APP).inputs
