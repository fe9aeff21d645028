"""Plays the contest: sends every submission when it is due, and keeps what each one met."""

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from executor_client.aio import AsyncExecutorClient
from executor_client.errors import ExecutorError
from executor_client.models import CaseResult, Execution, Judgement, Step
from executor_client.observing import Attempt
from executor_client.rehearsal.plan import Plan
from executor_client.rehearsal.programs import Program

HEADER = "X-Executor-Rehearsal"
_current: ContextVar["list[Attempt] | None"] = ContextVar("attempts", default=None)


class Answered(NamedTuple):
    """What an answer says. `cpu` and `wall` are seconds over all runs, `slowest` is the longest CPU time of one."""

    status: str
    cpu: float
    wall: float
    slowest: float


@dataclass(slots=True)
class Played:
    """One submission. Times are seconds from the rehearsal's start, `ended` is None while there is no answer.

    Attributes:
        due: When it should have left. Waits count from here, whatever kept the sender.
        error: Why there is no answer.
        fault: What is wrong with the answer.
    """

    number: int
    program: str
    due: float
    ended: float | None = None
    attempts: list[Attempt] = field(default_factory=list)
    answer: Answered | None = None
    error: str = ""
    fault: str = ""

    @property
    def wait(self) -> float:
        """Seconds from when it was due until its answer."""
        return (self.ended or self.due) - self.due


class Fault(NamedTuple):
    """Why nothing could be rehearsed, and what to do about it."""

    words: str
    remedy: str


@dataclass
class Recording:
    """Everything that was measured; `started` and the attempts' times are of `time.monotonic`.

    Attributes:
        quiet: Each program alone, before the rest.
        client_cpu: CPU seconds of this process while it played.
        stopped: Why it ended early; empty where it did not.
        woke: Seconds until the very first answer.
        notes: What else a reader of the report must know.
    """

    name: str
    plan: Plan
    began_at: float
    started: float = 0.0
    ended: float = 0.0
    quiet: list[Played] = field(default_factory=list)
    played: list[Played] = field(default_factory=list)
    client_cpu: float = 0.0
    stopped: str = ""
    woke: float | None = None
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def faulty(self) -> bool:
        """Whether something is wrong without any load."""
        return bool(self.faults) or any(each.error or each.fault for each in self.quiet)


def observe(attempt: Attempt) -> None:
    """Notes a request with the submission that it belongs to."""
    attempts = _current.get()
    if attempts is not None:
        attempts.append(attempt)


class Stop(asyncio.Event):
    """Set by Ctrl-C: what is under way is left, and what was measured stays."""

    @contextlib.contextmanager
    def on_interrupt(self) -> Iterator[None]:
        """Takes Ctrl-C for the length of the block."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self.set)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)


async def play_quietly(
    client: AsyncExecutorClient, programs: Sequence[Program], recording: Recording, stop: Stop, told: Callable[[Played], None]
) -> None:
    """Sends each program alone, one after the other, twice: the first time may wait for what is started ahead."""
    recording.started = time.monotonic()
    for number, program in enumerate(program for program in programs for _ in range(2)):
        played = Played(number, program.name, time.monotonic() - recording.started)
        work = asyncio.create_task(_send(client, program, played, recording, "quiet"))
        await _or_stopped([work], stop)
        recording.quiet.append(played)
        told(played)
        if stop.is_set():
            recording.stopped = "interrupted"
            return


async def play(
    client: AsyncExecutorClient, programs: Sequence[Program], recording: Recording, stop: Stop, told: Callable[[Played], None]
) -> None:
    """Sends each submission when it is due; returns when all are answered or given up, or at once when stopped."""
    cards = [program for program in programs for _ in range(program.share)]
    random.Random(1).shuffle(cards)  # noqa: S311 - the same order each time
    plan = recording.plan
    recording.started, cpu = time.monotonic(), time.process_time()
    work: list[asyncio.Task[None]] = []

    async def send(number: int, due: float) -> None:
        program = cards[number % len(cards)]
        played = Played(number, program.name, due)
        recording.played.append(played)
        await _send(client, program, played, recording, f"user-{number % plan.users}")
        told(played)

    with contextlib.suppress(asyncio.CancelledError):
        for number, due in enumerate(plan.arrivals):
            while not stop.is_set() and (left := recording.started + due - time.monotonic()) > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), left)
            if stop.is_set():
                break
            work.append(asyncio.create_task(send(number, due)))
        await _or_stopped(work, stop)
    recording.ended = time.monotonic()
    recording.client_cpu = time.process_time() - cpu
    if stop.is_set():
        recording.stopped = "interrupted"


async def _send(client: AsyncExecutorClient, program: Program, played: Played, recording: Recording, user: str) -> None:
    _current.set(played.attempts)
    submission = msgspec.structs.replace(
        program.make(played.number), user_id=f"{recording.name}-{user}", question_id=f"{played.number}"
    )
    try:
        answer = await client.submit(submission)
    except ExecutorError as error:
        played.error = f"{type(error).__name__}: {error}"
        return
    except asyncio.CancelledError:
        played.error = "stopped before its answer"
        raise
    played.ended = time.monotonic() - recording.started
    played.answer = _answered(answer)
    if answer.question_id != f"{played.number}":
        played.fault = f"it belongs to submission {answer.question_id}"
    else:
        played.fault = program.fault(played.number, answer)


def _answered(answer: Execution | Judgement) -> Answered:
    runs: list[Step | CaseResult] = [answer.run] if isinstance(answer, Execution) else list(answer.test_results)
    status = answer.run.status if isinstance(answer, Execution) else answer.status
    steps = [*runs, *([answer.compile] if answer.compile else [])]
    cpu, wall = sum(step.cpu_time for step in steps), sum(step.wall_time for step in steps)
    return Answered(status, cpu / 1000, wall / 1000, max((run.cpu_time for run in runs), default=0.0) / 1000)


async def _or_stopped(work: Sequence[asyncio.Task[None]], stop: Stop) -> None:
    """Waits for all of the work, or until stopped, and then leaves the rest of it."""
    if not work:
        return
    stopping = asyncio.create_task(stop.wait())
    everything = asyncio.gather(*work, return_exceptions=True)
    try:
        either: list[asyncio.Future[Any]] = [stopping, everything]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        for task in work:
            task.cancel()
        for result in await everything:
            if isinstance(result, Exception):
                raise result
    finally:
        stopping.cancel()
