"""`python -m benchmarks.doors`: what other services' interfaces add to a run, and what live programs cost those beside them.

Each figure compares measurements that take turns on the same executor, so that other work on the machine meets all of them.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from benchmarks.place import Place, proportional_mb
from devtools.executor import Executor

_CODE = "print(1)"
_PAUSE_SECONDS = 0.02
_SESSIONS = 200
_FLOOD = "import os\nwhile True: os.write(1, b'x' * 65536)"
_FLOOD_SECONDS = 4
_SETTINGS = {"EXECUTOR_MAX_OUTPUT_KB": "65536", "EXECUTOR_MAX_CONNECTIONS": "1000"}

Ask = Callable[[], Awaitable[float]]


def main() -> int:
    """Prints each figure with its bound; 1 where one is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100, help="how often each is measured; the median counts")
    parser.add_argument("--image", default="", help="measure in a container of this image instead of on this machine")
    options = parser.parse_args()
    with Place(options.image).executor(_SETTINGS) as (executor, _):
        kept = asyncio.run(_measure(executor, options.times))
    return 0 if all(kept) else 1


async def _measure(executor: Executor, times: int) -> list[bool]:
    async with aiohttp.ClientSession(executor.url, connector=aiohttp.TCPConnector(limit=0)) as session:
        return [
            *await _doors(session, times),
            *await _starved(session),
            await _sessions(session, executor),
        ]


async def _doors(session: aiohttp.ClientSession, times: int) -> list[bool]:
    jobe = {"language_id": "python3", "sourcecode": _CODE, "sourcefilename": "__tester__.python3"}
    requests: dict[str, tuple[str, dict[str, Any]]] = {
        "/execute": ("/execute", {"language": "python", "code": _CODE}),
        "Judge0": ("/judge0/submissions?wait=true", {"language_id": 71, "source_code": _CODE}),
        "Jobe": ("/jobe/index.php/restapi/runs", {"run_spec": jobe}),
        "Piston": ("/api/v2/execute", {"language": "python", "version": "*", "files": [{"content": _CODE}]}),
    }
    asks = {name: _posting(session, *request) for name, request in requests.items()}
    asks["live"] = lambda: _first_byte(session)
    found: dict[str, list[float]] = {name: [] for name in asks}
    for round_ in range(times + 5):
        for name, ask in asks.items():
            took = await ask()
            if round_ >= 5:  # the first ones start the workers
                found[name].append(took)
            await asyncio.sleep(_PAUSE_SECONDS)
    medians = {name: statistics.median(all_) for name, all_ in found.items()}
    print(", ".join(f"{name} {median:.2f} ms" for name, median in medians.items()))
    plain = medians["/execute"]
    return [
        *(_held(f"a run through {name} takes more than /execute by", medians[name] - plain, 0.3, "ms")
          for name in ("Judge0", "Jobe")),
        _held("the first byte of a live run, by that of /execute", medians["live"] / plain, 1.2, ""),
    ]  # fmt: skip


def _posting(session: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> Ask:
    content = json.dumps(body).encode()

    async def ask() -> float:
        started = time.perf_counter()
        async with session.post(path, data=content, headers={"Content-Type": "application/json"}) as response:
            answer = await response.read()
        took = 1000 * (time.perf_counter() - started)
        if response.status >= 400 or b"1\\n" not in answer:
            raise RuntimeError(f"{path}: {response.status} {answer!r}")
        return took

    return ask


def _init(code: str, **fields: Any) -> str:
    return json.dumps({"type": "init", "language": "python", "version": "*", "files": [{"content": code}], **fields})


async def _first_byte(session: aiohttp.ClientSession) -> float:
    """From the first message on a connection that is open, as that of the other requests is, to the first output."""
    async with session.ws_connect("/api/v2/connect") as socket:
        started, took = time.perf_counter(), 0.0
        await socket.send_str(_init(_CODE))
        async for message in socket:
            if json.loads(message.data)["type"] == "data":
                took = 1000 * (time.perf_counter() - started)
        return took


async def _starved(session: aiohttp.ClientSession) -> list[bool]:
    """How long others wait beside a program that writes as fast as it can."""
    quiet = await _healths(session)
    loaded: asyncio.Event = asyncio.Event()

    async def flood() -> float:
        async with session.ws_connect("/api/v2/connect", max_msg_size=0) as socket:
            await socket.send_str(_init(_FLOOD, run_timeout=1000 * _FLOOD_SECONDS))
            started, size = 0.0, 0
            async for message in socket:
                if json.loads(message.data)["type"] == "data":
                    started = started or time.perf_counter()
                    loaded.set()
                    size += len(message.data)
            return size / 1e6 / (time.perf_counter() - started)

    flooding = asyncio.create_task(flood())
    await loaded.wait()
    beside = await _healths(session)
    rate = await flooding
    print(f"/health {quiet:.2f} ms, beside {rate:.0f} MB/s of output {beside:.2f} ms")
    return [_held("a request beside a flood waits more than alone by", beside - quiet, 20, "ms")]


async def _healths(session: aiohttp.ClientSession) -> float:
    found = []
    for _ in range(60):
        started = time.perf_counter()
        async with session.get("/health") as response:
            await response.read()
        found.append(1000 * (time.perf_counter() - started))
        await asyncio.sleep(_PAUSE_SECONDS)
    return statistics.median(found)


async def _sessions(session: aiohttp.ClientSession, executor: Executor) -> bool:
    before = _memory_mb(executor)  # nothing has run for a moment, so the same workers wait before and after
    opened = await asyncio.gather(*(session.ws_connect("/api/v2/connect") for _ in range(_SESSIONS)))
    used = _memory_mb(executor) - before
    for socket in opened:
        await socket.close()
    return _held(f"{_SESSIONS} live sessions that send nothing take", used, 30, "MiB")


def _memory_mb(executor: Executor) -> float:
    """Of all its processes together."""
    if executor.pid is None:
        raise RuntimeError("the executor's processes are not on this machine")
    return sum(proportional_mb(executor.pid).values())


def _held(what: str, found: float, most: float, unit: str) -> bool:
    held = found <= most
    print(f"{'ok ' if held else 'NOT'} {what} {found:.2f} {unit}, at most {most:g}")
    return held


if __name__ == "__main__":
    sys.exit(main())
