"""What all tests share: one executor with the default settings."""

from collections.abc import Iterator

import pytest

from devtools.executor import Executor, running


@pytest.fixture(scope="session")
def executor() -> Iterator[Executor]:
    with running() as server:
        yield server


@pytest.fixture
def language(executor: Executor, request: pytest.FixtureRequest) -> str:
    """A language that a parametrized test needs; skips where this machine has no toolchain for it."""
    name: str = request.param
    if name not in executor.languages():
        pytest.skip(f"no toolchain for {name} on this machine")
    return name
