"""`python -m benchmarks.scale PART`: how the executor's figures grow, one part a command, each with a chart.

slots: runs a second over 1, 2, 4 and 8 slots. queue: a thousand submissions at once. cases: what a submission's test cases
take. runs: memory and latency over many runs. Every answer is compared; a wrong one ends the benchmark.
"""

import argparse
import itertools
import json
import os
import selectors
import socket
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.asking import Ask, asking
from benchmarks.chart import Series, draw_lines
from benchmarks.place import Place, proportional_mb
from benchmarks.workloads import ANSWER
from devtools.executor import Executor

_SLOTS = (1, 2, 4, 8)
_SLOT_SECONDS = 3.0
# More slots that give less than this are past the bend.
_GAIN = 1.1
_QUEUED = 1000
_QUEUE_SECONDS = 60
_CASES = (1, 20, 50, 100, 200)
_CASE_ROUNDS = 7
_SAMPLES = 50
_HELLO = {"language": "python", "code": "print(42)"}
_SQUARE = "n = int(input())\nprint(n * n)"
# Of the last fifth of all runs beside the first fifth.
_FLAT = 1.1


def main() -> None:
    """Measures one part, prints it, and writes what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("part", choices=_PARTS)
    parser.add_argument("--image", default="", help="measure in a container of this image instead of on this machine")
    parser.add_argument("--cpus", default="", help="processors of the container")
    parser.add_argument("--runs", type=int, default=2000, help="how many runs the part `runs` has; a day has 100,000")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--svg", type=Path, help="also draw them into this file")
    options = parser.parse_args()
    place = Place(options.image, ("--cpus", options.cpus) if options.cpus and options.image else ())
    figures, label, series = _PARTS[options.part](place, options.runs)
    for path in filter(None, (options.json, options.svg)):
        path.parent.mkdir(parents=True, exist_ok=True)
    if options.json:
        facts = {"image": options.image, "cpus": options.cpus, "cores": os.cpu_count(), "date": time.strftime("%Y-%m-%d")}
        options.json.write_text(json.dumps(facts | figures, indent=1) + "\n")
    if options.svg:
        draw_lines(options.svg, label, series)


#: Figures, the label of the chart's horizontal axis, and what is drawn over it.
_Part = tuple[dict[str, Any], str, tuple[Series, ...]]


def slots(place: Place, _runs: int) -> _Part:
    """Runs a second, with as many clients as slots."""
    rates: dict[int, float] = {}
    for count in _SLOTS:
        with place.executor({"EXECUTOR_CONCURRENCY": str(count)}) as (executor, _):
            asks = [asking(executor) for _ in range(count)]
            for ask in asks:
                _hello(ask)
            with ThreadPoolExecutor(count) as threads:
                rates[count] = sum(threads.map(_hellos, asks)) / _SLOT_SECONDS
        print(f"{count} slots: {rates[count]:.0f} runs a second", flush=True)
    bend = next((a for a, b in itertools.pairwise(_SLOTS) if rates[b] < _GAIN * rates[a]), _SLOTS[-1])
    print(f"more than {bend} slots bring less than {_GAIN:.1f} times")
    values = tuple((float(count), rate) for count, rate in rates.items())
    return {"runs_per_second": rates, "bend": bend}, "slots", (Series("runs a second", values),)


def queue(place: Place, _runs: int) -> _Part:
    """A thousand users who ask at once, in one slot."""
    settings = {
        "EXECUTOR_QUEUE_LENGTH": str(_QUEUED),
        "EXECUTOR_QUEUE_SECONDS": str(_QUEUE_SECONDS),
        "EXECUTOR_MAX_CONNECTIONS": str(2 * _QUEUED),
    }
    with place.executor(settings) as (executor, _):
        ask = asking(executor)
        one = statistics.median(_hello(ask) for _ in range(60))
        times = _all_at_once(executor)
    whole, middle = times[-1], statistics.median(times)
    print(f"{_QUEUED} at once: {whole:.2f} s, {1000 * whole / _QUEUED:.2f} ms each; half of them within {middle:.2f} s")
    print(f"alone a run takes {one:.2f} ms: the queue takes {1000 * whole / _QUEUED / one:.2f} times that")
    values = tuple((number + 1.0, seconds) for number, seconds in enumerate(times))
    figures = {"seconds": whole, "ms_each": 1000 * whole / _QUEUED, "ms_alone": one, "median_seconds": middle}
    return figures, "submissions answered", (Series("seconds since all were sent", values),)


def cases(place: Place, _runs: int) -> _Part:
    """One submission with more and more test cases."""
    medians: dict[int, float] = {}
    with place.executor() as (executor, _):
        ask = asking(executor)
        for _ in range(_CASE_ROUNDS):
            _judged(ask, 1)
        times: dict[int, list[float]] = {count: [] for count in _CASES}
        for _ in range(_CASE_ROUNDS):
            for count in _CASES:
                times[count].append(_judged(ask, count))
        for count, series in times.items():
            medians[count] = statistics.median(series)
            print(f"{count} cases: {medians[count]:.1f} ms, {medians[count] / count:.2f} ms each")
    ratio = (medians[200] / 200) / (medians[20] / 20)
    print(f"a case of 200 takes {ratio:.2f} times what one of 20 takes")
    values = tuple((float(count), taken) for count, taken in medians.items())
    return {"ms": medians, "ratio_of_a_case": ratio}, "test cases", (Series("ms", values),)


def runs(place: Place, count: int) -> _Part:
    """Memory and latency over many runs; memory needs root."""
    latencies: list[tuple[float, float]] = []
    memory: list[tuple[float, float]] = []
    with place.executor() as (executor, _):
        ask = asking(executor)
        for _ in range(60):
            _hello(ask)
        step = max(1, count // _SAMPLES)
        for done in range(step, count + 1, step):
            latencies.append((float(done), statistics.median(_hello(ask) for _ in range(step))))
            if os.geteuid() == 0:
                time.sleep(0.2)  # the workers that wait are part of it
                memory.append((float(done), sum(proportional_mb(executor.pid or 0).values())))
    figures: dict[str, Any] = {"runs": count}
    series = []
    for name, unit, values in (("latency", "ms", latencies), ("memory", "MiB", memory)):
        if not values:
            print(f"{name}: not measured, which needs root")
            continue
        fifth = max(1, len(values) // 5)
        first, last = (statistics.median(value for _, value in part) for part in (values[:fifth], values[-fifth:]))
        words = "flat" if last <= _FLAT * first else "NOT FLAT"
        print(f"{name} over {count} runs: {first:.2f} {unit} at first, {last:.2f} {unit} at last: {words}")
        figures[name] = {"first": first, "last": last, "values": values}
        series.append(Series(f"{name} ({unit})", tuple(values)))
    return figures, "runs", tuple(series)


_PARTS: dict[str, Callable[[Place, int], _Part]] = {"slots": slots, "queue": queue, "cases": cases, "runs": runs}


def _hello(ask: Ask) -> float:
    """Milliseconds of a run; raises RuntimeError where it prints anything else."""
    started = time.perf_counter()
    printed = ask(_HELLO)["run"]["stdout"]
    if printed != ANSWER:
        raise RuntimeError(f"expected {ANSWER!r}, got {printed!r}")
    return (time.perf_counter() - started) * 1000


def _hellos(ask: Ask) -> int:
    deadline = time.monotonic() + _SLOT_SECONDS
    count = 0
    while time.monotonic() < deadline:
        _hello(ask)
        count += 1
    return count


def _judged(ask: Ask, count: int) -> float:
    """Milliseconds of a submission with so many cases; raises RuntimeError where one is not passed."""
    given = [{"id": str(n), "input": f"{n}\n", "expected_output": f"{n * n}\n"} for n in range(count)]
    started = time.perf_counter()
    answer = ask({"language": "python", "code": _SQUARE, "test_cases": given})
    if answer["passed"] != count:
        raise RuntimeError(f"{answer['passed']} of {count} cases passed")
    return (time.perf_counter() - started) * 1000


def _all_at_once(executor: Executor) -> list[float]:
    """When each of many submissions of different users was answered, in seconds; RuntimeError for a wrong answer."""
    host, port = executor.url.removeprefix("http://").split(":")
    selector = selectors.DefaultSelector()
    requests = []
    for user in range(_QUEUED):
        body = json.dumps(_HELLO | {"user_id": str(user)}).encode()
        head = "POST /execute HTTP/1.1\r\nHost: executor\r\nContent-Type: application/json\r\nConnection: close\r\n"
        client = socket.create_connection((host, int(port)))
        selector.register(client, selectors.EVENT_READ, bytearray())
        requests.append((client, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body))
    started = time.perf_counter()
    for sender, request in requests:
        sender.sendall(request)
    times: list[float] = []
    while selector.get_map():
        for key, _ in selector.select():
            connection: object = key.fileobj
            received: bytearray = key.data
            if not isinstance(connection, socket.socket):
                raise TypeError("the selector has something else")
            if part := connection.recv(65536):
                received += part
                continue
            times.append(time.perf_counter() - started)
            selector.unregister(connection)
            connection.close()
            if not received.startswith(b"HTTP/1.1 200 ") or b'"stdout":"42\\n"' not in received:
                raise RuntimeError(f"a submission was answered {bytes(received)!r}")
    return times


if __name__ == "__main__":
    main()
