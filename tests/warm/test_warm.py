"""A warm worker and a cold start give the same program the same world, byte for byte."""

from typing import Any

import pytest

from devtools.executor import Executor
from tests.warm.programs import PROGRAMS, both_ways, title


@pytest.mark.parametrize("program", [pytest.param(program, id=title(program)) for program in PROGRAMS])
def test_nothing_differs_for_the_program(executor: Executor, program: dict[str, Any]) -> None:
    if program["language"] not in executor.languages():
        pytest.skip(f"no {program['language']} on this machine")
    warm, cold = both_ways(executor, program)
    assert warm == cold
    assert warm["status"] == program.get("status", "ok"), warm
