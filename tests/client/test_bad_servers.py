"""A client whose server is wrong: one clear error each, within the deadline, and never more requests than make sense."""

import time

import pytest
from executor_client import (
    Backoff,
    BusyError,
    CircuitBreaker,
    CircuitOpenError,
    ConfigurationError,
    ConnectionFailedError,
    ExecutorClient,
    ExecutorError,
    InvalidRequestError,
    NoAnswerError,
    ServerFailedError,
    UnauthorizedError,
    UnexpectedAnswerError,
)

from tests.client.misbehaving import (
    ANSWER,
    GOOD,
    SLOW_SECONDS,
    Behaviour,
    http,
    misbehaving,
    reset,
    says,
    silent,
    slow_first,
)

_DEADLINE = 1.0
_PROBLEM = "application/problem+json"
_HTML = b"<html><body>404 not found</body></html>"
_BUSY = b'{"code":"busy","detail":"2 submissions are waiting already."}'
_WRONG = b'{"code":"invalid_request","detail":"x","errors":[{"field":"timeout","message":"must be above 0"}]}'
_ONCE, _AGAIN = True, False

_CASES: list[tuple[str, Behaviour, type[ExecutorError], str, bool]] = [
    ("HTML", says(http("200 OK", "text/html", _HTML)), UnexpectedAnswerError, "text/html", _ONCE),
    ("HTML with 404", says(http("404 Not Found", "text/html", _HTML)), UnexpectedAnswerError, "404", _ONCE),
    ("HTML with 503", says(http("503 No", "text/html", _HTML)), ServerFailedError, "503", _AGAIN),
    ("other JSON", says(http("200 OK", "application/json", b'{"hello": 1}')), UnexpectedAnswerError, "`language`", _ONCE),
    (
        "a redirect", says(http("301 Moved", "text/html", b"", "Location: https://elsewhere.example/")),
        UnexpectedAnswerError, "https://elsewhere.example/", _ONCE,
    ),
    ("half a body", says(GOOD[:-100]), ConnectionFailedError, "in the middle of the answer", _AGAIN),
    (
        "half a body that claims to be whole", says(http("200 OK", "application/json", ANSWER[:-100])),
        ConnectionFailedError, "only part", _AGAIN,
    ),
    ("half a header", says(b"HTTP/1.1 200 O"), ConnectionFailedError, "127.0.0.1", _AGAIN),
    ("not HTTP", says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), ConnectionFailedError, "127.0.0.1", _AGAIN),
    ("a reset", reset, ConnectionFailedError, "127.0.0.1", _AGAIN),
    ("an end without a word", says(b""), ConnectionFailedError, "before an answer came", _AGAIN),
    ("nothing", silent, NoAnswerError, "no answer in 1 s", _ONCE),
    ("a wrong key", says(http("401 No", _PROBLEM, b'{"code":"unauthorized"}')), UnauthorizedError, "unauthorized", _ONCE),
    ("a forbidding ingress", says(http("403 No", "text/html", _HTML)), UnauthorizedError, "403", _ONCE),
    ("a wrong field", says(http("422 No", _PROBLEM, _WRONG)), InvalidRequestError, "timeout must be above 0", _ONCE),
    ("busy for ever", says(http("429 Busy", _PROBLEM, _BUSY, "Retry-After: 0")), BusyError, "busy", _AGAIN),
    ("busy for an hour", says(http("429 Busy", _PROBLEM, _BUSY, "Retry-After: 3600")), BusyError, "busy", _ONCE),
    ("busy, and its wait is no number", says(http("429 B", _PROBLEM, _BUSY, "Retry-After: soon")), BusyError, "busy", _AGAIN),
]  # fmt: skip


