"""The programs that are run warm and cold, and how the two are compared.

The cold way is taken by the same program under another name for its main file, which no worker has been started with.
"""

import re
import time
import tomllib
from pathlib import Path
from typing import Any

from devtools.executor import Executor

PROGRAMS: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("programs.toml").read_text("utf-8"))["program"]
_MAIN = {"python": "main.py", "javascript": "main.js"}


def title(program: dict[str, Any]) -> str:
    """What a test of it is called."""
    return f"{program['language']}: {program['name']}"


def _run(executor: Executor, program: dict[str, Any], name: str) -> dict[str, Any]:
    language = program["language"]
    body = {
        "language": language,
        "files": [{"name": name, "content": program["code"]}],
        "stdin": program.get("stdin", ""),
        "args": program.get("args", []),
        "timeout": 8,
    }
    response = executor.post(body)
    assert response.status_code == 200, response.text
    run = response.json()["run"]
    shown = {key: run[key] for key in ("stdout", "stderr", "code", "signal", "status")}
    for key in ("stdout", "stderr"):
        shown[key] = shown[key].replace(name, "MAIN").replace(name.removesuffix(".py").removesuffix(".js"), "main")
        shown[key] = re.sub(r"0x[0-9a-f]{6,}", "0xADDRESS", shown[key])
        shown[key] = re.sub(r"\(pid=\d+\)", "(pid=PID)", shown[key])
    return shown


def both_ways(executor: Executor, program: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What came of it, warm and cold, without names of files, addresses and numbers of processes."""
    time.sleep(0.15 if program["language"] == "javascript" else 0.01)  # the worker that waits is up again
    main = _MAIN[program["language"]]
    return _run(executor, program, main), _run(executor, program, main.replace("main", "niam"))


def warm_runs(executor: Executor) -> float:
    """How many runs warm workers have served so far, by the executor's own count."""
    counts = executor.metrics().items()
    return sum(value for name, value in counts if name.startswith("executor_warm_runs_total{") and 'warm="yes"' in name)
