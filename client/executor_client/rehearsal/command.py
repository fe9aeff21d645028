"""The command `executor-client rehearse`: from its options to the report on disk."""

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from executor_client.aio import AsyncExecutorClient
from executor_client.capacity import Admission, Scaling
from executor_client.errors import ExecutorError, InvalidRequestError, RefusedError, UnauthorizedError
from executor_client.models import Language
from executor_client.problem_folder import FolderError, zipped
from executor_client.rehearsal import fit, programs, report, report_html, report_terminal
from executor_client.rehearsal.findings import STABILIZATION, find
from executor_client.rehearsal.forecast import Model
from executor_client.rehearsal.plan import Plan, PlanError, arrivals
from executor_client.rehearsal.play import HEADER, Fault, Played, Recording, Stop, observe, play, play_quietly
from executor_client.rehearsal.programs import Program
from executor_client.rehearsal.verdict import HOLDS

_MOST_MINUTES = 240
_CLOCK_SECONDS = 2.0
_KEY = "Set EXECUTOR_API_KEY to the key whose hash is in the stack's `apiKeys`."
_console = Console(stderr=True)


def main(options: argparse.Namespace, key: str | None) -> int:
    """Returns 0 where it holds, else 1; raises PlanError before anything is sent."""
    plan = _plan(options)
    recording = Recording(f"rehearsal-{datetime.now(UTC):%Y%m%dT%H%M%S}", plan, time.time())
    run = _Rehearsal(options, plan, recording)
    try:
        asyncio.run(run.run(key))
    except KeyboardInterrupt:
        recording.stopped = "interrupted"
    made = report.make(options.url, recording, run.limits, run.admission)
    html, json, model = (Path(f"{options.report}.html"), Path(f"{options.report}.json"), Path("capacity.toml"))
    try:
        report_html.write(html, made)
        report.write(json, made)
        written = f"{html}, {json}"
        if made.findings.service is not None:
            fit.write(model, made.findings, made.fitted, plan.interval)
            written += f", and {model} for `python -m infra.capacity --plan`"
    except OSError as error:
        raise PlanError(f"the report cannot be written: {error}") from error
    report_terminal.show(made, Console())
    _console.print(f"Report: {written}", style="dim", markup=False, highlight=False, soft_wrap=True)
    return 0 if made.verdict.kind == HOLDS else 1


def _plan(options: argparse.Namespace) -> Plan:
    for name, most in (("minutes", _MOST_MINUTES), ("within", 3600), ("work", 100), ("scaler_interval", 600)):
        if not 0 < getattr(options, name) <= most:
            raise PlanError(f"--{name.replace('_', '-')} is {getattr(options, name)}: must be above 0 and at most {most}")
    if min(options.users, options.questions, options.max, options.concurrent_requests) < 1:
        raise PlanError("--users, --questions, --max and --concurrent-requests must be at least 1")
    if min(options.pace, options.replica_hour, options.ask_above, options.warm or 0) < 0:
        raise PlanError("--pace, --replica-hour, --ask-above and --warm must be at least 0")
    if not Path(options.report).resolve().parent.is_dir():
        raise PlanError(f"--report: {Path(options.report).parent} is no folder")
    return Plan(
        arrivals=arrivals(options.arrival, options.users, options.questions, options.minutes),
        arrival=options.arrival,
        users=options.users,
        deadline=options.within,
        patience=options.deadline,
        warm=options.warm,
        most=options.max,
        concurrent_requests=options.concurrent_requests,
        interval=options.scaler_interval,
        replica_hour=options.replica_hour,
        contest_hours=options.contest_hours,
    )


