"""Stacks grow to the memory limit, and threads have as many as there may be tasks."""

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from devtools.executor import Executor

_ROWS = tomllib.loads(Path(__file__).with_name("stacks.toml").read_text("utf-8"))["row"]
_TOOLS = {"c": "gcc", "cpp": "g++", "javascript": "node"}
_NAMES = {"javascript": ("main.js", "niam.js")}


@pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in _ROWS])
def test_it_ends_as_it_should(executor: Executor, row: dict[str, Any]) -> None:
    tool = _TOOLS.get(row["language"])
    if tool and not shutil.which(tool):
        pytest.skip(f"there is no {tool} here")
    limits = {name: row[name] for name in ("memory_limit_mb",) if name in row}
    # Under its usual name a process that was started ahead has it, under another one none.
    for name in _NAMES.get(row["language"], (None,)):
        files = [{"name": name, "content": row["code"]} if name else {"content": row["code"]}]
        run = executor.post({"language": row["language"], "files": files, "timeout": 10, **limits}).json()["run"]
        assert (run["status"], run["stdout"]) == (row["status"], row.get("stdout", run["stdout"])), run
        assert run["message"].startswith(row.get("message", "")), run
        assert row.get("stderr_has", "") in run["stderr"], run
