"""What a submission and its interactor, which run at the same time, could do to each other."""

from collections.abc import Iterator

import pytest

from devtools.executor import Executor, running
from tests.attacks.places import on_host_as_user

_CASE = {"id": "1", "input": "the input", "expected_output": "the answer"}

# What each of the two runs first; `attempt` gives True where it has got at the other one.
_ATTEMPTS = {
    "reads its files": """
import os
def attempt(mine, others):
    for top in (".", "..", "/tmp", "/dev/shm", "/proc"):
        for folder, folders, files in os.walk(top):
            folders[:] = folders[:200]
            for name in files[:50]:
                try:
                    text = open(os.path.join(folder, name), errors="replace").read(100_000)
                except OSError:
                    continue
                if others in text or (mine == "program" and "the ans" + "wer" in text):
                    return True
    return False
""",
    "reads its memory, environment and streams": """
import os
def attempt(mine, others):
    own = int(os.readlink("/proc/self"))  # as this /proc numbers it
    for pid in range(2, 40_000):
        if pid == own:
            continue
        for name in ("mem", "environ", "fd/0", "fd/1", "cwd/main.py", "cmdline"):
            try:
                open(f"/proc/{pid}/{name}", "rb").close()
                return True
            except OSError:
                pass
    return False
""",
    "signals it": """
import os, signal
def attempt(mine, others):
    for pid in range(2, 40_000):
        if pid not in (os.getpid(), os.getppid()):
            try:
                os.kill(pid, signal.SIGKILL)
                return True
            except OSError:
                pass
    return False
""",
    "leaves it a note": """
import glob, os
def attempt(mine, others):
    for folder in ("/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/dev/mqueue", "..", "/"):
        try:
            open(f"{folder}/of-the-{mine}", "w").close()
            return True
        except OSError:
            pass
    return bool(glob.glob("/tmp/of-the-*") + glob.glob("/dev/shm/of-the-*"))
""",
}


@pytest.fixture(scope="module", params=["with uids of their own", "with the service's uid"])
def place(request: pytest.FixtureRequest) -> Iterator[Executor]:
    own = request.param == "with uids of their own"
    with running() if own else on_host_as_user({}) as executor:
        if executor.health()["isolation"]["own_uid"] != own:
            pytest.skip("this user cannot give uids")
        yield executor


@pytest.mark.parametrize("name", _ATTEMPTS)
def test_neither_of_the_two_can_reach_the_other(place: Executor, name: str) -> None:
    program = f"""# of-the-program
{_ATTEMPTS[name]}
input()
print(attempt("program", "of-the-inter" + "actor"), flush=True)
"""
    interactor = f"""# of-the-interactor
{_ATTEMPTS[name]}
import sys
print("begin", flush=True)
reached = attempt("interactor", "of-the-pro" + "gram")
words = input()
print(words, reached, file=sys.stderr)
sys.exit(42 if (words, reached) == ("False", False) else 43)
"""
    given = {"language": "python", "code": interactor}
    (found,) = place.judge("python", program, [_CASE], interactor=given, time_limit=10)["test_results"]
    assert found["status"] == "accepted", found


def test_who_stalls_is_seen_without_a_uid_of_its_own_as_well(place: Executor) -> None:
    sleeps = {"language": "python", "code": "import time; time.sleep(60)", "time_limit": 0.2}
    (found,) = place.judge("python", "print(7, flush=True); input()", [_CASE], interactor=sleeps, time_limit=0.5)[
        "test_results"
    ]
    assert found["status"] == "judge_error", found
    waits = {"language": "python", "code": "import sys; sys.stdin.readline(); sys.exit(43)", "time_limit": 0.2}
    (found,) = place.judge("python", "input()", [_CASE], interactor=waits, time_limit=0.5)["test_results"]
    assert (found["status"], found["limited_by"]) == ("time_limit_exceeded", "wall"), found
