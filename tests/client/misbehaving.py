"""A server that answers as no executor should, over real sockets."""

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Behaviour = Callable[[socket.socket, int], None]
"""Gets a connection whose request has arrived, and how many came before it. The connection is closed afterwards."""

SLOW_SECONDS = 8
"""How long `slow_first` waits before its first answer."""

ANSWER = (
    b'{"language":"python","version":"3","run":{"stdout":"42\\n","stderr":"","code":0,"signal":null,"status":"ok",'
    b'"message":"","cpu_time":1.0,"wall_time":1.0,"memory":1,"stdout_truncated":false,"stderr_truncated":false}}'
)


def http(status: str, kind: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


GOOD = http("200 OK", "application/json", ANSWER)


def says(*answers: bytes) -> Behaviour:
    """Answers in turn; the last one for ever."""

    def behave(connection: socket.socket, before: int) -> None:
        connection.sendall(answers[min(before, len(answers) - 1)])

    return behave


def silent(connection: socket.socket, _before: int) -> None:
    connection.recv(1)  # until the client leaves


def reset(connection: socket.socket, _before: int) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def slow_first(connection: socket.socket, before: int) -> None:
    time.sleep(SLOW_SECONDS if before == 0 else 0)
    with contextlib.suppress(OSError):  # the client did not wait for the first
        connection.sendall(GOOD)


class Server:
    """What came in: the requests' heads, and when (monotonic seconds)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.heads: list[str] = []
        self.times: list[float] = []


@contextmanager
def misbehaving(behave: Behaviour, bodies: list[dict[str, Any]] | None = None) -> Iterator[Server]:
    """A server on this machine; `bodies` gets what each request brings."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(f"http://127.0.0.1:{listener.getsockname()[1]}")

        def serve(connection: socket.socket) -> None:
            with connection:
                data = b""
                while b"\r\n\r\n" not in data:
                    received = connection.recv(65536)
                    if not received:
                        return
                    data += received
                head, _, rest = data.partition(b"\r\n\r\n")
                lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.startswith(b"Content-Length")]
                length = int(lengths[0]) if lengths else 0
                while len(rest) < length:
                    rest += connection.recv(65536)
                if bodies is not None:
                    bodies.append(json.loads(rest))
                before = len(server.heads)
                server.heads.append(head.decode())
                server.times.append(time.monotonic())
                behave(connection, before)

        def accept() -> None:
            with contextlib.suppress(OSError):  # closed at the end of the test
                while True:
                    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
