"""A part of the executor that is stuck, gone or out of room is noticed, told and replaced."""

import concurrent.futures
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools.executor import Executor, running, until
from runtime.execution.process_tree import descendants
from runtime.execution.procfs import read
from tests.attacks.places import on_host_as_user

_SLEEP = "import time; time.sleep(0.5); print('done')"


@pytest.fixture
def executor() -> Iterator[Executor]:
    with running() as server:
        assert server.execute("python", "print(1)")["status"] == "ok"
        yield server


def _service(executor: Executor) -> list[int]:
    """The spawner and its supervisor."""
    assert executor.pid
    return [pid for pid in descendants([executor.pid]) if b"spawner" in read(f"/proc/{pid}/cmdline")]


def test_a_supervisor_that_stands_still_is_given_up_and_its_job_is_done_by_another(executor: Executor) -> None:
    stopped = _service(executor)[1]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answer = pool.submit(executor.execute, "python", _SLEEP, timeout=1)
        os.kill(stopped, signal.SIGSTOP)
        run = answer.result(timeout=60)
    assert run["stdout"] == "done\n"
    assert _service(executor)[1] != stopped
    assert executor.http.get("/ready").status_code == 200


def test_a_spawner_that_is_gone_makes_the_replica_not_ready_until_there_is_another(executor: Executor) -> None:
    os.kill(_service(executor)[0], signal.SIGKILL)
    assert until(lambda: executor.http.get("/ready").json().get("reason") == "the spawner is gone")
    assert until(lambda: executor.http.get("/ready").status_code == 200)
    assert executor.execute("python", "print(2)")["stdout"] == "2\n"


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A directory that every uid may pass through, on a file system of its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    with tempfile.TemporaryDirectory(prefix="pytest-disk-") as name:
        if subprocess.run(("mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=2k", "tmpfs", name), check=False).returncode:
            pytest.skip("this machine lets nobody mount")
        Path(name).chmod(0o755)
        try:
            yield Path(name)
        finally:
            subprocess.run(("umount", "-l", name), check=True)


def test_a_full_disk_is_told_and_recovered_from(small_disk: Path) -> None:
    with running({"EXECUTOR_WORK_DIR": str(small_disk)}) as server:
        assert server.execute("python", "print(1)")["status"] == "ok"
        with (small_disk / "others").open("wb", buffering=0) as file:
            while _write(file.fileno()):
                pass
        ready = server.http.get("/ready")
        assert (ready.status_code, ready.json()["reason"]) == (503, "the disk of the work directory is full")
        refused = server.post({"language": "python", "code": "x" * 100_000})
        assert (refused.status_code, refused.json()["code"]) == (503, "no_room")
        (small_disk / "others").unlink()
        assert server.http.get("/ready").status_code == 200
        assert server.execute("python", "print(2)")["stdout"] == "2\n"


def _write(descriptor: int) -> int:
    for size in (1 << 16, 1 << 9):
        try:
            return os.write(descriptor, b"x" * size)
        except OSError:
            continue
    return 0


def test_what_other_applications_keep_in_shared_memory_stays_there() -> None:
    stranger = Path(f"/dev/shm/of-another-application-{os.getpid()}")
    with on_host_as_user({}) as server:
        assert server.pid
        user = os.stat(f"/proc/{server.pid}").st_uid
        stranger.write_text("precious")
        os.chown(stranger, user, user)
        try:
            for _ in range(3):
                assert server.execute("python", "open('/dev/shm/mine', 'w')")["status"] == "ok"
            assert until(lambda: not os.path.exists("/dev/shm/mine"))
            assert stranger.read_text() == "precious"
        finally:
            stranger.unlink(missing_ok=True)
