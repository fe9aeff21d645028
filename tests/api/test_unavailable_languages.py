"""Languages that cannot be run on a host: the start and /health say which and why."""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.executor import running


@pytest.fixture
def noexec() -> Iterator[str]:
    """A folder in which nothing can be executed, as with `docker run --tmpfs /tmp`; every uid may pass through it."""
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o711)  # noqa: S103 - as the executor does with its own
    command = ("mount", "-t", "tmpfs", "-o", "noexec,mode=1777", "tmpfs", folder)
    try:
        if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("needs root and the right to mount")
        yield folder
        subprocess.run(("umount", "--lazy", folder), check=True)
    finally:
        os.rmdir(folder)


def test_start_and_health_say_which_languages_fall_out_and_why(noexec: str, capfd: pytest.CaptureFixture[str]) -> None:
    with running() as server:
        usual = server.health()
    capfd.readouterr()
    with running({"EXECUTOR_WORK_DIR": noexec}) as server:
        health = server.health()
        assert server.execute("python", "print(1)")["stdout"] == "1\n"
    said = dict(re.findall(r"WARNING runtime: (\S+) cannot be run here: (.+)", capfd.readouterr().err))
    assert said == health["unavailable"]
    fallen = set(usual["languages"]) - set(health["languages"])
    if not fallen:
        pytest.skip("no toolchain for a compiled language on this machine")
    for name in fallen:
        assert "EXECUTOR_WORK_DIR" in said[name]
        assert "noexec" in said[name]
    assert set(health["languages"]) | set(said) == set(usual["languages"]) | set(usual["unavailable"])


def test_a_toolchain_that_is_missing_is_named(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "bash").symlink_to("/bin/bash")
    with running({"EXECUTOR_PATH": str(tmp_path)}) as server:
        health = server.health()
    assert health["languages"] == ["bash"]
    assert health["unavailable"]["python"] == "there is no python3 on EXECUTOR_PATH"
    assert "WARNING runtime: python cannot be run here: there is no python3 on EXECUTOR_PATH" in capfd.readouterr().err
