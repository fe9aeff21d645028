"""Everything that each stack declares, as files that are reviewed: `snapshots/`.

After a wanted change: `UPDATE_SNAPSHOTS=1 python -m pytest tests/infra/test_snapshots.py`, and look at the difference.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from devtools.engine_double import Declared, EngineDouble, Secret, Unknown
from tests.infra import arm_types
from tests.infra.program import API_KEYS, deploy, preview, update

FOLDER = Path(__file__).parent / "snapshots"

GUARDED: Mapping[str, str] = {
    "apiKeys": API_KEYS,
    "alertEmails": '["ta@example.org"]',
    "budgetStart": "2026-03-01",
    "coreQuota": "1000",
    "production": "true",
}

CASES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "dev": ("dev", {}),
    "contest": ("contest", {}),
    "local": ("local", {}),
    "contest-guarded": ("contest", GUARDED),
    "sessions": ("contest", {**GUARDED, "hosting": "sessions"}),
    "everything-created": (
        "dev",
        {
            **GUARDED,
            "resourceGroup": "create",
            "registry": "create",
            "environment": "create",
            "logWorkspace": "create",
            "store": "create",
            "storeAccountName": "aitastore",
            "applicationInsights": "create",
        },
    ),
    "several-apps": (
        "dev",
        {**GUARDED, "apps": '[{"imageTarget": "node"}, {"imageTarget": "judge", "appName": "judge", "maxReplicas": 20}]'},
    ),
}


def _readable(value: Any) -> Any:
    match value:
        case Unknown():
            return "<known after the deployment>"
        case Secret():
            return {"<secret>": _readable(value.value)}
        case dict():
            return {key: _readable(inner) for key, inner in sorted(value.items())}
        case list():
            return [_readable(inner) for inner in value]
        case str():
            if value.startswith('{"version": "Notebook'):
                value = "<infra/dashboards/workbook.json>"
            # What changes with every file of the runtime, and with the month.
            return re.sub(r"(:v1(-[a-z]+)?)-[0-9a-f]{12}", r"\1-<content>", re.sub(r"^20\d\d-\d\d-01T", "<month>T", value))
        case _:
            return value


def _described(resource: Declared) -> dict[str, Any]:
    options = {
        "protect": resource.protect,
        "retainOnDelete": resource.retain_on_delete,
        "deleteBeforeReplace": resource.delete_before_replace,
        "ignoreChanges": list(resource.ignore_changes),
        "dependsOn": sorted(urn.rpartition("::")[2] for urn in resource.dependencies),
        "timeouts": dict(resource.timeouts),
    }
    return {
        "type": resource.type,
        "parent": resource.parent.rpartition("::")[2],
        "options": {name: value for name, value in options.items() if value},
        "inputs": _readable(dict(resource.inputs)),
    }


def rendered(engine: EngineDouble) -> str:
    """Gives a run as text: each resource by its name, and the outputs."""
    content = {
        "resources": {r.name: _described(r) for r in sorted(engine.resources, key=lambda r: r.name)},
        "outputs": _readable(engine.outputs),
        "warnings": [line for text in engine.warnings for line in text.splitlines()],
    }
    return yaml.safe_dump(content, sort_keys=False, width=120)


@pytest.mark.parametrize("case", CASES)
def test_a_stack_declares_what_was_reviewed(case: str) -> None:
    stack, changes = CASES[case]
    text = rendered(deploy(stack, update(), **changes))
    file = FOLDER / f"{case}.yaml"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), f"{case} differs: UPDATE_SNAPSHOTS=1 writes it anew, for a review"


@pytest.mark.parametrize("case", CASES)
def test_a_preview_declares_the_same_as_far_as_it_can_know(case: str, subtests: pytest.Subtests) -> None:
    stack, changes = CASES[case]
    planned, done = deploy(stack, preview(), **changes), deploy(stack, update(), **changes)
    assert {resource.urn for resource in planned.resources} == {resource.urn for resource in done.resources}
    made = {resource.urn: resource for resource in done.resources}
    for resource in planned.resources:
        assert _agrees(dict(resource.inputs), dict(made[resource.urn].inputs)), resource.name
    assert _agrees(planned.outputs, done.outputs)
    arm_types.check([*planned.resources, *done.resources], subtests)


def _agrees(planned: Any, done: Any) -> bool:
    match planned:
        case Unknown():
            return True
        case Secret():
            return isinstance(done, Secret) and _agrees(planned.value, done.value)
        case dict():
            return planned.keys() == done.keys() and all(_agrees(planned[key], done[key]) for key in planned)
        case list():
            return len(planned) == len(done) and all(map(_agrees, planned, done))
        case _:
            return bool(planned == done)


def test_there_is_no_snapshot_of_what_is_no_longer_tested() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {f"{case}.yaml" for case in CASES}
