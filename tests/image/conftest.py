"""The image, built once for all of its tests."""

import pytest

from tests.image.engine import build


@pytest.fixture(scope="session")
def image() -> str:
    return build()
