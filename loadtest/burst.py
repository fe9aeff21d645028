"""`python -m loadtest.burst`: a contest's worst moment on this machine, checked answer by answer.

Every student submits at the same moment, through HAProxy (round robin, as Azure's ingress) to executors that run one
program at a time. While they wait, replicas are added, one is killed and one is drained. The burst fails unless each
submission has exactly one answer, and the right one. The capacity model says beforehand how long it will take.
"""

import argparse
import asyncio
import math
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGTERM

from executor_client import AsyncExecutorClient, Execution, ExecutorError, Judgement
from executor_client.capacity import Admission, Burst, Change, Job, Outcome, simulate

from infra.capacity.chart import Curve, draw
from loadtest.programs import KINDS, Kind, cpu_seconds, kind_of, submission, wrong
from loadtest.replicas import MOST_REPLICAS, Balancer, Replica, balancer, start, tree_cpu_seconds
from runtime.sandbox.syscalls import PR_SET_CHILD_SUBREAPER, prctl

_CALIBRATION_RUNS = 4


@dataclass(frozen=True)
class Plan:
    """What is done.

    Attributes:
        students: Each sends `questions` submissions.
        replicas: Executors at the start.
        work: Scales how long the programs run; 1 is about a tenth of a second of CPU time.
        queue_length: EXECUTOR_QUEUE_LENGTH of each.
        queue_seconds: EXECUTOR_QUEUE_SECONDS of each.
        image: Image to start them from; processes where it is empty.
        changes: Shares of the answers after which something is done to the replicas.
    """

    students: int = 500
    questions: int = 2
    replicas: int = 3
    work: float = 3.0
    queue_length: int = 250
    queue_seconds: float = 30.0
    image: str = ""
    changes: tuple[tuple[float, str], ...] = ((0.1, "add"), (0.25, "add"), (0.4, "kill"), (0.55, "add"), (0.7, "drain"))

    @property
    def submissions(self) -> int:
        """How many there are."""
        return self.students * self.questions

    def events(self) -> list[Change]:
        """The changes, by numbers of answers."""
        return [Change(max(1, round(part * self.submissions)), action) for part, action in self.changes]


@dataclass
class Report:
    """What came of it; times in seconds from the moment at which all submitted."""

    plan: Plan
    forecast: Outcome
    waits: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    program_cpu: float = 0.0
    marks: list[tuple[float, str]] = field(default_factory=list)
    replicas: list[tuple[float, int]] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    own_cpu: float = 0.0
    other_cpu: float = 0.0

    @property
    def seconds(self) -> float:
        """How long the burst took."""
        return max(self.waits)

    @property
    def ratio(self) -> float:
        """Times what the programs' CPU time takes on all cores; 1 is the best that there can be."""
        return self.seconds / (self.program_cpu / _cores())

    @property
    def share(self) -> float:
        """The same, counting only the time that others on this machine left."""
        return (self.seconds * _cores() - self.other_cpu) / self.program_cpu

    @property
    def deviation(self) -> float:
        """Of the forecast's last answer from the real one, if others had left the machine alone; 0.1 is 10 % too long."""
        return self.forecast.answered[-1] / (self.seconds - self.other_cpu / _cores()) - 1

    def after(self, part: float) -> float:
        """When that part of the answers was there."""
        return sorted(self.waits)[max(0, math.ceil(part * len(self.waits)) - 1)]


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def run(plan: Plan) -> Report:
    """Runs one burst; raises RuntimeError where the machine lacks what it needs."""
    return asyncio.run(_Run(plan).run())


