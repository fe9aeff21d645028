"""What is judged of a submission: its trials, in an order that some of them end early, and the points that they bring."""

import sys
from collections.abc import Callable
from typing import Protocol

import msgspec

from runtime.execution.protocol import File
from runtime.judging.submission import Checker, Submission, TestCase
from runtime.problems.model import Group, Scores, Verdict


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
    scores: Scores = Scores.ALLOWED


def beside(files: tuple[File, ...], others: tuple[File, ...]) -> tuple[File, ...]:
    """`files`, and those of `others` that have a place beside them: `files` stand where both cannot.

    Two of the same name cannot, nor can a file and a folder of its name.
    """
    names = {file.name for file in files}
    folders = {name[:end] for name in names for end, letter in enumerate(name) if letter == "/"}
    free = (
        other
        for other in others
        if other.name not in names | folders and not any(other.name.startswith(f"{name}/") for name in names)
    )
    return (*files, *free)


def replaced(files: tuple[File, ...], others: tuple[File, ...]) -> tuple[File, ...]:
    """As `beside`, but `others` stand where both cannot; what is first of `files` stays first."""
    return tuple(sorted(beside(others, files), key=lambda file: file.name != files[0].name))


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
    """Groups of trials, which stop once a trial or a group in them fails, and which others may require to have passed.

    What is said of a group goes by its own verdict: one that accepts where anything in it is accepted stops nothing around it
    at its first failure.
    """

    def __init__(self, root: Group) -> None:
        #: By trial, the groups around it, from the innermost one.
        self._around: list[tuple[_GroupState, ...]] = []
        self._states: dict[str, _GroupState] = {}
        self._walk(root, ())

    def _walk(self, group: Group, around: "tuple[_GroupState, ...]") -> None:
        state = self._states[group.name] = _GroupState(group)
        for item in group.items:
            if isinstance(item, Group):
                self._walk(item, (state, *around))
            else:
                self._around.append((state, *around))
        state.end = len(self._around)

    def failed(self, number: int) -> None:
        """As `Plan.failed`."""
        end, rejected = number + 1, True
        for state in self._around[number]:
            state.has_failure = True
            rejected = rejected and state.reject(end)
            end = state.end

    def skips(self, number: int) -> bool:
        """As `Plan.skips`."""
        return any(
            (state.group.stops and state.first_rejected <= number)
            or any(self._states[name].has_failure for name in state.group.require_pass)
            for state in self._around[number]
        )


class _GroupState:
    """What is known of a group while its trials are run."""

    def __init__(self, group: Group) -> None:
        self.group = group
        #: The number of the first trial after the group.
        self.end = 0
        #: The same of the first of its own trials and groups that was not accepted.
        self.first_rejected = sys.maxsize
        self.has_failure = False
        self._rejected: set[int] = set()

    def reject(self, end: int) -> bool:
        """One of its items, which ends there, was not accepted: whether the group itself is not, for the first time."""
        before = self._is_rejected
        self._rejected.add(end)
        self.first_rejected = min(self.first_rejected, end)
        return self._is_rejected and not before

    @property
    def _is_rejected(self) -> bool:
        match self.group.verdict:
            case Verdict.ALWAYS_ACCEPT:
                return False
            case Verdict.ANY_ACCEPTED:
                return len(self._rejected) == len(self.group.items)
        return bool(self._rejected)


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """How a submission is judged. Without checkers the submission's comparator decides."""

    trials: tuple[Trial, ...]
    #: A new one for each use: it remembers what failed.
    plan: Callable[[], Plan]
    #: All of them must accept.
    checkers: tuple[Checker, ...] = ()
    #: Speaks with the program, and judges it; what it accepts the checkers judge by what it has written.
    interactor: Checker | None = None
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
