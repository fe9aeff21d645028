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

from tests.attacks.places import PLACES, Place, place

_CORPUS = Path(__file__).with_name("corpus")
_SETTLE_SECONDS = 3.0
_HELLO_SECONDS = 2.0
_HEALTH_SECONDS = 1.0
# Beside the program's own limit; the compile step has a limit of its own.
_ANSWER_SECONDS = 1.0
_COMPILE_SECONDS = 10.0
_ROUNDS = int(os.environ.get("ATTACK_ROUNDS", "1"))
_LETTERS = os.environ.get("ATTACK_PLACES", "".join(PLACES))

_PYTHON = """import sys
MODULES = list(sys.modules)
import ctypes, os
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
"""


def _read(kind: str) -> list[dict[str, Any]]:
    found = []
    for path in sorted(_CORPUS.glob("*.toml")):
        document = tomllib.loads(path.read_text("utf-8"))
        shared = {name: value for name, value in document.items() if name not in ("attack", "program")}
        found += [{"theme": path.stem, **shared, **entry} for entry in document.get(kind, ())]
    return found


ATTACKS = _read("attack")
BENIGN = _read("program")


@pytest.fixture(scope="session", params=[pytest.param(letter, id=f"place_{letter}") for letter in _LETTERS])
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
        _settled(found)
        before = found.weight()
        yield found
        _settled(found)
        after = found.weight()
        assert after[0] == before[0], f"descriptors of the service went from {before[0]} to {after[0]}"
        assert after[1] < before[1] + 15_000, f"memory of the service went from {before[1]} to {after[1]} kB"


def _settled(found: Place) -> list[int]:
    """The processes once nothing changes any more: waiting workers are up again."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    last: list[int] = []
    while time.monotonic() < deadline:
        now = found.processes()
        if sorted(now) == sorted(last):
            break
        last = now
        time.sleep(0.05)
    return last


@pytest.fixture
def watched(here: Place) -> Iterator[Place]:
    """The invariants: they must hold after every single program."""
    servers, uptime = here.long_lived(), here.executor.health()["uptime"]
    processes = len(_settled(here))
    files = here.leftovers()
    shm = _ipc_objects()
    yield here
    started = time.monotonic()
    health = here.executor.http.get("/health", timeout=_HEALTH_SECONDS)
    assert time.monotonic() - started < _HEALTH_SECONDS
    assert health.status_code == 200
    assert health.json()["uptime"] > uptime, "the server was started anew"
    assert here.long_lived() == servers, "the server, its spawner or its supervisor is another process"
    started = time.monotonic()
    assert here.executor.execute("python", "print('hello')")["stdout"] == "hello\n"
    assert time.monotonic() - started < _HELLO_SECONDS
    deadline = time.monotonic() + _SETTLE_SECONDS
    while (left := len(_settled(here))) != processes and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == processes, "processes were left over"
    assert here.leftovers() == files
    # What the hello ran in goes after its answer, which on half a core takes a moment.
    while (boxes := here.boxes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert boxes == set()
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
    timeout = float(entry.get("timeout", 2 if entry["language"] == "python" else 3))
    prelude = _PYTHON if entry["language"] == "python" and entry["theme"] != "benign" else ""
    body: dict[str, Any] = {"language": entry["language"], "timeout": timeout}
    body["memory_limit_mb"] = entry.get("memory_limit_mb", 256)
    if "files" in entry:
        body["files"] = entry["files"]
    else:
        body["code"] = prelude + entry["code"]
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


def _check(found: Place, entry: dict[str, Any], run: dict[str, Any]) -> None:
    if "refused" in entry:
        return
    if "ppid" in entry["code"] and found.executor.health()["isolation"]["pid_namespace"]:
        # There its parent has no number: it can only signal itself, or nobody. The invariants decide.
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
        _check(watched, entry, _run(watched, entry))


@pytest.mark.parametrize("entry", [pytest.param(entry, id=f"{entry['language']}: {entry['name']}") for entry in BENIGN])
def test_benign(watched: Place, entry: dict[str, Any]) -> None:
    _fits(watched, entry)
    run = _run(watched, {"timeout": 6} | entry)
    assert run["status"] == "ok", run
    assert run["stdout"].splitlines()[-1:] == ["fine"], run
