"""`python -m runtime run FILE`: what a file prints, why it ended, and the exit code."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from devtools.executor import ROOT, environment


def run(*words: str, stdin: bytes = b"", settings: dict[str, str] | None = None) -> tuple[int, bytes, str]:
    """Exit code, standard output and standard error."""
    found = subprocess.run(
        (sys.executable, "-m", "runtime", "run", *words),
        cwd=ROOT, env=environment(settings or {}), input=stdin, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert b"runtime/commands" not in found.stderr, "a traceback of the command's own"
    return found.returncode, found.stdout, found.stderr.decode()


def file(folder: Path, name: str, text: str) -> str:
    """A file with this text, by its path."""
    path = folder / name
    path.write_text(text)
    return str(path)


def test_output_exit_code_input_and_arguments_are_the_program_s_own(tmp_path: Path) -> None:
    code = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read() + b'\\xff'); print(sys.argv[1:]); sys.exit(3)"
    name = file(tmp_path, "echo.py", code)
    found = run(name, "--stdin", "-", "--arg=-x", "--arg", "y z", stdin=b"\xfein")
    assert found[:2] == (3, b"\xfein\xff['-x', 'y z']\n")
    assert "echo.py: runtime_error: exited with 3. CPU " in found[2]


def test_files_beside_the_main_one_and_input_from_a_file_are_there(tmp_path: Path) -> None:
    main = file(tmp_path, "m.py", "import other; print(other.x, input())")
    code, output, _ = run(main, file(tmp_path, "other.py", "x = 5"), "--stdin", file(tmp_path, "in.txt", "line"))
    assert (code, output) == (0, b"5 line\n")


def test_it_runs_in_the_sandbox(tmp_path: Path) -> None:
    name = file(tmp_path, "spy.py", "import os, socket\ntry:\n    socket.socket()\nexcept OSError:\n    print('no')\n")
    assert run(name)[:2] == (0, b"no\n")


@pytest.mark.parametrize(
    ("name", "text", "options", "code", "words"),
    [
        ("loop.py", "while True: pass", ["--time-limit", "0.3"], 124, "time_limit_exceeded: the CPU time limit of 0.3 s"),
        ("sleep.py", "import time; time.sleep(9)", ["--timeout", "0.3"], 124, "time_limit_exceeded"),
        ("big.py", "x = b'x' * (1 << 29)", ["--memory-limit-mb", "64"], 124, "memory_limit_exceeded"),
        ("dies.py", "import os; os.kill(os.getpid(), 11)", [], 139, "runtime_error: ended by SIGSEGV"),
        ("bad.sh", "exit 5", ["--language", "bash"], 5, "exited with 5"),
        ("x.py", "", [], 2, "files[0].content: must not be empty"),
        ("x.py", "1", ["--time-limit", "99"], 2, "time_limit: must be above 0 and at most 10 seconds"),
        ("x.py", "1", ["--language", "pyton"], 2, "did you mean 'python'?"),
        ("x.unknown", "1", [], 2, "no language here has files with this ending; --language names one"),
        ("x.py", "1", ["--stdin", "/nonexistent"], 2, "/nonexistent: No such file or directory"),
        ("x.py", "1", ["/nonexistent.py"], 2, "/nonexistent.py: No such file or directory"),
    ],
)
def test_how_it_ends_is_told(tmp_path: Path, *, name: str, text: str, options: list[str], code: int, words: str) -> None:
    found = run(file(tmp_path, name, text), *options)
    assert found[0] == code, found
    assert words in found[2]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler on this machine")
def test_what_a_compiler_says_comes_with_an_exit_code_of_its_own(tmp_path: Path) -> None:
    code, output, words = run(file(tmp_path, "bad.c", "int main(void) { return x; }"))
    assert (code, output) == (125, b"")
    assert "'x' undeclared" in words.replace("‘", "'").replace("’", "'")
    assert "bad.c: not compiled: compile_error" in words


def test_a_host_that_cannot_isolate_runs_nothing(tmp_path: Path) -> None:
    name = file(tmp_path, "x.py", "print(1)")
    code, output, words = run(name, settings={"EXECUTOR_TEST_DISABLE_LAYERS": "seccomp"})
    assert (code, output) == (3, b"")
    assert "This host cannot isolate programs: no seccomp filter" in words