class _Run:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._report: Report
        self._running: list[Replica] = []
        self._left: list[tuple[Replica, str]] = []
        self._answers: Counter[str] = Counter()
        self._settings = {
            "EXECUTOR_QUEUE_LENGTH": str(plan.queue_length),
            "EXECUTOR_QUEUE_SECONDS": str(plan.queue_seconds),
            "EXECUTOR_LOG_LEVEL": "warning",
        }
        self._events = plan.events()
        self._changing: list[asyncio.Task[None]] = []
        self._started = 0.0
        self._gone = 0.0

    async def run(self) -> Report:
        with balancer() as ingress:
            prctl(PR_SET_CHILD_SUBREAPER, 1)  # what a killed executor leaves behind is still counted
            try:
                for _ in range(self._plan.replicas):
                    await self._add(ingress)
                async with AsyncExecutorClient(ingress.url, deadline=600) as client:
                    self._report = Report(self._plan, self._forecast(await self._calibrate(client)))
                    before, busy, mine = ingress.answers(), _machine_cpu(), self._own_cpu()
                    await self._burst(ingress, client)
                    self._report.own_cpu = self._own_cpu() - mine
                    self._report.other_cpu = _machine_cpu() - busy - self._report.own_cpu
                    self._report.statuses = {kind: count - before[kind] for kind, count in ingress.answers().items()}
                if not self._report.waits:
                    raise RuntimeError(f"nobody had an answer; {self._report.problems[0]}")
                self._check_ends()
            finally:
                for replica in (*self._running, *(left for left, _ in self._left)):
                    await asyncio.to_thread(replica.remove)
        return self._report

    async def _calibrate(self, client: AsyncExecutorClient) -> dict[str, float]:
        """CPU seconds that a submission of each kind costs in all: its program, executor, balancer and client."""
        costs = {}
        for kind in (kind for kind in KINDS if not kind.endless):
            number = next(number for number in range(100) if kind_of(number) == kind)
            before = 0.0
            for turn in range(_CALIBRATION_RUNS + 1):
                if turn == 1:  # the first one starts what later ones find running
                    before = self._own_cpu()
                answer = await client.submit(submission(number, self._plan.questions, self._plan.work))
                if fault := wrong(number, self._plan.work, answer):
                    raise RuntimeError(f"{kind.name}, alone: {fault}")
            await asyncio.sleep(0.3)  # what an executor does after an answer belongs to it
            costs[kind.name] = (self._own_cpu() - before) / _CALIBRATION_RUNS
        return costs

    def _forecast(self, costs: dict[str, float]) -> Outcome:
        def job(kind: Kind) -> Job:
            return Job(kind.seconds if kind.endless else costs[kind.name])

        plan = self._plan
        admission = Admission(plan.queue_length, plan.queue_seconds)
        jobs = [job(kind_of(number)) for number in range(plan.submissions)]
        return simulate(Burst(jobs, plan.replicas, changes=plan.events(), admission=admission, cores=_cores()))

    async def _burst(self, ingress: Balancer, client: AsyncExecutorClient) -> None:
        plan = self._plan
        submissions = [submission(number, plan.questions, plan.work) for number in range(plan.submissions)]
        self._started = time.monotonic()
        self._note()

        async def student(number: int) -> None:
            try:
                answer = await client.submit(submissions[number])
            except ExecutorError as error:
                self._report.problems.append(f"submission {number} has no answer: {type(error).__name__}: {error}")
                return
            self._report.waits.append(time.monotonic() - self._started)
            self._take(number, answer)
            while self._events and len(self._report.waits) >= self._events[0].answers:
                self._changing.append(asyncio.create_task(self._change(ingress, self._events.pop(0).action)))

        await asyncio.gather(*(student(number) for number in range(plan.submissions)))
        await asyncio.gather(*self._changing)

    def _take(self, number: int, answer: Execution | Judgement) -> None:
        self._answers[answer.question_id or ""] += 1
        if self._answers[answer.question_id or ""] > 1:
            self._report.problems.append(f"submission {answer.question_id} has two answers")
        if fault := wrong(number, self._plan.work, answer):
            self._report.problems.append(f"submission {number} ({kind_of(number).name}): {fault}")
        self._report.program_cpu += cpu_seconds(answer)

    async def _change(self, ingress: Balancer, action: str) -> None:
        if action == "add":
            await self._add(ingress)
        else:
            leaving = self._running.pop(0)
            self._left.append((leaving, action))
            if leaving.container:
                self._gone += tree_cpu_seconds(leaving.pid)
            await asyncio.to_thread(leaving.signal, SIGKILL if action == "kill" else SIGTERM)
        self._report.marks.append((time.monotonic() - self._started, action))
        self._note()

    async def _add(self, ingress: Balancer) -> None:
        replica = await asyncio.to_thread(start, self._plan.image, self._settings)
        self._running.append(replica)
        ingress.join(replica)

    def _note(self) -> None:
        self._report.replicas.append((time.monotonic() - self._started, len(self._running)))

    def _own_cpu(self) -> float:
        """CPU seconds of client, balancer, executors and programs; a container is no descendant of this process."""
        containers = [replica.pid for replica in self._running if replica.container]
        return sum(map(tree_cpu_seconds, (os.getpid(), *containers))) + self._gone

    def _check_ends(self) -> None:
        for replica, action in self._left:
            code = replica.wait()
            if action == "drain" and code != 0:
                self._report.problems.append(f"the drained replica ended with {code}")


