"""schemathesis: what the description allows is served, what it forbids is refused, and every answer is as described."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.executor import ROOT, Executor, running

# No schema says what a package is.
_ZIP = "put_problem"
_EXAMPLES = 25
# A minute on an idle machine.
_SECONDS = 900


@pytest.fixture(scope="module")
def quick() -> Iterator[Executor]:
    """An executor with Python alone: each example runs, and compilers would take most of the time."""
    found = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
    assert found
    # Programs have other uids, which cannot enter what pytest's own folders are in.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        Path(folder, "python3").symlink_to(Path(found).resolve())
        with running({"EXECUTOR_PATH": folder}) as server:
            yield server


@pytest.mark.timeout(_SECONDS + 60)
def test_the_description_says_what_the_server_does(quick: Executor, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.api.schemathesis_hooks"}
    done = subprocess.run(
        (
            Path(sys.executable).with_name("st"), "--config-file", Path(__file__).with_name("schemathesis.toml"),
            "run", f"{quick.url}/openapi.json", "--mode", "all",
            "--phases", "examples,coverage,fuzzing", "--max-examples", str(_EXAMPLES), "--generation-deterministic",
            "--continue-on-failure", "--no-color", "--exclude-operation-id", _ZIP,
        ),
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    paths = quick.http.get("/openapi.json").json()["paths"]
    assert f"Tested: {sum(map(len, paths.values())) - 1}\n" in done.stdout
