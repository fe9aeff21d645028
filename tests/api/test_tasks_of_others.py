"""What others run with a uid of ours, as the next container on the machine does, takes none of the processes of a run."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from devtools.executor import Executor, running
from runtime.sandbox.layers import FIRST_UID, UIDS_PER_SLOT

_TASKS = 24
# Each uid of a slot has as many threads as a run may have. They end with the pipe that they read.
_OTHERS = f"""
import os, sys, threading
for uid in range({FIRST_UID}, {FIRST_UID + UIDS_PER_SLOT}):
    if os.fork() == 0:
        os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
        for _ in range({_TASKS} - 1):
            threading.Thread(target=os.read, args=(0, 1)).start()
        os.write(1, b"x")
        os.read(0, 1)
        sys.exit()
"""
_CODE = {
    "python": "import os, subprocess, threading\nthreading.Thread(target=print, args=('a',)).start()\n"
    "print(subprocess.check_output(['/bin/sh', '-c', 'echo b; echo c | cat']).decode())",
    "bash": "echo a; (echo b); echo c | cat",
    "javascript": "console.log('a', require('child_process').execFileSync('/bin/echo', ['b', 'c']).toString())",
}


@contextmanager
def _others() -> Iterator[None]:
    command = [sys.executable, "-c", _OTHERS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        with process.stdin:
            assert len(process.stdout.read(UIDS_PER_SLOT)) == UIDS_PER_SLOT, "each says that it is up"
            yield


@pytest.fixture(scope="module")
def beside() -> Iterator[Executor]:
    """An executor whose runs' uids have as many tasks elsewhere as a run may have."""
    if os.geteuid() != 0:
        pytest.skip("as another user than root all have one uid")
    with _others(), running({"EXECUTOR_MAX_TASKS": str(_TASKS), "EXECUTOR_CONCURRENCY": "1"}) as executor:
        yield executor


@pytest.mark.parametrize("language", list(_CODE))
def test_a_run_may_have_as_many_as_ever(beside: Executor, language: str) -> None:
    if language not in beside.languages():
        pytest.skip(f"no {language} on this machine")
    run = beside.execute(language, _CODE[language], timeout=10)
    assert (run["status"], run["stdout"].split()) == ("ok", ["a", "b", "c"]), run
