"""Piston's live interface: exchanges as Piston documents them, and what a slow, broken or hostile client can do."""

import asyncio
import base64
import functools
import hashlib
import json
import re
import time
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from devtools.executor import Executor, running, until
from runtime.execution.streams import READ_PAUSE_MS
from tests.warm.programs import warm_runs

_EXCHANGES = tomllib.loads(Path(__file__).with_name("piston_live.toml").read_text())["exchange"]
_SECONDS = 30.0
Socket = aiohttp.ClientWebSocketResponse


@asynccontextmanager
async def _connected(executor: Executor, **options: Any) -> AsyncIterator[Socket]:
    url = executor.url.replace("http", "ws") + "/api/v2/connect"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0, **options) as socket:
        yield socket


def _python(code: str, **fields: Any) -> dict[str, Any]:
    return {"type": "init", "language": "python", "version": "*", "files": [{"content": code}], **fields}


async def _message(socket: Socket) -> dict[str, Any] | None:
    """The next message, or None where the server has closed."""
    received = await socket.receive(timeout=_SECONDS)
    if received.type is not aiohttp.WSMsgType.TEXT:
        return None
    message: dict[str, Any] = json.loads(received.data)
    return message


async def _rest(socket: Socket) -> list[dict[str, Any]]:
    messages = []
    while message := await _message(socket):
        messages.append(message)
    return messages


def _text(messages: list[dict[str, Any]], stream: str = "stdout") -> str:
    return "".join(message["data"] for message in messages if message.get("stream") == stream)


def _live(executor: Executor, talk: Callable[[Socket], Awaitable[Any]], **options: Any) -> Any:
    async def connect() -> Any:
        async with _connected(executor, **options) as socket:
            return await talk(socket)

    return asyncio.run(connect())


@pytest.mark.parametrize("exchange", _EXCHANGES, ids=lambda exchange: exchange["name"])
def test_an_exchange_is_pistons(executor: Executor, exchange: dict[str, Any]) -> None:
    init = exchange.get("init")
    if init and init["language"] not in {*executor.languages(), "cobol"}:
        pytest.skip(f"no toolchain for {init['language']} on this machine")
    told: list[dict[str, Any]] = []
    answers = list(exchange.get("answers", ()))

    async def talk(socket: Socket) -> int | None:
        first = [{"type": "init", **init}] if init else []
        for message in (*exchange.get("before", ()), *first, *exchange.get("sent", ())):
            await socket.send_json(message)
        while received := await _message(socket):
            if told and received["type"] == "data" == told[-1]["type"] and received["stream"] == told[-1]["stream"]:
                told[-1]["data"] += received["data"]
            else:
                told.append(received)
            if answers and answers[0]["after"] == received["type"]:
                await socket.send_json(answers.pop(0)["message"])
        return socket.close_code

    close = _live(executor, talk)
    assert [message["type"] for message in told] == [message["type"] for message in exchange["told"]], told
    for message, expected in zip(told, exchange["told"], strict=True):
        for field, value in expected.items():
            if field.endswith("_like"):
                assert re.search(value, message[field.removesuffix("_like")]), message
            else:  # TOML has no null
                assert message[field] == (None if value == "" else value), message
    assert close == exchange["close"]


def test_output_comes_while_the_program_runs(executor: Executor) -> None:
    async def talk(socket: Socket) -> None:
        await socket.send_json(_python("import sys\nprint('first', flush=True)\ninput()\nprint('last')", run_timeout=9000))
        seen: list[dict[str, Any]] = []
        while _text(seen) != "first\n":
            message = await _message(socket)
            assert message is not None
            seen.append(message)
        await socket.send_json({"type": "data", "stream": "stdin", "data": "\n"})
        assert _text(await _rest(socket)) == "last\n"

    _live(executor, talk)


def test_many_lines_come_together_though_the_client_takes_each_message_at_once(executor: Executor) -> None:
    async def talk(socket: Socket) -> list[dict[str, Any]]:
        await socket.send_json(_python("for n in range(30_000): print('line', n, flush=True)", run_timeout=9000))
        return await _rest(socket)

    messages = _live(executor, talk)
    assert _text(messages).count("\n") == 30_000
    came = sum(message["type"] == "data" for message in messages)
    assert came <= messages[-1]["wall_time"] / READ_PAUSE_MS + 10


def test_what_was_printed_before_an_error_comes_before_it(executor: Executor) -> None:
    async def talk(socket: Socket) -> str:
        await socket.send_json(_python("import sys\nprint(1)\nsys.stderr.write('error')"))
        return "".join(message["data"] for message in await _rest(socket) if message["type"] == "data")

    assert [_live(executor, talk) for _ in range(10)] == ["1\nerror"] * 10


def test_a_live_program_costs_little_more_than_a_plain_one(executor: Executor) -> None:
    """Its interpreter need not take itself apart either, though its standard input became a pipe just before."""

    async def cpu_time(socket: Socket) -> float:
        await socket.send_json(_python("print(1)"))
        return float((await _rest(socket))[-1]["cpu_time"])

    live = min(_live(executor, cpu_time) for _ in range(10))
    plain = min(executor.execute("python", "print(1)")["cpu_time"] for _ in range(10))
    assert live < 3 * plain, (live, plain)


