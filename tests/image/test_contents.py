"""What programs find in each image is what docs/contents.md says, and what that says to be absent is absent."""

import subprocess
import tomllib
from typing import Any

import pytest

from devtools.docker import AS_ON_AZURE, container
from devtools.pages import CONTENTS, TARGETS
from tests.image.built import built

_KINDS: list[dict[str, Any]] = tomllib.loads(CONTENTS.read_text("utf-8"))["kind"]


def _found(image: str, kind: dict[str, Any]) -> set[str]:
    command = ("docker", "run", "--rm", "--entrypoint", "bash", image, "-c", kind["command"])
    return set(subprocess.run(command, capture_output=True, text=True, check=False).stdout.split())


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind["name"]) for kind in _KINDS])
def test_an_image_has_what_its_page_says(kind: dict[str, Any], target: str) -> None:
    found = _found(built(target), kind)
    so_far = TARGETS[: TARGETS.index(target) + 1]
    assert {name for each in so_far for name in kind.get(each, ())} <= found
    assert not found & set(kind["absent"])


def test_one_build_argument_adds_what_sciences_use() -> None:
    """As a student uses them: a table, a picture that is drawn without a screen, an optimum, with the default limits."""
    code = (
        "import matplotlib.pyplot as plt, os, pandas, scipy.optimize\n"
        "table = pandas.DataFrame({'x': [1, 2, 3], 'y': [2.0, 4.0, 6.0]})\n"
        "plt.plot(table.x, table.y); plt.savefig('a.png')\n"
        "found = scipy.optimize.minimize_scalar(lambda x: (x - 2) ** 2)\n"
        "print(table.y.sum(), os.path.getsize('a.png') > 1000, round(found.x, 3))"
    )
    image = built("python", "--build-arg", "PYTHON_SCIENCE=1")
    for options in (AS_ON_AZURE, ("--memory", "1g", "--cpus", "0.5")):
        with container(image, *options, settings={"EXECUTOR_MAX_TIMEOUT_SECONDS": "60"}) as executor:
            run = executor.execute("python", code, timeout=60)
            assert (run["status"], run["stdout"]) == ("ok", "12.0 True 2.0\n"), run
