"""A submission as jobs: what its compile step and its runs execute, within which limits."""

import glob
from dataclasses import dataclass

import msgspec

from runtime.execution.protocol import Collect, Job, Limits
from runtime.judging import time_limits
from runtime.judging.submission import Submission
from runtime.languages.registry import Language, Registry
from runtime.languages.sources import Arranged
from runtime.settings import Settings

_MB = 1 << 20
# A compiler writes object files that are larger than what a program may write, and starts a few processes.
_COMPILE_FILE_MB = 64
_COMPILE_DISK_MB = 128
# A mistake in a template can take many pages; what is told of them is less (`verdicts`).
_COMPILE_OUTPUT_KB = 4096
_COMPILE_PROCESSES = 32


@dataclass(frozen=True)
class Jobs:
    """Makes jobs for a slot whose working directory is `box`."""

    settings: Settings
    registry: Registry

    def version(self, language: Language, box: str) -> Job:
        """Asks the language's toolchain for its version."""
        return Job(
            argv=self.registry.command(language.version, box=box),
            env=self.registry.environment(language, box, self.settings.compile_memory_mb),
            files=(),
            limits=self._compile_limits(language, self.settings.max_judging_seconds),
        )

    def compile(self, submission: Submission, source: Arranged, box: str, *, checks: bool = False) -> Job:
        """Compiles the submission's files, as they were arranged for that, and brings back what it makes.

        `checks` says that it is a checker or an interactor.
        """
        language, memory_mb = submission.language, self.settings.compile_memory_mb
        words = self.registry.command(
            language.compile,
            box=box,
            file=source.main.name,
            folder=source.folder,
            sources=source.sources,
            unit=source.unit,
            ahead=source.ahead,
            memory_mb=memory_mb,
        )
        steps = (checks and language.steps_of_checkers) or language.steps
        if steps and len(source.sources) == 1 and self.registry.find(steps):
            words = (steps, *words)
        return Job(
            argv=words,
            env=self.registry.environment(language, box, memory_mb),
            files=source.files,
            limits=self._compile_limits(language, submission.left_seconds),
            collect=Collect(language.artifacts, _COMPILE_FILE_MB * _MB, into_memory=True),
            expects_run=True,
        )

    def run(self, submission: Submission, box: str, stdin: bytes) -> Job:
        """Runs the submission, whose files include what its compile step made, with this standard input."""
        language, memory_mb, settings = submission.language, submission.memory_bytes // _MB, self.settings
        words = self.registry.command(
            language.run, box=box, file=submission.main.name, unit=submission.unit, memory_mb=memory_mb
        )
        warm, first_arguments = self._worker(submission, words, box)
        return Job(
            argv=(*words, *submission.arguments),
            env=self.registry.environment(language, box, memory_mb, submission.seed),
            files=submission.files,
            stdin=stdin,
            arguments=(*first_arguments, *submission.arguments),
            warm=warm,
            collect=Collect(tuple(map(glob.escape, submission.return_files)), settings.max_returned_mb * _MB)
            if submission.return_files
            else None,
            limits=self.limits(submission),
        )

    def _worker(self, submission: Submission, words: tuple[str, ...], box: str) -> tuple[str, tuple[str, ...]]:
        """The kind of warm worker that may run `words`, and its first arguments; an empty name where there is none."""
        worker = self.registry.worker_of(submission.language)
        if not worker or not worker.warm:
            return "", ()
        # It has the seed of this start already.
        if worker.seeded and submission.seed not in (None, self.registry.seed):
            return "", ()
        # A worker has been started with the usual name of the main file and the usual limit of memory.
        usual = self.registry.command(
            worker.run, box=box, file=worker.file, unit=submission.unit, memory_mb=self.settings.default_memory_mb
        )
        if words != usual:
            return "", ()
        return worker.warm.kind or worker.name, tuple(word.format(unit=submission.unit) for word in worker.warm.run_arguments)

    def limits(self, submission: Submission) -> Limits:
        """What each run of the submission may use."""
        language, settings = submission.language, self.settings
        times = time_limits.of_run(submission, settings)
        limits = Limits(
            wall_ms=times.wall_ms,
            max_wall_ms=times.max_wall_ms,
            cpu_ms=times.cpu_ms,
            memory_bytes=submission.memory_bytes,
            data_headroom_bytes=language.data_headroom_mb * _MB,
            processes=settings.max_processes,
            tasks=settings.max_tasks,
            output_bytes=(settings.max_output_kb if submission.test_cases is None else settings.max_case_output_kb) << 10,
            file_bytes=settings.max_file_mb * _MB,
            disk_bytes=settings.max_disk_mb * _MB,
            files=settings.max_files,
        )
        if submission.caps is None:
            return limits
        limits = submission.caps.within(limits)
        return msgspec.structs.replace(limits, stack_bytes=max(limits.stack_bytes, language.stack_mb * _MB))

    def _compile_limits(self, language: Language, left_seconds: float) -> Limits:
        settings = self.settings
        times = time_limits.of_compile_step(left_seconds, settings)
        return Limits(
            wall_ms=times.wall_ms,
            max_wall_ms=times.max_wall_ms,
            cpu_ms=times.cpu_ms,
            memory_bytes=settings.compile_memory_mb * _MB,
            data_headroom_bytes=language.data_headroom_mb * _MB,
            processes=_COMPILE_PROCESSES,
            tasks=settings.max_tasks,
            output_bytes=_COMPILE_OUTPUT_KB << 10,
            file_bytes=_COMPILE_FILE_MB * _MB,
            disk_bytes=_COMPILE_DISK_MB * _MB,
            files=settings.max_files,
        )
