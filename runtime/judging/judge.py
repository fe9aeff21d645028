"""Takes a submission through its steps: it is compiled, run or judged in a slot, and the results are put together."""

import logging
import re
import time
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from runtime.execution.executor import Slot
from runtime.execution.protocol import Ended, Job, Limits, Outcome
from runtime.judging import compile_cache, functions, points
from runtime.judging.case_results import blank
from runtime.judging.cases import SpareSlots, run_trials
from runtime.judging.compile_cache import CompileCache, Compiled
from runtime.judging.jobs import Jobs
from runtime.judging.submission import CaseResult, JudgeResult, RunResult, Status, StepResult, Submission
from runtime.judging.timeline import Timeline
from runtime.judging.trial_runs import TrialRuns, until
from runtime.judging.trials import Task
from runtime.judging.verdicts import (
    compile_result,
    judged_status,
    not_compiled,
    returned_files,
    run_result,
)
from runtime.languages.ahead import Ahead
from runtime.languages.registry import Language, Registry
from runtime.languages.sources import arranged, unmarked, with_made, without_sources
from runtime.settings import Settings

if TYPE_CHECKING:
    from runtime.execution.live import LiveStreams

_log = logging.getLogger(__name__)
# Of what a compiler says of a checker.
_COMPILER_CHARACTERS = 8192
_NOBODYS_FAULT = (Status.OVERLOADED, Status.INTERNAL_ERROR)


class Watcher(Protocol):
    """Sees a plain submission run, and speaks to its program."""

    @property
    def streams(self) -> "LiveStreams":
        """The program's streams."""

    def begun(self, stage: Literal["compile", "run"]) -> None:
        """A step begins."""

    def compiled(self, step: StepResult) -> None:
        """The compile step is over."""


