"""A problem of a package as a task for a submission: its cases, limits and validators."""

from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from runtime.execution.protocol import File
from runtime.judging.comparators import Comparator
from runtime.judging.submission import Caps, Checker, Submission
from runtime.judging.trials import Data, InGroups, Task, Trial, replaced
from runtime.languages.registry import Registry
from runtime.languages.sources import free_name
from runtime.problems.constants import filled
from runtime.problems.default_validator import parse
from runtime.problems.library import Opened
from runtime.problems.model import Case, Problem, Program
from runtime.problems.programs import entry_of, language_of
from runtime.settings import Settings

if TYPE_CHECKING:
    from runtime.problems.canonical import Package


def limited(submission: Submission, problem: Problem, settings: Settings) -> Submission:
    """The submission within the problem's limits, as far as the settings allow them; without one its own stand.

    A limit of CPU time that the request names stands for the problem's, for whoever tries another one.
    """
    limits = problem.limits
    if limits.time_seconds is not None and submission.time_limit_seconds is None:
        seconds = min(limits.time_seconds, settings.max_time_limit_seconds)
        submission = msgspec.structs.replace(submission, timeout_seconds=None, time_limit_seconds=seconds)
    if limits.memory_mb is not None:
        memory_mb = min(limits.memory_mb, settings.max_memory_mb)
        submission = msgspec.structs.replace(submission, memory_bytes=memory_mb << 20)
    if limits.output_mb is not None:
        submission = msgspec.structs.replace(submission, caps=Caps(output_bytes=max(1, int(limits.output_mb * (1 << 20)))))
    return submission


def task(submission: Submission, opened: Opened, registry: Registry, settings: Settings, *, details: bool) -> Task:
    """How a submission, which is within the problem's limits already, is judged by the problem."""
    problem, package = opened.problem, opened.package
    checkers = tuple(_checker(program, problem, package, registry, settings) for program in problem.validators)
    return Task(
        trials=tuple(_trial(case, submission, problem, package, details=details) for case in problem.data.cases()),
        plan=partial(InGroups, problem.data),
        checkers=() if problem.interactive else checkers,
        interactor=checkers[0] if problem.interactive else None,
        scoring=problem.scoring,
        passes=problem.limits.passes,
        details=details,
        transcript=submission.transcript and details,
        data=problem.data,
    )


def included(submission: Submission, opened: Opened) -> Submission:
    """The submission with the files that the package has for every one, which stand in the place of its own.

    One with the name of the language's main file is the main one, and calls what was sent. A program that has this name
    itself, as each has that came as `code`, then gets another one.
    """
    include = opened.problem.include
    files = include.get(submission.language.name, include.get("default", ()))
    added = tuple(_file(name, path, opened.problem, opened.package) for name, path in files)
    names = {file.name for file in added}
    sent, language = submission.files, submission.language
    entry = entry_of(language)
    if entry not in names:
        return msgspec.structs.replace(submission, files=replaced(sent, added))
    if sent[0].name in names and sent[0].name == language.file:
        other = free_name(f"solution{PurePosixPath(language.file).suffix}", names | {file.name for file in sent})
        sent = (msgspec.structs.replace(sent[0], name=other), *sent[1:])
    together = sorted(replaced(sent, added), key=lambda file: file.name != entry)
    return msgspec.structs.replace(submission, files=tuple(together))


def _trial(case: Case, submission: Submission, problem: Problem, package: "Package", *, details: bool) -> Trial:
    return Trial(
        id=case.name,
        load=_reader(package, case),
        submission=msgspec.structs.replace(
            submission,
            arguments=case.arguments,
            comparator=submission.comparator if problem.validators else _comparator(case),
        ),
        hidden=not details,
        checker_flags=case.validator_flags,
        accept_score=case.accept_score,
        reject_score=case.reject_score,
        max_score=case.max_score,
        scores=case.scores,
    )


def _reader(package: "Package", case: Case) -> Callable[[], Data]:
    return lambda: Data(
        package.read(case.input),
        package.read(case.answer),
        tuple(File(name, memoryview(package.read(path))) for name, path in case.files),
    )


def _comparator(case: Case) -> Comparator:
    """The format's default validator with the case's flags."""
    flags = parse(case.validator_flags)
    numbers = flags.absolute is not None or flags.relative is not None
    return Comparator(
        name="float" if numbers else "tokens",
        absolute=flags.absolute or 0.0,
        relative=flags.relative or 0.0,
        case_sensitive=flags.case_sensitive,
        space_change_sensitive=flags.space_change_sensitive,
        ascii=True,
    )


def _checker(program: Program, problem: Problem, package: "Package", registry: Registry, settings: Settings) -> Checker:
    # Reading the package has made sure that there is one.
    language, main = language_of([name for name, _ in program.files], registry)
    files = sorted(program.files, key=lambda item: (item[0] != main, item[0]))
    limits = problem.limits
    seconds = settings.checker_seconds if limits.validation_seconds is None else limits.validation_seconds
    memory_mb = settings.checker_memory_mb if limits.validation_memory_mb is None else limits.validation_memory_mb
    return Checker(
        Submission(
            language=language,
            files=tuple(_file(name, path, problem, package) for name, path in files),
            stdin=b"",
            arguments=(),
            timeout_seconds=None,
            time_limit_seconds=min(seconds, settings.checker_seconds),
            memory_bytes=min(memory_mb, settings.checker_memory_mb) << 20,
            test_cases=None,
            comparator=Comparator(),
            stop_on_failure=False,
        ),
        speaks=problem.interactive,
    )


def _file(name: str, path: str, problem: Problem, package: "Package") -> File:
    return File(name, memoryview(filled(package.read(path), problem.constants)))
