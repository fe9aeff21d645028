"""Submissions and answers as the executor's HTTP contract has them; times in milliseconds, memory in bytes.

Fields that a newer executor adds are ignored.
"""

import msgspec


class File(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file of a program; `encoding` is `utf8`, `base64` or `hex`."""

    name: str
    content: str
    encoding: str = "utf8"


class TestCase(msgspec.Struct, frozen=True, omit_defaults=True):
    """One test case, with limits of its own where they are set. The program never sees `expected_output`.

    Of a `hidden` one only id, status and times come back.
    """

    __test__ = False  # it is no class of tests, whatever pytest makes of its name

    id: str
    input: str
    expected_output: str
    timeout: float | None = None
    time_limit: float | None = None
    memory_limit_mb: int | None = None
    hidden: bool = False


class Submission(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is to be run, or judged where it has test cases.

    Attributes:
        language: Name or alias, such as `python`, `js`, `c++`.
        code: The program; or `files`, whose first is the main one.
        timeout: Seconds of wall time for each run; None is the executor's default.
        time_limit: Seconds of CPU time for each run, which decides where there are test cases; None is `timeout` there.
        comparator: `lines`, `exact`, `tokens` or `float`.
        stop_on_failure: Later test cases are `skipped`.
        return_files: Names of files that come back from a plain run.
        user_id: Whose it is; in a session pool, whose session runs it.
    """

    language: str
    code: str = ""
    files: tuple[File, ...] = ()
    stdin: str = ""
    args: tuple[str, ...] = ()
    timeout: float | None = None
    time_limit: float | None = None
    memory_limit_mb: int | None = None
    test_cases: tuple[TestCase, ...] | None = None
    comparator: str = "lines"
    stop_on_failure: bool = False
    return_files: tuple[str, ...] = ()
    user_id: str | None = None
    question_id: str | None = None


class Step(msgspec.Struct, frozen=True):
    """A compile or run step. `code` is None where a signal ended it, whose name is then in `signal`."""

    stdout: str
    stderr: str
    code: int | None
    status: str
    signal: str | None = None
    message: str = ""
    cpu_time: float = 0.0
    wall_time: float = 0.0
    waited: float | None = None
    limited_by: str | None = None
    memory: int = 0
    stdout_truncated: bool = False
    stderr_truncated: bool = False


class ReturnedFile(msgspec.Struct, frozen=True):
    """A file that was asked for: its content in `encoding` (base64), or None and in `message` why there is none."""

    name: str
    content: str | None
    encoding: str = "base64"
    message: str = ""


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field of a request."""

    field: str
    message: str


class Execution(msgspec.Struct, frozen=True):
    """The answer to a plain submission. `warnings` are fields of the request that the executor ignored."""

    language: str
    run: Step
    version: str = ""
    compile: Step | None = None
    files: tuple[ReturnedFile, ...] = ()
    user_id: str | None = None
    question_id: str | None = None
    warnings: tuple[FieldError, ...] = ()


class CaseResult(msgspec.Struct, frozen=True):
    """What came of one test case; of a hidden one only id, status and times are set."""

    id: str
    status: str
    stdout: str = ""
    stderr: str = ""
    code: int | None = None
    signal: str | None = None
    expected_output: str = ""
    cpu_time: float = 0.0
    wall_time: float = 0.0
    waited: float | None = None
    limited_by: str | None = None
    message: str = ""
    memory: int = 0
    stdout_truncated: bool = False
    stderr_truncated: bool = False

    @property
    def passed(self) -> bool:
        """Whether the verdict is `accepted`."""
        return self.status == "accepted"


class Judgement(msgspec.Struct, frozen=True):
    """The answer to a submission with test cases; `status` is that of the first case that did not pass, or `accepted`."""

    language: str
    status: str
    passed: int
    total: int
    test_results: tuple[CaseResult, ...]
    version: str = ""
    compile: Step | None = None
    user_id: str | None = None
    question_id: str | None = None
    warnings: tuple[FieldError, ...] = ()


class Language(msgspec.Struct, frozen=True):
    """One language that works on the executor."""

    language: str
    version: str
    aliases: tuple[str, ...] = ()
    compiled: bool = False


class Problem(msgspec.Struct, frozen=True):
    """A refusal of the executor's, as RFC 9457 problem details."""

    code: str
    detail: str = ""
    errors: tuple[FieldError, ...] = ()
