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


def test_one_of_the_two_ways_is_warm_and_the_other_is_not(executor: Executor) -> None:
    before = warm_runs(executor)
    for _ in range(5):
        both_ways(executor, PROGRAMS[0])
    # Other work on the machine can leave one of them without a worker.
    assert 4 <= warm_runs(executor) - before <= 5
