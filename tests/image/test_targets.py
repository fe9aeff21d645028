"""Each image target is what its name says, and no larger than that."""

import json
import shutil
from pathlib import Path

import pytest

from devtools.docker import CONFINED, container, docker
from devtools.executor import ROOT
from tests.image.built import built

_MB = 1_000_000
_SPOKEN = {"python": {"bash", "python"}, "node": {"bash", "python", "javascript", "typescript"}}


def _size(image: str) -> int:
    return int(docker("image", "inspect", "-f", "{{.Size}}", image))


def _layers(image: str) -> list[str]:
    layers: list[str] = json.loads(docker("image", "inspect", "-f", "{{json .RootFS.Layers}}", image))
    return layers


@pytest.mark.parametrize("target", _SPOKEN)
def test_a_target_has_the_languages_of_its_name_and_no_compiler(target: str) -> None:
    # On a file system where nothing can be executed: what is compiled would not be listed, so the toolchains are looked for.
    with container(built(target), *CONFINED) as executor:
        assert executor.languages() == _SPOKEN[target]
        assert docker("exec", executor.container, "sh", "-c", "command -v gcc cc javac go || true") == ""
        assert executor.execute("python", "print(1)")["stdout"] == "1\n"


def test_python_adds_at_most_90_mb_to_its_base_and_node_150_mb_more() -> None:
    python, node = _size(built("python")), _size(built("node"))
    assert python - _size("debian:trixie-slim") <= 90 * _MB
    assert node - python <= 150 * _MB


def test_packages_that_a_build_asks_for_are_there_for_programs() -> None:
    image = built("python", "--build-arg", "PYTHON_PACKAGES=six==1.17.0")
    with container(image, *CONFINED) as executor:
        assert executor.execute("python", "import six; print(six.__version__)")["stdout"] == "1.17.0\n"


def test_another_runtime_is_one_small_layer_on_what_is_there(tmp_path: Path) -> None:
    changed = tmp_path / "runtime"
    shutil.copytree(ROOT / "runtime", changed, ignore=shutil.ignore_patterns("__pycache__"))
    with (changed / "__init__.py").open("a") as file:
        file.write("# another one\n")
    before = _layers(built("full"))
    image = docker("build", "-q", "--target", "full", str(changed))
    after = _layers(image)
    docker("image", "rm", image)
    assert after[:-1] == before[:-1]
    assert after[-1] != before[-1]
