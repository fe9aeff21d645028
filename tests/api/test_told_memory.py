"""The memory that an answer tells agrees with its verdict: above the limit only where that was exceeded."""

import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from devtools.executor import Executor

_ROWS = tomllib.loads(Path(__file__).with_name("told_memory.toml").read_text("utf-8"))["row"]
_COMPILERS = {"c": "gcc", "cpp": "g++"}


@pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in _ROWS])
def test_what_is_told_is_within_the_limit_unless_that_was_exceeded(executor: Executor, row: dict[str, Any]) -> None:
    compiler = _COMPILERS.get(row["language"])
    if compiler and not shutil.which(compiler):
        pytest.skip(f"there is no {compiler} here")
    file = {"name": row["file"]} if "file" in row else {}
    body = {"language": row["language"], "files": [{**file, "content": row["code"]}], "timeout": 10}
    run = executor.post({**body, "memory_limit_mb": row["memory_limit_mb"]}).json()["run"]
    assert run["status"] in row["ends"], run
    if run["status"] != "memory_limit_exceeded":
        assert row.get("at_least_mb", 0) << 20 <= run["memory"] <= row["memory_limit_mb"] << 20, run
