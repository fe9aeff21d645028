"""Turns a submission into jobs and their outcomes into verdicts."""

import asyncio
import base64
import glob
import logging
import re
import signal
import time
from typing import Protocol

import msgspec

from runtime.execution.executor import Slot
from runtime.execution.protocol import Collect, Ended, Job, Limits, Outcome
from runtime.judging import compile_cache
from runtime.judging.comparators import COMPARATORS
from runtime.judging.compile_cache import CompileCache, Compiled
from runtime.judging.elf import static_data_bytes
from runtime.judging.submission import (
    CaseResult,
    JudgeResult,
    ReturnedFile,
    RunResult,
    Status,
    StepResult,
    Submission,
    TestCase,
)
from runtime.languages.registry import Language, Registry
from runtime.languages.sources import arranged, unmarked, with_made
from runtime.settings import Settings

_log = logging.getLogger(__name__)
_MB = 1 << 20
# A compiler writes object files that are larger than what a program may write, and starts a few processes.
_COMPILE_FILE_MB = 64
_COMPILE_DISK_MB = 128
_COMPILE_PROCESSES = 32
_COMPILE_OUTPUT_BYTES = 64 << 10
# What a runtime says of its own end stands at the end.
_TAIL = 4096

_STATUS = {
    Ended.WALL_TIME: (Status.TIME_LIMIT_EXCEEDED, "the wall time limit of {wall} s was reached"),
    Ended.CPU_TIME: (Status.TIME_LIMIT_EXCEEDED, "the CPU time limit of {cpu} s was reached"),
    Ended.MEMORY: (Status.MEMORY_LIMIT_EXCEEDED, "the memory limit of {memory} MiB was reached"),
    Ended.OUTPUT: (Status.OUTPUT_LIMIT_EXCEEDED, "the output limit of {output} KiB was reached"),
    Ended.DISK: (Status.RUNTIME_ERROR, "the limit of {disk} MiB or {files} files was reached"),
    Ended.CANCELLED: (Status.INTERNAL_ERROR, "the run was given up"),
}


class SpareSlots(Protocol):
    """Slots that nobody waits for: what is borrowed is given back after one run."""

    total: int

    def borrow(self) -> Slot | None:
        """One of them, or None where there is none."""

    def give_back(self, slot: Slot) -> None:
        """Back to whoever is next."""


