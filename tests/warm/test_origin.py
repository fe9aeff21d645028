"""The origin of workers: an interpreter that holds the service's own identity, and never goes on to a program."""

import asyncio
import concurrent.futures
import contextlib
import marshal
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from msgspec import structs

from devtools.executor import Executor as Server
from devtools.executor import running, until
from runtime.execution.executor import Executor
from runtime.execution.paths import BOOTSTRAP, BOX, RUNTIME_ROOT
from runtime.execution.process_tree import descendants
from runtime.execution.procfs import process_clock_ns, read
from runtime.execution.protocol import Ended, Job, Limits, WarmStart
from runtime.languages.registry import Registry
from runtime.sandbox.confinement import Confinement


@pytest.mark.parametrize("message", [b"no descriptors come with it", b""])
def test_whatever_goes_wrong_in_it_no_program_is_run(tmp_path: Path, message: bytes) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        process = subprocess.Popen(
            (sys.executable, "main.py"), cwd=tmp_path,
            env={"PYTHONPATH": BOOTSTRAP, "PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"},
            stderr=subprocess.PIPE, pass_fds=(3,),
            preexec_fn=lambda: os.dup2(theirs.fileno(), 3, inheritable=True),  # noqa: PLW1509 - there is one thread
        )  # fmt: skip
        theirs.close()
        ours.settimeout(20)
        fields = structs.asdict(Confinement((), (), 0, b"", notify=False, own_pids=False))
        try:
            ours.send(marshal.dumps((RUNTIME_ROOT, fields), 2))
        except BrokenPipeError:
            pytest.fail(f"it ended before it was asked for anything: {process.communicate(timeout=20)[1].decode()}")
        # Also that the rehearsal came to its end as programs do; otherwise it would be unknown where they write.
        assert ours.recv(64) == b"up"
        # The program of a run that is just going on lies there by now.
        (tmp_path / "main.py").write_text("open('has run', 'w')")
        if message:
            ours.send(message)
        else:
            ours.close()
        _, error = process.communicate(timeout=20)
    assert not (tmp_path / "has run").exists()
    assert process.returncode == (127 if message else 0), error


def _waiting(executor: Server) -> set[int]:
    """The workers of Python that wait: forks of their origin, and unlike it confined."""
    return {
        pid
        for pid in descendants([executor.pid or 0])
        if read(f"/proc/{pid}/cmdline").split(b"\0")[1:2] == [b"main.py"]
        and b"\nSeccomp:\t2\n" in read(f"/proc/{pid}/status")
    }


