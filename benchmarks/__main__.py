"""`python -m benchmarks`: what a run through the executor costs beside a bare, unprotected spawn of the same thing.

The two take turns, A B A B, so that a machine whose speed drifts slows both, and every answer is verified. With `--peers`
bubblewrap and go-judge take turns too, where they are installed. Method and a run: docs/benchmarks.md.
"""

import argparse
import functools
import http.client
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, cast

from benchmarks.alone import alone
from benchmarks.asking import Ask, asking
from benchmarks.bare import Bare, bare
from benchmarks.chart import draw
from benchmarks.peers import PEERS, Runner, installed
from benchmarks.place import Place, proportional_mb
from benchmarks.workloads import ANSWER, WORKLOADS, Workload
from devtools.docker import AS_ON_AZURE, container
from devtools.executor import ROOT, Executor, environment

_UNCOUNTED = 3
_THROUGHPUT_SECONDS = 2.0
_THROUGHPUT_GOAL = 2.5
_IDLE_GOALS = {"all that wait": 130.0, "Python alone": 60.0}
#: On this machine, and in a container with half a core.
_START_GOALS = (0.5, 2.0)
_PEER_HELLOS = {"Python hello": ["python3", "-c", "print(42)"], "Node hello": ["node", "-e", "console.log(42)"]}


@dataclass(frozen=True)
class Row:
    """Medians and 95th percentiles in milliseconds, and the ratio of the medians; `goal` is the most it may be."""

    name: str
    ours_p50: float
    ours_p95: float
    bare_p50: float
    bare_p95: float
    goal: float | None
    peer: str = ""

    @property
    def ratio(self) -> float:
        """How many times a bare spawn it takes."""
        return self.ours_p50 / self.bare_p50


def _timed(action: Callable[[], str]) -> tuple[str, float]:
    started = time.perf_counter()
    output = action()
    return output, (time.perf_counter() - started) * 1000


def _in_turn(
    actions: Mapping[str, Callable[[int], tuple[str, float]]], output: str, rounds: int
) -> dict[str, tuple[float, float]]:
    """Median and 95th percentile of each action's milliseconds, all of them once in each round.

    Raises RuntimeError where one prints anything but `output`.
    """
    times: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(rounds + _UNCOUNTED):
        for name, action in actions.items():
            printed, spent = action(turn)
            if printed != output:
                raise RuntimeError(f"{name}: expected {output!r}, got {printed!r}")
            if turn >= _UNCOUNTED:
                times[name].append(spent)
    return {name: (statistics.median(series), statistics.quantiles(series, n=20)[-1]) for name, series in times.items()}


