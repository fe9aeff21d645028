"""A really running executor, started as its users start it, for tests to talk to."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx

from runtime.execution.process_tree import descendants
from runtime.execution.procfs import read

ROOT = Path(__file__).resolve().parents[1]
_START_SECONDS = 30


class Executor:
    """One executor under `url`; `pid` is the server's on this machine, `container` its container's, where it has one."""

    def __init__(self, url: str, pid: int | None = None) -> None:
        self.url = url
        self.pid = pid
        self.container = ""
        #: What the executor has logged so far, one record for each execution.
        self.records: list[dict[str, Any]] = []
        #: From the start of its container to its first answer, where it has one.
        self.started_seconds = 0.0
        # Without the machine's many certificates, which take a while to read: there is no TLS here.
        self.http = httpx.Client(base_url=url, timeout=60, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def post(self, body: Mapping[str, Any]) -> httpx.Response:
        """Sends a submission and gives whatever is answered, a refusal too."""
        return self.http.post("/execute", json=body)

    def execute(self, language: str, code: str, **fields: Any) -> dict[str, Any]:
        """The run of a plain submission."""
        response = self.post({"language": language, "code": code, **fields})
        assert response.status_code == 200, response.text
        run: dict[str, Any] = response.json()["run"]
        return run

    def judge(self, language: str, code: str, cases: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
        """The answer to a submission with test cases."""
        response = self.post({"language": language, "code": code, "test_cases": cases, **fields})
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def health(self) -> dict[str, Any]:
        """The answer of `/health`."""
        answer: dict[str, Any] = self.http.get("/health").json()
        return answer

    def languages(self) -> set[str]:
        """Names of the languages that it has a toolchain for."""
        return set(self.health()["languages"])

    @contextmanager
    def occupied(self, request_id: str = "occupied") -> Iterator[None]:
        """Keeps a slot of an idle executor on this machine at work, ten seconds at most: its client leaves with the block."""
        host, port = self.url.removeprefix("http://").split(":")
        sleeper = {"language": "bash", "code": "sleep 60", "timeout": 10, "user_id": "occupied"}
        body = json.dumps(sleeper).encode()
        head = "POST /execute HTTP/1.1\r\nHost: executor\r\nContent-Type: application/json\r\n"
        head += f"X-Request-ID: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection((host, int(port))) as client:
            client.sendall(head.encode() + body)
            # That a slot is taken would not do: one is when a language is asked for its version.
            assert until(self._sleeps), "the program has not begun"
            yield
        assert until(lambda: not self._sleeps() and self.metrics()["executor_slots_in_use"] == 0), "the slot is not free"

    def _sleeps(self) -> bool:
        assert self.pid, "its processes are seen on its own machine only"
        return any(read(f"/proc/{pid}/cmdline") == b"sleep\x0060\0" for pid in descendants([self.pid]))

    def metrics(self) -> dict[str, float]:
        """Each value of `/metrics` by its name with its labels."""
        response = self.http.get("/metrics")
        assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
        return {
            name: float(value)
            for name, value in (line.rsplit(" ", 1) for line in response.text.splitlines() if not line.startswith("#"))
        }


def until(condition: Callable[[], object], seconds: float = 30) -> bool:
    """Waits until it holds; False where it has not after so long."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(0.01)
    return True


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without anybody's EXECUTOR_* settings but these."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("EXECUTOR_")}
    # What one executor compiles ahead would change what another one's test sees.
    return mine | {"EXECUTOR_PORT": "0", "EXECUTOR_CACHE_DIR": "none", **settings}


def _read_records(output: IO[str], records: list[dict[str, Any]]) -> None:
    with output:
        records.extend(json.loads(line) for line in output if line.startswith("{"))


@contextmanager
def running(
    settings: Mapping[str, str] | None = None,
    *,
    command: tuple[str, ...] = (sys.executable, "-m", "runtime"),
    cwd: Path = ROOT,
    user: int | None = None,
    exit_code: int = 0,
) -> Iterator[Executor]:
    """Starts an executor on a free port and stops it with SIGTERM; its log goes to this process's standard error.

    `exit_code` is what it is expected to end with, where a test ends it in another way.
    """
    process = subprocess.Popen(
        command, cwd=cwd, env=environment(settings or {}), stdout=subprocess.PIPE, text=True, user=user, group=user,
        extra_groups=None if user is None else [],
    )  # fmt: skip
    try:
        assert process.stdout
        first = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", first)
        assert found, f"the executor did not start: {first!r}"
        executor = Executor(found[0], process.pid)
        reader = threading.Thread(target=_read_records, args=(process.stdout, executor.records))
        reader.start()
        yield executor
        executor.http.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(_START_SECONDS) == exit_code
        reader.join(_START_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def refused_start(settings: Mapping[str, str]) -> tuple[int, str]:
    """Exit code and words of an executor that does not start."""
    process = subprocess.run(
        (sys.executable, "-m", "runtime"),
        cwd=ROOT,
        check=False,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "Traceback" not in process.stderr
    return process.returncode, process.stderr