def _kill(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # one that had served is ended by its supervisor
            os.kill(pid, signal.SIGKILL)


def _are_at_rest(pids: set[int]) -> bool:
    """Whether they are up: nothing uses time any more."""
    before = sum(map(process_clock_ns, pids))
    time.sleep(0.3)
    return sum(map(process_clock_ns, pids)) == before


def test_workers_that_die_while_they_wait_are_replaced_and_no_request_sees_it() -> None:
    with running({"EXECUTOR_CONCURRENCY": "1"}) as executor:
        assert executor.execute("python", "print(42)")["stdout"] == "42\n"
        assert until(lambda: len(_waiting(executor)) == 2)
        killed = _waiting(executor)
        _kill(killed)
        assert until(lambda: len(_waiting(executor) - killed) == 2)
        before = _cpu_seconds(executor)
        time.sleep(0.5)
        assert _cpu_seconds(executor) - before < 0.2
        assert executor.execute("python", "print(42)")["stdout"] == "42\n"
        # At the last moment, too, and later: when they have been given a run and have not taken it.
        _kill(_waiting(executor))
        assert executor.execute("python", "print(42)")["stdout"] == "42\n"
        assert until(lambda: len(_waiting(executor)) == 2)
        stopped = _waiting(executor)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            run = pool.submit(executor.execute, "python", "print(42)")
            time.sleep(0.3)
            _kill(stopped)
            assert run.result()["stdout"] == "42\n"
        assert executor.execute("python", "import os; os.kill(os.getpid(), 9)")["signal"] == "SIGKILL"


def test_cold_workers_that_die_while_they_wait_are_passed_over() -> None:
    cases = [{"id": word, "input": word, "expected_output": "done\n"} for word in ("0.5", "0")]
    with running({"EXECUTOR_CONCURRENCY": "1"}) as executor, concurrent.futures.ThreadPoolExecutor() as pool:
        assert executor.execute("bash", "echo done")["stdout"] == "done\n"
        for _ in range(4):
            assert until(lambda: len(_confined(executor, b"spawner")) == 2)
            judged = pool.submit(executor.judge, "bash", "read x; sleep $x; echo done", cases)
            assert until(lambda: _confined(executor, b"sleep"))
            _kill(_confined(executor, b"spawner"))
            assert judged.result()["status"] == "accepted"


def _confined(executor: Server, name: bytes) -> set[int]:
    """Its confined processes with this in their command line: forks of a supervisor are still called as the spawner is."""
    return {
        pid
        for pid in descendants([executor.pid or 0])
        if name in read(f"/proc/{pid}/cmdline") and b"\nSeccomp:\t2\n" in read(f"/proc/{pid}/status")
    }


def test_interpreters_that_die_while_they_start_beside_a_run_cost_it_nothing() -> None:
    with running({"EXECUTOR_CONCURRENCY": "1"}) as executor, concurrent.futures.ThreadPoolExecutor() as pool:
        if "javascript" not in executor.languages():
            pytest.skip("no Node here")
        assert until(lambda: _confined(executor, b"node"))
        earlier = _confined(executor, b"node")
        supervisor = _service(executor)[1]
        assert until(lambda: _are_at_rest(earlier))
        first = pool.submit(executor.execute, "javascript", "console.log(1)")
        run = pool.submit(executor.execute, "bash", "sleep 1.5; echo done")
        # The one that takes the first one's place is started while the second one runs.
        assert until(lambda: _confined(executor, b"node") - earlier)
        # So that it finds all that comes of it at once.
        os.kill(supervisor, signal.SIGSTOP)
        _kill(_confined(executor, b"node") - earlier)
        time.sleep(0.05)
        os.kill(supervisor, signal.SIGCONT)
        assert first.result()["status"] == "ok"
        before = _cpu_seconds(executor)
        assert run.result()["stdout"] == "done\n"
        assert _cpu_seconds(executor) - before < 0.5
        assert _service(executor)[1] == supervisor
        assert executor.execute("javascript", "console.log(1)")["stdout"] == "1\n"


def _cpu_seconds(executor: Server) -> float:
    return sum(map(process_clock_ns, _service(executor))) / 1e9


def _service(executor: Server) -> list[int]:
    """The spawner, its supervisor, and forks of it that wait for a run."""
    return [pid for pid in descendants([executor.pid or 0]) if b"spawner" in read(f"/proc/{pid}/cmdline")]


def test_an_origin_that_ends_in_its_rehearsal_leaves_the_slot_as_it_was() -> None:
    # No work parent of pytest's own: programs with another uid could not get there.
    executor = Executor(concurrency=1, work_parent=tempfile.gettempdir(), disabled=(), highest_abi=99)
    path = "/usr/bin:/bin"
    failing = WarmStart(
        "python", ("/bin/sh", "-c", "ln -s rehearsal.py main.py; head -c 1 <&3"), {"PATH": path}, forks=True, ready=1
    )
    limits = Limits(wall_ms=5000, cpu_ms=5000, memory_bytes=64 << 20)

    async def run() -> None:
        try:
            executor.configure(
                Registry((), path, can_execute_files=True).readable(), {f"{executor.root}/0/{BOX}": (failing,)}
            )
            await executor.open()
            for _ in range(2):
                job = Job(("/bin/sh", "-c", "echo ok"), {"PATH": path}, (), limits, warm="python")
                outcome = await executor.slots[0].run(job)
                assert (outcome.ended, outcome.stdout, outcome.message) == (Ended.EXITED, b"ok\n", "")
        finally:
            executor.close()

    executor.start()
    asyncio.run(run())
