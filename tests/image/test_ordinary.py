"""What ordinary programs do, as `ordinary.toml` has it: in the image `full`, with one uid for all runs and one for each."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.image.engine import AS_ON_AZURE, build, container
from tests.server import Executor, until

_PROGRAMS: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("ordinary.toml").read_text("utf-8"))["program"]
_PLACES = {"one uid": AS_ON_AZURE, "a uid for each run": ("--memory", "1g", "--cpus", "0.5")}
_LIMITS = {"compile_timeout_seconds": "60", "max_timeout_seconds": "30"}
_SENT = ("language", "code", "files", "stdin", "args", "memory_limit_mb")
# Under another name than that with which a process was started ahead; of Java, with another limit of memory.
_COLD: dict[str, dict[str, Any]] = {
    "python": {"name": "niam.py"},
    "javascript": {"name": "niam.js"},
    "java": {"memory_limit_mb": 255},
}


@pytest.fixture(scope="module", params=_PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[Executor]:
    settings = {f"EXECUTOR_{name.upper()}": value for name, value in _LIMITS.items()}
    with container(build("full"), *_PLACES[request.param], settings=settings) as executor:
        yield executor


@pytest.mark.parametrize("program", [pytest.param(each, id=f"{each['subject']}: {each['name']}") for each in _PROGRAMS])
def test_it_runs_as_anywhere_else(place: Executor, program: dict[str, Any]) -> None:
    body: dict[str, Any] = {name: program[name] for name in _SENT if name in program} | {"timeout": 20}
    for warm in (False, True) if program["language"] in _COLD else (False,):
        answer = _answer(place, body, warm=warm)
        run = answer["run"]
        assert run["status"] == program.get("status", "ok"), answer
        assert run["stdout"] == program.get("stdout", ""), answer
        assert program.get("stderr_has", "") in run["stderr"], answer
        if "stderr_has" not in program:
            assert run["stderr"] == program.get("stderr", ""), answer


def _answer(place: Executor, body: dict[str, Any], *, warm: bool) -> dict[str, Any]:
    """The answer to it; where that is asked for by a process that was started ahead, which may not be ready at once."""
    language = body["language"]
    if not warm:
        differs = dict(_COLD.get(language, {}))
        name = differs.pop("name", "")
        if name and "code" in body:
            differs["files"] = [{"name": name, "content": body["code"]}]
            body = {key: value for key, value in body.items() if key != "code"}
        return _post(place, body | differs)
    answers: list[dict[str, Any]] = []
    count = f'executor_warm_runs_total{{language="{language}",warm="yes"}}'

    def served_warm() -> bool:
        before = place.metrics().get(count, 0)
        answers.append(_post(place, body))
        return answers[-1]["run"]["status"] == "compile_error" or place.metrics().get(count, 0) > before

    assert until(served_warm, 60), answers[-1]
    return answers[-1]


def _post(place: Executor, body: dict[str, Any]) -> dict[str, Any]:
    response = place.post(body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer
