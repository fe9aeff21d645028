"""Every file that the pages for newcomers name is there: the tree of the README, the glossary, CONTRIBUTING.md and others."""

import re
from pathlib import Path

import pytest

from devtools.executor import ROOT

_PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
_PLACEHOLDERS = {"NAME": "*", "THEME": "*", "SUBJECT": "*", "<stack>": "*"}
_PATH = re.compile(r"`((?:[\w<>*.-]+/)+[\w<>*.-]*|[\w<>*.-]+\.(?:md|yaml))`")
#: Made by a command, or the backend's.
_ELSEWHERE = ("build/", ".venv/", "REGISTRY/", "ai-ta")


def _is_there(name: str) -> bool:
    for word, pattern in _PLACEHOLDERS.items():
        name = name.replace(word, pattern)
    # The page on problems names the files of a package.
    packages = (path.parent for path in (ROOT / "tests/problems/packages").rglob("*"))
    places = (ROOT, ROOT / "runtime", ROOT / "docs", *set(packages))
    return any(next(place.glob(name.rstrip("/")), None) for place in places)


@pytest.mark.parametrize("page", _PAGES)
def test_each_file_that_a_page_names_is_there(page: str) -> None:
    named = {name for name in _PATH.findall((ROOT / page).read_text("utf-8")) if not name.startswith(_ELSEWHERE)}
    assert sorted(name for name in named if not _is_there(name)) == []


def _tree() -> list[Path]:
    """The tree's entries as paths without endings: a line has names, separated by commas, and then what they are for."""
    section = (ROOT / "README.md").read_text("utf-8").partition("## The tree\n")[2].partition("\n## ")[0]
    entries: list[Path] = []
    above: dict[int, Path] = {3: Path()}
    for line in section.splitlines():
        found = re.match(r"( {4,})(\S+(?:, \S+)*) {2,}\S", line)
        if found is None:
            # A line of names that are too long for the column has one space, or three, before its text.
            found = re.match(r"( {4,})(\S+(?:, \S+)*) {1,3}\S", line)
        if found is None:
            continue
        depth = len(found[1])
        folder = above[max(level for level in above if level < depth)]
        for name in found[2].split(", "):
            entries.append(folder / name.rstrip("/"))
            if name.endswith("/"):
                above = {level: path for level, path in above.items() if level < depth} | {depth: folder / name}
    return entries


def test_each_entry_of_the_tree_is_there() -> None:
    entries = _tree()
    assert len(entries) > 60
    missing = [str(entry) for entry in entries if not (any(ROOT.glob(str(entry))) or any(ROOT.glob(f"{entry}.*")))]
    assert missing == []


def test_each_module_of_the_runtime_is_in_the_tree() -> None:
    entries = set(_tree())
    for room in ("http", "judging", "problems", "store", "execution", "sandbox", "observability"):
        modules = {path.with_suffix("").relative_to(ROOT) for path in (ROOT / "runtime" / room).glob("*.py")}
        assert sorted(str(path) for path in modules - entries if path.name != "__init__") == []
