"""Stacks grow to the memory limit, and threads have as many as there may be tasks."""

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from devtools.executor import Executor

_ROWS = tomllib.loads(Path(__file__).with_name("stacks.toml").read_text("utf-8"))["row"]
_COMPILERS = {"c": "gcc", "cpp": "g++"}


@pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in _ROWS])
def test_it_ends_as_it_should(executor: Executor, row: dict[str, Any]) -> None:
    compiler = _COMPILERS.get(row["language"])
    if compiler and not shutil.which(compiler):
        pytest.skip(f"there is no {compiler} here")
    run = executor.execute(row["language"], row["code"], timeout=10)
    assert (run["status"], run["stdout"]) == (row["status"], row.get("stdout", run["stdout"])), run
    assert run["message"].startswith(row.get("message", "")), run
