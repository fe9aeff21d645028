"""The image, run as Azure runs it: without capabilities, with nothing writable but /tmp, on half a core."""

import os
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from devtools.docker import CONFINED, container, docker, state
from devtools.executor import Executor, until
from runtime.execution.process_tree import descendants
from runtime.execution.procfs import read
from tests.warm.programs import PROGRAMS, both_ways, title


@pytest.fixture(scope="module")
def confined(image: str) -> Iterator[Executor]:
    with container(image, *CONFINED) as executor:
        yield executor


def test_it_becomes_healthy_with_every_layer_that_needs_no_privilege(confined: Executor) -> None:
    isolation = confined.health()["isolation"]
    assert isolation["landlock_abi"] >= 1
    assert isolation["seccomp"]
    assert isolation["user_notification"]
    assert not isolation["own_uid"]
    assert not isolation["weak"]
    assert until(lambda: _health(confined.container) == "healthy", 120), docker("logs", confined.container)


def _health(name: str) -> Any:
    return state(name)["Health"]["Status"]  # type: ignore[index]


@pytest.mark.parametrize(("language", "code"), [("python", "print(42)"), ("javascript", "console.log(42)")])
def test_it_runs_programs(confined: Executor, language: str, code: str) -> None:
    assert confined.execute(language, code)["stdout"] == "42\n"


def test_a_warm_worker_and_a_cold_start_give_the_same_there_too(image: str) -> None:
    """With another Python and another Node than this machine's may be."""
    with container(image) as executor:
        different = []
        for program in PROGRAMS:
            warm, cold = both_ways(executor, program)
            if warm != cold or warm["status"] != program.get("status", "ok"):
                different.append(f"{title(program)}: {warm} {cold}")
        assert not different, "\n".join(different)


_LARGE = "python3 -c 'import mmap; m = mmap.mmap(-1, 440 << 20); m.write(bytes(440 << 20))'"


@pytest.fixture(scope="module")
def small(image: str) -> Iterator[Executor]:
    """A container that has less memory than a run may."""
    with container(image, "--memory", "384m") as executor:
        yield executor


@pytest.mark.parametrize("program", [f"exec {_LARGE}", _LARGE, f"{_LARGE} || exit 3"])
def test_what_the_kernel_ends_for_want_of_memory_is_no_runtime_error(small: Executor, program: str) -> None:
    assert small.execute("bash", "exit 3", memory_limit_mb=512)["status"] == "runtime_error"
    run = small.execute("bash", program, memory_limit_mb=512)
    assert run["status"] == "memory_limit_exceeded", run
    assert small.execute("bash", "exit 3", memory_limit_mb=512)["status"] == "runtime_error"


def test_programs_are_confined_there_too(confined: Executor) -> None:
    code = "\n".join([
        "import os, socket",
        "def refused(action):",
        "    try: action()",
        "    except OSError: return True",
        "print(refused(lambda: os.listdir('/')), refused(lambda: open('/opt/executor/runtime/settings.py')),",
        "      refused(lambda: os.kill(1, 9)), refused(socket.socket), refused(lambda: open('/tmp/x', 'w')))",
    ])  # fmt: skip
    assert confined.execute("python", code)["stdout"] == "True True True True True\n"


def test_the_process_is_not_root_and_its_layers_are_root_owned(image: str) -> None:
    words = docker("run", "--rm", "--entrypoint", "sh", image, "-c", "id -u; find /opt/executor ! -user root | wc -l")
    assert words.split() == ["10001", "0"]


def test_without_dockers_filter_a_user_namespace_does_not_stand_in_the_way_of_an_own_uid(image: str) -> None:
    with container(image, "--security-opt", "seccomp=unconfined") as executor:
        assert executor.health()["isolation"]["own_uid"]
        for language, code in (("python", "print(42)"), ("bash", "echo 42")):
            assert executor.execute(language, code)["stdout"] == "42\n"


def test_with_dockers_default_capabilities_each_run_has_a_uid_of_its_own(image: str) -> None:
    with container(image) as executor:
        assert executor.health()["isolation"]["own_uid"]
        uids = {executor.execute("python", "import os; print(os.getuid(), os.getgid())")["stdout"] for _ in range(2)}
        assert len(uids) == 2
        assert all(int(uid) >= 61_000 for pair in uids for uid in pair.split())


def test_sigterm_ends_it_in_order_with_the_running_work_answered(image: str) -> None:
    with container(image, *CONFINED) as executor:
        answers: list[dict[str, Any]] = []
        code = "import time; time.sleep(4); print('finished')"
        runner = threading.Thread(target=lambda: answers.append(executor.execute("python", code)))
        runner.start()
        assert until(lambda: executor.metrics()["executor_slots_in_use"] == 1)
        docker("stop", "--time", "20", executor.container)
        runner.join()
        assert answers[0]["stdout"] == "finished\n"
        assert state(executor.container)["ExitCode"] == 0


def test_waiting_workers_give_way_where_memory_is_short(image: str) -> None:
    with container(image, *CONFINED, "--memory", "192m", "--memory-swap", "192m") as executor:
        first = int(str(state(executor.container)["Pid"]))
        assert until(lambda: any(b"node" in read(f"/proc/{pid}/cmdline") for pid in descendants([first])))
        run = executor.execute("python", "x = bytearray(120 << 20); print(len(x) >> 20)", memory_limit_mb=160)
        assert (run["status"], run["stdout"]) == ("ok", "120\n")
        assert not state(executor.container)["OOMKilled"]
        assert executor.execute("javascript", "console.log(42)", memory_limit_mb=256)["stdout"] == "42\n"
        assert 'executor_warm_runs_total{language="javascript",warm="no"} 1.0' in executor.http.get("/metrics").text


def test_waiting_workers_give_way_where_there_is_no_room_for_another_process(image: str) -> None:
    with container(image, *CONFINED) as executor:
        for language, code in (("javascript", "console.log(1)"), ("bash", "echo 1")):
            assert executor.execute(language, code, timeout=10)["status"] == "ok"
        assert until(lambda: _processes(executor) > 20)
        docker("update", "--pids-limit", str(_processes(executor) - 3), executor.container)
        for _ in range(6):
            assert executor.execute("bash", "echo 7")["stdout"] == "7\n"


def _processes(executor: Executor) -> int:
    """Processes and threads of the container."""
    first = int(str(state(executor.container)["Pid"]))
    return sum(len(os.listdir(f"/proc/{pid}/task")) for pid in descendants([first]))


def test_it_refuses_to_start_where_the_floor_is_not_met(image: str) -> None:
    run = ("docker", "run", "--rm", *CONFINED, "-e", "EXECUTOR_TEST_DISABLE_LAYERS=landlock,own_uid", image)
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "neither Landlock nor a uid of its own" in done.stderr
    assert "Traceback" not in done.stderr
