"""`python -m benchmarks`: starts an executor and prints what a run through it costs beside a bare, unprotected spawn.

The two are measured in turn, A B A B, so that a machine whose speed drifts slows both. Every answer is verified.
"""

import argparse
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.server import Executor, running

_PATH = "/usr/local/bin:/usr/bin:/bin"
# What a program gets inside: the surroundings of this shell must not slow one side.
_BARE_ENVIRONMENT = {"PATH": _PATH, "HOME": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108


@dataclass(frozen=True)
class Workload:
    """One thing to measure: through the executor, and bare."""

    name: str
    body: dict[str, Any]
    bare: tuple[str, ...]
    output: str


@dataclass(frozen=True)
class Row:
    """Medians and 95th percentiles in milliseconds, and the ratio of the medians."""

    name: str
    ours_p50: float
    ours_p95: float
    bare_p50: float
    bare_p95: float

    @property
    def ratio(self) -> float:
        """How many times a bare spawn it takes."""
        return self.ours_p50 / self.bare_p50


def workloads() -> list[Workload]:
    """Those whose toolchain this machine has."""
    every = [
        Workload("Python hello", {"language": "python", "code": "print(42)"}, ("python3", "-c", "print(42)"), "42\n"),
        Workload(
            "Node hello",
            {"language": "javascript", "code": "console.log(42)"},
            ("node", "-e", "console.log(42)"),
            "42\n",
        ),
        Workload("bash hello", {"language": "bash", "code": "echo 42"}, ("bash", "-c", "echo 42"), "42\n"),
    ]
    return [workload for workload in every if shutil.which(workload.bare[0], path=_PATH)]


def timed(action: Callable[[], str], expected: str) -> float:
    """Milliseconds that `action` takes; raises RuntimeError where its answer is not the expected one."""
    started = time.perf_counter()
    answer = action()
    spent = (time.perf_counter() - started) * 1000
    if answer != expected:
        raise RuntimeError(f"expected {expected!r}, got {answer!r}")
    return spent


def measure(workload: Workload, executor: Executor, rounds: int) -> Row:
    """Both ways, in turn, after three rounds that do not count."""
    connection = http.client.HTTPConnection(executor.url.removeprefix("http://"))
    body = json.dumps(workload.body).encode()
    command = (shutil.which(workload.bare[0], path=_PATH) or workload.bare[0], *workload.bare[1:])

    def ours() -> str:
        connection.request("POST", "/execute", body, {"Content-Type": "application/json"})
        answer: str = json.loads(connection.getresponse().read())["run"]["stdout"]
        return answer

    def bare() -> str:
        return subprocess.run(command, env=_BARE_ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True).stdout

    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 3):
        for series, action in zip(times, (ours, bare), strict=True):
            spent = timed(action, workload.output)
            if turn >= 3:
                series.append(spent)
    connection.close()
    (a50, a95), (b50, b95) = ((statistics.median(series), statistics.quantiles(series, n=20)[-1]) for series in times)
    return Row(workload.name, a50, a95, b50, b95)


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def proportional_mb(pid: int) -> float:
    """PSS of the executor with all its processes, in MiB; needs the right to read them."""
    total = 0
    for member in family(pid):
        try:
            text = Path(f"/proc/{member}/smaps_rollup").read_text()
        except ProcessLookupError:
            continue  # it has ended and waits to be reaped: it holds no memory
        total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024


def main() -> None:
    """Measures everything and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="counted rounds of each workload")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    with running() as executor:
        rows = [measure(workload, executor, options.rounds) for workload in workloads()]
        time.sleep(1)
        idle = proportional_mb(executor.pid) if executor.pid and os.geteuid() == 0 else None
    print(f"{'':24}{'executor p50':>14}{'p95':>9}{'bare p50':>12}{'p95':>9}{'ratio':>9}   (ms)")
    for row in rows:
        print(f"{row.name:24}{row.ours_p50:14.2f}{row.ours_p95:9.2f}{row.bare_p50:12.2f}{row.bare_p95:9.2f}{row.ratio:9.2f}")
    print("idle service, all processes: " + (f"{idle:.0f} MiB PSS" if idle else "not measured (needs root)"))
    if options.json:
        figures = {
            "python": sys.version.split()[0],
            "rows": [vars(row) | {"ratio": row.ratio} for row in rows],
            "idle_pss_mb": idle,
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