def _machine_cpu() -> float:
    """CPU seconds that this machine has spent on anything."""
    user, nice, system, _idle, _wait, *rest = map(int, Path("/proc/stat").read_text().split(None, 11)[1:9])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def show(report: Report) -> None:
    """Prints the figures, the forecast's beside them."""
    plan, forecast = report.plan, report.forecast
    right = plan.submissions - len(report.problems)
    print(f"{plan.students} students, {plan.submissions:,} submissions: {len(report.waits):,} answers, {right:,} right")
    for problem in report.problems[:20]:
        print(f"  {problem}")
    print(f"{'':12}{'half':>9}{'95 %':>9}{'all':>9}   seconds")
    for name, outcome in (("measured", report), ("forecast", forecast)):
        print(f"{name:12}" + "".join(f"{outcome.after(part):9.1f}" for part in (0.5, 0.95, 1.0)))
    print(
        f"CPU time of the programs {report.program_cpu:.1f} s, with executors, balancer and client {report.own_cpu:.1f} s, "
        f"of others on this machine {report.other_cpu:.1f} s"
    )
    print(
        f"The burst took {report.ratio:.2f} times what its programs take on {_cores()} cores; {report.share:.2f} times "
        f"if only the time that others left is counted, from which the forecast is {report.deviation:+.0%} off"
    )
    print("Answers to the client by status: " + ", ".join(f"{kind} {count:,}" for kind, count in report.statuses.items()))


def chart(report: Report, path: Path) -> None:
    """Answers and replicas over time, as measured and as forecast."""
    curves = [
        Curve("measured", sorted(report.waits), report.replicas),
        Curve("forecast", report.forecast.answered, report.forecast.replicas),
    ]
    draw(path, f"{report.plan.submissions:,} submissions at one moment, {_cores()} cores", curves, report.marks)


def main() -> int:
    """Returns 0 where every burst had every answer right, else 1; 2 where it could not be run."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.burst", description=__doc__)
    plan = Plan()
    parser.add_argument("--students", type=int, default=plan.students)
    parser.add_argument("--questions", type=int, default=plan.questions, help="submissions of each student")
    parser.add_argument("--replicas", type=int, default=plan.replicas, help="executors at the start")
    parser.add_argument("--work", type=float, default=plan.work, help="1 is about a tenth of a second of CPU time a run")
    parser.add_argument("--queue-length", type=int, default=plan.queue_length, help="EXECUTOR_QUEUE_LENGTH")
    parser.add_argument("--queue-seconds", type=float, default=plan.queue_seconds, help="EXECUTOR_QUEUE_SECONDS")
    parser.add_argument("--image", default="", help="start executors from this image; processes unless told")
    parser.add_argument("--times", type=int, default=1, help="bursts in a row")
    parser.add_argument("--svg", type=Path, default=Path("burst.svg"), help="where the last burst's chart is written")
    options = vars(parser.parse_args())
    times, svg = options.pop("times"), options.pop("svg")
    if options["replicas"] < 2 or options["replicas"] > MOST_REPLICAS - len(plan.changes):
        parser.error(f"--replicas must be from 2 to {MOST_REPLICAS - len(plan.changes)}")
    if min(options["students"], options["questions"], times) < 1 or options["students"] * options["questions"] > 10_000:
        parser.error("--students, --questions and --times must be at least 1, and submissions at most 10,000")
    if not svg.parent.is_dir():
        parser.error(f"--svg: {svg.parent} is no folder")
    reports = []
    for _ in range(times):
        try:
            reports.append(run(Plan(**options)))
        except RuntimeError as error:
            print(f"The burst could not be run: {error}", file=sys.stderr)
            return 2
        show(reports[-1])
        print(flush=True)
    chart(reports[-1], svg)
    print(f"Chart: {svg}")
    if times > 1:
        ratios, shares, deviations = (
            [getattr(report, name) for report in reports] for name in ("ratio", "share", "deviation")
        )
        print(
            f"{times} bursts, {sum(bool(report.problems) for report in reports)} with a problem; "
            f"{min(ratios):.2f} to {max(ratios):.2f} times the programs' CPU time, of the time that others left "
            f"{min(shares):.2f} to {max(shares):.2f}; forecast {min(deviations):+.0%} to {max(deviations):+.0%}"
        )
    return 1 if any(report.problems for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
