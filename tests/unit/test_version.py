"""One version: `runtime/__init__.py` has it, and every other place that names it follows."""

import re
import tomllib
from pathlib import Path

import pytest

from runtime import __version__

_ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["pyproject.toml", "client/pyproject.toml"])
def test_a_package_has_the_executor_s_version(name: str) -> None:
    assert tomllib.loads((_ROOT / name).read_text("utf-8"))["project"]["version"] == __version__


def test_an_image_is_labelled_with_it() -> None:
    text = (_ROOT / "runtime/Dockerfile").read_text("utf-8")
    assert re.findall(r"^ARG VERSION=(.*)$", text, re.MULTILINE) == [__version__]


def test_it_is_the_newest_one_of_the_changelog() -> None:
    headings = re.findall(r"^## \[([\d.]+)\] - \d{4}-\d{2}-\d{2}$", (_ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == __version__
