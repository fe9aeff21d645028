"""Every language of `full`, as `languages.toml` has it: what a course does with one, in the image as Azure runs it."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.places import NO_CAPABILITIES
from tests.image.engine import build, container
from tests.server import Executor

_LANGUAGES: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("languages.toml").read_text("utf-8"))
_INPUT = "Grüße, 世界\nsecond line\n"
_MEMORY_MB = 256


@pytest.fixture(scope="module")
def full() -> Iterator[Executor]:
    with container(build("full"), *NO_CAPABILITIES) as executor:
        yield executor


def test_the_table_has_every_language(full: Executor) -> None:
    assert full.languages() == set(_LANGUAGES)


def _rows(program: str) -> Any:
    return pytest.mark.parametrize("name", [name for name, row in _LANGUAGES.items() if program in row])


def _run(full: Executor, name: str, program: str, **fields: Any) -> dict[str, Any]:
    return full.execute(name, _LANGUAGES[name][program], **fields)


@_rows("hello")
def test_hello(full: Executor, name: str) -> None:
    answer = full.post({"language": name, "code": _LANGUAGES[name]["hello"]}).json()
    run = answer["run"]
    assert (run["stdout"], run["stderr"], run["code"], run["status"]) == ("hello\n", "", 0, "ok"), answer
    assert answer["version"]


@_rows("echo")
def test_it_reads_its_input_and_writes_other_letters_than_ascii(full: Executor, name: str) -> None:
    run = _run(full, name, "echo", stdin=_INPUT)
    assert (run["stdout"], run["stderr"]) == ("héllo, 世界\n" + _INPUT, ""), run


@_rows("arguments")
def test_arguments(full: Executor, name: str) -> None:
    run = _run(full, name, "arguments", args=_LANGUAGES[name].get("args", ["one", "two words", ""]))
    assert (run["stdout"], run["stderr"]) == ("one|two words||\n", ""), run


@_rows("compile_error")
def test_a_compile_error_is_the_compilers_words(full: Executor, name: str) -> None:
    run = _run(full, name, "compile_error")
    assert run["status"] == "compile_error", run
    assert _LANGUAGES[name]["says"] in run["stderr"], run


@_rows("runtime_error")
def test_a_run_time_error(full: Executor, name: str) -> None:
    run = _run(full, name, "runtime_error")
    assert (run["status"], run["code"]) == ("runtime_error", _LANGUAGES[name]["error_code"]), run


@_rows("time_limit")
def test_the_time_limit(full: Executor, name: str) -> None:
    run = _run(full, name, "time_limit", timeout=0.7)
    assert (run["status"], run["signal"]) == ("time_limit_exceeded", "SIGKILL"), run


@_rows("memory_limit")
def test_the_memory_limit(full: Executor, name: str) -> None:
    run = _run(full, name, "memory_limit", memory_limit_mb=_MEMORY_MB, timeout=10)
    assert run["status"] == "memory_limit_exceeded", run
    assert run["memory"] < (_MEMORY_MB + 64) << 20, run
