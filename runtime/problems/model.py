"""A problem as judging sees it, whatever format its package has. Contents stay in the package."""

from enum import StrEnum

import msgspec


class Format(StrEnum):
    """The formats of packages, by their `problem_format_version`."""

    LEGACY = "legacy"
    LEGACY_ICPC = "legacy-icpc"
    #: A draft of 2025-09, whose test data is as in `legacy`.
    V2023_07 = "2023-07-draft"
    V2025_09 = "2025-09"


class Aggregation(StrEnum):
    """How a group's score comes of what is in it."""

    SUM = "sum"
    MIN = "min"
    MAX = "max"
    AVERAGE = "avg"
    #: All of the points where everything passed, else none.
    PASS_FAIL = "pass-fail"  # noqa: S105 - no password


class Verdict(StrEnum):
    """How a group's status comes of what is in it."""

    FIRST_ERROR = "first_error"
    WORST_ERROR = "worst_error"
    ALWAYS_ACCEPT = "always_accept"
    #: Accepted where anything is, else the worst.
    ANY_ACCEPTED = "any_accepted"


class Scores(StrEnum):
    """What a score means that a validator gives for a case."""

    ALLOWED = "allowed"
    #: An accepted run has none without it.
    REQUIRED = "required"
    #: That of a sample.
    IGNORED = "ignored"
    #: It is a fault of the validator's.
    FORBIDDEN = "forbidden"


class Limits(msgspec.Struct, frozen=True):
    """What the package limits; None is the executor's own limit. Each is at most what the executor's settings allow."""

    time_seconds: float | None = None
    memory_mb: int | None = None
    output_mb: float | None = None
    code_kb: float | None = None
    validation_seconds: float | None = None
    validation_memory_mb: int | None = None
    #: Runs of a submission for each case, in a multi-pass problem.
    passes: int = 1
    #: Of the slowest accepted submission's time, for a proposed limit.
    time_multiplier: float = 2.0


class Program(msgspec.Struct, frozen=True):
    """A validator: its files as pairs of the name in its own folder and the path in the package."""

    name: str
    files: tuple[tuple[str, str], ...]


class Case(msgspec.Struct, frozen=True):
    """A test case; `name` is its path below `data/` without an ending. Scores are None in problems without points."""

    name: str
    input: str
    answer: str
    #: Of the output validator.
    validator_flags: tuple[str, ...] = ()
    #: Command line of the submission.
    arguments: tuple[str, ...] = ()
    #: As in `Program.files`, for the submission's working directory.
    files: tuple[tuple[str, str], ...] = ()
    #: For an accepted run without a score of the validator's own; also what its `score_multiplier.txt` is multiplied with.
    accept_score: float | None = None
    reject_score: float = 0.0
    #: None where there is no bound.
    max_score: float | None = None
    scores: Scores = Scores.ALLOWED


class Group(msgspec.Struct, frozen=True):
    """A folder of test data; `items` are in the order in which they are judged."""

    name: str
    items: tuple["Case | Group", ...]
    #: After the first failure in it the rest of the group is skipped.
    stops: bool
    verdict: Verdict
    aggregation: Aggregation
    max_score: float | None = None
    #: Groups that must have passed, or this one is skipped.
    require_pass: tuple[str, ...] = ()
    #: The samples, which do not count.
    ignored: tuple[str, ...] = ()

    def cases(self) -> list[Case]:
        """All cases below, in their order."""
        return [case for item in self.items for case in ([item] if isinstance(item, Case) else item.cases())]


class Problem(msgspec.Struct, frozen=True):
    """A checked package."""

    digest: str
    name: str
    format: Format
    scoring: bool
    multi_pass: bool
    #: The one validator speaks with the submission.
    interactive: bool
    limits: Limits
    #: All of them must accept; none is the default validator.
    validators: tuple[Program, ...]
    #: Names of languages here; None is every one.
    languages: tuple[str, ...] | None
    #: Files for every submission, by the language's name, `default` for all others.
    include: dict[str, tuple[tuple[str, str], ...]]
    #: Replaced in validators and included files (`constants.filled`).
    constants: dict[str, str]
    data: Group
