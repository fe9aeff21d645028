"""Headers that a machine's own GCC compiles ahead while the executor serves, and what programs can do to them: nothing."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools.executor import Executor, running, until
from runtime.languages.preamble import compiled_ahead
from runtime.languages.registry import load

_CPP = next(language for language in load() if language.name == "cpp")
_PROGRAM = '#include <bits/stdc++.h>\n\nint main() { std::puts("42"); assert(%d); }\n'
# A compiler of 2022 takes a fourth.
_LESS = 0.7

pytestmark = [
    pytest.mark.skipif(not shutil.which("g++"), reason="needs g++"),
    pytest.mark.skipif(bool(compiled_ahead(_CPP.ahead)), reason="this machine has the image's headers"),
]


@pytest.fixture(scope="module")
def cache() -> Iterator[Path]:
    # Not below pytest's own folder, which is closed to programs with users of their own.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        os.chmod(name, 0o755)  # noqa: S103 - of other users, who read it
        yield Path(name)


@pytest.fixture(scope="module")
def before(cache: Path) -> dict[str, Any]:
    """A compile step that was without; once it is over the first header is made."""
    with running({"EXECUTOR_CACHE_DIR": str(cache)}) as executor:
        answer = _compiled(executor, 1)
        assert until(lambda: executor.metrics()["executor_headers_made"] >= 1, 240)
    return answer


@pytest.fixture(scope="module")
def executor(cache: Path, before: dict[str, Any]) -> Iterator[Executor]:
    """Another one with the same folder, which has taken the header up."""
    assert before
    with running({"EXECUTOR_CACHE_DIR": str(cache)}) as executor:
        executor.execute("cpp", _PROGRAM % 2)
        assert until(lambda: executor.metrics()["executor_headers_made"] >= 1, 240)
        yield executor


def _compiled(executor: Executor, number: int) -> dict[str, Any]:
    answer: dict[str, Any] = executor.post({"language": "cpp", "code": _PROGRAM % number}).json()
    assert (answer["run"]["stdout"], answer["compile"]["stderr"]) == ("42\n", ""), answer
    return answer


def test_a_program_takes_less_time_once_its_header_is_compiled_ahead(before: dict[str, Any], executor: Executor) -> None:
    assert _compiled(executor, 3)["compile"]["cpu_time"] < _LESS * before["compile"]["cpu_time"]


def test_a_program_means_the_same_with_a_header_that_was_compiled_ahead(executor: Executor) -> None:
    failed = executor.execute("cpp", _PROGRAM % 0)
    assert failed["signal"] == "SIGABRT"
    # <cassert> is read anew, as the standard wants it, whenever it is included.
    assert executor.execute("cpp", "#define NDEBUG\n" + _PROGRAM % 0)["code"] == 0
    wrong = executor.execute("cpp", "#include <bits/stdc++.h>\nint main() { std::vector<int> all = 1; }\n")
    assert wrong["stderr"].startswith("main.cpp: In function ‘int main()’:\nmain.cpp:2:37: error: ")


def test_a_program_can_read_the_folder_and_change_nothing_in_it(executor: Executor, cache: Path) -> None:
    [entry] = [path.parent for path in cache.glob("*/bits") if path.is_dir()]
    header = entry / "bits/stdc++.h"
    tries = (
        f"cat {header}",
        f"touch {cache}/more",
        f"echo 'int x;' > {header}",
        f"rm -f {header}",
        f"mv {entry} {cache}/elsewhere",
        f"ln -s /etc/passwd {entry}/linked",
        f"chmod 777 {header}",
        f"truncate -s 0 {header}.gch",
    )
    run = executor.execute("bash", "\n".join(f"{each} 2>/dev/null; echo $?" for each in tries))
    assert run["stdout"].split("\n")[1:-1] == ["#include <bits/stdc++.h>", "0", *["1"] * (len(tries) - 1)], run
    assert _compiled(executor, 4)
    assert executor.metrics()["executor_headers_made"] >= 1


def test_a_folder_that_cannot_be_used_leaves_programs_as_they_are() -> None:
    with running({"EXECUTOR_CACHE_DIR": "/proc/self/cache"}) as executor:
        assert _compiled(executor, 5)
        assert executor.metrics()["executor_headers_made"] == 0
