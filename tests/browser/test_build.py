"""The pages that are committed are those that their source gives, and the page knows all that the executor has."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from devtools.executor import ROOT
from runtime.http import problems
from runtime.http.pages.browser_pages import BUILT
from runtime.http.problems import Refusal
from runtime.judging.comparators import PARAMETERS
from runtime.languages.registry import load

pytestmark = pytest.mark.xdist_group("browser")


@pytest.mark.skipif(not shutil.which("npm"), reason="no npm to build the pages with")
def test_the_pages_that_are_committed_are_what_their_source_gives(tmp_path: Path) -> None:
    subprocess.run(("make", "-s", "pages", f"PAGES={tmp_path}"), cwd=ROOT, check=True, timeout=240)
    built = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_bytes() for path in BUILT.iterdir()}
    # No difference is shown: nobody reads these files.
    assert sorted(built) == sorted(committed), "the pages are not up to date: `make pages` writes them"
    assert not [name for name in built if built[name] != committed[name]]


def test_the_playground_has_a_name_a_file_colours_and_a_first_program_for_each_language() -> None:
    source = (ROOT / "web/src/shared/languages.ts").read_text("utf-8")
    known = dict(re.findall(r"^  (\w+): \{\n(.*?)^  \},$", source, re.MULTILINE | re.DOTALL))
    for language in load():
        text = known.get(language.name, "")
        assert f'file: "{language.file}"' in text, f"web/src/shared/languages.ts lacks {language.name}"
        assert "highlighting: " in text
        assert (ROOT / f"web/starters/{language.name}.txt").is_file()


def test_every_refusal_has_advice_for_a_person() -> None:
    source = (ROOT / "web/src/shared/executor.ts").read_text("utf-8")
    [table] = re.findall(r"ADVICE.*? = \{\n(.*?)\n\};", source, re.DOTALL)
    kinds = [kind for kind in vars(problems).values() if isinstance(kind, type) and issubclass(kind, Refusal)]
    assert set(re.findall(r"^  (\w+):", table, re.MULTILINE)) == {kind.code for kind in kinds}


def test_the_playground_offers_every_comparator() -> None:
    source = (ROOT / "web/src/playground/work.ts").read_text("utf-8")
    [names] = re.findall(r"COMPARATORS = \[(.*?)\];", source, re.DOTALL)
    assert tuple(re.findall(r'"(\w+)"', names)) == tuple(PARAMETERS)


def test_the_lock_names_no_host() -> None:
    assert "resolved" not in (ROOT / "web/package-lock.json").read_text("utf-8")
