"""`python -m benchmarks.layers`: what each layer of the sandbox adds to a bare spawn, clean-up included. Needs root.

Jobs follow each other without a pause, so the time between two answers holds all that a run costs: handing it over, the
program, ending its processes, removing its directory, and preparing its successor. Configurations take turns.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time

from runtime.execution.executor import Executor
from runtime.execution.protocol import Job, Limits
from runtime.languages.registry import Registry, load
from runtime.settings import LAYERS

_PROGRAM = "/bin/true"
_ROUNDS = 12
_RUNS = 25
#: In the order in which they are added.
_ORDER = ("watcher", "rlimits", "seccomp", "notify", "landlock", "own_uid", "pid_namespace")


def _bare() -> float:
    """Milliseconds of one unprotected spawn, the mean of a round."""
    started = time.perf_counter()
    for _ in range(_RUNS):
        subprocess.run((_PROGRAM,), check=True)
    return (time.perf_counter() - started) * 1000 / _RUNS


async def _confined(executor: Executor) -> float:
    """Milliseconds of one confined run, the mean of a round."""
    job = Job((_PROGRAM,), {}, (), Limits(wall_ms=2000, cpu_ms=2000, memory_bytes=256 << 20))
    started = time.perf_counter()
    for _ in range(_RUNS):
        outcome = await executor.slots[0].run(job)
        if outcome.code != 0:
            raise RuntimeError(f"the program failed: {outcome}")
    return (time.perf_counter() - started) * 1000 / _RUNS


async def _measure() -> None:
    rules = Registry(load(), "/usr/bin:/bin", can_execute_files=True).readable()
    executors: list[tuple[str, Executor]] = []
    for count in range(len(_ORDER) + 1):
        disabled = tuple(layer for layer in LAYERS if layer not in _ORDER[:count])
        executor = Executor(concurrency=1, work_parent=tempfile.gettempdir(), disabled=disabled, highest_abi=99)
        executor.start()
        executor.configure(rules, {})
        await executor.open()
        executors.append((f"+ {_ORDER[count - 1]}" if count else "supervisor alone", executor))
    times: dict[str, list[float]] = {name: [] for name in ("bare spawn", *(name for name, _ in executors))}
    for _ in range(_ROUNDS):
        times["bare spawn"].append(_bare())
        for name, executor in executors:
            times[name].append(await _confined(executor))
    for _, executor in executors:
        executor.close()
    bare = statistics.median(times["bare spawn"])
    print(f"{'':20}{'median ms':>10}{'added ms':>10}")
    for name, series in times.items():
        print(f"{name:20}{statistics.median(series):10.2f}{statistics.median(series) - bare:10.2f}")


def main() -> None:
    """Prints a table."""
    if os.geteuid() != 0:
        sys.exit("python -m benchmarks.layers needs root, because it measures uids and namespaces too")
    asyncio.run(_measure())


if __name__ == "__main__":
    main()
