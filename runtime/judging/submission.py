"""The types of a submission and of its results: nothing here knows of HTTP or of processes."""

import math
from enum import StrEnum

import msgspec

from runtime.execution.protocol import File, Limits
from runtime.judging.comparators import Comparator
from runtime.judging.timeline import Timed
from runtime.languages.registry import Language


class Status(StrEnum):
    """How a run ended, in the words of the API."""

    OK = "ok"
    ACCEPTED = "accepted"
    WRONG_ANSWER = "wrong_answer"
    RUNTIME_ERROR = "runtime_error"
    TIME_LIMIT_EXCEEDED = "time_limit_exceeded"
    MEMORY_LIMIT_EXCEEDED = "memory_limit_exceeded"
    OUTPUT_LIMIT_EXCEEDED = "output_limit_exceeded"
    COMPILE_ERROR = "compile_error"
    COMPILE_LIMIT_EXCEEDED = "compile_limit_exceeded"
    OVERLOADED = "overloaded"
    SKIPPED = "skipped"
    #: The checker or the problem package is at fault, and never the program.
    JUDGE_ERROR = "judge_error"
    INTERNAL_ERROR = "internal_error"


class LimitedBy(StrEnum):
    """The limit that ended a run, or without which it would not have failed."""

    CPU = "cpu"
    WALL = "wall"
    MEMORY = "memory"
    OUTPUT = "output"
    DISK = "disk"
    PROCESSES = "processes"


class TestCase(msgspec.Struct, frozen=True):
    """One test case; `expected_output` stays in the server. A limit of the case replaces that of the submission."""

    id: str
    input: str
    expected_output: str
    #: Wall time and CPU time, as in `Submission`.
    timeout_seconds: float | None = None
    time_limit_seconds: float | None = None
    memory_bytes: int | None = None
    #: Of a hidden case the answer shows only id, status, times, points and what the checker tells the student.
    hidden: bool = False
    #: The most points that the case can have; None where there are none.
    max_score: float | None = None


class Style(StrEnum):
    """How a checker or an interactor is called, and what its exit codes mean."""

    ICPC = "icpc"
    TESTLIB = "testlib"


class Checker(msgspec.Struct, frozen=True):
    """A program that judges another one's output; `submission` has its files and limits, as of any program."""

    submission: "Submission"
    style: Style = Style.ICPC
    #: Whether it speaks with the program while that runs: it is an interactor.
    speaks: bool = False

    @property
    def role(self) -> str:
        """What it is called in messages."""
        return "interactor" if self.speaks else "checker"


class Caps(msgspec.Struct, frozen=True):
    """Limits of a run beside time and memory, named as in `Limits`; each counts where it is below the server's."""

    wall_ms: int | None = None
    processes: int | None = None
    output_bytes: int | None = None
    file_bytes: int | None = None
    stack_bytes: int | None = None

    def within(self, limits: Limits) -> Limits:
        """`limits`, and none above these."""
        asked = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return msgspec.structs.replace(limits, **{name: min(value, getattr(limits, name)) for name, value in asked.items()})


class Submission(msgspec.Struct, frozen=True):
    """A checked request: the language is known, names are safe, limits are within the server's."""

    language: Language
    files: tuple[File, ...]
    stdin: bytes
    arguments: tuple[str, ...]
    #: Wall time and CPU time of each run; None where the request names none.
    timeout_seconds: float | None
    time_limit_seconds: float | None
    memory_bytes: int
    test_cases: tuple[TestCase, ...] | None
    comparator: Comparator
    stop_on_failure: bool
    #: The function of the program that is called in each case, with the case's input as arguments; empty for none.
    function: str = ""
    #: Instead of the comparator; an interactor too.
    checker: Checker | None = None
    #: With a checker, that judges what this one has written.
    interactor: Checker | None = None
    #: Whether the answer has what the program and the interactor said to each other.
    transcript: bool = False
    #: Names of the files that come back from a plain run.
    return_files: tuple[str, ...] = ()
    #: The name under which the language starts the program, where it has such names (a class in Java).
    unit: str = ""
    caps: Caps | None = None
    #: Output that is not UTF-8 keeps its bytes, as surrogates (PEP 383), and is not replaced.
    keeps_bytes: bool = False
    #: What hashes are seeded with in its runs, and in those of its checkers; None for this start's own.
    seed: int | None = None
    #: Seconds until this submission's time in its slot is over.
    left_seconds: float = math.inf

    @property
    def is_judged(self) -> bool:
        """Whether it has test cases."""
        return self.test_cases is not None

    @property
    def main(self) -> File:
        """The file that is run."""
        return self.files[0]

    @property
    def time_factor(self) -> float:
        """What the limits of time are multiplied by, so that a judged run does not fail by its language's slow start."""
        return self.language.time_factor if self.is_judged else 1.0

    def for_case(self, case: TestCase) -> "Submission":
        """This submission with the limits of one test case."""
        return msgspec.structs.replace(
            self,
            timeout_seconds=self.timeout_seconds if case.timeout_seconds is None else case.timeout_seconds,
            time_limit_seconds=self.time_limit_seconds if case.time_limit_seconds is None else case.time_limit_seconds,
            memory_bytes=self.memory_bytes if case.memory_bytes is None else case.memory_bytes,
        )