class _Rehearsal:
    def __init__(self, options: argparse.Namespace, plan: Plan, recording: Recording) -> None:
        self._options = options
        self._plan = plan
        self._recording = recording
        self._programs: list[Program] = []
        self.admission = Admission()

    @property
    def limits(self) -> dict[str, float | None]:
        """The programs' time limits."""
        return {program.name: program.time_limit for program in self._programs}

    async def run(self, key: str | None) -> None:
        """Everything until the report; what goes wrong is a fault of the recording, so that there is a report of it."""
        recording, options = self._recording, self._options
        async with AsyncExecutorClient(
            options.url,
            key,
            deadline=self._plan.patience,
            hedge_after=options.hedge_after,
            session_pool=options.sessions,
            headers={HEADER: recording.name},
            observe=observe,
        ) as client:
            stop = Stop()
            with stop.on_interrupt():
                try:
                    await self._prepare(client)
                    await self._quietly(client, stop)
                    if not recording.faulty and not recording.stopped and self._agreed():
                        await self._loudly(client, stop)
                except UnauthorizedError as error:
                    recording.faults.append(Fault(f"the key is refused: {error}", _KEY))
                except FolderError as error:
                    recording.faults.append(Fault(f"a package is broken: {error}", "`executor-client problem verify FOLDER`"))
                except ExecutorError as error:
                    recording.faults.append(Fault(f"{type(error).__name__}: {error}", "`executor-client doctor` says more."))

    async def _prepare(self, client: AsyncExecutorClient) -> None:
        """Wakes the app, and learns what it has; raises ExecutorError and FolderError."""
        began = time.monotonic()
        _console.print("waiting for the first answer; an app that is asleep takes some seconds", style="dim")
        languages = await client.languages()
        self._recording.woke = time.monotonic() - began
        with contextlib.suppress(RefusedError):  # an executor that is older says nothing of itself
            sent = time.time()
            host = await client.host()
            self._know(host, (sent + time.time()) / 2)
        if self._options.package:
            for folder in self._options.package:
                self._programs += await _of_package(client, folder, languages)
        else:
            wanted = self._options.languages.split(",") if self._options.languages else [each.language for each in languages]
            there = [each.language for each in languages if each.language in wanted]
            self._programs = programs.built_in(there, self._options.work, self._options.pace)
        if not self._programs:
            raise FolderError("the executor has none of the languages of the built-in programs: name packages with --package")

    def _know(self, host: dict[str, Any], now: float) -> None:
        self.admission = Admission(host["queue_length"], host["queue_seconds"])
        skew = host["host"]["clock"] / 1000 - now
        if abs(skew) > _CLOCK_SECONDS:
            words = f"The replica's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
            self._recording.notes.append(f"{words}: times here are this machine's, those in the logs are the replica's")

    async def _quietly(self, client: AsyncExecutorClient, stop: Stop) -> None:
        with _progress("alone") as bar:
            task = bar.add_task("", total=2 * len(self._programs))
            await play_quietly(client, self._programs, self._recording, stop, lambda _played: bar.advance(task))

    def _agreed(self) -> bool:
        """Whether the cost is small enough, or somebody agrees to it."""
        plan, options, recording = self._plan, self._options, self._recording
        found = find(recording, {})
        if found.quiet_service is None:
            return True
        warm = found.warm if plan.warm is None else plan.warm
        scaling = Scaling(maximum=plan.most, concurrent_requests=plan.concurrent_requests, interval=plan.interval)
        forecast = Model(plan, scaling, self.admission, found.quiet_service).forecast(warm)
        most = max(count for _, count in forecast.replicas)
        cost = (forecast.replica_seconds + most * STABILIZATION) / 3600 * plan.replica_hour
        words = f"{len(plan.arrivals):,} submissions, up to {most} replicas by the model, about {cost:.2f} for replicas"
        _console.print(words, highlight=False)
        if cost <= options.ask_above or options.yes:
            return True
        question = f"That is more than {options.ask_above:g} (--ask-above). Go on? [y/N] "
        if sys.stdin.isatty() and input(question).strip().lower() == "y":
            return True
        recording.stopped = f"not agreed to a cost of about {cost:.2f}: give --yes"
        return False

    async def _loudly(self, client: AsyncExecutorClient, stop: Stop) -> None:
        replicas: set[str] = set()
        with _progress("contest") as bar:
            task = bar.add_task("", total=len(self._plan.arrivals))

            def told(played: Played) -> None:
                replicas.update(attempt.replica for attempt in played.attempts if attempt.replica)
                bar.update(task, advance=1, description=f"{len(replicas)} replicas")

            await play(client, self._programs, self._recording, stop, told)


async def _of_package(client: AsyncExecutorClient, folder: Path, languages: Sequence[Language]) -> list[Program]:
    try:
        package = await client.put_problem(zipped(folder))
    except InvalidRequestError as error:
        faults = "; ".join(f"{each.field}: {each.message}" for each in error.errors)
        raise FolderError(f"{folder}: {faults or error}") from error
    names = [name for each in languages for name in (each.language, *each.aliases)]
    return programs.of_package(folder, package.problem, package.time_limit, names)


def _progress(name: str) -> Progress:
    # Drawn twice a second: ten times would cost more than the rehearsal.
    columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=_console, refresh_per_second=2)
