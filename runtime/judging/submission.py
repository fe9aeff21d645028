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
    """One test case; `expected_output` stays in the server. A limit of its own stands for the submission's."""

    id: str
    input: str
    expected_output: str
    timeout_seconds: float | None = None
    memory_bytes: int | None = None
    #: Of a hidden case only id, status and times are told.
    hidden: bool = False


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
    #: Names of the files that come back from a plain run.
    return_files: tuple[str, ...] = ()
    #: What the program is called inside of its language, where that has units.
    unit: str = ""

    @property
    def main(self) -> File:
        """The file that is run."""
        return self.files[0]

    @property
    def time_factor(self) -> float:
        """What the limits of time are multiplied by: a judged run shall not lose to its language's start."""
        return 1.0 if self.test_cases is None else self.language.time_factor

    def for_case(self, case: TestCase, left_seconds: float) -> "Submission":
        """The same with the limits of one test case, which has at most what is left of the time of all."""
        timeout = self.timeout_seconds if case.timeout_seconds is None else case.timeout_seconds
        return msgspec.structs.replace(
            self,
            timeout_seconds=min(timeout, left_seconds / self.time_factor),
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
    memory: int
    stdout_truncated: bool
    stderr_truncated: bool


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """One test case's result as the API shows it: of a hidden one, nothing that tells its input or output."""

    id: str
    passed: bool | msgspec.UnsetType = msgspec.UNSET
    status: Status
    stdout: str | msgspec.UnsetType = msgspec.UNSET
    stderr: str | msgspec.UnsetType = msgspec.UNSET
    code: int | msgspec.UnsetType | None = msgspec.UNSET
    signal: str | msgspec.UnsetType | None = msgspec.UNSET
    expected_output: str | msgspec.UnsetType = msgspec.UNSET
    cpu_time: float
    wall_time: float
    memory: int | msgspec.UnsetType = msgspec.UNSET
    stdout_truncated: bool | msgspec.UnsetType = msgspec.UNSET
    stderr_truncated: bool | msgspec.UnsetType = msgspec.UNSET


class ReturnedFile(msgspec.Struct, frozen=True):
    """A file that was asked for: its content, or None and why there is none."""

    name: str
    content: str | None
    encoding: str = "base64"
    message: str = ""


class RunResult(msgspec.Struct, frozen=True):
    """Of a plain run: the compile step, where there was one, the run, and the files that were asked for."""

    run: StepResult
    compile: StepResult | None = None
    files: tuple[ReturnedFile, ...] = ()


class JudgeResult(msgspec.Struct, frozen=True):
    """Of a judged submission: `status` is that of the first case that did not pass, or `accepted`."""

    status: Status
    passed: int
    total: int
    test_results: tuple[CaseResult, ...]
    compile: StepResult | None = None
