"""docs/languages.md says what the language files say; `python -m benchmarks.languages` writes it."""

import re

from benchmarks.languages import PAGE, languages_table, replaced
from infra.settings.apps import image_targets
from runtime.languages.registry import load

_TEXT = PAGE.read_text("utf-8")


def test_the_table_of_languages_is_that_of_their_files() -> None:
    assert replaced(_TEXT, "languages", languages_table()) == _TEXT


def test_every_language_and_target_was_measured() -> None:
    measured = _TEXT.split("<!-- measured:")[1].split("<!-- end of measured")[0]
    assert re.findall(r"^\| (\w+) \| \d", measured, re.MULTILINE) == [language.name for language in load()]
    targets = _TEXT.split("<!-- targets:")[1].split("<!-- end of targets")[0]
    assert tuple(re.findall(r"^\| `(\w+)`", targets, re.MULTILINE)) == image_targets()
