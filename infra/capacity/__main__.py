"""`python -m infra.capacity`: how a burst drains, and how many warm replicas it takes."""

import argparse
import dataclasses
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

try:
    from executor_client import capacity
    from executor_client.capacity import (
        NO_ADMISSION,
        Admission,
        Burst,
        Outcome,
        Scaling,
        runs,
        simulate,
        smallest_minimum,
    )

    from infra.capacity.chart import Curve, draw
    from infra.capacity.parameters import FILE, Parameters, ParametersError, read_parameters
except ModuleNotFoundError as missing:
    sys.exit(f"capacity: the package {missing.name} is not there: pip install ./client -r infra/requirements-capacity.txt")

from infra.pricing import load_rates, replica_hour
from infra.quota import DEFAULT_CORE_QUOTA

_MOST_SUBMISSIONS = 20_000


def _checked(parse: Callable[[str], float], right: Callable[[float], bool], words: str) -> Callable[[str], Any]:
    def read(text: str) -> float:
        try:
            value = parse(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and right(value)):
            raise argparse.ArgumentTypeError(f"{text} must be {words}")
        return value

    return read


_above_zero = _checked(float, lambda value: value > 0, "above 0")
_number = _checked(float, lambda value: value >= 0, "at least 0")
_part = _checked(float, lambda value: 0 < value <= 1, "above 0 and at most 1")
_whole = _checked(int, lambda value: value >= 0, "a whole number, at least 0")
_above_zero_whole = _checked(int, lambda value: value >= 1, "a whole number, at least 1")


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.capacity", description=capacity.__doc__)
    add = parser.add_argument
    add("--users", type=_above_zero_whole, default=500)
    add("--questions", type=_above_zero_whole, default=2, help="submissions of each user, all at the same moment")
    add("--min", type=_whole, nargs="+", default=[5, 10, 100], help="warm replicas; several are compared")
    add("--max", type=_above_zero_whole, default=1000, help="maxReplicas")
    add("--quota", type=_above_zero, default=DEFAULT_CORE_QUOTA, help="cores that the environment may hand out")
    add("--cpu", type=_above_zero, default=0.5, help="cores of a replica")
    add("--seconds", type=_above_zero, default=3.0, help="mean time of a submission on a replica")
    add("--sigma", type=_number, default=0.3, help="spread of that time: sigma of its logarithm")
    add("--over", type=_number, default=0.0, help="seconds over which the submissions arrive")
    add("--queue-length", type=_whole, default=Admission.queue_length, help="EXECUTOR_QUEUE_LENGTH")
    add("--queue-seconds", type=_number, default=Admission.queue_seconds, help="EXECUTOR_QUEUE_SECONDS")
    add("--start-seconds", type=_above_zero, default=7.0, help="median time until a new replica answers")
    add("--poll-seconds", type=_above_zero, default=Scaling.interval, help="between two decisions of the scaler")
    add("--metric", choices=("rate", "concurrency"), default="rate", help="what the scaler measures; Azure documents rate")
    add("--parameters", type=Path, help=f"what a rehearsal measured; {FILE} where it is there. Options given here go first")
    add("--plan", action="store_true", help="find the smallest minReplicas that meets --deadline")
    add("--deadline", type=_above_zero, default=60.0, help="seconds that --part of the submissions may wait at most")
    add("--part", type=_part, default=0.95)
    add("--svg", type=Path, default=Path("capacity.svg"), help="where the chart is written")
    add("--seed", type=int, default=1)
    return parser


_MEASURED = {
    "cold_start_seconds": "start_seconds",
    "poll_seconds": "poll_seconds",
    "metric": "metric",
    "service_seconds": "seconds",
}
"""Parameters that are an option as well, and its name."""


def _parsed(parser: argparse.ArgumentParser) -> tuple[argparse.Namespace, Parameters]:
    """Gives the options, where those that are not given are as they were measured, and what was measured."""
    file = parser.parse_args().parameters or (FILE if FILE.exists() else None)
    if file is None:
        return parser.parse_args(), Parameters()
    try:
        measured = read_parameters(file)
    except ParametersError as error:
        parser.error(f"--parameters: {error}")
    values = {name: value for name, value in dataclasses.asdict(measured).items() if value is not None}
    parser.set_defaults(**{_MEASURED[name]: value for name, value in values.items() if name in _MEASURED})
    print(f"As measured ({file}): {', '.join(values) or 'nothing'}.")
    return parser.parse_args(), measured


def main() -> int:
    """Returns 0, 1 where no plan meets the deadline, 2 for wrong arguments."""
    parser = _arguments()
    options, measured = _parsed(parser)
    most = min(options.max, int(options.quota / options.cpu))
    if options.users * options.questions > _MOST_SUBMISSIONS:
        parser.error(f"--users times --questions must be at most {_MOST_SUBMISSIONS:,}")
    if most < 1:
        parser.error("--quota has no room for a replica")
    if not all(count <= most for count in options.min):
        parser.error(f"--min must be from 0 to {most}, which is --max within --quota")
    if not options.svg.parent.is_dir():
        parser.error(f"--svg: {options.svg.parent} is no folder")
    jobs = runs(options.users * options.questions, options.seconds, options.sigma, options.seed)

    def outcome(minimum: int, admission: Admission) -> Outcome:
        scaling = Scaling(
            minimum,
            most,
            metric=options.metric,
            interval=options.poll_seconds,
            start_seconds=options.start_seconds,
            steps=measured.steps or (),
        )
        return simulate(Burst(jobs, minimum, scaling, admission=admission, spread=options.over, seed=options.seed))

    guarded = Admission(options.queue_length, options.queue_seconds)
    if options.plan:
        found = smallest_minimum(options.deadline, options.part, lambda minimum: outcome(minimum, guarded), most)
        wish = f"{options.part:.0%} of {len(jobs):,} answers within {options.deadline:g} s"
        if found is None:
            print(f"{wish}: not even with {most} warm replicas, which is --max within --quota.")
            return 1
        print(f"{wish}: minReplicas {found}.")
        options.min = [found]
    print(f"{len(jobs):,} submissions of {options.seconds:g} s, at most {most} replicas; how long they wait, in s\n")
    print(f"{'':42}{'half':>8}{'95 %':>8}{'all':>8}{'replicas':>10}{'requests':>10}{load_rates().currency:>8}")
    hour = replica_hour(options.cpu, 2 * options.cpu, load_rates(), active=True)
    curves = []
    for minimum in options.min:
        for name, admission in (("every request waits where it is", NO_ADMISSION), ("admission and client", guarded)):
            result = outcome(minimum, admission)
            row = f"{minimum:>4} warm, {name}"
            times = "".join(f"{result.after(part):8.0f}" for part in (0.5, 0.95, 1.0))
            peak = max(count for _, count in result.replicas)
            print(f"{row:<42}{times}{peak:>10}{result.requests:>10,}{result.replica_seconds / 3600 * hour:8.2f}")
            curves.append(Curve(row.strip(), result.answered, result.replicas))
    moment = f"over {options.over:g} s" if options.over else "at one moment"
    draw(options.svg, f"{len(jobs):,} submissions of {options.seconds:g} s {moment}", curves)
    print(f"\nChart: {options.svg}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
