"""docs/languages.md has a measurement of everything that there is; `python -m benchmarks.languages` makes them."""

import re

from devtools.executor import ROOT
from infra.settings.apps import image_targets
from runtime.languages.registry import load

_TEXT = (ROOT / "docs/languages.md").read_text("utf-8")


def test_every_language_and_target_was_measured() -> None:
    measured = _TEXT.split("<!-- measured:")[1].split("<!-- end of measured")[0]
    assert re.findall(r"^\| (\w+) \| \d", measured, re.MULTILINE) == [language.name for language in load()]
    targets = _TEXT.split("<!-- targets:")[1].split("<!-- end of targets")[0]
    assert tuple(re.findall(r"^\| `(\w+)`", targets, re.MULTILINE)) == image_targets()
