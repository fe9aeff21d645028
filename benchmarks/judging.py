"""`python -m benchmarks.judging`: what a checker adds to a case, and what a problem package takes beside inline cases.

With `--replicas 4`, executors on this machine with one store: how often 1,000 submissions have a package fetched from it.
With `--testlib FOLDER`, a checkout of testlib: how long its checkers are compiled, as a share of what `g++ -O2` takes.

Each figure compares two measurements that take turns on the same executor, so that other work on the machine meets both.
"""

import argparse
import io
import random
import statistics
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx

from devtools.docker import container
from devtools.executor import Executor, running

_CASES = 40
_PROGRAM = '#include <cstdio>\nint main() { std::puts("2"); }'
_CHECKER = "#include <fstream>\nint main(int, char **words) { int x; std::ifstream(words[2]) >> x; return x == 2 ? 42 : 43; }"
_READS = "import sys\nsys.stdin.read()\nprint(1)"
_LARGE_CASES, _NUMBERS = 100, 48_000
# Bodies of the inline form of 50 MB.
_SETTINGS = {"EXECUTOR_MAX_BODY_MB": "200", "EXECUTOR_MAX_BODIES_MB": "400"}
_SEED = 5
_SUBMISSIONS, _CLIENTS = 1000, 64


def main() -> int:
    """Prints each figure with its bound; 1 where one is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5, help="how often each is measured; the median counts")
    parser.add_argument("--testlib", type=Path, help="a folder with testlib.h and checkers/: they are measured alone")
    parser.add_argument("--replicas", type=int, default=0, help="so many executors with one store: they are measured alone")
    parser.add_argument("--image", default="", help="an image to measure in, this host if none")
    options = parser.parse_args()
    if options.replicas:
        return 0 if _fetches(options.replicas) else 1
    with container(options.image, settings=_SETTINGS) if options.image else running(_SETTINGS) as executor:
        if options.testlib:
            kept = [_testlib(executor, options.testlib, options.times)]
        else:
            kept = [_checker(executor, options.times), *_package(executor, options.times)]
    return 0 if all(kept) else 1


def _checker(executor: Executor, times: int) -> bool:
    cases = [{"id": str(number), "input": "1", "expected_output": "2"} for number in range(_CASES)]
    checker = {"language": "cpp", "code": _CHECKER}
    plain, checked = _in_turns(
        times,
        lambda: executor.judge("cpp", _PROGRAM, cases),
        lambda: executor.judge("cpp", _PROGRAM, cases, checker=checker),
    )
    print(f"a case: {1000 * plain / _CASES:.2f} ms, with a checker {1000 * checked / _CASES:.2f} ms")
    return _held("a checker in C++ adds to a case", 1000 * (checked - plain) / _CASES, 3, "ms")


def _package(executor: Executor, times: int) -> list[bool]:
    numbers = random.Random(_SEED)
    inputs = [" ".join(str(numbers.randrange(10**9)) for _ in range(_NUMBERS)) + "\n" for _ in range(_LARGE_CASES)]
    content = _zipped(inputs)
    started = time.perf_counter()
    response = executor.http.put("/problems", content=content, headers={"Content-Type": "application/zip"})
    response.raise_for_status()
    mb = sum(map(len, inputs)) / 1e6
    took = time.perf_counter() - started
    body = {"language": "python", "code": _READS, "problem": response.json()["problem"]}
    cases = [{"id": str(number), "input": text, "expected_output": "1\n"} for number, text in enumerate(inputs)]
    inline, packaged = _in_turns(times, lambda: executor.judge("python", _READS, cases), lambda: executor.post(body))
    return [
        _held(f"a package of {mb:.0f} MB, put and checked, for each 50 MB", took * 50 / mb, 1, "s"),
        _held("judged by a package, as a share of the same cases inline", packaged / inline, 1.1, ""),
    ]


def _fetches(count: int) -> bool:
    with ExitStack() as stack:
        store = stack.enter_context(tempfile.TemporaryDirectory())
        settings = {"EXECUTOR_STORE": f"file://{store}", "EXECUTOR_QUEUE_SECONDS": "60", "EXECUTOR_QUEUE_LENGTH": "1000"}
        replicas = [stack.enter_context(running(settings)) for _ in range(count)]
        response = replicas[0].http.put("/problems", content=_zipped(["1\n"]), headers={"Content-Type": "application/zip"})
        response.raise_for_status()
        body = {"language": "python", "code": _READS, "problem": response.json()["problem"]}

        def ask(number: int) -> str:
            answer = httpx.post(f"{replicas[number % count].url}/execute", json=body, timeout=600)
            return str(answer.json().get("status"))

        with ThreadPoolExecutor(_CLIENTS) as pool:
            found = Counter(pool.map(ask, range(_SUBMISSIONS)))
        fetched = [executor.metrics()["executor_problems_fetched_total"] for executor in replicas]
    print(f"{_SUBMISSIONS} submissions on {count} replicas: {dict(found)}, fetched by each: {fetched}")
    return _held("a package was fetched", sum(fetched), count, "times") and found == {"accepted": _SUBMISSIONS}


def _testlib(executor: Executor, folder: Path, times: int) -> bool:
    """CPU time of compile steps: with testlib.h as checkers have it, and under a name that says nothing."""
    header = (folder / "testlib.h").read_text()
    shares = []
    for path in sorted((folder / "checkers").glob("*.cpp")):
        found: list[list[float]] = [[], []]
        for number in range(times):
            for name, milliseconds in zip(("testlib.h", "other.h"), found, strict=True):
                # Each is compiled anew: no other compile step had this text.
                source = path.read_text().replace('"testlib.h"', f'"{name}"') + f"\n// {number} {time.time_ns()}\n"
                files = [{"name": "check.cpp", "content": source}, {"name": name, "content": header}]
                answer = executor.post({"language": "cpp", "files": files}).json()
                milliseconds.append(answer["compile"]["cpu_time"])
        lean, plain = map(statistics.median, found)
        print(f"{path.name}: {lean:.0f} of {plain:.0f} ms of CPU time", flush=True)
        shares.append(lean / plain)
    return _held("testlib's checkers are compiled in, as a share of g++ -O2, the largest", max(shares), 0.5, "")


def _zipped(inputs: list[str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("problem.yaml", "name: Large\n")
        for number, text in enumerate(inputs):
            archive.writestr(f"data/secret/{number:03}.in", text)
            archive.writestr(f"data/secret/{number:03}.ans", "1\n")
    return target.getvalue()


def _in_turns(times: int, *actions: Callable[[], object]) -> list[float]:
    """The median seconds of each action, the first round not counted."""
    found: list[list[float]] = [[] for _ in actions]
    for _ in range(times + 1):
        for action, seconds in zip(actions, found, strict=True):
            started = time.perf_counter()
            action()
            seconds.append(time.perf_counter() - started)
    return [statistics.median(seconds[1:]) for seconds in found]


def _held(what: str, found: float, most: float, unit: str) -> bool:
    held = found <= most
    print(f"{'ok ' if held else 'NOT'} {what}: {found:.2f} {unit}, at most {most:g}")
    return held


if __name__ == "__main__":
    sys.exit(main())
