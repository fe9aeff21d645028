"""Adding a language is adding a file: the one that docs/languages.md shows."""

import re
import shutil
import sys
import textwrap
from pathlib import Path

import pytest

from devtools.executor import ROOT, running

_EXAMPLE = re.compile(r"<!-- example: .*? -->\n(.*?)<!-- end of example -->", re.DOTALL)


def test_the_language_of_the_documentation_runs_once_its_file_is_there(tmp_path: Path) -> None:
    if not shutil.which("mawk"):
        pytest.skip("no mawk on this machine")
    shutil.copytree(ROOT / "runtime", tmp_path / "runtime", ignore=shutil.ignore_patterns("__pycache__"))
    found = _EXAMPLE.search((ROOT / "docs/languages.md").read_text("utf-8"))
    assert found
    (tmp_path / "runtime/languages/awk.toml").write_text(textwrap.dedent(found[1]))
    with running(command=(sys.executable, "-m", "runtime"), cwd=tmp_path) as executor:
        code = "{ n += $1 } END { print n }"
        answer = executor.post({"language": "AWK", "code": code, "stdin": "1\n2\n"}).json()
        assert answer["run"]["stdout"] == "3\n"
        assert re.match(r"\d", answer["version"])
