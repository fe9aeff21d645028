"""A warm worker and a cold start give the same program the same world, byte for byte."""

from typing import Any

import pytest

from devtools.executor import Executor
from tests.warm.programs import PROGRAMS, both_ways, title, warm_runs


@pytest.mark.parametrize("program", [pytest.param(program, id=title(program)) for program in PROGRAMS])
def test_nothing_differs_for_the_program(executor: Executor, program: dict[str, Any]) -> None:
    if program["language"] not in executor.languages():
        pytest.skip(f"no {program['language']} on this machine")
    warm, cold = both_ways(executor, program)
    assert warm == cold
    assert warm["status"] == program.get("status", "ok"), warm


def test_warm_workers_follow_one_another_where_a_checker_runs_after_each_program(executor: Executor) -> None:
    if "javascript" not in executor.languages():
        pytest.skip("no javascript on this machine")
    # In another language than the checker, so that the worker of one is not the other's.
    checker = {"language": "bash", "code": "exit 42"}
    cases = [{"id": f"{number}", "input": "", "expected_output": ""} for number in range(12)]
    before = warm_runs(executor)
    answer = executor.judge("javascript", "setTimeout(() => {}, 300)", cases, checker=checker, timeout=10)
    assert answer["status"] == "accepted"
    assert warm_runs(executor) - before >= 6, "not only those that were there before"
