"""Takes a submission through its steps: it is compiled, run or judged in a slot, and the results are put together."""

import logging
import re
import time
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from runtime.execution.executor import Slot
from runtime.execution.protocol import Ended, Job, Outcome
from runtime.judging import compile_cache
from runtime.judging.cases import SpareSlots, run_cases
from runtime.judging.compile_cache import CompileCache, Compiled
from runtime.judging.jobs import Jobs
from runtime.judging.submission import JudgeResult, RunResult, Status, StepResult, Submission, TestCase
from runtime.judging.verdicts import (
    case_result,
    compile_result,
    judged_status,
    not_compiled,
    returned_files,
    run_result,
    without_run,
)
from runtime.languages.registry import Language, Registry
from runtime.languages.sources import arranged, unmarked, with_made
from runtime.settings import Settings

if TYPE_CHECKING:
    from runtime.execution.live import LiveStreams

_log = logging.getLogger(__name__)


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

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings = settings
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
        compiled, prepared = await self._compile(_until(over_at, submission), slot)
        if compiled and compiled.status is not Status.OK:
            return RunResult(not_compiled(compiled), compiled)
        job = self._jobs.run(_until(over_at, prepared), slot.box, submission.stdin)
        return self._result(await slot.run(job), job, prepared, compiled)

    async def _run_live(self, submission: Submission, slot: Slot, watcher: Watcher) -> RunResult:
        over_at = time.monotonic() + self._settings.max_judging_seconds
        try:
            if submission.language.compiled:
                watcher.begun("compile")
            compiled, prepared = await self._compile(_until(over_at, submission), slot)
            if compiled:
                watcher.compiled(compiled)
                if compiled.status is not Status.OK:
                    return RunResult(not_compiled(compiled), compiled)
            watcher.begun("run")
            job = self._jobs.run(_until(over_at, prepared), slot.box, submission.stdin)
            outcome = await slot.run(msgspec.structs.replace(job, live=True), watcher.streams)
            return self._result(outcome, job, prepared, compiled)
        finally:
            watcher.streams.end()

    def _result(self, outcome: Outcome, job: Job, submission: Submission, compiled: StepResult | None) -> RunResult:
        _log_failure(outcome.ended, outcome.message, submission.language)
        files = returned_files(outcome, submission.return_files, self._settings.max_returned_mb)
        return RunResult(run_result(outcome, submission, job.limits), compiled, files)

    async def judge(self, submission: Submission, cases: tuple[TestCase, ...], slot: Slot, spare: SpareSlots) -> JudgeResult:
        """The verdicts on a submission, which is compiled once and run once for each case, also in spare slots."""
        over_at = time.monotonic() + self._settings.max_judging_seconds
        compiled, prepared = await self._compile(_until(over_at, submission), slot)
        if compiled and compiled.status is not Status.OK:
            results = [case_result(case, without_run(compiled.status), submission.comparator) for case in cases]
        else:
            results = await run_cases(
                prepared,
                cases,
                slot,
                spare,
                self._run_case,
                over_at=over_at,
                max_output_bytes=self._settings.max_judged_output_kb << 10,
            )
        passed = sum(result.status is Status.ACCEPTED for result in results)
        return JudgeResult(judged_status(results), passed, len(results), tuple(results), compiled)

    async def _run_case(self, submission: Submission, slot: Slot, stdin: bytes) -> StepResult:
        job = self._jobs.run(submission, slot.box, stdin)
        outcome = await slot.run(job)
        _log_failure(outcome.ended, outcome.message, submission.language)
        return run_result(outcome, submission, job.limits)

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

    async def _compile(self, submission: Submission, slot: Slot) -> tuple[StepResult | None, Submission]:
        """The compile step's result, if there is one, and the submission with its unit and what was made among its files."""
        language = submission.language
        if not language.compiled:
            return None, msgspec.structs.replace(submission, files=unmarked(language, submission.files))
        source = arranged(language, submission.files)
        job = self._jobs.compile(submission, source, slot.box)
        # Where the directory is does not change what is made.
        words = tuple(word.replace(slot.box, "") for word in job.argv)
        key = compile_cache.key(language.name, await self.version(language, slot), words, source.files)
        compiled = self._cache.get(key)
        if compiled is None:
            outcome = await slot.run(job)
            compiled = Compiled(compile_result(outcome, language, job.limits), outcome.files)
            if compiled.step.status is Status.OK:
                self._cache.put(key, compiled)
        files, unit = with_made(language, submission.files, source, compiled.files)
        return compiled.step, msgspec.structs.replace(submission, files=files, unit=unit)


def _until(over_at: float, submission: Submission) -> Submission:
    """The submission, whose time in its slot is over at this moment of the monotonic clock."""
    return msgspec.structs.replace(submission, left_seconds=max(0.0, over_at - time.monotonic()))


def _log_failure(ended: Ended, message: str, language: Language) -> None:
    if ended is Ended.FAILED:
        _log.error("a %s run failed: %s", language.name, message)