class StepResult(msgspec.Struct, frozen=True):
    """A compile or run step as the API shows it; times in milliseconds, memory in bytes."""

    stdout: str
    stderr: str
    code: int | None
    signal: str | None
    status: Status
    message: str
    cpu_time: float
    wall_time: float
    waited: float | None
    limited_by: LimitedBy | None
    memory: int
    stdout_truncated: bool
    stderr_truncated: bool


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """One test case's result as the API shows it; of a hidden case nothing that tells its input or output."""

    id: str
    passed: bool | msgspec.UnsetType = msgspec.UNSET
    status: Status
    stdout: str | msgspec.UnsetType = msgspec.UNSET
    stderr: str | msgspec.UnsetType = msgspec.UNSET
    code: int | msgspec.UnsetType | None = msgspec.UNSET
    signal: str | msgspec.UnsetType | None = msgspec.UNSET
    expected_output: str | msgspec.UnsetType = msgspec.UNSET
    #: What a function returned, as JSON.
    returned: str | msgspec.UnsetType = msgspec.UNSET
    cpu_time: float
    wall_time: float
    waited: float | msgspec.UnsetType | None = msgspec.UNSET
    limited_by: LimitedBy | msgspec.UnsetType | None = msgspec.UNSET
    message: str | msgspec.UnsetType = msgspec.UNSET
    memory: int | msgspec.UnsetType = msgspec.UNSET
    stdout_truncated: bool | msgspec.UnsetType = msgspec.UNSET
    stderr_truncated: bool | msgspec.UnsetType = msgspec.UNSET
    returned_truncated: bool | msgspec.UnsetType = msgspec.UNSET
    score: float | msgspec.UnsetType = msgspec.UNSET
    max_score: float | msgspec.UnsetType | None = msgspec.UNSET
    feedback: str | msgspec.UnsetType = msgspec.UNSET
    judge_feedback: str | msgspec.UnsetType = msgspec.UNSET
    transcript: str | msgspec.UnsetType = msgspec.UNSET


class GroupResult(msgspec.Struct, frozen=True, kw_only=True):
    """A group of test cases: its own result, the groups in it, and the ids of the cases that are directly in it."""

    name: str
    status: Status
    score: float | msgspec.UnsetType = msgspec.UNSET
    max_score: float | msgspec.UnsetType | None = msgspec.UNSET
    groups: "tuple[GroupResult, ...] | msgspec.UnsetType" = msgspec.UNSET
    cases: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


class ReturnedFile(msgspec.Struct, frozen=True):
    """A file that was asked for: its content, or None and why there is none."""

    name: str
    content: str | None
    encoding: str = "base64"
    message: str = ""


class RunResult(msgspec.Struct, frozen=True):
    """The results of a plain submission: the compile step, where there was one, the run, and the files asked for."""

    run: StepResult
    compile: StepResult | None = None
    files: tuple[ReturnedFile, ...] = ()
    timeline: tuple[Timed, ...] = ()


class JudgeResult(msgspec.Struct, frozen=True):
    """The results of a judged submission: `status` is that of the first case that did not pass, or `accepted`."""

    status: Status
    passed: int
    total: int
    test_results: tuple[CaseResult, ...]
    compile: StepResult | None = None
    score: float | None = None
    max_score: float | None = None
    groups: tuple[GroupResult, ...] | None = None
    judge_feedback: str = ""
    timeline: tuple[Timed, ...] = ()
