"""Programs in every language and the verdicts they get, as `verdicts.toml` lists them."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from devtools.executor import Executor

_CASES = tomllib.loads(Path(__file__).with_name("verdicts.toml").read_text("utf-8"))["case"]
_LANGUAGES = ("python", "javascript", "bash", "c")


def _rows() -> list[Any]:
    return [
        pytest.param(case, language, id=f"{language} {case['name']}")
        for case in _CASES
        for language in _LANGUAGES
        if language in case
    ]


@pytest.mark.parametrize(("case", "language"), _rows(), indirect=["language"])
def test_a_program_gets_its_verdict(executor: Executor, case: dict[str, Any], language: str) -> None:
    fields = {name: case[name] for name in ("stdin", "args", "timeout", "memory_limit_mb") if name in case}
    if "stdin_repeat" in case:
        fields["stdin"] = "x" * case["stdin_repeat"]
    run = executor.execute(language, case[language], **fields)
    expected = case["run"]
    found = {name: run[name] for name in expected} | ({"signal": run["signal"] or ""} if "signal" in expected else {})
    assert found == expected, run
    assert run["wall_time"] >= 0
    assert run["memory"] >= 0


@pytest.mark.parametrize("language", ["c"], indirect=True)
def test_a_compile_error_is_the_compilers_own_words(executor: Executor, language: str) -> None:
    answer = executor.post({"language": language, "code": "int main(void) { return x; }"}).json()
    assert answer["compile"]["status"] == answer["run"]["status"] == "compile_error"
    assert "‘x’ undeclared" in answer["compile"]["stderr"]
    assert answer["run"]["stderr"] == answer["compile"]["stderr"]


@pytest.mark.parametrize("language", ["c"], indirect=True)
def test_a_compiled_program_is_not_an_answer_of_its_compiler(executor: Executor, language: str) -> None:
    answer = executor.post({"language": language, "code": '#include <stdio.h>\nint main(void) { puts("hi"); }'}).json()
    assert answer["compile"]["code"] == 0
    assert answer["run"]["stdout"] == "hi\n"


@pytest.mark.parametrize("language", ["c", "cpp"], indirect=True)
def test_a_source_seen_before_is_not_compiled_again_and_a_changed_one_is(executor: Executor, language: str) -> None:
    code = f"#include <stdio.h>\n// {language}\nint main(void) {{ puts(__TIME__); }}"
    first, second = (executor.post({"language": language, "code": code}).json() for _ in range(2))
    changed = executor.post({"language": language, "code": code + "\n"}).json()
    assert first["run"]["stdout"] == second["run"]["stdout"]
    assert first["compile"] == second["compile"]
    assert changed["compile"] != first["compile"]
    assert changed["run"]["status"] == "ok"