class Judge:
    """Runs submissions in slots, within the limits of the settings."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        """Both stay as they are."""
        self._settings = settings
        self._registry = registry
        self._cache = CompileCache(settings.compile_cache_mb * _MB)
        self._versions: dict[str, str] = {}

    async def run(self, submission: Submission, slot: Slot) -> RunResult:
        """A plain submission: compiled if need be, and run once."""
        compiled, prepared = await self._compile(submission, slot)
        if compiled and compiled.status is not Status.OK:
            return RunResult(_not_run(compiled), compiled)
        outcome = await slot.run(self._run_job(prepared, slot, submission.stdin))
        return RunResult(self._step(outcome, prepared), compiled, self._returned(submission, outcome))

    def _returned(self, submission: Submission, outcome: Outcome) -> tuple[ReturnedFile, ...]:
        """One entry for each file that was asked for."""
        found = {file.name: base64.b64encode(file.content).decode() for file in outcome.files}
        missing = f"is not there, is no plain file, or is past the {self._settings.max_returned_mb} MiB that may come back"
        return tuple(
            ReturnedFile(name, found.get(name), message="" if name in found else missing) for name in submission.return_files
        )

    async def judge(self, submission: Submission, cases: tuple[TestCase, ...], slot: Slot, spare: SpareSlots) -> JudgeResult:
        """A submission with test cases: compiled once, run once for each, also in slots that nobody else needs."""
        compiled, prepared = await self._compile(submission, slot)
        if compiled and compiled.status is not Status.OK:
            results = [_compared(case, _without_run(compiled.status), submission.comparator) for case in cases]
        else:
            results = await self._run_cases(prepared, cases, slot, spare)
        verdict = next((result.status for result in results if result.status is not Status.ACCEPTED), Status.ACCEPTED)
        passed = sum(result.status is Status.ACCEPTED for result in results)
        return JudgeResult(verdict, passed, len(results), tuple(results), compiled)

    async def _run_cases(
        self, prepared: Submission, cases: tuple[TestCase, ...], slot: Slot, spare: SpareSlots
    ) -> list[CaseResult]:
        """The results in the order of the cases. A case may run ahead of one that fails, and is skipped all the same."""
        skipped = _without_run(Status.SKIPPED)
        results = [_compared(case, skipped, prepared.comparator) for case in cases]
        waiting = iter(range(len(cases)))
        failed = len(cases)
        outputs = _Outputs(results, self._settings.max_judged_output_kb << 10)
        over_at = time.monotonic() + self._settings.max_judging_seconds

        async def run_next(slot: Slot) -> bool:
            nonlocal failed
            number = next(waiting, failed)
            if number >= failed:
                return False
            limited = prepared.for_case(cases[number], over_at - time.monotonic())
            if limited.timeout_seconds > 0:
                step = self._step(await slot.run(self._run_job(limited, slot, cases[number].input.encode())), limited)
            else:
                step = _without_run(Status.TIME_LIMIT_EXCEEDED)
            results[number] = _compared(cases[number], step, prepared.comparator)
            outputs.bound(number)
            if prepared.stop_on_failure and results[number].status is not Status.ACCEPTED:
                failed = min(failed, number)
            return True

        async def help_out() -> None:
            more = True
            while more and (extra := spare.borrow()):
                try:
                    more = await run_next(extra)
                finally:
                    spare.give_back(extra)

        async with asyncio.TaskGroup() as helpers:
            for _ in range(min(spare.total, len(cases)) - 1):
                helpers.create_task(help_out())
            while await run_next(slot):
                pass
        for number in range(failed + 1, len(cases)):
            results[number] = _compared(cases[number], skipped, prepared.comparator)
        return results

    async def version(self, language: Language, slot: Slot) -> str:
        """What the language's toolchain says of its version, asked once, inside the sandbox; empty where it says nothing."""
        if language.name not in self._versions:
            version = await self._ask_version(language, slot)
            if version is None:
                return ""
            self._versions[language.name] = version
        return self._versions[language.name]

    def known_version(self, language: Language) -> str | None:
        """The version, where it has been asked for already."""
        return self._versions.get(language.name)

    async def _ask_version(self, language: Language, slot: Slot) -> str | None:
        """None where it could not be asked, which is nothing to remember."""
        outcome = await slot.run(
            Job(
                argv=self._registry.command(language.version, box=slot.box),
                env=self._registry.environment(language, slot.box, self._settings.compile_memory_mb),
                files=(),
                limits=self._compile_limits(language),
            )
        )
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
        language, settings = submission.language, self._settings
        if not language.compiled:
            return None, msgspec.structs.replace(submission, files=unmarked(language, submission.files))
        source = arranged(language, submission.files)
        words = self._registry.command(
            language.compile,
            box=slot.box,
            file=source.main.name,
            folder=source.folder,
            sources=source.sources,
            unit=source.unit,
            ahead=source.ahead,
            memory_mb=settings.compile_memory_mb,
        )
        # The directory is the slot's and says nothing about what is made.
        place = compile_cache.key(
            language.name,
            await self.version(language, slot),
            tuple(word.replace(slot.box, "") for word in words),
            source.files,
        )
        compiled = self._cache.get(place)
        if compiled is None:
            outcome = await slot.run(
                Job(
                    argv=words,
                    env=self._registry.environment(language, slot.box, settings.compile_memory_mb),
                    files=source.files,
                    limits=self._compile_limits(language),
                    collect=Collect(language.artifacts, _COMPILE_FILE_MB * _MB),
                    followed=True,
                )
            )
            compiled = Compiled(self._compile_step(outcome, language), outcome.files)
            if compiled.step.status is Status.OK:
                self._cache.put(place, compiled)
        files, unit = with_made(language, submission.files, source, compiled.files)
        return compiled.step, msgspec.structs.replace(submission, files=files, unit=unit)

    def _compile_limits(self, language: Language) -> Limits:
        settings = self._settings
        return Limits(
            wall_ms=round(settings.compile_timeout_seconds * 1000),
            cpu_ms=round(settings.compile_timeout_seconds * 1000),
            memory_bytes=settings.compile_memory_mb * _MB,
            data_headroom_bytes=language.data_headroom_mb * _MB,
            processes=_COMPILE_PROCESSES,
            tasks=settings.max_tasks,
            output_bytes=_COMPILE_OUTPUT_BYTES,
            file_bytes=_COMPILE_FILE_MB * _MB,
            disk_bytes=_COMPILE_DISK_MB * _MB,
            files=settings.max_files,
        )

    def _run_job(self, submission: Submission, slot: Slot, stdin: bytes) -> Job:
        language, settings = submission.language, self._settings
        main, memory_mb = submission.main, submission.memory_bytes // _MB
        unit = submission.unit
        words = self._registry.command(language.run, box=slot.box, file=main.name, unit=unit, memory_mb=memory_mb)
        warm, arguments = "", submission.arguments
        worker = self._registry.worker_of(language)
        if worker and worker.warm:
            # A worker has been started with the usual name of the main file and the usual limit of memory.
            usual = self._registry.command(
                worker.run, box=slot.box, file=worker.file, unit=unit, memory_mb=settings.default_memory_mb
            )
            if words == usual:
                warm = worker.name
                arguments = (*(word.format(unit=unit) for word in worker.warm.told), *arguments)
        return Job(
            argv=(*words, *submission.arguments),
            env=self._registry.environment(language, slot.box, memory_mb),
            files=submission.files,
            stdin=stdin,
            arguments=arguments,
            warm=warm,
            collect=Collect(tuple(map(glob.escape, submission.return_files)), settings.max_returned_mb * _MB)
            if submission.return_files
            else None,
            limits=Limits(
                wall_ms=round(submission.timeout_seconds * submission.time_factor * 1000),
                cpu_ms=round(settings.cpu_seconds * submission.time_factor * 1000),
                memory_bytes=submission.memory_bytes,
                data_headroom_bytes=language.data_headroom_mb * _MB,
                processes=settings.max_processes,
                tasks=settings.max_tasks,
                output_bytes=settings.max_output_kb << 10,
                file_bytes=settings.max_file_mb * _MB,
                disk_bytes=settings.max_disk_mb * _MB,
                files=settings.max_files,
                stack_bytes=language.stack_mb * _MB,
            ),
        )

    def _step(self, outcome: Outcome, submission: Submission) -> StepResult:
        status, message = self._status(outcome, submission)
        return _step_result(outcome, status, message)

    def _status(self, outcome: Outcome, submission: Submission) -> tuple[Status, str]:
        settings = self._settings
        if outcome.ended is Ended.FAILED:
            _log.error("a %s run failed: %s", submission.language.name, outcome.message)
            return Status.INTERNAL_ERROR, outcome.message
        if outcome.ended in _STATUS:
            status, words = _STATUS[outcome.ended]
            return status, words.format(
                wall=f"{submission.timeout_seconds * submission.time_factor:g}",
                cpu=f"{settings.cpu_seconds * submission.time_factor:g}",
                memory=submission.memory_bytes // _MB,
                output=settings.max_output_kb,
                disk=settings.max_disk_mb,
                files=settings.max_files,
            )
        if outcome.code == 0:
            return Status.OK, ""
        pattern = submission.language.memory_error
        tail = outcome.stderr[-_TAIL:].decode(errors="replace")
        if (
            outcome.memory_refused
            or (pattern and re.search(pattern, tail, re.MULTILINE))
            or (outcome.signal is not None and self._was_too_large_to_start(submission))
        ):
            return Status.MEMORY_LIMIT_EXCEEDED, f"the memory limit of {submission.memory_bytes // _MB} MiB was reached"
        return Status.RUNTIME_ERROR, _ending(outcome)

    def _was_too_large_to_start(self, submission: Submission) -> bool:
        """Whether the kernel has refused a program the memory of its global variables, and ended it by a signal."""
        language = submission.language
        limit = submission.memory_bytes + (language.data_headroom_mb << 20)
        return any(static_data_bytes(file.content) > limit for file in submission.files if file.name == language.program)

    def _compile_step(self, outcome: Outcome, language: Language) -> StepResult:
        if outcome.ended is Ended.FAILED or outcome.ended is Ended.CANCELLED:
            return _step_result(outcome, Status.INTERNAL_ERROR, outcome.message or "the compile step was given up")
        if outcome.ended is Ended.EXITED and outcome.code == 0:
            if language.program and not any(file.executable and file.name == language.program for file in outcome.files):
                words = f"the compiler made no program, or one of more than {_COMPILE_FILE_MB} MiB"
                return _step_result(outcome, Status.COMPILE_ERROR, words)
            return _step_result(outcome, Status.OK, "")
        limits = {
            Ended.WALL_TIME: f"the compile step's limit of {self._settings.compile_timeout_seconds:g} s was reached",
            Ended.CPU_TIME: f"the compile step's limit of {self._settings.compile_timeout_seconds:g} s was reached",
            Ended.MEMORY: f"the compile step's limit of {self._settings.compile_memory_mb} MiB was reached",
            Ended.OUTPUT: f"the compiler wrote more than {_COMPILE_OUTPUT_BYTES >> 10} KiB",
            Ended.DISK: f"the compile step wrote more than {_COMPILE_DISK_MB} MiB",
        }
        return _step_result(outcome, Status.COMPILE_ERROR, limits.get(outcome.ended) or _ending(outcome))


