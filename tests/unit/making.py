"""The process that fills the cache folder, as the server starts it."""

import subprocess
import sys
from pathlib import Path

from devtools.executor import ROOT


def command(language: str, cache: Path, path: str) -> list[str]:
    """What starts it; `path` is where it looks for tools."""
    return [sys.executable, "-m", "runtime.languages.making", language, str(cache), path]


def made(language: str, cache: Path, path: str, *before: str, user: int | None = None) -> tuple[list[Path], list[str]]:
    """The entries of `cache` that can be used for the language, and every other line that is said.

    `before` are words ahead of the command, `user` whose process it is.
    """
    words = [*before, *command(language, cache, path)]
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120, user=user, start_new_session=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    used = [Path(line.split()[1]) for line in lines if line.startswith("use ")]
    return used, [line for line in lines if not line.startswith("use ")]
