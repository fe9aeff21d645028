"""A machine's own JDK archives its compiler's classes while the executor serves, and compiles with that from then on."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.executor import Executor, running, until
from runtime.languages.registry import load

_JAVA = next(language for language in load() if language.name == "java")
_PROGRAM = "public class Main { public static void main(String[] words) { System.out.println(%d); } }\n"
# Three quarters is what JDK 17 takes with it, on a machine with other work too.
_LESS = 0.9

pytestmark = [
    pytest.mark.skipif(not shutil.which("javac"), reason="needs javac"),
    pytest.mark.skipif(os.path.exists(_JAVA.archive), reason="this machine has the image's archive"),
]


@pytest.fixture
def cache() -> Iterator[Path]:
    # Not below pytest's own folder, which is closed to programs with users of their own.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        os.chmod(name, 0o755)  # noqa: S103 - of other users, who read it
        yield Path(name)


def _cpu_ms(executor: Executor, number: int) -> float:
    answer = executor.post({"language": "java", "code": _PROGRAM % number}).json()
    assert (answer["run"]["stdout"], answer["compile"]["stderr"]) == (f"{number}\n", ""), answer
    return float(answer["compile"]["cpu_time"])


def test_compiling_takes_less_once_the_archive_is_made_and_programs_cannot_change_it(cache: Path) -> None:
    with running({"EXECUTOR_CACHE_DIR": str(cache)}) as executor:
        _cpu_ms(executor, 0)
        assert until(lambda: list(cache.glob("java-*/manifest.json")), 120)
    with running({"EXECUTOR_CACHE_DIR": "none"}) as without, running({"EXECUTOR_CACHE_DIR": str(cache)}) as executor:
        _cpu_ms(executor, 0)
        times = [(_cpu_ms(without, number), _cpu_ms(executor, number)) for number in range(1, 8)]
        assert min(made for _, made in times) < _LESS * min(before for before, _ in times), times
        [archive] = cache.glob("java-*/javac.jsa")
        tries = (f"echo x >> {archive}", f"rm -f {archive}", f"chmod 777 {archive}", f"mv {archive} {cache}/other")
        run = executor.execute("bash", "\n".join(f"{each} 2>/dev/null; echo $?" for each in tries))
        assert run["stdout"].split() == ["1"] * len(tries)
        _cpu_ms(executor, 99)


def test_a_folder_that_cannot_be_used_leaves_programs_as_they_are() -> None:
    with running({"EXECUTOR_CACHE_DIR": "/proc/self/cache"}) as executor:
        assert _cpu_ms(executor, 1)
