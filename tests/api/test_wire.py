"""What an enemy sends instead of a request: it is refused or ended, and never an error of the server's or a hang."""

import concurrent.futures
import contextlib
import gzip
import json
import re
import socket
import struct
import time
from collections.abc import Iterator

import httpx
import pytest

from devtools.executor import Executor, running, until

_BODY = json.dumps({"language": "python", "code": "print(42)"}).encode()
_JSON = b"Content-Type: application/json\r\n"


def _post(*headers: bytes, body: bytes = _BODY, target: bytes = b"/execute", length: bool = True) -> bytes:
    fields = [_JSON, *(header + b"\r\n" for header in headers)]
    if length:
        fields.append(b"Content-Length: %d\r\n" % len(body))
    return b"POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n%s" % (target, b"".join(fields), body)


def _get(target: bytes = b"/health", method: bytes = b"GET", *headers: bytes) -> bytes:
    return b"%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (method, target, b"".join(header + b"\r\n" for header in headers))


_SMALL = {"EXECUTOR_MAX_CONNECTIONS": "20", "EXECUTOR_MAX_BODIES_MB": "1", "EXECUTOR_MAX_BODY_MB": "0.75"}


@pytest.fixture(scope="module")
def strict() -> Iterator[Executor]:
    """Short times and small limits, so that each can be met."""
    seconds = {"HEADER": "1", "BODY": "1", "SEND": "1", "IDLE": "3"}
    with running(_SMALL | {f"EXECUTOR_{name}_SECONDS": value for name, value in seconds.items()}) as executor:
        yield executor


@pytest.fixture
def small() -> Iterator[Executor]:
    """The same limits without the short times: what is begun stays as it is until a test goes on."""
    with running(_SMALL) as executor:
        yield executor


def _connect(executor: Executor) -> socket.socket:
    host, port = executor.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), 10)


def _answers(executor: Executor, data: bytes, silence: float = 0.3, answers: int = 1) -> bytes:
    """Everything that comes back, as `_received` has it."""
    with _connect(executor) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has refused before all was sent
            client.sendall(data)
        return _received(client, silence, answers, bodies=not data.startswith(b"HEAD"))


def _received(client: socket.socket, silence: float = 0.3, answers: int = 1, *, bodies: bool = True) -> bytes:
    """Everything until the server closes, or has been silent for so many seconds behind so many whole answers."""
    received = b""
    client.settimeout(30)
    try:
        while part := client.recv(1 << 16):
            received += part
            if _whole(received, bodies=bodies) >= answers:
                client.settimeout(silence)
    except ConnectionResetError:
        pass
    except TimeoutError:
        assert _whole(received, bodies=bodies) >= answers, "neither an answer nor an end"
    return received


def _whole(received: bytes, *, bodies: bool) -> int:
    """How many answers are there with all of their body."""
    count = 0
    while b"\r\n\r\n" in received:
        head, _, received = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head) if bodies else None
        if length and len(received) < int(length[1]):
            break
        received = received[int(length[1]) if length else 0 :]
        count += 1
    return count


def _statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/[01]\.\d (\d{3}) ", received)]


