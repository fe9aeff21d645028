"""The client of a measurement: one kept connection, straight to the executor."""

import http.client
import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

from devtools.docker import docker
from devtools.executor import Executor

#: Asks with a request's body for the answer; raises RuntimeError where it is a refusal.
Ask = Callable[[Mapping[str, Any]], dict[str, Any]]
_HEAD = b"POST /execute HTTP/1.1\r\nHost: executor\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def asking(executor: Executor) -> Ask:
    """Asks over one kept connection; raises RuntimeError where the answer is a refusal.

    By hand, because a client that takes as long as half a supervisor would be measured with the executor.
    """
    host, port = executor.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    stream = connection.makefile("rb")

    def ask(body: Mapping[str, Any]) -> dict[str, Any]:
        content = json.dumps(body).encode()
        connection.sendall(_HEAD % len(content) + content)
        first = stream.readline()
        length = 0
        while (line := stream.readline()) not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not line:
            raise RuntimeError("the executor has closed the connection")
        answer: dict[str, Any] = json.loads(stream.read(length))
        if int(first.split()[1]) != http.client.OK:
            raise RuntimeError(f"{first!r}: {answer}")
        return answer

    return ask


def go_straight_to(executor: Executor) -> None:
    """Makes its address that of its container: the engine's proxy for a published port is no part of the executor."""
    address = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", executor.container)
    executor.url = f"http://{address}:8000"
