"""`python -m infra.capacity`: how a burst drains, and how many warm replicas it takes.

A discrete-event model (SimPy) of what stands between a student and an answer: round-robin balancing, the executor's
admission, the client's retries, and Azure's scaler. What is not in it: Azure's ingress gives up on a request after 240 s,
nodes that are short of room, and a scaler that behaves otherwise than documented (azure-container-apps#1167).
"""

import argparse
import itertools
import math
import random
import sys
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

try:
    import simpy
    from executor_client.retries import Backoff
    from matplotlib import rc_context
    from matplotlib.figure import Figure
except ModuleNotFoundError as missing:
    sys.exit(f"capacity: the package {missing.name} is not there: pip install ./client -r infra/requirements-capacity.txt")

from infra.pricing import load_rates, replica_hour
from infra.quota import DEFAULT_CORE_QUOTA
from runtime.settings import Settings

_MOST_SUBMISSIONS = 20_000
Process = Generator[simpy.Event, Any, None]


@dataclass(frozen=True)
class Job:
    """One submission.

    Attributes:
        seconds: How long it runs where nothing else wants its core.
        stretches: Whether it runs longer on a shared core. An endless program does not: the clock on the wall ends it.
    """

    seconds: float
    stretches: bool = True


@dataclass(frozen=True)
class Admission:
    """The executor's: `queue_length` wait at a replica, each `queue_seconds` at most, then 429 with `retry_after` seconds."""

    queue_length: float = Settings().queue_length
    queue_seconds: float = Settings().queue_seconds
    retry_after: float = 1.0


NO_ADMISSION = Admission(math.inf, math.inf)
"""Every request waits at the replica that it was sent to, for as long as it takes."""


@dataclass(frozen=True)
class Scaling:
    """Azure's scaler. Source of steps and times: Microsoft's page on scaling in Azure Container Apps.

    Attributes:
        minimum: Replicas at least.
        maximum: Replicas at most, by setting or by quota.
        concurrent_requests: The rule's `concurrentRequests`.
        metric: `rate`, as documented: requests of the last `interval` seconds divided by `interval`; `concurrency`: those
            under way.
        interval: Seconds between two decisions.
        stabilization: Seconds for which no replica goes after more were wanted.
        start_seconds: Median of the time until a new replica answers; `start_spread` is the sigma of its logarithm.
    """

    minimum: int = 5
    maximum: int = 1000
    concurrent_requests: int = 1
    metric: str = "rate"
    interval: float = 15.0
    stabilization: float = 300.0
    start_seconds: float = 7.0
    start_spread: float = 0.25

    def next(self, current: int, desired: int) -> int:
        """Replicas after a step up: 1, then 4, then twice as many at most."""
        step = 1 if current == 0 else max(4, 2 * current)
        return min(desired, step, self.maximum)


@dataclass(frozen=True)
class Change:
    """Something that is done to the replicas once `answers` answers are there: `add`, `kill` or `drain` one."""

    answers: int
    action: str


@dataclass(frozen=True)
class Burst:
    """What is simulated.

    Attributes:
        jobs: The submissions.
        replicas: Those that are warm at the start.
        scaling: Azure's scaler, or None where only `changes` add and take replicas.
        changes: In the order of their answers.
        cores: Cores that all replicas share, or None where each has its own.
        spread: Seconds over which the submissions arrive, evenly; 0 is one moment.
        backoff: The client's.
    """

    jobs: Sequence[Job]
    replicas: int
    scaling: Scaling | None = None
    changes: Sequence[Change] = ()
    admission: Admission = field(default_factory=Admission)
    cores: float | None = None
    spread: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)
    seed: int = 1


@dataclass(frozen=True)
class Outcome:
    """What came of it. Times are seconds from the start.

    Attributes:
        answered: When each answer came, in order.
        waits: How long each submission waited for its answer, from its own arrival on; the shortest first.
        replicas: Steps of how many there are, those that are starting included: when, and how many from then on.
        requests: Sent by the client, retries included.
        replica_seconds: The sum over all replicas, until the last answer.
    """

    answered: tuple[float, ...]
    waits: tuple[float, ...]
    replicas: tuple[tuple[float, int], ...]
    requests: int
    replica_seconds: float

    def after(self, part: float) -> float:
        """How long that part of the submissions waited at most; 0.5 is half of them."""
        return self.waits[max(0, math.ceil(part * len(self.waits)) - 1)]

    def cost(self, cpu: float = 0.5, memory_gib: float = 1.0) -> float:
        """Of all replicas at the active rate, in the currency of the rates."""
        return self.replica_seconds / 3600 * replica_hour(cpu, memory_gib, load_rates(), active=True)


def simulate(burst: Burst) -> Outcome:
    """Runs the burst until the last answer."""
    return _Simulation(burst).run()


