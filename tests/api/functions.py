"""Calls of functions, as `functions.toml` has them, and what must come of each wherever the executor runs."""

import json
import tomllib
from pathlib import Path
from typing import Any

from devtools.executor import Executor

PROGRAMS: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("functions.toml").read_text("utf-8"))
#: A program's name and the number of one of its calls.
CALLS = [(name, number) for name, row in PROGRAMS.items() for number in range(len(row["calls"]))]
NAMES = [f"{name}-{number}-{PROGRAMS[name]['calls'][number]['name']}" for name, number in CALLS]


def language_of(name: str) -> str:
    """The language in which the program is."""
    return str(PROGRAMS[name].get("language", name))


def call(executor: Executor, language: str, program: str, name: str, *cases: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The answer to a submission whose function `name` is called; `fields` of `function` are its comparator only."""
    function = {"name": name, "cases": list(cases)} | {key: fields.pop(key) for key in ("comparator",) if key in fields}
    response = executor.post({"language": language, "code": program, "function": function, **fields})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def check(executor: Executor, program: str, number: int) -> None:
    """Makes one call, with the very JSON of its row, and compares what comes of it with the row."""
    row = dict(PROGRAMS[program]["calls"][number])
    name, arguments, expected = row.pop("name"), row.pop("args"), row.pop("expected")
    fields = {"time_limit": 0.5} if row["status"] == "time_limit_exceeded" else {"timeout": 10}
    head = json.dumps({"language": language_of(program), "code": PROGRAMS[program]["program"], **fields})
    function = f'{{"name": "{name}", "cases": [{{"args": {arguments}, "expected": {expected}}}]}}'
    response = executor.http.post(
        "/execute", content=f'{head[:-1]}, "function": {function}}}', headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 200, response.text
    answer = response.json()
    (found,) = answer["test_results"]
    in_stderr, in_compile = row.pop("in_stderr", ""), row.pop("in_compile", "")
    for key, value in row.items():
        assert found.get(key) == value, answer
    assert in_stderr in found["stderr"], answer
    assert not in_compile or in_compile in answer["compile"]["stderr"], answer