@pytest.mark.parametrize(
    ("behave", "error", "words", "once"), [case[1:] for case in _CASES], ids=[case[0] for case in _CASES]
)
def test_each_has_its_error_within_the_deadline(
    behave: Behaviour, error: type[ExecutorError], words: str, once: bool
) -> None:
    with misbehaving(behave) as server:
        started = time.monotonic()
        with ExecutorClient(server.url, "key", deadline=_DEADLINE, backoff=Backoff(0.1, 0.2)) as client:
            with pytest.raises(error) as caught:
                client.execute("python", "print(42)")
            assert time.monotonic() - started < _DEADLINE + 10
        assert type(caught.value) is error
        assert words in str(caught.value)
        assert server.url in str(caught.value)
        # The last one may have been cut short before the server saw it.
        assert len(server.heads) <= caught.value.attempts <= len(server.heads) + 1
        assert (len(server.heads) == 1) is once


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("", ConfigurationError), ("executor.example", ConfigurationError), ("ftp://executor.example", ConfigurationError),
        ("http://", ConfigurationError), ("http://x:y", ConfigurationError), ("http://x/?a=b", ConfigurationError),
        ("http://127.0.0.1:1", ConnectionFailedError), ("http://no-such-host.invalid", ConnectionFailedError),
    ],
)  # fmt: skip
def test_a_wrong_url_is_said_to_be_one(url: str, error: type[ExecutorError]) -> None:
    started = time.monotonic()
    with pytest.raises(error) as caught:
        ExecutorClient(url, deadline=_DEADLINE).execute("python", "print(42)")
    assert type(caught.value) is error
    assert url in str(caught.value)
    assert time.monotonic() - started < _DEADLINE + 10


def test_numbers_that_make_no_sense_are_refused() -> None:
    for options in ({"deadline": 0}, {"deadline": float("nan")}, {"hedge_after": -1}):
        with pytest.raises(ConfigurationError, match="must be seconds above 0"):
            ExecutorClient("http://127.0.0.1:1", **options)
    with pytest.raises(ConfigurationError, match="concurrency=0"):
        ExecutorClient("http://127.0.0.1:1").execute_many([], concurrency=0)


@pytest.mark.parametrize("failure", [http("503 No", _PROBLEM, b'{"code":"draining"}'), b"HTTP/1.1 2", GOOD[:-9]])
def test_what_fails_for_the_moment_is_sent_again(failure: bytes) -> None:
    with misbehaving(says(failure, failure, GOOD)) as server, ExecutorClient(server.url) as client:
        assert client.execute("python", "print(42)").run.stdout == "42\n"
        assert len(server.heads) == 3


def test_a_wait_that_the_server_asks_for_is_kept() -> None:
    busy = http("429 Busy", _PROBLEM, _BUSY, "Retry-After: 1")
    with misbehaving(says(busy, GOOD)) as server, ExecutorClient(server.url) as client:
        client.execute("python", "print(42)")
        assert 1.0 <= server.times[1] - server.times[0] < 20


def test_a_hedge_overtakes_a_request_that_hangs() -> None:
    with misbehaving(slow_first) as server, ExecutorClient(server.url, hedge_after=0.2, deadline=60) as client:
        started = time.monotonic()
        assert client.execute("python", "print(42)").run.stdout == "42\n"
        assert time.monotonic() - started < SLOW_SECONDS
        assert len(server.heads) == 2


def test_without_hedging_nothing_is_sent_twice() -> None:
    with misbehaving(slow_first) as server, ExecutorClient(server.url, deadline=2) as client:
        with pytest.raises(NoAnswerError):
            client.execute("python", "print(42)")
        assert len(server.heads) == 1


def test_the_breaker_stops_sending_and_tries_again_with_one_request() -> None:
    with misbehaving(says(b"", b"", b"", GOOD)) as server:
        breaker = CircuitBreaker(threshold=3, cooldown=5.0)
        with ExecutorClient(server.url, breaker=breaker, backoff=Backoff(0.01, 0.01), deadline=4) as client:
            with pytest.raises(CircuitOpenError, match=r"tried again in [0-5]\.\d s"):
                client.execute("python", "print(42)")
            with pytest.raises(CircuitOpenError) as caught:
                client.execute("python", "print(42)")
            assert caught.value.attempts == 0
            assert len(server.heads) == 3
            time.sleep(5.05)
            assert client.execute("python", "print(42)").run.stdout == "42\n"
            assert len(server.heads) == 4
