"""The images that tests need: built, or the tests are skipped, saying why."""

import os
from functools import cache

import pytest

from devtools import docker


@cache
def built(target: str = "judge", *options: str) -> str:
    """The tag of a target's image. Where there is no engine the test is skipped; in CI that is an error instead."""
    if not docker.reachable():
        if os.environ.get("REQUIRE_IMAGE_TESTS") == "1":
            pytest.fail("no Docker engine can be reached, and these tests must not be skipped here")
        pytest.skip("no Docker engine can be reached: the image is not tested")
    return docker.build(target, *options)