def measure(workload: Workload, executor: Executor, side: Bare, rounds: int) -> Row:
    """The executor and the bare side, in turn."""
    ask = asking(executor)
    # Sources differ from turn to turn, and from what an earlier run of this program may have left in a cache.
    first = int(time.time()) << 16
    side.run(workload.before, workload.files(first))
    actions = {
        "ours": lambda turn: _timed(lambda: workload.answer(ask(workload.body(first + turn)))),
        "bare": lambda turn: side.run(workload.steps, workload.files(first + turn)),
    }
    figures = _in_turn(actions, workload.output, max(5, rounds // workload.share))
    return Row(workload.name, *figures["ours"], *figures["bare"], workload.goal)


def measure_peers(side: Bare, rounds: int) -> list[Row]:
    """A hello of each interpreter in each peer that is installed, and bare, in turn."""
    rows = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        runners: dict[str, Runner] = {}
        for peer, (program, start) in PEERS.items():
            if installed(program):
                runners[peer] = stack.enter_context(start(Path(name)))
            else:
                print(f"{peer} is not installed and left out", file=sys.stderr)
        for title, command in _PEER_HELLOS.items():
            if runners and side.has(command[0]):
                actions = {peer: _each_turn(run, command) for peer, run in runners.items()}
                figures = _in_turn(actions | {"": lambda _, c=command: side.run(((c, ""),))}, ANSWER, rounds)
                rows += [Row(title, *figures[peer], *figures[""], None, peer) for peer in runners]
    return rows


def _each_turn(run: Runner, command: list[str]) -> Callable[[int], tuple[str, float]]:
    return lambda _: _timed(lambda: run(command))


def throughput(place: Place, rounds: int) -> tuple[float, float]:
    """Runs a second with two clients and two slots, and bare spawns a second, two at a time; medians of rounds in turn."""
    with place.executor({"EXECUTOR_CONCURRENCY": "2"}) as (executor, within), bare(within) as one, bare(within) as other:
        ours = [functools.partial(_count_hellos, asking(executor)) for _ in range(2)]
        step = (_PEER_HELLOS["Python hello"], "")
        spawns = [functools.partial(side.count, step, ANSWER, _THROUGHPUT_SECONDS) for side in (one, other)]
        rates: tuple[list[float], list[float]] = ([], [])
        for turn in range(max(2, rounds // 20) + 1):
            for series, counters in ((rates[0], ours), (rates[1], spawns)):
                with ThreadPoolExecutor(len(counters)) as threads:
                    counts = [future.result() for future in [threads.submit(counter) for counter in counters]]
                if turn:
                    series.append(sum(counts) / _THROUGHPUT_SECONDS)
    return statistics.median(rates[0]), statistics.median(rates[1])


def _count_hellos(ask: Ask) -> int:
    """How many are answered in the time; raises RuntimeError where one is wrong."""
    deadline = time.monotonic() + _THROUGHPUT_SECONDS
    count = 0
    while time.monotonic() < deadline:
        printed = ask({"language": "python", "code": "print(42)"})["run"]["stdout"]
        if printed != ANSWER:
            raise RuntimeError(f"expected {ANSWER!r}, got {printed!r}")
        count += 1
    return count


def idle_mb(place: Place) -> dict[str, float]:
    """What the idle service holds, with every worker that is kept by default, and without those of Node."""
    with place.executor() as (executor, _):
        executor.execute("python", "print(42)")
        time.sleep(2)
        found = proportional_mb(executor.pid or 0)
    return {"all that wait": sum(found.values()), "Python alone": sum(found.values()) - found.get("node", 0)}


def start_seconds(image: str, rounds: int = 5) -> float:
    """From exec, or from `docker run` with half a core, to the first answer that all is well; the median."""
    times = []
    for _ in range(rounds):
        if image:
            with container(image, *AS_ON_AZURE) as executor:
                times.append(executor.started_seconds)
            continue
        started = time.monotonic()
        process = subprocess.Popen((sys.executable, "-m", "runtime"), cwd=ROOT, env=environment({}), stdout=subprocess.PIPE)
        try:
            address = cast(IO[bytes], process.stdout).readline().split()[2].decode().removeprefix("http://")
            connection = http.client.HTTPConnection(address)
            connection.request("GET", "/health")
            if connection.getresponse().status != http.client.OK:
                raise RuntimeError("the executor is not healthy")
            times.append(time.monotonic() - started)
        finally:
            process.terminate()
            process.communicate()
    return statistics.median(times)


def _line(row: Row) -> str:
    goal = "" if row.goal is None else f"{row.goal:9.2f}  {'met' if row.ratio <= row.goal else 'NOT MET'}"
    name = f"{row.peer}: {row.name}" if row.peer else row.name
    return f"{name:32}{row.ours_p50:11.2f}{row.ours_p95:9.2f}{row.bare_p50:11.2f}{row.bare_p95:9.2f}{row.ratio:8.2f}{goal}"


def main() -> None:
    """Measures everything and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="counted rounds of a quick workload; slow ones get fewer")
    parser.add_argument("--only", default="", help="only the rows whose names contain this")
    parser.add_argument("--image", default="", help="measure in a container of this image instead of on this machine")
    parser.add_argument("--cpus", default="", help="processors of the container, as 0.5; and then each figure also alone")
    parser.add_argument("--memory", default="", help="memory of the container, as 1g")
    parser.add_argument("--beside", type=Path, help="figures of an earlier run, to be drawn beside these")
    parser.add_argument("--peers", action="store_true", help="also measure bubblewrap and go-judge where they are installed")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--svg", type=Path, help="also draw them into this file")
    options = parser.parse_args()
    share = [word for name in ("cpus", "memory") if (value := getattr(options, name)) for word in (f"--{name}", value)]
    if share and not options.image:
        parser.error("--cpus and --memory are a container's: name an --image")
    place = Place(options.image, tuple(share))
    print(f"{'':32}{'ours p50':>11}{'p95':>9}{'bare p50':>11}{'p95':>9}{'ratio':>8}{'at most':>9}   (ms)")
    rows, peers = [], []
    with place.executor() as (executor, within), bare(within) as side:
        for workload in WORKLOADS:
            if options.only in workload.name and side.has(workload.needs):
                rows.append(measure(workload, executor, side, options.rounds))
                print(_line(rows[-1]), flush=True)
        if options.peers:
            peers = measure_peers(side, options.rounds)
            for row in peers:
                print(_line(row), flush=True)
    figures: dict[str, Any] = {
        "image": options.image,
        "container": share,
        "date": time.strftime("%Y-%m-%d"),
        "machine": {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        "rows": [asdict(row) | {"ratio": row.ratio} for row in rows],
        "peers": [asdict(row) | {"ratio": row.ratio} for row in peers],
    }
    if options.cpus:
        # Bare spawns use up the quota as well, so what a user waits for is measured without them.
        figures["alone"] = [asdict(row) for row in alone(place, options.rounds)]
    if not options.only:
        ours, spawned = throughput(place, options.rounds)
        figures["runs_per_second"] = {"ours": ours, "bare": spawned, "ratio": ours / spawned}
        print(f"Python runs a second, 2 clients, 2 slots: {ours:.0f}; bare, 2 at a time: {spawned:.0f}; "
              f"ratio {ours / spawned:.2f}, at least {_THROUGHPUT_GOAL}")  # fmt: skip
        figures["start_seconds"] = start = start_seconds(options.image)
        print(
            f"from its start to the first answer that all is well: {start:.2f} s, at most {_START_GOALS[bool(options.image)]}"
        )
        if os.geteuid() == 0:
            figures["idle_pss_mb"] = idle_mb(place)
            for name, value in figures["idle_pss_mb"].items():
                print(f"idle, {name}: {value:.0f} MiB PSS, at most {_IDLE_GOALS[name]:.0f}")
        else:
            print("idle memory: not measured, which needs root")
    _write(options, figures)


def _write(options: argparse.Namespace, figures: dict[str, Any]) -> None:
    for path in filter(None, (options.json, options.svg)):
        path.parent.mkdir(parents=True, exist_ok=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    if options.svg:
        beside = json.loads(options.beside.read_text()) if options.beside else {}
        draw(figures["rows"], figures["peers"], options.svg, beside)


if __name__ == "__main__":
    main()
