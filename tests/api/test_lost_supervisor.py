"""A supervisor that is lost, for whatever reason, costs no more than its run, and leaves nothing of it behind."""

import concurrent.futures
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.executor import Executor, running, until
from runtime.execution.process_tree import descendants
from runtime.execution.procfs import read
from tests.attacks.places import on_host_as_user

# Of this process alone: other tests may run on this machine.
_LEFT = Path(f"/dev/shm/left-by-a-run-{os.getpid()}")
_CODE = f"""import os, time
seconds = float(input())
open("{_LEFT}", "w").close()
os.mkdir("inner"); open("inner/file", "w").close(); os.chmod("inner", 0)
if os.fork() == 0: time.sleep(60)
time.sleep(seconds)
print("done"); os._exit(0)
"""


@pytest.fixture(params=["root", "user"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """With uids of their own for its runs, and without."""
    with on_host_as_user({}) if request.param == "user" else running() as server:
        assert server.execute("python", "print(1)")["status"] == "ok"
        yield server


def _supervisor(executor: Executor) -> int:
    assert executor.pid
    return [pid for pid in descendants([executor.pid]) if b"spawner" in read(f"/proc/{pid}/cmdline")][1]


def _cwd(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


def _changed() -> int:
    """When the file was, 0 where it is not there."""
    try:
        return _LEFT.stat().st_ctime_ns
    except FileNotFoundError:
        return 0


def _kill(executor: Executor, before: int = 0) -> int:
    """Ends the supervisor once its program has left its file, another one than `before`; tells the file apart."""
    assert until(lambda: _changed() not in (0, before))
    found = _changed()
    os.kill(_supervisor(executor), signal.SIGKILL)
    return found


def test_its_run_is_given_to_another_one_and_all_is_as_before(executor: Executor) -> None:
    first = _supervisor(executor)
    (top,) = {Path(_cwd(pid)).parent for pid in descendants([first]) if "/executor-" in _cwd(pid)}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(executor.execute, "python", _CODE, stdin="3", timeout=10)
        _kill(executor)
        assert answer.result()["stdout"] == "done\n"
    assert _supervisor(executor) != first
    assert executor.execute("python", f"import os; print(os.path.exists('{_LEFT}'))")["stdout"] == "False\n"
    # Warm workers come back, and in the slot's directory is nothing else.
    count = 'executor_warm_runs_total{language="python",warm="yes"}'
    before = executor.metrics().get(count, 0)

    def warm() -> bool:
        executor.execute("python", "print(1)")
        return executor.metrics()[count] > before

    assert until(warm)
    assert until(lambda: all(re.fullmatch(r"w\d+", name) for name in os.listdir(top)))
    assert set(os.listdir(top.parent)) - {"bootstrap"} == {"0"}


def test_what_ends_two_of_them_is_an_internal_error_and_the_next_finds_nothing_of_it(executor: Executor) -> None:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(executor.execute, "python", _CODE, stdin="60", timeout=10)
        _kill(executor, _kill(executor))
        assert (answer.result()["status"], answer.result()["message"]) == ("internal_error", "the supervisor is gone")
    code = f"import os; print(os.listdir('.'), os.path.exists('{_LEFT}'))"
    assert executor.execute("python", code)["stdout"] == "['main.py'] False\n"
