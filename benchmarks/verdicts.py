"""`python -m benchmarks.verdicts`: does a verdict depend on the replica? Programs near their time limit, on four hosts.

Half of the programs use 0.5 to 0.9 of their limit of CPU time and are to be accepted; the others would use 1.2 to 2 times as
much and are to be too slow. Each measures its own CPU time, so that no machine is too fast or too slow for it. What a run
showed: docs/verdicts.md.
"""

import argparse
import itertools
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from devtools.docker import container
from devtools.executor import Executor

_PYTHON = "import time\nwhile time.process_time() < {seconds}: pass\nprint(42)"
_PYTHON_THREADS = """import hashlib, threading, time
def work():
    while time.process_time() < {seconds}: hashlib.sha256(bytes(1 << 18))
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(42)"""
_PYTHON_CHILDREN = """import os, time
for _ in range(3):
    if os.fork() == 0:
        while time.process_time() < {seconds} / 3: pass
        os._exit(0)
    os.wait()
print(42)"""
_NODE = """const used = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1e6 }
while (used() < {seconds}) ;
console.log(42)"""
_C = """#include <stdio.h>
#include <time.h>
int main(void) {
    struct timespec used;
    do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used); while (used.tv_sec + used.tv_nsec / 1e9 < {seconds});
    puts("42");
}"""
_JAVA = """public class Main {
    public static void main(String[] words) {
        var self = ProcessHandle.current();
        while (self.info().totalCpuDuration().orElseThrow().toNanos() < {seconds} * 1e9) ;
        System.out.println(42);
    }
}"""
#: Language, program, and its language's time factor in the image.
_KINDS = (
    ("python", _PYTHON, 1), ("python", _PYTHON_THREADS, 1), ("python", _PYTHON_CHILDREN, 1), ("javascript", _NODE, 1),
    ("c", _C, 1), ("java", _JAVA, 2),
)  # fmt: skip
_HALF = ("--cpus", "0.5")
_REPLICA = ("--cap-drop", "ALL", "--memory", "1g")
_CASES = [{"id": "only", "input": "", "expected_output": "42"}]


@dataclass(frozen=True)
class Program:
    """One submission and the verdict that it should have."""

    language: str
    code: str
    right: str


@dataclass(frozen=True)
class Place:
    """Where programs are judged: the containers' processors, how many replicas at once, and how many endless loops beside."""

    name: str
    options: tuple[str, ...]
    replicas: int = 1
    loops: int = 0


PLACES = (
    Place("one core", ("--cpus", "1")),
    Place("half a core", _HALF),
    Place("half a core, two endless loops beside it", _HALF, loops=2),
    Place("four replicas of half a core at once", _HALF, replicas=4),
)


def programs(count: int, limit: float) -> Iterator[Program]:
    """So many of either kind, the same in each run."""
    chance = random.Random(0)
    for number in range(2 * count):
        language, code, factor = _KINDS[number // 2 % len(_KINDS)]
        share = chance.uniform(0.5, 0.9) if number % 2 == 0 else chance.uniform(1.2, 2.0)
        text = code.replace("{seconds}", f"{share * limit * factor:.4f}")
        yield Program(language, text, "accepted" if share < 1 else "time_limit_exceeded")


@contextmanager
def _loops(count: int) -> Iterator[None]:
    loops = [subprocess.Popen((sys.executable, "-c", "while True: pass")) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def measure(place: Place, image: str, wanted: list[Program], limit: float) -> Counter[tuple[str, str]]:
    """How often each verdict came where another was right, or the same."""
    with ExitStack() as stack:
        stack.enter_context(_loops(place.loops))
        replicas = [stack.enter_context(container(image, *_REPLICA, *place.options)) for _ in range(place.replicas)]
        shares = [wanted[number :: place.replicas] for number in range(place.replicas)]

        def judge(executor: Executor, share: list[Program]) -> list[tuple[str, str]]:
            found = []
            for program in share:
                answer = executor.judge(program.language, program.code, _CASES, timeout=limit)
                found.append((program.right, str(answer["status"])))
            return found

        with ThreadPoolExecutor(len(replicas)) as pool:
            return Counter(itertools.chain.from_iterable(pool.map(judge, replicas, shares)))


def main() -> None:
    """Prints a row of a table for each image and place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", action="append", required=True, help="may be given again, to compare")
    parser.add_argument("--programs", type=int, default=200, help="of either kind")
    parser.add_argument("--limit", type=float, default=1.0, help="seconds of CPU time")
    parser.add_argument("--place", type=int, action="append", help=f"number from 0 to {len(PLACES) - 1}; all if not given")
    options = parser.parse_args()
    wanted = list(programs(options.programs, options.limit))
    print("| image | place | right | right ones too slow | overloaded | other |\n|---|---|---|---|---|---|")
    for number, image in itertools.product(options.place or range(len(PLACES)), options.image):
        found = measure(PLACES[number], image, wanted, options.limit)
        right = sum(count for (want, got), count in found.items() if want == got)
        slow = found["accepted", "time_limit_exceeded"]
        overloaded = sum(count for (_, got), count in found.items() if got == "overloaded")
        other = len(wanted) - right - slow - overloaded
        print(
            f"| {image} | {PLACES[number].name} | {100 * right / len(wanted):.1f} % | {slow} | {overloaded} | {other} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