class Judge:
    """Runs submissions in slots, within the limits of the settings."""

    def __init__(self, settings: Settings, registry: Registry, ahead: Ahead) -> None:
        self._settings = settings
        self._ahead = ahead
        self._jobs = Jobs(settings, registry)
        self._cache = CompileCache(settings.compile_cache_mb << 20)
        self._versions: dict[str, str] = {}

    async def run(self, submission: Submission, slot: Slot, watcher: Watcher | None = None) -> RunResult:
        """The result of a plain submission, which is compiled if need be, and run once.

        With a `watcher` the run is live: it gets the output, and the result has none.
        """
        if watcher is not None:
            return await self._run_live(submission, slot, watcher)
        over_at = time.monotonic() + self._settings.max_judging_seconds
        timeline = Timeline()
        compiled, prepared = await self._compile(until(over_at, submission), slot, timeline)
        if compiled and compiled.status is not Status.OK:
            return RunResult(not_compiled(compiled), compiled, timeline=tuple(timeline.steps))
        job = self._jobs.run(until(over_at, prepared), slot.box, submission.stdin)
        began = time.perf_counter()
        outcome = await slot.run(job)
        timeline.add("run", "", began, outcome)
        return self._result(outcome, job, prepared, compiled, timeline)

    async def _run_live(self, submission: Submission, slot: Slot, watcher: Watcher) -> RunResult:
        over_at = time.monotonic() + self._settings.max_judging_seconds
        try:
            if submission.language.compiled:
                watcher.begun("compile")
            timeline = Timeline()
            compiled, prepared = await self._compile(until(over_at, submission), slot, timeline)
            if compiled:
                watcher.compiled(compiled)
                if compiled.status is not Status.OK:
                    return RunResult(not_compiled(compiled), compiled, timeline=tuple(timeline.steps))
            watcher.begun("run")
            job = self._jobs.run(until(over_at, prepared), slot.box, submission.stdin)
            began = time.perf_counter()
            outcome = await slot.run(msgspec.structs.replace(job, live=True), watcher.streams)
            timeline.add("run", "", began, outcome)
            return self._result(outcome, job, prepared, compiled, timeline)
        finally:
            watcher.streams.end()

    def _result(
        self, outcome: Outcome, job: Job, submission: Submission, compiled: StepResult | None, timeline: Timeline
    ) -> RunResult:
        _log_failure(outcome.ended, outcome.message, submission.language)
        files = returned_files(outcome, submission.return_files, self._settings.max_returned_mb)
        return RunResult(run_result(outcome, submission, job.limits), compiled, files, tuple(timeline.steps))

    async def judge(self, submission: Submission, task: Task, slot: Slot, spare: SpareSlots) -> JudgeResult:
        """The verdicts on a submission, which is compiled once and run once for each trial, also in spare slots."""
        timeline = Timeline()
        result = await self._judge(submission, task, slot, spare, timeline)
        return msgspec.structs.replace(result, timeline=tuple(timeline.steps))

    async def _judge(
        self, submission: Submission, task: Task, slot: Slot, spare: SpareSlots, timeline: Timeline
    ) -> JudgeResult:
        over_at = time.monotonic() + self._settings.max_judging_seconds
        compiled, prepared = await self._compile(until(over_at, functions.with_caller(submission)), slot, timeline)
        if compiled and compiled.status is not Status.OK:
            return self._put_together(task, [blank(trial, compiled.status) for trial in task.trials], compiled)
        if caller := functions.apart(submission):
            step, program = await self._compile(until(over_at, caller), slot, timeline)
            if step and step.status is not Status.OK:
                _log.error("what calls functions of %s was not compiled: %s", submission.language.name, step.stderr)
                status = Status.OVERLOADED if step.status is Status.OVERLOADED else Status.INTERNAL_ERROR
                return self._put_together(task, [blank(trial, status) for trial in task.trials], compiled)
            prepared = functions.joined(prepared, program)
        ready = []
        for checker in (*task.checkers, *((task.interactor,) if task.interactor else ())):
            step, program = await self._compile(until(over_at, checker.submission), slot, timeline, checks=True)
            if step and step.status is not Status.OK:
                _log.warning("a checker was not compiled: %s", step.message)
                status = step.status if step.status in _NOBODYS_FAULT else Status.JUDGE_ERROR
                results = [blank(trial, status) for trial in task.trials]
                return self._put_together(task, results, compiled, _not_compiled_checker(step, checker.role))
            # Written anew for each case, and testlib.h is large.
            files = without_sources(program.language, program.files)
            seeded = msgspec.structs.replace(program, files=files, seed=submission.seed)
            ready.append(msgspec.structs.replace(checker, submission=seeded))
        interactor = ready.pop() if task.interactor else None
        task = msgspec.structs.replace(task, checkers=tuple(ready), interactor=interactor)
        results = await run_trials(
            task,
            slot,
            spare,
            TrialRuns(self._jobs, task, prepared, timeline).run,
            over_at=over_at,
            max_output_bytes=self._settings.max_judged_output_kb << 10,
        )
        return self._put_together(task, results, compiled)

    def _put_together(
        self, task: Task, results: list[CaseResult], compiled: StepResult | None, judge_feedback: str = ""
    ) -> JudgeResult:
        passed = sum(result.status is Status.ACCEPTED for result in results)
        result = JudgeResult(judged_status(results), passed, len(results), tuple(results), compiled)
        if task.details:
            result = msgspec.structs.replace(result, judge_feedback=judge_feedback)
        if task.data is None:
            score, max_score = points.totals(results)
            return msgspec.structs.replace(result, score=score, max_score=max_score)
        root = points.graded(task.data, {found.id: found for found in results}, scoring=task.scoring)
        # A compile error is the submission's and no group's.
        status = result.status if compiled and compiled.status is not Status.OK else root.status
        return msgspec.structs.replace(
            result,
            status=status,
            groups=root.groups if isinstance(root.groups, tuple) else (),
            score=root.score if task.scoring and isinstance(root.score, float) else None,
            max_score=root.max_score if task.scoring and isinstance(root.max_score, float) else None,
        )

    def limits(self, submission: Submission) -> Limits:
        """What each run of the submission may use, where its test case names nothing else."""
        return self._jobs.limits(submission)

    async def version(self, language: Language, slot: Slot) -> str:
        """The version that the language's toolchain states when it is run in the sandbox; empty where it states none.

        The toolchain is asked once.
        """
        if language.name not in self._versions:
            version = await self._ask_version(language, slot)
            if version is None:
                return ""
            self._versions[language.name] = version
        return self._versions[language.name]

    def known_version(self, language: Language) -> str | None:
        """The version, where the toolchain has been asked for it already."""
        return self._versions.get(language.name)

    async def _ask_version(self, language: Language, slot: Slot) -> str | None:
        """None where the toolchain could not be asked, so that the next submission asks again."""
        outcome = await slot.run(self._jobs.version(language, slot.box))
        if outcome.ended is not Ended.EXITED:
            _log.error("%s could not be asked for its version: %s %s", language.name, outcome.ended, outcome.message)
            return None
        text = (outcome.stdout + outcome.stderr).decode(errors="replace")
        found = re.search(language.version_pattern, text)
        if not found or outcome.code != 0:
            _log.warning("%s does not tell its version: %s %s", language.name, outcome.message, text)
            return ""
        return found[1]

    async def _compile(
        self, submission: Submission, slot: Slot, timeline: Timeline, *, checks: bool = False
    ) -> tuple[StepResult | None, Submission]:
        """The compile step's result, if there is one, and the submission with its unit and what was made among its files."""
        language = submission.language
        if not language.compiled:
            return None, msgspec.structs.replace(submission, files=unmarked(language, submission.files))
        options = (*self._ahead.words(language), *functions.options(submission))
        source = arranged(language, submission.files, self._ahead.folders(language), options)
        job = self._jobs.compile(submission, source, slot.box, checks=checks)
        # Where the directory is does not change what is made.
        words = tuple(word.replace(slot.box, "") for word in job.argv)
        key = compile_cache.key(language.name, await self.version(language, slot), words, source.files)
        compiled = self._cache.get(key)
        if compiled is None:
            began = time.perf_counter()
            outcome = await slot.run(job)
            timeline.add("compile", "", began, outcome)
            compiled = Compiled(compile_result(outcome, language, job.limits), outcome.files)
            if compiled.step.status is Status.OK:
                self._cache.put(key, compiled)
        files, unit = with_made(language, submission.files, source, compiled.files)
        return compiled.step, msgspec.structs.replace(submission, files=files, unit=unit)


def _not_compiled_checker(step: StepResult, role: str) -> str:
    words = step.stderr or step.stdout
    return f"the {role} was not compiled: {step.message}\n{words[:_COMPILER_CHARACTERS]}".rstrip()


def _log_failure(ended: Ended, message: str, language: Language) -> None:
    if ended is Ended.FAILED:
        _log.error("a %s run failed: %s", language.name, message)