class _Replica:
    def __init__(self, env: simpy.Environment) -> None:
        self.slot = simpy.Resource(env)
        self.serving: set[simpy.Process] = set()


class _Simulation:
    def __init__(self, burst: Burst) -> None:
        self._burst = burst
        self._random = random.Random(burst.seed)  # noqa: S311 - a model
        self._backoff = replace(burst.backoff, draw=self._random.uniform)
        self._env = simpy.Environment()
        self._ready: list[_Replica] = [_Replica(self._env) for _ in range(burst.replicas)]
        self._starting = 0
        self._turn = 0
        self._someone_ready = self._env.event()
        self._busy = 0
        self._under_way = 0
        self._arrivals: deque[float] = deque()
        self._answered: list[float] = []
        self._waits: list[float] = []
        self._steps = [(0.0, burst.replicas)]
        self._requests = 0
        self._changes = deque(burst.changes)
        self._finished = self._env.event()

    def run(self) -> Outcome:
        jobs = self._burst.jobs
        for job in jobs:
            self._env.process(self._submission(job, self._random.uniform(0, self._burst.spread)))
        if self._burst.scaling:
            self._env.process(self._scaler(self._burst.scaling))
        self._env.run(self._finished)
        steps = [*self._steps, (self._env.now, 0)]
        spent = sum((until - since) * count for (since, count), (until, _) in itertools.pairwise(steps))
        return Outcome(tuple(self._answered), tuple(sorted(self._waits)), tuple(self._steps), self._requests, spent)

    def _submission(self, job: Job, arrival: float) -> Process:
        yield self._env.timeout(arrival)
        for attempt in itertools.count():
            self._requests += 1
            self._arrivals.append(self._env.now)
            self._under_way += 1
            sent = self._env.now
            while not self._ready:  # the ingress keeps the request
                yield self._someone_ready
            self._turn += 1
            replica = self._ready[self._turn % len(self._ready)]
            request = self._env.process(self._request(replica, job))
            replica.serving.add(request)
            refusal = yield request
            self._under_way -= 1
            if refusal is None:
                break
            yield self._env.timeout(self._backoff.delay(attempt, refusal, self._env.now - sent))
        self._answered.append(self._env.now)
        self._waits.append(self._env.now - arrival)
        while self._changes and len(self._answered) >= self._changes[0].answers:
            self._change(self._changes.popleft().action)
        if len(self._answered) == len(self._burst.jobs):
            self._finished.succeed()

    def _request(self, replica: _Replica, job: Job) -> Generator[simpy.Event, Any, float | None]:
        """None is an answer, a number the seconds after which the client is to come back."""
        admission = self._burst.admission
        running = False
        try:
            if replica.slot.count and len(replica.slot.queue) >= admission.queue_length:
                return admission.retry_after
            with replica.slot.request() as place:
                limit = [] if math.isinf(admission.queue_seconds) else [self._env.timeout(admission.queue_seconds)]
                yield simpy.AnyOf(self._env, [place, *limit])
                if not place.triggered:
                    return admission.retry_after
                self._busy += 1
                running = True
                share = max(1.0, self._busy / self._burst.cores) if self._burst.cores and job.stretches else 1.0
                yield self._env.timeout(job.seconds * share)
                return None
        except simpy.Interrupt:
            return 0.0  # the connection broke: nobody says how long to wait
        finally:
            self._busy -= running
            if self._env.active_process:
                replica.serving.discard(self._env.active_process)

    def _change(self, action: str) -> None:
        if action == "add":
            self._starting += 1
            self._opened(_Replica(self._env))
        else:
            leaving = self._ready.pop(0)
            if action == "kill":
                for request in list(leaving.serving):
                    request.interrupt()
            self._note()

    def _opened(self, replica: _Replica) -> None:
        self._starting -= 1
        self._ready.append(replica)
        self._someone_ready.succeed()
        self._someone_ready = self._env.event()
        self._note()

    def _note(self) -> None:
        self._steps.append((self._env.now, len(self._ready) + self._starting))

    def _start(self, scaling: Scaling) -> Process:
        yield self._env.timeout(self._random.lognormvariate(math.log(scaling.start_seconds), scaling.start_spread))
        self._opened(_Replica(self._env))

    def _scaler(self, scaling: Scaling) -> Process:
        wishes: deque[int] = deque(maxlen=max(1, round(scaling.stabilization / scaling.interval)))
        wait = self._random.uniform(0, scaling.interval)  # it does not know when a burst begins
        while True:
            yield self._env.timeout(wait)
            wait = scaling.interval
            while self._arrivals and self._arrivals[0] <= self._env.now - scaling.interval:
                self._arrivals.popleft()
            measured = len(self._arrivals) / scaling.interval if scaling.metric == "rate" else self._under_way
            desired = math.ceil(measured / scaling.concurrent_requests)
            wishes.append(max(desired, scaling.minimum))
            current = len(self._ready) + self._starting
            for _ in range(scaling.next(current, desired) - current):
                self._starting += 1
                self._env.process(self._start(scaling))
            # Those that go finish what they have; a request that waits there does not move.
            for _ in range(min(current - max(wishes), len(self._ready)) if len(wishes) == wishes.maxlen else 0):
                self._ready.pop()
            self._note()