def _ending(outcome: Outcome) -> str:
    if outcome.signal is not None:
        return f"ended by {_signal_name(outcome.signal)}"
    return f"exited with {outcome.code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def _step_result(outcome: Outcome, status: Status, message: str) -> StepResult:
    return StepResult(
        stdout=outcome.stdout.decode(errors="replace"),
        stderr=outcome.stderr.decode(errors="replace"),
        code=outcome.code,
        signal=None if outcome.signal is None else _signal_name(outcome.signal),
        status=status,
        message=message,
        cpu_time=round(outcome.cpu_ms, 3),
        wall_time=round(outcome.wall_ms, 3),
        memory=outcome.memory_bytes,
        stdout_truncated=outcome.stdout_truncated,
        stderr_truncated=outcome.stderr_truncated,
    )


def _without_run(status: Status) -> StepResult:
    """A run that there was none of, and why."""
    return StepResult(
        stdout="",
        stderr="",
        code=None,
        signal=None,
        status=status,
        message="",
        cpu_time=0.0,
        wall_time=0.0,
        memory=0,
        stdout_truncated=False,
        stderr_truncated=False,
    )


def _not_run(compiled: StepResult) -> StepResult:
    """What a plain answer shows as the run where there was none: the compiler's words, repeated."""
    return msgspec.structs.replace(
        _without_run(compiled.status),
        stderr=compiled.stderr or compiled.stdout,
        code=compiled.code,
        signal=compiled.signal,
        message=compiled.message,
        stderr_truncated=compiled.stderr_truncated,
    )


