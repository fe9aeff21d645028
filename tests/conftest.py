"""What all tests share: one executor with the default settings, and the way in which they are shared out to processes."""

import os
from collections.abc import Iterator

import pytest
from xdist.remote import Producer

from devtools.executor import Executor, running
from tests import processes


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return processes.how_many()


def pytest_configure() -> None:
    if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
        processes.leave_shared_places()


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> processes.ByWhatTheyShare:
    return processes.ByWhatTheyShare(config, log)


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
