"""The client of a measurement: one kept connection, straight to the executor."""

import http.client
import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.image.engine import docker
from tests.server import Executor

#: Asks with a request's body for the answer; raises RuntimeError where it is a refusal.
Ask = Callable[[Mapping[str, Any]], dict[str, Any]]


def asking(executor: Executor) -> Ask:
    """Asks over one kept connection; raises RuntimeError where the answer is a refusal."""
    connection = http.client.HTTPConnection(executor.url.removeprefix("http://"))

    def ask(body: Mapping[str, Any]) -> dict[str, Any]:
        connection.request("POST", "/execute", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
        if response.status != http.client.OK:
            raise RuntimeError(f"{response.status}: {answer}")
        return answer

    return ask


def go_straight_to(executor: Executor) -> None:
    """Makes its address that of its container: the engine's proxy for a published port is no part of the executor."""
    address = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", executor.container)
    executor.url = f"http://{address}:8000"
