"""The server's hold on the spawner: its start, its connection, and whether it is there."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import msgspec

from runtime.execution.paths import RUNTIME_ROOT
from runtime.execution.protocol import SupervisorConfig
from runtime.sandbox.layers import Enforceable

_START_SECONDS = 20.0
_END_SECONDS = 5.0
#: The image has a copy of the interpreter at this path that may change uids where the container lets it.
_PYTHON = Path("/opt/executor/bin/spawner-python")


class SpawnerProcess:
    """One process that forks supervisors."""

    def __init__(self) -> None:
        """Starts it; raises OSError where there is no process to be had."""
        self._server, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        python = str(_PYTHON) if os.access(_PYTHON, os.X_OK) else sys.executable
        paths = [RUNTIME_ROOT, *(path for path in sys.path if path.endswith("site-packages"))]
        start = f"from runtime.execution.spawner import main; main({theirs.fileno()})"
        with theirs:
            self._process = subprocess.Popen(
                [python, "-I", "-S", "-c", f"import sys; sys.path[:0] = {paths!r}; {start}"],
                env={},
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it is running."""
        return self._process.poll() is None

    def enforceable(self) -> Enforceable:
        """What it has found that this host can enforce, once it has; raises OSError where it does not say so in time."""
        self._server.settimeout(_START_SECONDS)
        try:
            return msgspec.msgpack.decode(self._server.recv(4096), type=Enforceable)
        except msgspec.DecodeError as error:
            raise ConnectionError("the spawner ended at its start") from error

    def spawn(self, config: SupervisorConfig, connection: socket.socket) -> None:
        """Has a supervisor forked that serves `connection`; raises OSError where the spawner is gone."""
        socket.send_fds(self._server, [msgspec.msgpack.encode(config)], [connection.fileno()])

    def close(self) -> None:
        """Lets it end, with its supervisors."""
        self._server.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
