"""The numbers that pages give of things in the repository are counted there."""

import re
import tomllib
from pathlib import Path

from runtime.languages.registry import load
from tests.attacks.places import PLACES

_ROOT = Path(__file__).resolve().parents[2]


def _numbers(page: str, pattern: str) -> tuple[int, ...]:
    found = re.search(pattern, " ".join((_ROOT / page).read_text("utf-8").split()))
    assert found, f"{page} has no sentence like {pattern!r}"
    return tuple(map(int, found.groups()))


def _rows(folder: str, kind: str) -> int:
    return sum(len(tomllib.loads(path.read_text("utf-8")).get(kind, ())) for path in (_ROOT / folder).glob("*.toml"))


def test_the_security_page_counts_the_corpus() -> None:
    counted = (_rows("tests/attacks/corpus", "attack"), _rows("tests/attacks/corpus", "program"))
    assert _numbers("docs/security.md", r"runs (\d+) hostile programs and (\d+) ordinary ones in six places") == counted


def test_the_security_page_explains_each_place() -> None:
    letters = re.findall(r"^\| ([a-z]) \| ", (_ROOT / "docs/security.md").read_text("utf-8"), re.MULTILINE)
    assert letters == list(PLACES)
    assert len(PLACES) == 6


def test_the_architecture_page_counts_the_programs_that_run_warm_and_cold() -> None:
    assert _numbers("docs/architecture.md", r"compares (\d+) programs, warm and cold") == (_rows("tests/warm", "program"),)


def test_the_readme_counts_the_languages() -> None:
    assert _numbers("README.md", r"of the (\d+) in `docs/languages.md`") == (len(load()),)
