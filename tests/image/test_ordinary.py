"""What ordinary programs do, as `ordinary.toml` has it: in the image `full`, with one uid for all runs and one for each."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools.docker import AS_ON_AZURE, container
from devtools.executor import Executor
from tests.image.built import built
from tests.warm.programs import run_cold, run_warm

_PROGRAMS: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("ordinary.toml").read_text("utf-8"))["program"]
# By names that `tests.processes` splits at. The second has a whole core, so that the many rows are through sooner.
PLACES = {"place_one_uid": AS_ON_AZURE, "place_own_uids": ("--memory", "1g", "--cpus", "1")}
_LIMITS = {"compile_timeout_seconds": "60", "max_timeout_seconds": "30"}
_SENT = ("language", "code", "files", "stdin", "args", "memory_limit_mb")
# Under another name than that with which a process was started ahead; of a JVM, with another limit of memory.
_COLD: dict[str, dict[str, Any]] = {
    "python": {"name": "niam.py"},
    "javascript": {"name": "niam.js"},
    "java": {"memory_limit_mb": 255},
    "kotlin": {"memory_limit_mb": 255},
}


@pytest.fixture(scope="module", params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[Executor]:
    settings = {f"EXECUTOR_{name.upper()}": value for name, value in _LIMITS.items()}
    with container(built("full"), *PLACES[request.param], settings=settings) as executor:
        yield executor


@pytest.mark.parametrize("program", [pytest.param(each, id=f"{each['subject']}: {each['name']}") for each in _PROGRAMS])
def test_it_runs_as_anywhere_else(place: Executor, program: dict[str, Any]) -> None:
    body: dict[str, Any] = {name: program[name] for name in _SENT if name in program} | {"timeout": 20}
    if "stdin_kib" in program:
        body["stdin"] = "x" * (program["stdin_kib"] << 10)
    for run in _runs(place, body):
        assert run["status"] == program.get("status", "ok"), run
        assert run["message"].startswith(program.get("message", "")), run
        for stream in ("stdout", "stderr"):
            if f"{stream}_has" in program:
                assert program[f"{stream}_has"] in run[stream], run
            else:
                assert run[stream] == program.get(stream, ""), run


def _runs(place: Executor, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each of its ways: cold and warm where there are both."""
    differs = dict(_COLD.get(body["language"], {}))
    if not differs:
        response = place.post(body)
        assert response.status_code == 200, response.text
        yield response.json()["run"]
        return
    if name := differs.pop("name", ""):
        differs |= {"files": [{"name": name, "content": body["code"]}], "code": None}
    yield run_cold(place, body | differs)
    yield run_warm(place, body)
