"""Every hostile program in every place, and after each of them: is the service as it was?"""

import json
import os
import re
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools.executor import until
from tests.attacks.places import PLACES, Place, place

_CORPUS = Path(__file__).with_name("corpus")
# A service that an attack holds up does not come back by itself; one on half of a busy core may take this long.
_SETTLE_SECONDS = 20.0
_HELLO_SECONDS = 10.0
_HEALTH_SECONDS = 5.0
# Beside the program's own limit. A compile step has 20 s, and four times as long where it is kept waiting.
_ANSWER_SECONDS = 5.0
_COMPILE_SECONDS = 80.0
# As long as a request may ask for, so that on a busy machine too a program meets the limit that it is about, or its end;
# where it is the limit of time, as long as it takes to begin.
_PATIENT_SECONDS = 10.0
_BRIEF_SECONDS = {"python": 1.0}
_BRIEF_SECONDS_OF_OTHERS = 1.5
# How long nothing must come or go before the service counts as being at rest.
_REST_SECONDS = 1.0
_MOMENT_SECONDS = 0.05
_ROUNDS = int(os.environ.get("ATTACK_ROUNDS", "1"))
_LETTERS = os.environ.get("ATTACK_PLACES", "".join(PLACES))

# In a pid namespace the run's parent and the first process have no number: there the server's number outside is tried.
_PYTHON = """import sys
MODULES = list(sys.modules)
import ctypes, os
PARENT = os.getppid() or SERVICE_PID
FIRST = 1 if os.getppid() else SERVICE_PID
def call(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if result == -1: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def held(*attempts):
    for position, attempt in enumerate(attempts):
        try: result = attempt()
        except OSError: continue
        sys.exit(f"BROKEN: attempt {position} gave {result!r}")
    print("held")
def held_as_new():
    inside, top = os.stat("main.py"), os.stat(".")
    os.mkdir("new"); open("new/main.py", "w").close(); new = os.stat("new"); os.unlink("new/main.py"); os.rmdir("new")
    seen = (sorted(os.listdir(".")), oct(inside.st_mode), inside.st_nlink, top.st_size - new.st_size,
            top.st_nlink - new.st_nlink, os.access("main.py", os.X_OK),
            min(inside.st_mtime, inside.st_atime, inside.st_ctime, top.st_mtime) > 1e9)
    print("held" if seen == (["main.py"], "0o100644", 1, 0, 0, False, True) else f"BROKEN {seen}")
def try_to(*deeds):
    for deed in deeds:
        try: deed()
        except OSError: pass  # refused, or not the program's own
"""


# What a row may say; a key that nobody reads would promise what is not tested.
_KEYS = {
    "theme", "name", "language", "code", "files", "stdin_text", "stdin_bytes", "timeout", "time_limit", "memory_limit_mb",
    "judge", "times", "needs", "within", "refused", "status", "stdout", "stdout_like", "stderr_not_like", "peak_mb",
}  # fmt: skip


