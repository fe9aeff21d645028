"""Functions are called in the image as on any host, also where no run has a uid of its own, and in TypeScript."""

from collections.abc import Iterator

import pytest

from devtools.docker import AS_ON_AZURE, container
from devtools.executor import Executor
from tests.api.functions import CALLS, NAMES, check
from tests.image.built import built

# On a busy machine half a core is less than that.
_SETTINGS = {"EXECUTOR_COMPILE_TIMEOUT_SECONDS": "60"}


@pytest.fixture(scope="module")
def judge() -> Iterator[Executor]:
    with container(built(), *AS_ON_AZURE, settings=_SETTINGS) as executor:
        yield executor


@pytest.mark.parametrize(("program", "number"), CALLS, ids=NAMES)
def test_what_a_function_returns_is_judged_in_the_image(judge: Executor, program: str, number: int) -> None:
    check(judge, program, number)
