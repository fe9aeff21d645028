"""Live connections from clients that hold to no rule: bounded, named, and nobody else is held up."""

import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devtools.executor import Executor, running, until

_UPGRADE = (
    b"GET /api/v2/connect HTTP/1.1\r\nHost: executor\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_TEXT, _CONTINUATION = 0x1, 0x0
_MASK = bytes(4)
_SLEEPER = {"type": "init", "language": "bash", "version": "*", "files": [{"content": "sleep 60"}]}


def _place(executor: Executor) -> tuple[str, int]:
    host, port = executor.url.removeprefix("http://").split(":")
    return host, int(port)


def _upgraded(executor: Executor) -> socket.socket:
    client = socket.create_connection(_place(executor), timeout=30)
    client.sendall(_UPGRADE)
    return client


def _head(client: socket.socket) -> bytes:
    """The first line of the answer, once all of its head is there."""
    found = b""
    while b"\r\n\r\n" not in found:
        data = client.recv(1)
        if not data:
            break
        found += data
    return found.partition(b"\r\n")[0]


def _frame(content: bytes, opcode: int, *, final: bool) -> bytes:
    return bytes([final << 7 | opcode, 0x80 | 127]) + struct.pack("!Q", len(content)) + _MASK + content


def _closed_with(client: socket.socket) -> int | None:
    """The code of the server's close frame, or None where the connection ended without one."""
    found = b""
    try:
        while data := client.recv(65536):
            found += data
    except ConnectionError:
        pass
    at = found.rfind(b"\x88")
    return int.from_bytes(found[at + 2 : at + 4]) if at >= 0 else None


def _memory_mb(executor: Executor) -> float:
    lines = Path(f"/proc/{executor.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1000


@contextmanager
def _all_closed(clients: list[socket.socket]) -> Iterator[None]:
    try:
        yield
    finally:
        for client in clients:
            client.close()


def test_a_message_of_100_mib_in_small_pieces_is_refused_at_its_bound(executor: Executor) -> None:
    before = _memory_mb(executor)
    with _upgraded(executor) as client:
        assert b"101" in _head(client)
        opcode = _TEXT
        try:
            for _ in range(400):
                client.sendall(_frame(b"x" * (256 << 10), opcode, final=False))
                opcode = _CONTINUATION
        except ConnectionError:
            pass
        assert _closed_with(client) in (1009, None)
    assert _memory_mb(executor) - before < 30
    assert executor.execute("python", "print(1)")["stdout"] == "1\n"


@pytest.mark.parametrize("leave", ["half of the connection", "the connection, without a word"])
def test_a_connection_that_is_half_there_ends_its_run(executor: Executor, leave: str) -> None:
    client = _upgraded(executor)
    with _all_closed([client]):
        assert b"101" in _head(client)
        client.sendall(_frame(json.dumps(_SLEEPER).encode(), _TEXT, final=True))
        assert until(lambda: executor.metrics()["executor_slots_in_use"] == 1)
        if leave.startswith("half"):
            client.shutdown(socket.SHUT_WR)
        else:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        assert until(lambda: executor.metrics()["executor_slots_in_use"] == 0), "its program runs on"


def test_of_a_thousand_sessions_that_send_nothing_some_are_let_in_and_none_stays() -> None:
    most = 50
    settings = {"EXECUTOR_MAX_LIVE_SESSIONS": str(most), "EXECUTOR_MAX_CONNECTIONS": "1200"}
    with running(settings) as server:
        before = _memory_mb(server)
        clients = [_upgraded(server) for _ in range(1000)]
        with _all_closed(clients):
            heads = [_head(client).split()[1] for client in clients]
            assert set(heads) == {b"101", b"429"}
            assert heads[:most] == [b"101"] * most
            # They are told why, and others are served meanwhile.
            assert {_closed_with(client) for client, head in zip(clients, heads, strict=True) if head == b"101"} == {4001}
            assert server.execute("python", "print(1)")["stdout"] == "1\n"
            assert _memory_mb(server) - before < 60
        assert until(lambda: server.metrics()["executor_connections"] <= 2)


def test_what_is_no_frame_at_all_ends_the_connection(executor: Executor) -> None:
    for sent in (os.urandom(4096), b"\xff" * 100, b"GET / HTTP/1.1\r\n\r\n", bytes([0x81, 0x05]) + b"plain"):
        with _upgraded(executor) as client:
            assert b"101" in _head(client)
            client.sendall(sent)
            assert _closed_with(client) in (1002, 1007, 1009, 4001, 4002, None)
    assert executor.execute("python", "print(1)")["stdout"] == "1\n"
