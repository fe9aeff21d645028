"""Keys: asked for where they are set, refused before the body is read."""

import hashlib
import socket
from collections.abc import Iterator

import pytest

from devtools.executor import Executor, running

_KEYS = {"old": "first secret", "new": "zweites Geheimnis"}

_HASHES = {name: hashlib.sha256(key.encode()).hexdigest() for name, key in _KEYS.items()}


@pytest.fixture(scope="module")
def guarded() -> Iterator[Executor]:
    pairs = ",".join(f"{name}:{digest}" for name, digest in _HASHES.items())
    with running({"EXECUTOR_API_KEYS": pairs}) as executor:
        yield executor


@pytest.mark.parametrize("key", _KEYS.values())
def test_every_key_opens_by_either_header(guarded: Executor, key: str) -> None:
    body = {"language": "python", "code": "print(1)"}
    for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}):
        assert guarded.http.post("/execute", json=body, headers=headers).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}, {"Authorization": "Basic Zmlyc3Q="}, {"X-API-Key": ""}])
def test_anything_else_is_refused(guarded: Executor, headers: dict[str, str]) -> None:
    response = guarded.http.post("/execute", json={"language": "python", "code": "print(1)"}, headers=headers)
    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_the_refusal_comes_before_the_body(guarded: Executor) -> None:
    host, port = guarded.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 5) as client:
        client.sendall(b"POST /execute HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        assert b" 401 " in client.recv(100)


def test_probes_need_no_key(guarded: Executor) -> None:
    assert guarded.http.get("/health").status_code == 200
    assert guarded.http.get("/ready").status_code == 200


def test_a_program_finds_no_key(guarded: Executor) -> None:
    code = "import os; print([open(p, 'rb').read() for p in ('/proc/self/environ',)], dict(os.environ))"
    response = guarded.http.post("/execute", json={"language": "python", "code": code}, headers={"X-API-Key": _KEYS["old"]})
    run = response.json()["run"]
    assert "PATH" in run["stdout"], run
    assert not [word for word in ("API_KEYS", *_KEYS.values(), *_HASHES.values()) if word in run["stdout"]]
