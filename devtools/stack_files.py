"""Reads `Pulumi.yaml` and `Pulumi.<stack>.yaml` the way the Pulumi command merges them: the SDK alone reads neither."""

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]


def project() -> dict[str, Any]:
    """Gives the project file as it stands."""
    return _mapping(ROOT / "Pulumi.yaml")


def stacks() -> list[str]:
    """Gives the names of all stacks that have a file."""
    return sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))


def project_defaults() -> dict[str, str]:
    """Gives every setting that the project file gives a value to, by its full key."""
    name = project()["name"]
    return {
        key if ":" in key else f"{name}:{key}": _as_string(setting.get("value", setting.get("default")))
        for key, setting in project()["config"].items()
        if "value" in setting or "default" in setting
    }


def stack_config(stack: str, **changes: str | None) -> dict[str, str]:
    """Gives the configuration that a program of `stack` sees.

    Args:
        stack: Name of the stack, whose file must exist.
        changes: Settings of the project that are to be different, or None to leave one out.
    """
    name = project()["name"]
    written = {key: _as_string(value) for key, value in _mapping(ROOT / f"Pulumi.{stack}.yaml")["config"].items()}
    changed = {f"{name}:{key}": value for key, value in changes.items()}
    merged = {**project_defaults(), **written, **changed}
    return {key: value for key, value in merged.items() if value is not None}


def _mapping(path: Path) -> dict[str, Any]:
    # Parsing takes as long as the whole program; a copy, because what is given out may be changed.
    return copy.deepcopy(_parsed(path, path.stat().st_mtime_ns))


@cache
def _parsed(path: Path, _modified: int) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def _as_string(value: object) -> str:
    # As in Pulumi's sdk/go/common/workspace/config.go: simple values as they print, everything else as JSON.
    if isinstance(value, bool | list | dict):
        return json.dumps(value)
    return str(value)
