"""The documentation site: it builds strictly, loads nothing from elsewhere, and its commands and programs do what it says."""

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from devtools.executor import ROOT, Executor
from devtools.site import ELSEWHERE

_NOT_RUN = tomllib.loads((Path(__file__).with_name("blocks.toml")).read_text("utf-8"))["not_run"]
#: Where another test runs what is fenced.
_RUN_ELSEWHERE = {"client/README.md": "tests/client/test_client.py"}
_FENCE = re.compile(r"^(?:<!-- not run: (?P<why>.+) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```\n", re.MULTILINE | re.DOTALL)
_RESULT = re.compile(r"\n```text\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(
    r"^(?:    )+((?:[A-Z_]+=\S* )*(?:make|pip|python|pulumi|az|curl|docker|cd|export|executor-client|\.venv/bin/\w+) .*)$",
    re.MULTILINE,
)


class Block(NamedTuple):
    """A fenced block, and the output that the page shows for it, if it does."""

    page: str
    kind: str
    text: str
    why_not: str
    result: str | None


def _pages() -> list[str]:
    return [*sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")), *ELSEWHERE.values()]


def _blocks() -> Iterator[Block]:
    for page in _pages():
        text = (ROOT / page).read_text("utf-8")
        for found in _FENCE.finditer(text):
            result = _RESULT.match(text, found.end())
            yield Block(page, found["kind"], found["text"], found["why"] or "", result[1] if result else None)


def _named(block: Block) -> object:
    return pytest.param(block, id=f"{block.page}: {block.text.strip().partition(chr(10))[0][:40]}")


_ALL = list(_blocks())
_TO_RUN = [block for block in _ALL if not block.why_not and block.page not in _RUN_ELSEWHERE]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(("make", "-s", "site", f"SITE={folder}"), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_site_builds_strictly_with_every_page_of_its_order(site: Path) -> None:
    def named(entry: object) -> Iterator[str]:
        for value in entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ():
            if isinstance(value, str):
                yield value
            else:
                yield from named(value)

    order = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    pages = list(named(order))
    assert len(pages) > 15
    for page in pages:
        assert (site / page).with_suffix(".html").is_file(), page


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        text = path.read_text("utf-8")
        assert re.findall(r"<(?:script|img|link|iframe)[^>]*(?:src|href)=\"?(?:https?:)?//[^\"> ]+", text) == [], path.name


def test_the_reference_has_every_setting_and_every_refusal(site: Path) -> None:
    settings = (site / "reference/settings.html").read_text("utf-8")
    assert "EXECUTOR_MAX_TIMEOUT_SECONDS" in settings
    assert "EXECUTOR_PLAYGROUND" in settings
    assert "unknown_language" in (site / "reference/errors.html").read_text("utf-8")
    assert 'id="executebody"' in (site / "reference/api.html").read_text("utf-8")


def test_every_fenced_block_has_a_kind() -> None:
    assert {block.kind for block in _ALL} <= {"sh", "python", "text", "toml", "json", "yaml"}


@pytest.mark.parametrize("block", [_named(block) for block in _TO_RUN if block.kind == "sh"])
def test_a_command_of_a_page_does_what_the_page_shows(executor: Executor, block: Block) -> None:
    words = block.text.replace("http://127.0.0.1:8000", executor.url)
    environment = {**os.environ, "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"}
    done = subprocess.run(
        ("bash", "-euo", "pipefail", "-c", words), cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    if block.result is not None:
        shown = re.escape(block.result.strip()).replace(r"\.\.\.", ".*")
        assert re.fullmatch(shown, done.stdout.strip(), re.DOTALL), done.stdout


@pytest.mark.parametrize("block", [_named(block) for block in _TO_RUN if block.kind == "python"])
def test_a_program_of_a_page_runs(executor: Executor, block: Block) -> None:
    run = executor.execute("python", block.text, stdin="Ada\n")
    assert run["status"] == "ok", run


@pytest.mark.parametrize("page", _pages())
def test_a_command_in_an_indented_block_is_known_not_to_be_run_and_why(page: str) -> None:
    text = _FENCE.sub("", (ROOT / page).read_text("utf-8"))
    excused = tuple(words for row in _NOT_RUN if row["page"] == page for words in row["begins"])
    left = [command for command in _COMMAND.findall(text) if not command.startswith(excused or ("\0",))]
    assert left == [], "fence these as ```sh, so that they are run, or say in blocks.toml why not"