def _read(kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path in sorted(_CORPUS.glob("*.toml")):
        document = tomllib.loads(path.read_text("utf-8"))
        shared = {name: value for name, value in document.items() if name not in ("attack", "program")}
        found += [{"theme": path.stem, **shared, **entry} for entry in document.get(kind, ())]
    for entry in found:
        assert entry.keys() <= _KEYS, f"{entry['theme']}: {entry['name']}: unknown {entry.keys() - _KEYS}"
    return found


ATTACKS = _read("attack")
BENIGN = _read("program")


@pytest.fixture(scope="module", params=[pytest.param(letter, id=f"place_{letter}") for letter in _LETTERS])
def here(request: pytest.FixtureRequest) -> Iterator[Place]:
    """One place after the other; each is looked at as a whole when its programs are through."""
    letter: str = request.param
    with place(letter) as found:
        for language in sorted(found.executor.languages()):
            found.executor.execute(
                language, {"python": "print(1)", "c": "int main(void) { return 0; }"}.get(language, "true")
            )
        # What a large answer takes once is not growth.
        for _ in range(3):
            found.executor.execute("python", "while True: print('x' * 1000)")
        found.at_rest = len(_rested(found))
        before = found.weight()
        yield found
        _rested(found)
        after = found.weight()
        assert after[0] <= before[0], f"descriptors of the service went from {before[0]} to {after[0]}"
        assert after[1] < before[1] + 15_000, f"memory of the service went from {before[1]} to {after[1]} kB"


def _rested(found: Place) -> list[int]:
    """The processes once none has come or gone for a while: whatever waits is up."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    last, since = sorted(found.processes()), time.monotonic()
    while time.monotonic() < min(deadline, since + _REST_SECONDS):
        time.sleep(_MOMENT_SECONDS)
        now = sorted(found.processes())
        if now != last:
            last, since = now, time.monotonic()
    return last


def _is_at_rest(found: Place) -> bool:
    """Whether as many processes are there as when nothing runs, and are the same a moment later."""
    before = found.processes()
    if len(before) != found.at_rest:
        return False
    time.sleep(_MOMENT_SECONDS)
    return sorted(found.processes()) == sorted(before)


@pytest.fixture
def watched(here: Place) -> Iterator[Place]:
    """The invariants: they must hold after every single program."""
    servers, uptime = here.long_lived(), here.executor.health()["uptime"]
    files = here.leftovers()
    shm = _ipc_objects()
    yield here
    health = here.executor.http.get("/health", timeout=_HEALTH_SECONDS)
    assert health.status_code == 200
    assert health.json()["uptime"] > uptime, "the server was started anew"
    assert here.long_lived() == servers, "the server, its spawner or its supervisor is another process"
    started = time.monotonic()
    assert here.executor.execute("python", "print('hello')")["stdout"] == "hello\n"
    assert time.monotonic() - started < _HELLO_SECONDS
    # What the hello ran in goes after its answer, and its successor has to start.
    if not until(lambda: _is_at_rest(here), _SETTLE_SECONDS):
        wanted, here.at_rest = here.at_rest, len(_rested(here))  # what is left over is told once
        assert here.at_rest == wanted, f"processes were left over, or do not come back:\n{here.described()}"
    assert here.leftovers() == files
    until(lambda: not here.boxes(), _SETTLE_SECONDS)
    assert here.boxes() == set()
    assert _ipc_objects() == shm


def _ipc_objects() -> list[str]:
    return [Path(f"/proc/sysvipc/{kind}").read_text() for kind in ("sem", "msg")]


def _fits(found: Place, entry: dict[str, Any]) -> None:
    if entry["language"] not in found.executor.languages():
        pytest.skip(f"no {entry['language']} in this place")
    if entry.get("needs") == "landlock" and not found.landlock:
        pytest.skip("only Landlock stops it; what is left there is removed (see the next attack)")


def _run(found: Place, entry: dict[str, Any]) -> dict[str, Any]:
    """The answer's run or case, after the time that it may take at most."""
    brief = _BRIEF_SECONDS.get(entry["language"], _BRIEF_SECONDS_OF_OTHERS)
    timeout = float(entry.get("timeout", brief if "time_limit_exceeded" in entry.get("status", "") else _PATIENT_SECONDS))
    prelude = _PYTHON if entry["language"] == "python" and entry["theme"] != "benign" else ""
    body: dict[str, Any] = {"language": entry["language"], "timeout": timeout}
    if "time_limit" in entry:
        # Of CPU time, beside which the wait for a processor does not count.
        body["time_limit"] = entry["time_limit"]
    body["memory_limit_mb"] = entry.get("memory_limit_mb", 256)
    if "files" in entry:
        body["files"] = entry["files"]
    else:
        body["code"] = (prelude + entry["code"]).replace("SERVICE_PID", str(found.first))
    body["stdin"] = entry.get("stdin_text", "x" * entry.get("stdin_bytes", 0))
    if entry.get("judge"):
        body["test_cases"] = [{"id": "1", "input": body.pop("stdin"), "expected_output": "expected-by-the-judge"}]
        body["test_cases"] *= int(entry.get("times", 1))
    started = time.monotonic()
    response = found.executor.post(body)
    spent = time.monotonic() - started
    allowed = float(entry.get("within", timeout)) + _ANSWER_SECONDS
    if entry["language"] == "c":
        allowed += _COMPILE_SECONDS
    assert spent < allowed, f"answered after {spent:.1f} s"
    answer: dict[str, Any] = json.loads(response.content)
    if "refused" in entry:
        assert response.status_code == 422
        assert entry["refused"] in [error["field"] for error in answer["errors"]]
        return {}
    assert response.status_code == 200, response.text
    if entry.get("judge"):
        results: list[dict[str, Any]] = answer["test_results"]
        assert len({result["stdout"] for result in results}) == 1
        return results[0]
    run: dict[str, Any] = answer["run"]
    return run


def _check(entry: dict[str, Any], run: dict[str, Any]) -> None:
    if "refused" in entry:
        return
    default = "wrong_answer" if entry.get("judge") else "ok"
    status = entry.get("status", default)
    shown = {
        name: run.get(name, "") for name in ("status", "stdout", "stderr", "code", "signal", "message", "memory", "wall_time")
    }
    shown |= {name: str(shown[name])[-400:] for name in ("stdout", "stderr")}
    assert run["status"] in ([status] if isinstance(status, str) else status), shown
    if "stdout" in entry:
        assert run["stdout"] == entry["stdout"], shown
    elif "stdout_like" in entry:
        assert re.search(entry["stdout_like"], run["stdout"]), shown
    elif "status" not in entry or run["status"] == default:
        assert run["stdout"] == "held\n", shown
    assert "BROKEN" not in run["stdout"] + run["stderr"], shown
    if "stderr_not_like" in entry:
        assert not re.search(entry["stderr_not_like"], run["stderr"]), shown
    if "peak_mb" in entry:
        assert run["memory"] < entry["peak_mb"] << 20, shown


@pytest.mark.parametrize("entry", [pytest.param(entry, id=f"{entry['theme']}: {entry['name']}") for entry in ATTACKS])
@pytest.mark.parametrize("turn", range(_ROUNDS))
def test_attack(watched: Place, entry: dict[str, Any], turn: int) -> None:  # noqa: ARG001 - the same again
    _fits(watched, entry)
    for _ in range(1 if entry.get("judge") else int(entry.get("times", 1))):
        _check(entry, _run(watched, entry))


@pytest.mark.parametrize("entry", [pytest.param(entry, id=f"{entry['language']}: {entry['name']}") for entry in BENIGN])
def test_benign(watched: Place, entry: dict[str, Any]) -> None:
    _fits(watched, entry)
    run = _run(watched, entry)
    assert run["status"] == "ok", run
    assert run["stdout"].splitlines()[-1:] == ["fine"], run