def test_a_client_that_leaves_ends_its_program(executor: Executor) -> None:
    async def talk(socket: Socket) -> None:
        await socket.send_json(_python("print(1, flush=True)\nwhile True: pass", run_timeout=10_000))
        while (message := await _message(socket)) and message["type"] != "data":
            pass

    started = time.monotonic()
    _live(executor, talk)
    assert executor.execute("python", "print(2)")["stdout"] == "2\n"
    assert until(lambda: executor.metrics()["executor_slots_in_use"] == 0)
    # Its own limit would have come later.
    assert time.monotonic() - started < 9


def test_a_program_that_is_not_read_from_waits_and_one_that_is_goes_on() -> None:
    code = "import os, time\nend = time.time() + 2\nsize = 0\nwhile time.time() < end: size += os.write(1, b'x' * 65536)"

    async def talk(socket: Socket) -> int:
        await socket.send_json(_python(code, run_timeout=4000))
        await asyncio.sleep(5)
        return len(_text(await _rest(socket)))

    async def all_of_it(socket: Socket) -> tuple[int, int]:
        # In pieces of which no number fills a window, with both outputs in it.
        await socket.send_json(_python("import os\nfor _ in range(2000): os.write(1, b'x' * 4999); os.write(2, b'y' * 77)"))
        messages = await _rest(socket)
        return len(_text(messages)), len(_text(messages, "stderr"))

    with running({"EXECUTOR_MAX_OUTPUT_KB": "65536"}) as server:
        # What the windows, the sockets and the pipes hold, where the program would write some hundred times as much.
        received = _live(server, talk)
        assert _live(server, all_of_it) == (2000 * 4999, 2000 * 77)
    assert received < 40 << 20


def test_the_cut_of_a_live_output_ends_on_a_whole_character() -> None:
    async def printed(code: str, socket: Socket) -> str:
        await socket.send_json(_python(code))
        return _text(await _rest(socket))

    half = "import sys; sys.stdout.buffer.write('語'.encode()[:2])"
    with running({"EXECUTOR_MAX_OUTPUT_KB": "1"}) as server:
        assert _live(server, functools.partial(printed, "print('語' * 1000)")) == "語" * 341
        assert _live(server, functools.partial(printed, half)) == "\ufffd"


def test_input_that_is_not_read_stops_its_sender(executor: Executor) -> None:
    async def talk(socket: Socket) -> int:
        await socket.send_json(_python("import time; time.sleep(4)", run_timeout=8000))
        sent = 0
        try:
            async with asyncio.timeout(3):
                while sent < 200 << 20:
                    await socket.send_json({"type": "data", "stream": "stdin", "data": "x" * (1 << 18)})
                    sent += 1 << 18
        except TimeoutError:
            pass
        return sent

    assert _live(executor, talk) < 50 << 20


def test_all_of_a_long_input_arrives(executor: Executor) -> None:
    async def talk(socket: Socket) -> str:
        await socket.send_json(_python("import sys; print(len(sys.stdin.read()))", run_timeout=10_000))
        for _ in range(20):
            await socket.send_json({"type": "data", "stream": "stdin", "data": "x" * 500_000})
        await socket.send_json({"type": "data", "stream": "stdin", "data": "y", "end": True})
        return _text(await _rest(socket))

    assert _live(executor, talk) == "10000001\n"


def test_input_after_the_program_has_closed_it_is_dropped(executor: Executor) -> None:
    async def talk(socket: Socket) -> list[dict[str, Any]]:
        await socket.send_json(_python("import os, time; os.close(0); print(1, flush=True); time.sleep(0.5); print(2)"))
        for _ in range(20):
            await socket.send_json({"type": "data", "stream": "stdin", "data": "x" * 100_000})
        return await _rest(socket)

    messages = _live(executor, talk)
    assert _text(messages) == "1\n2\n"
    assert messages[-1]["code"] == 0


def test_a_memory_error_of_the_runtime_is_told_as_in_a_plain_run(executor: Executor) -> None:
    async def talk(socket: Socket) -> list[dict[str, Any]]:
        await socket.send_json(_python("x = bytearray(300 << 20)"))
        return await _rest(socket)

    messages = _live(executor, talk)
    assert "MemoryError" in _text(messages, "stderr")
    assert messages[-1]["reason"] == "memory_limit_exceeded"


def test_what_is_no_message_is_answered_in_words(executor: Executor) -> None:
    async def talk(socket: Socket, sent: str | bytes) -> tuple[list[dict[str, Any]], int | None]:
        await (socket.send_str(sent) if isinstance(sent, str) else socket.send_bytes(sent))
        return await _rest(socket), socket.close_code

    for sent in ("{", "[]", "null", '{"type": 5}', b"\xff", "[" * 100_000):
        messages, close = _live(executor, functools.partial(talk, sent=sent))
        assert [message["type"] for message in messages] == ["error"], sent
        assert close == 4002


