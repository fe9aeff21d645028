"""`python -m loadtest.figures`: what a refusal costs, and what thousands of open connections do to a run.

Both are measured on one executor in one run of this program: the server's own CPU time for each 429, and a hello's median
with and without the open connections, in turn, so that a machine whose speed drifts slows both.
"""

import argparse
import asyncio
import os
import resource
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from tests.server import Executor, running

_HELLO = {"language": "python", "code": "print(42)"}
_LONG = {"language": "python", "code": "import time; time.sleep(9)", "timeout": 10}


def server_cpu_seconds(pid: int) -> float:
    """CPU time of the server's own process, without its children's."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def refusal_milliseconds(executor: Executor, count: int) -> float:
    """CPU time of the server for one 429, over `count` of them on 20 connections; the executor has no queue."""
    assert executor.pid is not None  # noqa: S101 - a process of this machine
    left = iter(range(count))
    async with aiohttp.ClientSession(executor.url) as session:
        blocker = asyncio.create_task(_post(session, _LONG))
        await asyncio.sleep(0.5)
        before = server_cpu_seconds(executor.pid)

        async def refused() -> None:
            for _ in left:
                if (status := await _post(session, _HELLO)) != 429:
                    raise RuntimeError(f"expected 429, got {status}")

        await asyncio.gather(*(refused() for _ in range(20)))
        spent = server_cpu_seconds(executor.pid) - before
        if blocker.done():
            raise RuntimeError("the slot became free before all were refused: fewer --refusals")
        blocker.cancel()
        await asyncio.gather(blocker, return_exceptions=True)
    return spent * 1000 / count


async def hello_medians(executor: Executor, connections: int, rounds: int) -> tuple[float, float]:
    """Medians in milliseconds, without and with that many other connections open, each of which has had an answer."""
    times: tuple[list[float], list[float]] = ([], [])
    async with aiohttp.ClientSession(executor.url) as session:
        for _ in range(rounds):
            for series, count in zip(times, (0, connections), strict=True):
                crowd = [await asyncio.open_connection(*_address(executor)) for _ in range(count)]
                for reader, writer in crowd:
                    writer.write(b"GET /ready HTTP/1.1\r\nHost: executor\r\n\r\n")
                    if b" 200 " not in await reader.readline():
                        raise RuntimeError("an open connection had no answer")
                for turn in range(23):
                    sent = time.perf_counter()
                    if (status := await _post(session, _HELLO)) != 200:
                        raise RuntimeError(f"expected 200, got {status}")
                    if turn >= 3:
                        series.append((time.perf_counter() - sent) * 1000)
                for _, writer in crowd:
                    writer.close()
    return statistics.median(times[0]), statistics.median(times[1])


def _address(executor: Executor) -> tuple[str, int]:
    host, _, port = executor.url.removeprefix("http://").partition(":")
    return host, int(port)


async def _post(session: aiohttp.ClientSession, body: Mapping[str, object]) -> int:
    async with session.post("/execute", json=body) as response:
        await response.read()
        return response.status


def main() -> int:
    """Prints both figures."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.figures", description=__doc__)
    parser.add_argument("--refusals", type=int, default=4000)
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < options.connections + 200:
        parser.error(f"--connections needs as many descriptors, and this machine gives {most}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the executor inherits it
    with running({"EXECUTOR_QUEUE_LENGTH": "0"}) as executor:
        refusal = asyncio.run(refusal_milliseconds(executor, options.refusals))
    print(f"a refusal: {refusal:.2f} ms of the server's CPU time (bound: 1)")
    with running() as executor:
        alone, crowded = asyncio.run(hello_medians(executor, options.connections, options.rounds))
    print(
        f"hello: p50 {alone:.2f} ms alone, {crowded:.2f} ms beside {options.connections:,} open connections: "
        f"{crowded / alone:.2f} times (bound: 1.5)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
