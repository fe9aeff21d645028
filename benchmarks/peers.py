"""Other ways to run a program confined, where they are installed: bubblewrap and go-judge."""

import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.bare import PATH

_START_SECONDS = 10.0
#: One hello in Python or Node: what it prints.
Runner = Callable[[list[str]], str]

# The flags of its manual for an unprivileged sandbox: new namespaces of every kind, the system read-only.
_BUBBLEWRAP = (
    "bwrap", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--symlink",
    "usr/bin", "/bin", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--unshare-all", "--die-with-parent",  # noqa: S108 - inside
)  # fmt: skip


def installed(program: str) -> str | None:
    """Where a program is that both sides would start."""
    return shutil.which(program, path=PATH)


def _printed(command: Sequence[str], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, env={"PATH": PATH}, stdout=subprocess.PIPE, text=True, check=True).stdout


@contextmanager
def bubblewrap(folder: Path) -> Iterator[Runner]:
    """A new bubblewrap for each run; it limits neither time nor memory."""
    yield lambda command: _printed((*_BUBBLEWRAP, *command), folder)


@contextmanager
def go_judge(folder: Path) -> Iterator[Runner]:
    """A go-judge of our own with its default settings, asked over one kept connection."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    process = subprocess.Popen(
        (installed("go-judge") or "go-judge", "-http-addr", address, "-silent"),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(address)
        connection = http.client.HTTPConnection(address)
        yield lambda command: _ask(connection, command)
        connection.close()
    finally:
        process.terminate()
        process.wait()


def _wait_for(address: str) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection((host, int(port))).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _ask(connection: http.client.HTTPConnection, command: list[str]) -> str:
    step = {
        "args": [installed(command[0]), *command[1:]],
        "env": [f"PATH={PATH}"],
        "files": [{"content": ""}, {"name": "stdout", "max": 10240}, {"name": "stderr", "max": 10240}],
        "cpuLimit": 10_000_000_000,
        "memoryLimit": 1 << 30,
        "procLimit": 50,
    }
    connection.request("POST", "/run", json.dumps({"cmd": [step]}), {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())[0]
    if answer["status"] != "Accepted":
        raise RuntimeError(f"go-judge: {answer}")
    return str(answer["files"]["stdout"])


PEERS = {"bubblewrap": ("bwrap", bubblewrap), "go-judge": ("go-judge", go_judge)}