def runs(count: int, seconds: float, sigma: float, seed: int) -> list[Job]:
    """Submissions whose times have that mean and a log-normal spread."""
    source = random.Random(seed)  # noqa: S311 - a model
    mu = math.log(seconds) - sigma**2 / 2
    return [Job(source.lognormvariate(mu, sigma)) for _ in range(count)]


def smallest_minimum(deadline: float, part: float, outcome: Callable[[int], Outcome], most: int) -> int | None:
    """The smallest `minReplicas` with which that part of the answers is there in time; None where even `most` are too few."""
    if outcome(most).after(part) > deadline:
        return None
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        if outcome(middle).after(part) <= deadline:
            high = middle
        else:
            low = middle + 1
    return low


@dataclass(frozen=True)
class Curve:
    """One line of a chart; times in seconds."""

    name: str
    answered: Sequence[float]
    replicas: Sequence[tuple[float, int]] = ()


def draw(path: Path, title: str, curves: Sequence[Curve], marks: Sequence[tuple[float, str]] = ()) -> None:
    """Writes answers and replicas over time as an SVG; `marks` name moments."""
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    answers, replicas = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    last = max(curve.answered[-1] for curve in curves)
    for number, curve in enumerate(curves):
        style = {"color": f"C{number}", "linewidth": 1.8}
        count = len(curve.answered)
        label = f"{curve.name}: all after {curve.answered[-1]:.0f} s"
        answers.plot([0, *curve.answered], range(count + 1), label=label, **style)
        if curve.replicas:
            steps = [*curve.replicas, (curve.answered[-1], curve.replicas[-1][1])]
            replicas.step([step[0] for step in steps], [step[1] for step in steps], where="post", **style)
    for place, (moment, name) in enumerate(marks):
        for axes in (answers, replicas):
            axes.axvline(moment, color="0.6", linewidth=0.8, linestyle=":")
        height = 0.03 + 0.09 * (place % 4)
        answers.text(moment, height, f" {name}", fontsize=8, color="0.3", transform=answers.get_xaxis_transform())
    answers.set(title=title, ylabel="answers", xlim=(0, last * 1.03))
    answers.set_ylim(bottom=0)
    answers.legend(loc="best", fontsize=9)
    answers.grid(alpha=0.3)
    replicas.set(xlabel="seconds since all submitted", ylabel="replicas")
    replicas.set_ylim(bottom=0)
    replicas.grid(alpha=0.3)
    with rc_context({"svg.hashsalt": "same input, same file"}):
        figure.savefig(path, metadata={"Date": None})


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
    parser = argparse.ArgumentParser(prog="python -m infra.capacity", description=__doc__)
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
    add("--metric", choices=("rate", "concurrency"), default="rate", help="what the scaler measures; Azure documents rate")
    add("--plan", action="store_true", help="find the smallest minReplicas that meets --deadline")
    add("--deadline", type=_above_zero, default=60.0, help="seconds that --part of the submissions may wait at most")
    add("--part", type=_part, default=0.95)
    add("--svg", type=Path, default=Path("capacity.svg"), help="where the chart is written")
    add("--seed", type=int, default=1)
    return parser


def main() -> int:
    """Returns 0, 1 where no plan meets the deadline, 2 for wrong arguments."""
    parser = _arguments()
    options = parser.parse_args()
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
        scaling = Scaling(minimum, most, metric=options.metric, start_seconds=options.start_seconds)
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
    curves = []
    for minimum in options.min:
        for name, admission in (("every request waits where it is", NO_ADMISSION), ("admission and client", guarded)):
            result = outcome(minimum, admission)
            row = f"{minimum:>4} warm, {name}"
            times = "".join(f"{result.after(part):8.0f}" for part in (0.5, 0.95, 1.0))
            peak = max(count for _, count in result.replicas)
            print(f"{row:<42}{times}{peak:>10}{result.requests:>10,}{result.cost(options.cpu, 2 * options.cpu):8.2f}")
            curves.append(Curve(row.strip(), result.answered, result.replicas))
    moment = f"over {options.over:g} s" if options.over else "at one moment"
    draw(options.svg, f"{len(jobs):,} submissions of {options.seconds:g} s {moment}", curves)
    print(f"\nChart: {options.svg}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
