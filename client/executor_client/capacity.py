"""How a burst of submissions drains.

A discrete-event model (SimPy) of what stands between a student and an answer: round-robin balancing, the executor's
admission, the client's retries, and Azure's scaler. What is not in it: Azure's ingress gives up on a request after 240 s,
nodes that are short of room, and a scaler that behaves otherwise than documented (azure-container-apps#1167). A rehearsal
shows how it behaves (`executor_client.rehearsal.fit`).

Needs simpy, which the extra `rehearse` brings.
"""

import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import simpy

from executor_client.retries import Backoff

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

    queue_length: float = 16
    queue_seconds: float = 2.0
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
        steps: Replicas after each step up as somebody measured them, in the place of the documented ones; beyond the last
            there are twice as many.
    """

    minimum: int = 5
    maximum: int = 1000
    concurrent_requests: int = 1
    metric: str = "rate"
    interval: float = 15.0
    stabilization: float = 300.0
    start_seconds: float = 7.0
    start_spread: float = 0.25
    steps: tuple[int, ...] = ()

    def next(self, current: int, desired: int) -> int:
        """Replicas after a step up: 1, then 4, then twice as many at most, unless `steps` says otherwise."""
        step = 1 if current == 0 else max(4, 2 * current)
        if self.steps:
            step = next((count for count in self.steps if count > current), 2 * current)
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
        arrivals: When each submission arrives, where that is known; then `spread` says nothing.
        trickle: Requests a second that run nothing and count for the scaler, until `trickle_seconds`.
        backoff: The client's.
    """

    jobs: Sequence[Job]
    replicas: int
    scaling: Scaling | None = None
    changes: Sequence[Change] = ()
    admission: Admission = field(default_factory=Admission)
    cores: float | None = None
    spread: float = 0.0
    arrivals: Sequence[float] = ()
    trickle: float = 0.0
    trickle_seconds: float = 0.0
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
        burst = self._burst
        arrivals = burst.arrivals or [self._random.uniform(0, burst.spread) for _ in burst.jobs]
        for job, arrival in zip(burst.jobs, arrivals, strict=True):
            self._env.process(self._submission(job, arrival))
        if burst.trickle:
            self._env.process(self._trickle())
        if self._burst.scaling:
            self._env.process(self._scaler(self._burst.scaling))
        self._env.run(self._finished)
        steps = [*self._steps, (self._env.now, 0)]
        spent = sum((until - since) * count for (since, count), (until, _) in itertools.pairwise(steps))
        return Outcome(tuple(self._answered), tuple(sorted(self._waits)), tuple(self._steps), self._requests, spent)

    def _trickle(self) -> Process:
        while self._env.now < self._burst.trickle_seconds:
            self._arrivals.append(self._env.now)
            yield self._env.timeout(1 / self._burst.trickle)

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
