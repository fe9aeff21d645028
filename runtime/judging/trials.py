"""What is judged of a submission: its trials, in an order that some of them end early, and the points that they bring."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from runtime.execution.protocol import File
from runtime.judging.submission import Checker, Submission, TestCase
from runtime.problems.model import Group


class Data(msgspec.Struct, frozen=True):
    """What a trial feeds to the program, and what its output is judged by; no program ever has both."""

    input: bytes
    answer: bytes
    #: For the program's working directory, beside its own files.
    files: tuple[File, ...] = ()


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the program, and how it is judged, wherever it comes from: a request's test case or a package's."""

    id: str
    #: Reads what is needed only now, since all trials together may be larger than the memory.
    load: Callable[[], Data]
    submission: Submission
    #: Whether the answer shows only id, status, times, points and what the checker tells the student.
    hidden: bool
    checker_flags: tuple[str, ...] = ()
    accept_score: float | None = None
    reject_score: float = 0.0
    max_score: float | None = None


def beside(files: tuple[File, ...], others: tuple[File, ...]) -> tuple[File, ...]:
    """`files`, and those of `others` that have a place beside them.

    Two of the same name have none, nor has a file that is the folder of another one.
    """
    names = {file.name for file in files}
    folders = {name[:end] for name in names for end, letter in enumerate(name) if letter == "/"}
    free = (
        other
        for other in others
        if other.name not in names | folders and not any(other.name.startswith(f"{name}/") for name in names)
    )
    return (*files, *free)


class Plan(Protocol):
    """In which cases a trial need not be run, because of trials before it."""

    def failed(self, number: int) -> None:
        """The trial with this number was not accepted, or was skipped."""

    def skips(self, number: int) -> bool:
        """Whether the trial is skipped, as far as is known of those before it."""


class InOrder:
    """One trial after the other; all of them, or all up to the first that fails."""

    def __init__(self, *, stops: bool) -> None:
        self._stops = stops
        self._first_failed: int | None = None

    def failed(self, number: int) -> None:
        """As `Plan.failed`."""
        self._first_failed = number if self._first_failed is None else min(self._first_failed, number)

    def skips(self, number: int) -> bool:
        """As `Plan.skips`."""
        return self._stops and self._first_failed is not None and self._first_failed < number


class InGroups:
    """Groups of trials, which stop at their own failures, and which other groups may require to have passed."""

    def __init__(self, root: Group) -> None:
        self._groups: list[tuple[Group, ...]] = []
        self._first_failed: dict[str, int] = {}
        self._walk(root, ())

    def _walk(self, group: Group, around: tuple[Group, ...]) -> None:
        for item in group.items:
            if isinstance(item, Group):
                self._walk(item, (*around, group))
            else:
                self._groups.append((*around, group))

    def failed(self, number: int) -> None:
        """As `Plan.failed`."""
        for group in self._groups[number]:
            self._first_failed[group.name] = min(self._first_failed.get(group.name, number), number)

    def skips(self, number: int) -> bool:
        """As `Plan.skips`."""
        return any(
            (group.stops and self._first_failed.get(group.name, number) < number)
            or any(name in self._first_failed for name in group.require_pass)
            for group in self._groups[number]
        )


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """How a submission is judged. Without checkers the submission's comparator decides."""

    trials: tuple[Trial, ...]
    #: A new one for each use: it remembers what failed.
    plan: Callable[[], Plan]
    #: All of them must accept.
    checkers: tuple[Checker, ...] = ()
    #: Speaks with the program, and judges it; what it accepts the checkers judge by what it has written.
    interactor: Checker | None = None
    #: Whether an accepted run has the score that a checker gives, and no other.
    custom_score: bool = False
    #: Whether checkers may give scores.
    scoring: bool = True
    #: Runs of the program in one trial, where the checker asks for another one.
    passes: int = 1
    #: Whether what the judge alone should see is in the answer.
    details: bool = False
    #: Whether what the program and the interactor said is there too.
    transcript: bool = False
    data: Group | None = None


def inline(submission: Submission, cases: tuple[TestCase, ...]) -> Task:
    """The task of a submission that brought its own test cases."""
    return Task(
        trials=tuple(_trial(submission, case) for case in cases),
        plan=lambda: InOrder(stops=submission.stop_on_failure),
        checkers=(submission.checker,) if submission.checker else (),
        interactor=submission.interactor,
        details=True,
        transcript=submission.transcript,
    )


def _trial(submission: Submission, case: TestCase) -> Trial:
    return Trial(
        id=case.id,
        load=lambda: Data(case.input.encode(), case.expected_output.encode()),
        submission=submission.for_case(case),
        hidden=case.hidden,
        accept_score=case.max_score,
        max_score=case.max_score,
    )
