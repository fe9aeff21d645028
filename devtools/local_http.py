"""A small HTTP server on loopback, in a thread of the test: whatever a test has asked, answered or told stands with it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Handler(BaseHTTPRequestHandler):
    """Answers each request by its `respond`, and writes nothing to the log."""

    def respond(self) -> None:
        """Takes one request, whatever its method, and sends the answer."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """As `http.server` calls it."""
        self.respond()

    do_HEAD = do_PUT = do_GET  # noqa: N815 - likewise

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        """Sends a whole answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def body(self) -> bytes:
        """What came with the request."""
        return self.rfile.read(int(self.headers["Content-Length"]))

    def log_message(self, *_arguments: Any) -> None:
        """Says nothing."""


@contextmanager
def serving(handler: type[Handler]) -> Iterator[int]:
    """Serves in the block; gives the port on 127.0.0.1."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
