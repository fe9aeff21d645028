"""The programs that are run warm and cold, and how the two are compared.

The cold way is taken by the same program under another name for its main file, which no worker has been started with.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from devtools.executor import Executor, until

PROGRAMS: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("programs.toml").read_text("utf-8"))["program"]
_MAIN = {"python": "main.py", "javascript": "main.js"}


def title(program: dict[str, Any]) -> str:
    """What a test of it is called."""
    return f"{program['language']}: {program['name']}"


def run_warm(executor: Executor, body: Mapping[str, Any]) -> dict[str, Any]:
    """The run of a submission that a warm worker served: sent anew until one is up, since before it goes the cold way."""
    found: list[dict[str, Any]] = []

    def is_warm() -> bool:
        before = warm_runs(executor)
        found.append(_sent(executor, body))
        return warm_runs(executor) > before

    assert until(is_warm), "no warm worker comes up"
    return found[-1]


def run_cold(executor: Executor, body: Mapping[str, Any]) -> dict[str, Any]:
    """The run of a submission that no warm worker can serve."""
    before = warm_runs(executor)
    run = _sent(executor, body)
    assert warm_runs(executor) == before, "a warm worker has served it"
    return run


def _sent(executor: Executor, body: Mapping[str, Any]) -> dict[str, Any]:
    response = executor.post(body)
    assert response.status_code == 200, response.text
    run: dict[str, Any] = response.json()["run"]
    return run


def _run(
    executor: Executor,
    send: Callable[[Executor, Mapping[str, Any]], dict[str, Any]],
    program: dict[str, Any],
    name: str,
) -> dict[str, Any]:
    language = program["language"]
    body = {
        "language": language,
        "files": [{"name": name, "content": program["code"]}],
        "stdin": program.get("stdin", ""),
        "args": program.get("args", []),
        "timeout": 8,
    }
    run = send(executor, body)
    shown = {key: run[key] for key in ("stdout", "stderr", "code", "signal", "status")}
    for key in ("stdout", "stderr"):
        shown[key] = shown[key].replace(name, "MAIN").replace(name.removesuffix(".py").removesuffix(".js"), "main")
        shown[key] = re.sub(r"0x[0-9a-f]{6,}", "0xADDRESS", shown[key])
        # V8's own frames lie in code that it makes or that is in its binary: its native traces name either.
        shown[key] = re.sub(r"0xADDRESS .*", "0xADDRESS", shown[key])
        shown[key] = re.sub(r"\(pid=\d+\)", "(pid=PID)", shown[key])
    return shown


def both_ways(executor: Executor, program: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What came of it, warm and cold, without names of files, addresses and numbers of processes."""
    main = _MAIN[program["language"]]
    return _run(executor, run_warm, program, main), _run(executor, run_cold, program, main.replace("main", "niam"))


def warm_runs(executor: Executor) -> float:
    """How many runs warm workers have served so far, by the executor's own count."""
    counts = executor.metrics().items()
    return sum(value for name, value in counts if name.startswith("executor_warm_runs_total{") and 'warm="yes"' in name)
