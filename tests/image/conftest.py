"""The image, built once for all of its tests."""

import pytest

from tests.image.built import built


@pytest.fixture(scope="session")
def image() -> str:
    return built()
