"""Executors as processes or containers, and HAProxy in front of them, as Azure's ingress stands before replicas."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devtools.executor import ROOT, environment
from runtime.execution.process_tree import descendants
from runtime.execution.procfs import stat_fields

MOST_REPLICAS = 40
_START_SECONDS = 90
_LIMITS = (
    "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only", "--tmpfs", "/tmp",  # noqa: S108
    "--memory", "1g",
)  # fmt: skip


@dataclass
class Replica:
    """One running executor: `pid` is its server's on this machine."""

    port: int
    pid: int
    process: subprocess.Popen[str] | None = None
    container: str = ""

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the server alone, as the platform does."""
        if self.process:
            self.process.send_signal(number)
        else:
            _docker("kill", "--signal", number.name, self.container)

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        if self.process:
            return self.process.wait(_START_SECONDS)
        return int(_docker("wait", self.container))

    def remove(self) -> None:
        """Whatever is left of it."""
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(_START_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            if self.process.stdout:
                self.process.stdout.close()
        else:
            _docker("rm", "--force", self.container)


def tree_cpu_seconds(pid: int) -> float:
    """CPU time of a process and all that descend from it, those that it has reaped included."""
    # What ends in between is reaped by its parent, which has its time the next time.
    ticks = sum(sum(map(int, stat_fields(member)[11:15])) for member in descendants([pid]))
    return ticks / os.sysconf("SC_CLK_TCK")


def start(image: str, settings: dict[str, str]) -> Replica:
    """Starts an executor, as a process or from an image, and waits until it is ready; raises RuntimeError."""
    if image:
        variables = [word for name, value in settings.items() for word in ("--env", f"{name}={value}")]
        container = _docker("run", "--detach", "--publish", "127.0.0.1::8000", *_LIMITS, *variables, image)
        port = int(_docker("port", container, "8000").rpartition(":")[2])
        replica = Replica(port, int(_docker("inspect", "--format", "{{.State.Pid}}", container)), container=container)
    else:
        process = subprocess.Popen(
            (sys.executable, "-m", "runtime"), cwd=ROOT, env=environment(settings), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout  # noqa: S101 - for the type checker
        found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
        if found is None:
            raise RuntimeError(f"an executor did not start, with exit code {process.wait()}")
        replica = Replica(int(found[1]), process.pid, process)
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            if urllib.request.urlopen(f"http://127.0.0.1:{replica.port}/ready", timeout=5).status == 200:
                return replica
        if time.monotonic() > deadline:
            replica.remove()
            raise RuntimeError(f"an executor was not ready within {_START_SECONDS} s")
        time.sleep(0.05)


def _docker(*arguments: str) -> str:
    done = subprocess.run(("docker", *arguments), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


# Without redispatch and retries of its own, so that what the client must do is seen.
_CONFIGURATION = """
global
  maxconn 4000
  stats socket {socket} mode 600 level admin
defaults
  mode http
  timeout connect 2s
  timeout client 300s
  timeout server 300s
  timeout check 3s
  retries 0
  option httpchk GET /ready
  default-server check inter 500ms fall 2 rise 1
frontend ingress
  bind 127.0.0.1:{port}
  default_backend replicas
backend replicas
  balance roundrobin
  server-template replica {most} 127.0.0.1:1 disabled
"""


class Balancer:
    """HAProxy; replicas join it while it runs."""

    def __init__(self, port: int, control: str, pid: int) -> None:
        """`control` is the path of its socket for commands."""
        self.url = f"http://127.0.0.1:{port}"
        self.pid = pid
        self._control = control
        self._free = [f"replicas/replica{number}" for number in range(MOST_REPLICAS, 0, -1)]
        self._names: dict[int, str] = {}

    def join(self, replica: Replica) -> None:
        """From now on the replica gets requests."""
        name = self._names[replica.port] = self._free.pop()
        self._command(f"set server {name} addr 127.0.0.1 port {replica.port}")
        self._command(f"set server {name} state ready")

    def leave(self, replica: Replica) -> None:
        """From now on the replica gets no requests; what it has goes on."""
        name = self._names.pop(replica.port)
        self._command(f"set server {name} state maint")
        self._free.insert(0, name)

    def answers(self) -> dict[str, int]:
        """How many answers went to the client, by the first digit of their status: `{"2xx": 1000, ...}`."""
        frontend = self._frontend()
        return {kind: int(frontend[f"hrsp_{kind}"]) for kind in ("2xx", "4xx", "5xx")}

    def requests(self) -> int:
        """How many requests came so far."""
        return int(self._frontend()["req_tot"])

    def _frontend(self) -> dict[str, str]:
        head, *lines = self._command("show stat").strip().splitlines()
        names = head.removeprefix("# ").split(",")
        (frontend,) = [
            row for line in lines if (row := dict(zip(names, line.split(","), strict=False)))["svname"] == "FRONTEND"
        ]
        return frontend

    def _command(self, words: str) -> str:
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(self._control)
            control.sendall(f"{words}\n".encode())
            answer = b""
            while received := control.recv(65536):
                answer += received
        return answer.decode()


@contextmanager
def balancer(port: int = 0) -> Iterator[Balancer]:
    """A running HAProxy without replicas, on a free port unless told; raises RuntimeError where it is not installed."""
    program = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise RuntimeError("haproxy is not installed: apt-get install haproxy")
    if not port:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="burst-") as folder:
        control, file = f"{folder}/control", Path(folder, "haproxy.cfg")
        file.write_text(_CONFIGURATION.format(socket=control, port=port, most=MOST_REPLICAS))
        log = Path(folder, "log")
        with log.open("w") as output:
            process = subprocess.Popen((program, "-db", "-f", str(file)), stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not Path(control).exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"haproxy did not start: {log.read_text()}")
                time.sleep(0.02)
            yield Balancer(port, control, process.pid)
        finally:
            process.terminate()
            process.wait(_START_SECONDS)
