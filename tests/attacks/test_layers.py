"""No layer is there for show: for each, an attack that succeeds without it and is held with it.

And what holds between runs, between replicas, and when somebody leaves.
"""

import concurrent.futures
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devtools.docker import container
from devtools.executor import Executor, refused_start, running, until
from tests.attacks.places import NO_CAPABILITIES, SECRET_FOLDER, on_host_as_user

_PROCESSES = """
import os, time
count = 1
while count < 14:
    try:
        if os.fork() == 0: time.sleep(60); os._exit(0)
    except OSError: break
    count += 1
print(count)
"""
_SPARSE = "open('big', 'wb').truncate(1 << 30); print('done')"
_SOCKET = "import socket; socket.socket(); print('done')"
_CHILDREN = """
import os
pids = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        kept = bytearray(60 << 20)
        for n in range(0, len(kept), 4096): kept[n] = 1
        import time; time.sleep(3); os._exit(0)
    pids.append(pid)
print(all(os.waitpid(pid, 0)[1] == 0 for pid in pids))
"""


@contextmanager
def _as_user(*disabled: str) -> Iterator[Executor]:
    """An executor of an ordinary user without these layers."""
    settings = {"EXECUTOR_TEST_DISABLE_LAYERS": ",".join(disabled), "EXECUTOR_ALLOW_WEAK_ISOLATION": "1"}
    with on_host_as_user(settings if disabled else {}) as executor:
        yield executor


@pytest.fixture(scope="module")
def whole() -> Iterator[Executor]:
    """With every layer that an ordinary user can have."""
    with _as_user() as executor:
        yield executor


def test_only_landlock_keeps_files_of_the_services_uid_closed(whole: Executor) -> None:
    with _as_user("landlock") as without:
        code = f"import glob; print(len([open(p).read() for p in glob.glob('/tmp/{SECRET_FOLDER}*/secret')]))"
        assert int(without.execute("python", code)["stdout"]) >= 2
        assert whole.execute("python", code)["stdout"] == "0\n"


def test_only_seccomp_refuses_sockets(whole: Executor) -> None:
    with _as_user("seccomp") as without:
        assert without.execute("python", _SOCKET)["stdout"] == "done\n"
    assert "PermissionError" in whole.execute("python", _SOCKET)["stderr"]


def test_only_the_supervisors_answers_count_processes_of_a_shared_uid(whole: Executor) -> None:
    with _as_user("notify") as without:
        assert without.execute("python", _PROCESSES)["stdout"] == "14\n"
    assert whole.execute("python", _PROCESSES)["stdout"] == "10\n"


def test_only_resource_limits_bound_a_file(whole: Executor) -> None:
    with _as_user("rlimits") as without:
        assert without.execute("python", _SPARSE)["stdout"] == "done\n"
    assert "File too large" in whole.execute("python", _SPARSE)["stderr"]


def test_only_the_watcher_sums_the_memory_of_children(whole: Executor) -> None:
    with _as_user("watcher") as without:
        assert without.execute("python", _CHILDREN, memory_limit_mb=128, timeout=10)["stdout"] == "True\n"
    assert whole.execute("python", _CHILDREN, memory_limit_mb=128, timeout=10)["status"] == "memory_limit_exceeded"


def test_only_a_uid_of_its_own_protects_files_where_landlock_is_missing() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    secret = Path("/tmp/pytest-secret-of-root")
    secret.write_text("secret")
    secret.chmod(0o600)
    try:
        with running({"EXECUTOR_TEST_DISABLE_LAYERS": "landlock"}) as executor:
            assert executor.health()["isolation"]["own_uid"]
            run = executor.execute("python", f"print(open({str(secret)!r}).read())")
            assert "PermissionError" in run["stderr"]
    finally:
        secret.unlink()


@pytest.mark.parametrize(
    ("disabled", "words"),
    [
        ("landlock,own_uid", "programs would run as root"),
        ("own_uid", "programs would run as root"),
        ("seccomp", "no seccomp filter"),
    ],
)
def test_the_executor_refuses_to_serve_below_the_floor(disabled: str, words: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    code, said = refused_start({"EXECUTOR_TEST_DISABLE_LAYERS": disabled})
    assert code == 3
    assert words in said


def test_not_even_the_switch_for_weak_isolation_runs_programs_as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    settings = {"EXECUTOR_TEST_DISABLE_LAYERS": "own_uid", "EXECUTOR_ALLOW_WEAK_ISOLATION": "1"}
    code, said = refused_start(settings)
    assert code == 3
    assert "as root" in said


def test_two_replicas_with_the_same_uid_do_not_eat_each_others_processes(image: str) -> None:
    with container(image, *NO_CAPABILITIES) as first, container(image, *NO_CAPABILITIES) as second:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            runs = list(pool.map(lambda replica: replica.execute("python", _PROCESSES, timeout=8), (first, second)))
        assert [run["stdout"] for run in runs] == ["10\n", "10\n"]


def test_whoever_disconnects_frees_the_slot_long_before_the_program_would_have_ended() -> None:
    with running({"EXECUTOR_QUEUE_SECONDS": "60"}) as executor:
        with executor.occupied():
            left = time.monotonic()
        assert executor.execute("python", "print('free')")["stdout"] == "free\n"
        assert time.monotonic() - left < 5


def test_a_supervisor_that_is_killed_at_any_point_of_the_start_of_workers_leaves_no_orphans() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with running() as executor:
        for milliseconds in range(0, 20, 2):
            assert executor.execute("python", "print('again')")["stdout"] == "again\n"
            time.sleep(milliseconds / 1000)
            _kill_supervisor(executor)
        _wait_for_no_orphans(executor)


def _kill_supervisor(executor: Executor) -> None:
    assert executor.pid
    pid = executor.pid
    for _ in range(2):  # the server's child is the spawner
        pid = int(subprocess.run(("pgrep", "-P", str(pid)), capture_output=True, text=True, check=True).stdout.split()[0])
    os.kill(pid, 9)
    time.sleep(0.05)  # the server has noticed


def _wait_for_no_orphans(executor: Executor) -> None:
    def orphans() -> list[str]:
        words = subprocess.run(("ps", "-eo", "ppid,args"), capture_output=True, text=True, check=True).stdout
        return [line for line in words.splitlines()[1:] if line.split()[0] == "1" and "main.py" in line]

    assert until(lambda: not orphans()), f"orphans of {executor.url} are left: {orphans()}"
