"""`python -m runtime check`: the report of a host, with its exit code."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from devtools.executor import ROOT, environment


def check(settings: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit code and report."""
    found = subprocess.run(
        (sys.executable, "-m", "runtime", "check"),
        cwd=ROOT, env=environment(settings or {}), capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert "Traceback" not in found.stderr
    return found.returncode, found.stdout + found.stderr


def test_a_host_that_can_serve_says_hello_in_each_of_its_languages() -> None:
    code, report = check()
    assert code == 0, report
    assert re.search(r"ok    python +\d[\d.]+: hello in \d+ ms", report)
    assert re.search(r"ok    seccomp +holds", report)
    assert "The executor can serve: 0 faults" in report


def test_a_language_that_is_not_here_is_a_gap_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to(sys.executable)
    code, report = check({"EXECUTOR_PATH": f"{tmp_path}:/bin"})
    assert code == 0, report
    assert re.search(r"gap   haskell +there is no ghc on EXECUTOR_PATH\n +-> take an image that has it", report)


def test_a_toolchain_that_is_broken_is_a_fault() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # programs with a uid of their own have to pass
        code, report = _with_broken_ruby(Path(folder))
    assert code == 1, report
    assert re.search(r"FAIL  ruby +.*: runtime_error: .*it is broken", report), report
    assert "-> see that its toolchain is whole: ruby {file}" in report
    assert "1 faults" in report


def _with_broken_ruby(folder: Path) -> tuple[int, str]:
    broken = folder / "ruby"
    broken.write_text("#!/bin/sh\necho ruby 3.3.8; echo it is broken >&2; exit 7\n")
    broken.chmod(0o755)
    return check({"EXECUTOR_PATH": f"{folder}:/bin"})


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"EXECUTOR_TEST_DISABLE_LAYERS": "seccomp"}, 3, "so none was run: no seccomp filter"),
        ({"EXECUTOR_TEST_DISABLE_LAYERS": "landlock,own_uid"}, 3, "lsm="),
        ({"EXECUTOR_PROT": "1"}, 2, "did you mean EXECUTOR_PORT?"),
        ({"EXECUTOR_PATH": "/nonexistent"}, 2, "no language's toolchain is there"),
        ({"EXECUTOR_WORK_DIR": "/nonexistent"}, 2, "cannot write to '/nonexistent'"),
    ],
)
def test_what_keeps_the_executor_from_serving_has_an_exit_code_and_words(
    settings: dict[str, str], code: int, words: str
) -> None:
    found, report = check(settings)
    assert found == code, report
    assert words in report


def test_a_work_directory_that_is_too_small_is_a_fault(tmp_path: Path) -> None:
    code, report = check({"EXECUTOR_MAX_MEMORY_MB": "65536", "EXECUTOR_PATH": "/bin", "EXECUTOR_WORK_DIR": str(tmp_path)})
    assert code == 1
    assert re.search(r"FAIL  memory .*\n +-> give the container more memory", report)