class _Outputs:
    """What is kept of all cases' outputs together: the first cases' before the later ones', in whatever order they end."""

    def __init__(self, results: list[CaseResult], most_bytes: int) -> None:
        self._results = results
        self._sizes = [0] * len(results)
        self._over = -most_bytes
        self._last = 0

    def bound(self, number: int) -> None:
        """Counts the result with this number, and shortens the last ones as far as that makes it necessary."""
        self._sizes[number] = sum(len(text.encode()) for text in _outputs(self._results[number]).values())
        self._over += self._sizes[number]
        self._last = max(self._last, number)
        while self._over > 0:
            size = self._sizes[self._last]
            left = max(0, size - self._over)
            if size:
                self._results[self._last] = _shortened(self._results[self._last], left)
            self._sizes[self._last] = left
            self._over -= size - left
            self._last -= self._over > 0


def _outputs(result: CaseResult) -> dict[str, str]:
    """By their names; none of a hidden case."""
    found = {"stdout": result.stdout, "stderr": result.stderr}
    return {name: text for name, text in found.items() if not isinstance(text, msgspec.UnsetType)}


def _shortened(result: CaseResult, room: int) -> CaseResult:
    """The result with so many bytes of its outputs."""
    shortened: dict[str, object] = {}
    for name, text in _outputs(result).items():
        data = text.encode()
        if len(data) > room:
            shortened |= {name: data[:room].decode(errors="ignore"), f"{name}_truncated": True}
        room -= min(len(data), room)
    return msgspec.structs.replace(result, **shortened)


def _compared(case: TestCase, step: StepResult, comparator: str) -> CaseResult:
    """The case's result: an ordinary end is judged by its output, any other way to end stands as it is."""
    status = step.status
    if status is Status.OK:
        same = COMPARATORS[comparator](step.stdout, case.expected_output)
        status = Status.ACCEPTED if same else Status.WRONG_ANSWER
    if case.hidden:
        return CaseResult(id=case.id, status=status, cpu_time=step.cpu_time, wall_time=step.wall_time)
    return CaseResult(
        id=case.id,
        passed=status is Status.ACCEPTED,
        status=status,
        stdout=step.stdout,
        stderr=step.stderr,
        code=step.code,
        signal=step.signal,
        expected_output=case.expected_output,
        cpu_time=step.cpu_time,
        wall_time=step.wall_time,
        memory=step.memory,
        stdout_truncated=step.stdout_truncated,
        stderr_truncated=step.stderr_truncated,
    )
