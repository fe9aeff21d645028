"""A problem of a package as a task for a submission: its cases, limits and validators."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from runtime.execution.protocol import File
from runtime.judging.comparators import Comparator
from runtime.judging.submission import Caps, Checker, Submission
from runtime.judging.trials import Data, InGroups, Task, Trial, beside
from runtime.languages.registry import Registry
from runtime.problems.default_validator import parse
from runtime.problems.library import Opened
from runtime.problems.model import Case, Problem, Program
from runtime.problems.programs import language_of
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
        custom_score=problem.custom_score,
        scoring=problem.scoring,
        passes=problem.limits.passes,
        details=details,
        transcript=submission.transcript and details,
        data=problem.data,
    )


def included(submission: Submission, opened: Opened) -> Submission:
    """The submission with the files that the package has for every one; the submission's own cannot be replaced by them."""
    include = opened.problem.include
    files = include.get(submission.language.name, include.get("default", ()))
    added = tuple(_file(name, path, opened.problem, opened.package) for name, path in files)
    return msgspec.structs.replace(submission, files=beside(submission.files, added))


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
    )


def _checker(program: Program, problem: Problem, package: "Package", registry: Registry, settings: Settings) -> Checker:
    found = language_of([name for name, _ in program.files], registry)
    if found is None:
        raise ValueError(f"{program.name} is in no language that is here")  # reading the package has made sure of it
    language, main = found
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
    content = package.read(path)
    for constant, value in problem.constants.items():
        content = content.replace(f"{{{{{constant}}}}}".encode(), value.encode())
    return File(name, memoryview(content))