_STRANGE = {
    "not HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100, 400),
    "no request line": (b"\r\n\r\n\r\nx\r\n\r\n", 400),
    "binary path": (_get(b"/\xff\xfe\xed\xa0\x80"), 400),
    "encoded binary path": (_get(b"/%ff%fe%ed%a0%80"), 404),
    "NUL in the path": (_get(b"/health\0"), 400),
    "encoded traversal": (_get(b"/..%2f..%2fetc/passwd"), 404),
    "no version": (b"GET /health\r\n\r\n", 400),
    "unknown version": (b"GET /health HTTP/9.9\r\nHost: x\r\n\r\n", 400),
    "unknown method": (_get(b"/health", b"BREW"), 400),
    "TRACE": (_get(b"/health", b"TRACE"), 405),
    "OPTIONS": (_get(b"/execute", b"OPTIONS"), 405),
    "OPTIONS *": (_get(b"*", b"OPTIONS"), 404),
    "CONNECT": (_get(b"x:443", b"CONNECT"), 404),
    "HEAD": (_get(b"/health", b"HEAD"), 200),
    "HEAD where there is no GET": (_get(b"/execute", b"HEAD"), 405),
    "absolute target": (_get(b"http://elsewhere/health"), 200),
    "upgrade": (_get(b"/health", b"GET", b"Connection: Upgrade", b"Upgrade: websocket") + b"\x81\x05hello", 200),
    "header bomb": (_get(b"/health", b"GET", *(b"X-%d: 1" % number for number in range(1000))), 431),
    "long header": (_get(b"/health", b"GET", b"X: " + b"a" * 20_000), 431),
    "long target": (_get(b"/" + b"a" * 20_000), 431),
    "header without end": (b"GET /health HTTP/1.1\r\nX: " + b"a" * 1_000_000, 431),
    "folded header": (_get(b"/health", b"GET", b"X: a\r\n b"), 400),
    "NUL in a header": (_get(b"/health", b"GET", b"X: a\0b"), 400),
    "space before a colon": (_get(b"/health", b"GET", b"Content-Length : 5"), 400),
    "binary key": (_get(b"/languages", b"GET", b"X-API-Key: \xff\xfe", b"Authorization: Bearer \xff"), 200),
    "two lengths": (_post(b"Content-Length: 5"), 400),
    "length and chunked": (_post(b"Transfer-Encoding: chunked"), 400),
    "length with a sign": (_post(b"Content-Length: +5", length=False), 400),
    "negative length": (_post(b"Content-Length: -1", length=False), 400),
    "huge length": (_post(b"Content-Length: " + b"9" * 30, length=False), 400),
    "length above the limit": (_post(b"Content-Length: 999999999", length=False), 413),
    "chunked is not last": (_post(b"Transfer-Encoding: chunked, identity", length=False), 400),
    "chunked twice": (_post(b"Transfer-Encoding: chunked, chunked", length=False), 400),
    "unknown coding": (_post(b"Transfer-Encoding: xchunked", length=False), 400),
    "bad chunk size": (_post(b"Transfer-Encoding: chunked", length=False, body=b"xyz\r\n{}\r\n0\r\n\r\n"), 400),
    "huge chunk size": (_post(b"Transfer-Encoding: chunked", length=False, body=b"f" * 40 + b"\r\n{}\r\n0\r\n\r\n"), 400),
    "unknown expectation": (_post(b"Expect: the unexpected"), 400),
    "gzip": (_post(b"Content-Encoding: gzip", body=gzip.compress(_BODY)), 415),
    "gzip bomb": (_post(b"Content-Encoding: gzip", body=gzip.compress(b" " * (32 << 20))), 415),
    "gzip that is none": (_post(b"Content-Encoding: gzip"), 415),
    "strange type": (_post().replace(b"application/json", b"application/json\xff;;=,"), 415),
    "deep nesting": (_post(body=b'{"language":' + b'{"a":' * 200_000), 422),
    "deep nesting in a field that is ignored": (_post(body=b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}"), 400),
    "huge integer": (_post(body=b'{"language":"python","code":"1","timeout":' + b"9" * 100_000 + b"}"), 422),
    "huge exponent": (_post(body=b'{"language":"python","code":"1","timeout":1e999999999}'), 422),
    "lone surrogate": (_post(body=b'{"language":"python","code":"\\udc80"}'), 400),
    "overlong UTF-8": (_post(body=b'{"language":"python","code":"\xc0\x80"}'), 400),
    "byte order mark": (_post(body=b"\xef\xbb\xbf" + _BODY), 400),
    "UTF-16": (_post(body=_BODY.decode().encode("utf-16")), 400),
    "duplicate keys, the last counts": (_post(body=b'{"language":"no","code":"x","language":"python","code":"1"}'), 200),
    "no body": (_post(length=False, body=b""), 400),
    "Piston, no body": (_post(length=False, body=b"", target=b"/api/v2/execute"), 400),
    "Piston, long selector": (
        _post(body=b'{"language":"py","version":"%s","files":[]}' % (b"1 " * 9999), target=b"/api/v2/execute"), 400,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", _STRANGE)
def test_what_is_strange_gets_one_answer(executor: Executor, name: str) -> None:
    data, expected = _STRANGE[name]
    received = _answers(executor, data, silence=0.02)
    head, _, body = received.partition(b"\r\n\r\n")
    assert _statuses(received)[:1] == [expected], received
    if expected >= 400 and b"HEAD" not in data[:4]:
        assert b"application/problem+json" in head
        problem = json.JSONDecoder().raw_decode(body.decode())[0]
        assert problem["status"] == expected
        assert problem["detail"]
        assert problem["code"] != "internal_error"


def test_the_bytes_behind_a_refused_length_are_no_request(executor: Executor) -> None:
    for header in (b"Transfer-Encoding: chunked", b"Content-Length: 3", b"Transfer-Encoding: xchunked"):
        received = _answers(executor, _post(header, body=b"0\r\n\r\n" + _get(b"/nothing")))
        assert _statuses(received) == [400], received


def test_pipelined_requests_are_answered_in_their_order(executor: Executor) -> None:
    received = _answers(executor, _get() + _post() + _get(b"/nothing") + _post(body=b"{") + _get(b"/ready"), answers=5)
    assert _statuses(received) == [200, 200, 404, 400, 200]


def test_bodies_in_chunks_and_byte_by_byte_arrive(executor: Executor) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in _BODY) + b"0\r\nX-Trailer: 1\r\n\r\n"
    assert _statuses(_answers(executor, _post(b"Transfer-Encoding: chunked", length=False, body=chunks))) == [200]
    with _connect(executor) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in _post():
            client.send(bytes([byte]))
        assert _statuses(_received(client)) == [200]


def test_a_client_that_waits_for_100_gets_it(executor: Executor) -> None:
    with _connect(executor) as client:
        client.sendall(_post(b"Expect: 100-continue", b"Content-Length: %d" % len(_BODY), length=False, body=b""))
        assert client.recv(100).startswith(b"HTTP/1.1 100 ")
        client.sendall(_BODY)
        assert _statuses(_received(client)) == [200]


def _slots_in_use(executor: Executor) -> float:
    return _metric(executor, "executor_slots_in_use")


def _metric(executor: Executor, name: str) -> float:
    (line,) = [line for line in executor.http.get("/metrics").text.splitlines() if line.startswith(f"{name} ")]
    return float(line.split()[1])


@pytest.mark.parametrize("leave", ["half-close", "close", "reset"])
def test_whoever_leaves_frees_the_slot(executor: Executor, leave: str) -> None:
    with _connect(executor) as client:
        client.sendall(_post(body=json.dumps({"language": "python", "code": "while True: pass", "timeout": 10}).encode()))
        assert until(lambda: _slots_in_use(executor) == 1)
        if leave == "half-close":
            client.shutdown(socket.SHUT_WR)
            assert client.recv(100) == b""
        elif leave == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert until(lambda: _slots_in_use(executor) == 0, 5)  # by itself the program would go on for ten


def _time_to_end(client: socket.socket, drip: bytes = b"") -> tuple[float, bytes]:
    """Seconds until the server closes, and what it said; `drip` is sent every 0.1 s."""
    started, received = time.monotonic(), b""
    client.settimeout(0.1)
    while time.monotonic() - started < 40:
        try:
            part = client.recv(1 << 16)
            if not part:
                return time.monotonic() - started, received
            received += part
        except TimeoutError:
            pass
        except ConnectionResetError:
            return time.monotonic() - started, received
        try:
            client.send(drip)
        except (BrokenPipeError, ConnectionResetError):
            return time.monotonic() - started, received
    raise AssertionError("the connection was kept")


_SLOW = {
    "nothing": (b"", b"", [408]),
    "headers drip": (b"GET /health HTTP/1.1\r\nX: ", b"a", [408]),
    "headers stop": (b"GET /hea", b"", [408]),
    "body drips": (_post(b"Content-Length: 1000", length=False, body=b""), b" ", [408]),
    "body stops": (_post(b"Content-Length: 1000", length=False, body=b"{"), b"", [408]),
    "chunks drip": (_post(b"Transfer-Encoding: chunked", length=False, body=b""), b"1\r\n \r\n", [408]),
    "idle": (_get(), b"", [200]),
    "idle after a body that was too large": (_post(body=b" " * 800_000), b"", [413]),
    "next headers drip": (_get() + b"GET / HTTP/1.1\r\nX: ", b"a", [200, 408]),
}


def _kept_for(executor: Executor, name: str) -> tuple[float, list[int]]:
    data, drip, _ = _SLOW[name]
    with _connect(executor) as client:
        client.sendall(data)
        seconds, received = _time_to_end(client, drip)
    return seconds, _statuses(received)


def test_slow_senders_are_ended(strict: Executor) -> None:
    with concurrent.futures.ThreadPoolExecutor(len(_SLOW)) as pool:
        kept = dict(zip(_SLOW, pool.map(lambda name: _kept_for(strict, name), _SLOW), strict=True))
    assert all(0.8 < seconds < 30 for seconds, _ in kept.values()), kept
    assert {name: said for name, (_, said) in kept.items()} == {name: expected for name, (_, _, expected) in _SLOW.items()}


def test_a_slow_sender_holds_no_slot(strict: Executor) -> None:
    with _connect(strict) as client:
        client.sendall(_post(b"Content-Length: 1000", length=False, body=b"{"))
        assert strict.execute("python", "print(1)")["stdout"] == "1\n"


def test_whoever_does_not_take_the_answer_is_ended(strict: Executor) -> None:
    with _connect(strict) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        code = "print('x' * 1_000_000)"
        cases = [{"id": str(number)} for number in range(8)]
        client.sendall(_post(body=json.dumps({"language": "python", "code": code, "test_cases": cases}).encode()))
        before = _metric(strict, "executor_connections")
        assert until(lambda: _metric(strict, "executor_connections") < before)


def test_answers_that_nobody_takes_share_a_limited_memory() -> None:
    code = "import sys; sys.stdout.write(chr(1) * 1_000_000)"
    with running({"EXECUTOR_MAX_UNSENT_MB": "16"}) as executor, contextlib.ExitStack() as open_ones:
        clients = []
        # Each answer is one of 6 MB, of which the kernel takes a part.
        for _ in range(6):
            client = open_ones.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            host, port = executor.url.removeprefix("http://").split(":")
            client.connect((host, int(port)))
            client.sendall(_post(body=json.dumps({"language": "python", "code": code}).encode()))
            assert client.recv(1) == b"H"
            clients.append(client)
        # The first ones have given way; the last one gets all of its answer.
        assert len(_received(clients[0], 5)) < 6_000_000
        received = b""
        while len(received) < 6_000_000:
            received += clients[-1].recv(1 << 20)
        assert received.count(b"\\u0001") == 1_000_000


def test_connections_above_the_limit_are_refused_and_idle_ones_give_way(small: Executor) -> None:
    small.http.get("/health")
    silent = [_connect(small) for _ in range(20)]
    try:
        for client in silent[:19]:
            client.sendall(b"GET /hea")
        time.sleep(1)  # these are read by then: no answer says so, and a question would be one connection more
        with _connect(small) as client:  # the kept connection of `small.http` has given way to the twentieth
            answer = client.recv(1000)
        assert _statuses(answer) == [429], answer
        assert b"Retry-After: 1" in answer
    finally:
        for client in silent:
            client.close()
    assert until(lambda: httpx.get(f"{small.url}/health").status_code == 200)


def test_bodies_share_a_limited_memory(small: Executor) -> None:
    half = _post(b"Content-Length: 600000", length=False, body=b" " * 599_999)
    with _connect(small) as first, _connect(small) as second:
        first.sendall(half)
        assert until(lambda: _metric(small, "executor_body_bytes") > 500_000)
        second.sendall(half)
        assert _statuses(second.recv(1000)) == [429]
    assert until(lambda: _metric(small, "executor_body_bytes") == 0)
    assert small.execute("python", "print(1)")["stdout"] == "1\n"


def test_nothing_of_it_was_an_error(executor: Executor, strict: Executor) -> None:
    for server in (executor, strict):
        assert server.execute("python", "print('fine')")["stdout"] == "fine\n"
        assert 'reason="internal_error"' not in server.http.get("/metrics").text
