"""What is to be judged and what comes of it, without HTTP and without processes."""

from enum import StrEnum

import msgspec

from runtime.execution.protocol import File
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
    SKIPPED = "skipped"
    INTERNAL_ERROR = "internal_error"


class TestCase(msgspec.Struct, frozen=True):
    """One test case; `expected_output` stays in the server."""

    id: str
    input: str
    expected_output: str


class Submission(msgspec.Struct, frozen=True):
    """A checked request: the language is known, names are safe, limits are within the server's."""

    language: Language
    files: tuple[File, ...]
    stdin: bytes
    arguments: tuple[str, ...]
    timeout_seconds: float
    memory_bytes: int
    test_cases: tuple[TestCase, ...] | None
    comparator: str
    stop_on_failure: bool


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
    memory: int
    stdout_truncated: bool
    stderr_truncated: bool


class CaseResult(msgspec.Struct, frozen=True):
    """One test case's result as the API shows it."""

    id: str
    passed: bool
    status: Status
    stdout: str
    stderr: str
    code: int | None
    signal: str | None
    expected_output: str
    cpu_time: float
    wall_time: float
    memory: int
    stdout_truncated: bool
    stderr_truncated: bool


class RunResult(msgspec.Struct, frozen=True):
    """Of a plain run: the compile step, where there was one, and the run."""

    run: StepResult
    compile: StepResult | None = None


class JudgeResult(msgspec.Struct, frozen=True):
    """Of a judged submission: `status` is that of the first case that did not pass, or `accepted`."""

    status: Status
    passed: int
    total: int
    test_results: tuple[CaseResult, ...]
    compile: StepResult | None = None
