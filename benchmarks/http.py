"""`python -m benchmarks.http`: what a refusal costs the server, and what thousands of open connections cost the others.

Prints both, and the figures that they must meet; the exit code is 1 where one is missed.
"""

import concurrent.futures
import http.client
import json
import os
import socket
import statistics
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from devtools.executor import Executor, running

_REFUSALS = 2000
_MOST_REFUSAL_MS = 1.0
_CONNECTIONS = 5000
_MOST_RATIO = 1.5
_ROUNDS, _HELLOS = 4, 60
_HELLO = {"language": "python", "code": "print(42)", "user_id": "student", "question_id": "question"}


def cpu_ms(executor: Executor) -> float:
    """CPU time of the server's own threads so far (/proc/PID/task/TID/schedstat, in nanoseconds)."""
    tasks = Path(f"/proc/{executor.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6


def post(connection: http.client.HTTPConnection, body: Mapping[str, object]) -> int:
    """The status of one submission."""
    connection.request("POST", "/execute", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    return response.status


def connected(executor: Executor) -> http.client.HTTPConnection:
    """A connection that is kept."""
    return http.client.HTTPConnection(executor.url.removeprefix("http://"))


def refusal_ms() -> float:
    """Server CPU for each 429, in milliseconds."""
    with running({"EXECUTOR_QUEUE_LENGTH": "0"}) as executor, concurrent.futures.ThreadPoolExecutor(1) as pool:
        blocker = pool.submit(executor.execute, "python", "import time; time.sleep(8)", timeout=10)
        while "executor_slots_in_use 1.0" not in executor.http.get("/metrics").text:
            time.sleep(0.01)
        connection = connected(executor)
        before = cpu_ms(executor)
        statuses = {post(connection, _HELLO) for _ in range(_REFUSALS)}
        spent = cpu_ms(executor) - before
        if statuses != {429}:
            raise RuntimeError(f"not only refusals: {statuses}")
        blocker.result()
        return spent / _REFUSALS


def hello_ms(executor: Executor) -> float:
    """The median of some hellos in milliseconds, with time between them for the next worker to start."""
    connection, times = connected(executor), []
    for _ in range(_HELLOS):
        started = time.perf_counter()
        status = post(connection, _HELLO)
        times.append((time.perf_counter() - started) * 1000)
        if status != http.client.OK:
            raise RuntimeError(f"a hello was answered with {status}")
        time.sleep(0.005)
    connection.close()
    return statistics.median(times)


def crowd() -> tuple[float, float]:
    """A hello's median in milliseconds alone, and with the open connections; in turn."""
    alone, crowded = [], []
    with running() as executor:
        address = executor.url.removeprefix("http://").split(":")
        hello_ms(executor)
        for _ in range(_ROUNDS):
            alone.append(hello_ms(executor))
            with ExitStack() as connections:
                for _ in range(_CONNECTIONS):
                    connections.enter_context(socket.create_connection((address[0], int(address[1])), 10))
                crowded.append(hello_ms(executor))
    return statistics.median(alone), statistics.median(crowded)


def main() -> int:
    """Measures and prints both; returns the exit code."""
    refusal = refusal_ms()
    print(f"a refusal: {refusal:.3f} ms of server CPU (at most {_MOST_REFUSAL_MS:g})", flush=True)
    alone, crowded = crowd()
    print(
        f"a hello: {alone:.2f} ms alone, {crowded:.2f} ms beside {_CONNECTIONS} connections: "
        f"{crowded / alone:.2f} times (at most {_MOST_RATIO:g}); {os.cpu_count()} cores"
    )
    return int(refusal > _MOST_REFUSAL_MS or crowded > _MOST_RATIO * alone)


if __name__ == "__main__":
    sys.exit(main())
