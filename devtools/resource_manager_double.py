"""Azure Resource Manager over the stand-in's cloud: what the program, the scale and the adoption ask it directly.

It hands out tokens as the identity endpoint of an Azure service does, so that the login is the real one, too.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from devtools.azure_double import APP
from devtools.cloud_file import CloudFile, changed_app
from infra.resource_manager import ENDPOINT_VARIABLE

TOP = frozenset({"id", "name", "type", "location", "tags", "identity", "kind", "managedBy", "extendedLocation", "systemData"})
"""What a resource has beside `properties`, to which azure-native gives everything else back."""

TOKEN = "a token of the stand-in"  # noqa: S105 - it opens nothing


def as_arm(resource_id: str, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Gives a resource in the shape of Azure's own API."""
    body: dict[str, Any] = {"id": resource_id, "properties": {}}
    for key, value in outputs.items():
        (body if key in TOP else body["properties"])[key] = value
    return body


def as_outputs(body: Mapping[str, Any]) -> dict[str, Any]:
    """Does the opposite."""
    return {**{key: value for key, value in body.items() if key not in ("properties", "id")}, **body["properties"]}


def merged(old: Any, patch: Any) -> Any:
    """Applies a JSON merge patch. Source: RFC 7396."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(old) if isinstance(old, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/token":
            self._answer(200, {"access_token": TOKEN, "expires_on": str(int(time.time()) + 3600), "token_type": "Bearer"})
        elif not self._known():
            pass
        elif path.startswith("/operations/"):
            self._answer(200, self.server.operations[int(path.rpartition("/")[2])])
        elif path.endswith("/permissions"):
            self._answer(200, {"value": self.server.cloud.permissions()})
        elif path.endswith("/containerApps"):
            self._answer(200, {"value": [as_arm(key, outputs) for key, outputs in self._apps() if key.startswith(path)]})
        else:
            found = next((as_arm(key, outputs) for key, outputs in self._apps() if key.lower() == path.lower()), None)
            code = f"The Resource 'Microsoft.App/containerApps/{path.rpartition('/')[2]}' was not found."
            self._answer(*((200, found) if found else (404, {"error": {"code": "ResourceNotFound", "message": code}})))

    def do_PATCH(self) -> None:
        path = urlsplit(self.path).path
        patch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._known():
            return
        fault = self.server.cloud.take_fault("Patch", APP)
        if fault is not None and fault.kind == "refuse":
            code, _, message = fault.message.partition(": ")
            status = 409 if "InProgress" in code else 400
            self._answer(status, {"error": {"code": code, "message": message}}, {"Retry-After": "0"})
            return
        number = len(self.server.operations)
        if fault is not None and fault.kind == "fail":
            code, _, message = fault.message.partition(": ")
            self.server.operations.append({"status": "Failed", "error": {"code": code, "message": message}})
        else:
            self.server.operations.append({"status": "Succeeded"})
            if fault is None:
                with self.server.cloud.changed() as content:
                    resource = content["resources"][path]
                    body = merged(as_arm(path, resource["outputs"]), patch)
                    resource["outputs"] = changed_app(resource["outputs"], as_outputs(body))
        operation = f"http://{self.headers['Host']}/operations/{number}"
        self._answer(202, None, {"Azure-AsyncOperation": operation, "Retry-After": "0"})

    def _apps(self) -> list[tuple[str, Any]]:
        resources = self.server.cloud.resources().items()
        return [(key, resource["outputs"]) for key, resource in resources if resource["type"] == APP]

    def _known(self) -> bool:
        if self.headers.get("Authorization") == f"Bearer {TOKEN}" and re.search(r"api-version=|operations", self.path):
            return True
        self._answer(401, {"error": {"code": "InvalidAuthenticationToken", "message": "no token of the stand-in"}})
        return False

    def _answer(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), "Retry-After": "0", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Says nothing: what matters is in the cloud's list of calls."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, cloud: CloudFile) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.cloud = cloud
        self.operations: list[dict[str, Any]] = []


@contextmanager
def resource_manager(cloud: CloudFile) -> Iterator[dict[str, str]]:
    """Gives the variables with which a process speaks to the stand-in instead of Azure."""
    server = _Server(cloud)
    thread = Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield {
            ENDPOINT_VARIABLE: url,
            "ARM_USE_MSI": "true",
            "IDENTITY_ENDPOINT": f"{url}/token",
            "IDENTITY_HEADER": "stand-in",
        }
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
