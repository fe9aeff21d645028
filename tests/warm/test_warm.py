"""A warm worker and a cold start give the same program the same world, byte for byte.

The cold way is taken by the same program under another name for its main file, which no worker has been started with.
"""

import re
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.server import Executor

_PROGRAMS = tomllib.loads(Path(__file__).with_name("programs.toml").read_text("utf-8"))["program"]
_MAIN = {"python": "main.py", "javascript": "main.js"}


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
    return shown


@pytest.mark.parametrize("program", [pytest.param(p, id=f"{p['language']}: {p['name']}") for p in _PROGRAMS])
def test_nothing_differs_for_the_program(executor: Executor, program: dict[str, Any]) -> None:
    if program["language"] not in executor.languages():
        pytest.skip(f"no {program['language']} on this machine")
    time.sleep(0.15 if program["language"] == "javascript" else 0.01)  # the worker that waits is up again
    main = _MAIN[program["language"]]
    warm = _run(executor, program, main)
    cold = _run(executor, program, main.replace("main", "niam"))
    assert warm == cold
    assert warm["status"] == program.get("status", "ok"), warm
