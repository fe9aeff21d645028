"""docs/languages.md has a measurement of everything that there is; `python -m benchmarks.languages` makes them."""

import datetime as dt
import re

import msgspec
import pytest

from devtools.executor import ROOT
from infra.settings.apps import image_targets
from runtime.languages.registry import Language, Release, load

#: In an image only where it was asked for.
_BY_CHOICE = ("octave",)
_TEXT = (ROOT / "docs/languages.md").read_text("utf-8")


@pytest.mark.parametrize("language", [pytest.param(language, id=language.name) for language in load()])
def test_no_language_is_past_the_end_of_its_life(language: Language) -> None:
    assert language.release
    assert language.release.ends >= dt.datetime.now(tz=dt.UTC).date(), (
        f"{language.name}: {language.release.line} from {language.release.origin} is mended no more: install a newer line"
    )


def test_a_line_that_upstream_has_ended_is_past_its_life_unless_the_file_says_why_it_stays() -> None:
    old = Release("Node 20", "Debian 13", dt.date(2026, 4, 30))
    assert old.ends == dt.date(2026, 4, 30)
    assert msgspec.structs.replace(old, because="nothing newer").ends > old.ends


def test_every_language_and_target_was_measured() -> None:
    measured = _TEXT.split("<!-- measured:")[1].split("<!-- end of measured")[0]
    wanted = [language.name for language in load() if language.name not in _BY_CHOICE]
    assert re.findall(r"^\| (\w+) \| \d", measured, re.MULTILINE) == wanted
    targets = _TEXT.split("<!-- targets:")[1].split("<!-- end of targets")[0]
    assert tuple(re.findall(r"^\| `(\w+)`", targets, re.MULTILINE)) == image_targets()
