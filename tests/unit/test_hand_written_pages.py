"""What pages say by hand of things that are listed elsewhere holds for that list."""

import re

from devtools.executor import ROOT
from runtime.languages.registry import load
from tests.attacks.places import PLACES


def test_the_security_page_explains_each_place_of_the_corpus() -> None:
    text = (ROOT / "docs/security.md").read_text("utf-8")
    assert re.findall(r"^\| ([a-z]) \| ", text, re.MULTILINE) == list(PLACES)
    assert "in seven places" in text
    assert len(PLACES) == 7


def test_the_readme_counts_the_languages() -> None:
    found = re.search(r"of the (\d+) in `docs/languages.md`", " ".join((ROOT / "README.md").read_text("utf-8").split()))
    assert found
    assert int(found[1]) == len(load())