def test_a_client_that_says_nothing_is_let_go_after_a_second(executor: Executor) -> None:
    async def talk(socket: Socket) -> int | None:
        assert await _rest(socket) == []
        return socket.close_code

    assert _live(executor, talk) == 4001


def test_a_frame_of_100_mib_is_refused_by_its_length(executor: Executor) -> None:
    async def talk(socket: Socket) -> int | None:
        try:
            await socket.send_bytes(bytes(100 << 20))
        except ConnectionError:
            return None
        await _rest(socket)
        return socket.close_code

    assert _live(executor, talk) in (1009, 1006, None)
    assert executor.execute("python", "print(1)")["stdout"] == "1\n"


def test_a_request_that_is_no_websocket_is_a_400(executor: Executor) -> None:
    response = executor.http.get("/api/v2/connect")
    assert response.status_code == 400
    assert "WebSocket" in response.json()["message"]


def test_pages_of_other_sites_may_not_connect_without_a_key(executor: Executor) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as error:
        _live(executor, _rest, headers={"Origin": "https://elsewhere.example"})
    assert error.value.status == 403
    assert _live(executor, _rest, headers={"Origin": executor.url}) == []


@pytest.fixture(scope="module")
def small() -> Iterator[Executor]:
    key = hashlib.sha256(b"k\xc3\xa9y 1").hexdigest()
    with running({"EXECUTOR_MAX_LIVE_SESSIONS": "3", "EXECUTOR_API_KEYS": f"page:{key}"}) as server:
        yield server


def _protocols(key: str) -> list[str]:
    return ["executor", f"executor.key.{base64.urlsafe_b64encode(key.encode()).decode().rstrip('=')}"]


def test_a_page_gives_its_key_as_a_protocol(small: Executor) -> None:
    async def talk(socket: Socket) -> tuple[str | None, str]:
        await socket.send_json(_python("print(1)"))
        return socket.protocol, _text(await _rest(socket))

    other_site = {"Origin": "https://elsewhere.example"}
    assert _live(small, talk, protocols=_protocols("kéy 1"), headers=other_site) == ("executor", "1\n")
    for wrong in (_protocols("key 2"), ["executor.key.!"], ["executor"], []):
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            _live(small, talk, protocols=wrong)
        assert error.value.status == 401


def test_sessions_are_bounded_and_the_next_one_is_told(small: Executor) -> None:
    async def connect() -> None:
        options: dict[str, Any] = {"protocols": _protocols("kéy 1")}
        async with _connected(small, **options), _connected(small, **options), _connected(small, **options):
            with pytest.raises(aiohttp.WSServerHandshakeError) as error:
                async with _connected(small, **options):
                    pass
            assert error.value.status == 429
        while True:  # the places come back
            try:
                async with _connected(small, **options):
                    return
            except aiohttp.WSServerHandshakeError:
                await asyncio.sleep(0.01)

    asyncio.run(connect())
    assert small.http.get("/health").json()["status"] == "healthy"


def test_a_session_that_waits_too_long_for_a_slot_is_told(executor: Executor) -> None:
    async def connect() -> None:
        async with _connected(executor) as first, _connected(executor) as second:
            await first.send_json(_python("input()", run_timeout=10_000))
            while (message := await _message(first)) and message["type"] != "stage":
                pass
            await second.send_json(_python("print(1)"))
            messages = await _rest(second)
            assert [message["type"] for message in messages] == ["error"]
            assert "no slot became free" in messages[0]["message"]
            assert second.close_code == 4002

    asyncio.run(connect())


@pytest.mark.parametrize("name", ["main.py", "other.py"])
def test_standard_input_is_the_pipe_that_it_is_anywhere(executor: Executor, name: str) -> None:
    """By a worker that was started ahead, whose input was a file until then, and by one that no worker can serve."""
    code = """
import os, stat, sys
def shown(text):
    raw = text.buffer.raw
    return (text.encoding, text.errors, text.newlines, text.line_buffering, text.seekable(), raw.seekable(), raw.mode,
            sys.getsizeof(text.buffer), repr(text).replace(repr(text.name), ""), repr(raw).replace(repr(raw.name), ""),
            sorted(vars(text)), sorted(vars(raw)))
fresh = open(0, closefd=False, newline="\\n", encoding=sys.stdin.encoding, errors="surrogateescape")
print(stat.S_ISFIFO(os.fstat(0).st_mode), [pair for pair in zip(shown(sys.stdin), shown(fresh)) if pair[0] != pair[1]])
print(repr(sys.stdin.readline()), repr(sys.stdin.read()))
"""

    async def talk(socket: Socket) -> str:
        await socket.send_json(_python(code, files=[{"name": name, "content": code}], stdin="a\r\nb\n"))
        await socket.send_json({"type": "data", "stream": "stdin", "data": "c", "end": True})
        return _text(await _rest(socket))

    is_warm = name == "main.py"
    before = warm_runs(executor)
    found = [_live(executor, talk)]
    while is_warm and warm_runs(executor) == before:
        found.append(_live(executor, talk))
    assert found[-1].splitlines()[1] == "'a\\r\\n' 'b\\nc'", found
    assert found[-1].startswith("True []"), found
