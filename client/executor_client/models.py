"""Submissions and answers as the executor's HTTP contract has them; times in milliseconds, memory in bytes.

Fields that a newer executor adds are ignored.
"""

from typing import Any

import msgspec


class File(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file of a program; `encoding` is `utf8`, `base64` or `hex`."""

    name: str
    content: str
    encoding: str = "utf8"


class TestCase(msgspec.Struct, frozen=True, omit_defaults=True):
    """One test case, with limits of its own where they are set. The program never sees `expected_output`.

    Of a `hidden` one only id, status, times, points and the checker's feedback come back.
    """

    __test__ = False  # it is no class of tests, whatever pytest makes of its name

    id: str
    input: str
    expected_output: str
    timeout: float | None = None
    time_limit: float | None = None
    memory_limit_mb: int | None = None
    hidden: bool = False
    max_score: float | None = None


class Comparator(msgspec.Struct, frozen=True, omit_defaults=True):
    """A comparator with parameters, of which each takes some: the executor's docs/problems.md says which."""

    name: str
    absolute: float | None = None
    relative: float | None = None
    case_sensitive: bool | None = None
    space_change_sensitive: bool | None = None
    unordered: bool | None = None


class Checker(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A program that judges instead of a comparator, as checker or as interactor; `style` is `icpc` or `testlib`."""

    language: str
    code: str | None = None
    files: tuple[File, ...] = ()
    style: str = "icpc"
    args: tuple[str, ...] = ()
    time_limit: float | None = None
    memory_limit_mb: int | None = None


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    """One call of a function: arguments and what it has to return, both anything that JSON can carry.

    `id` is the call's number where it is not set.
    """

    args: tuple[Any, ...]
    expected: Any
    id: str | None = None
    timeout: float | None = None
    time_limit: float | None = None
    memory_limit_mb: int | None = None
    hidden: bool = False
    max_score: float | None = None


class Equality(msgspec.Struct, frozen=True, omit_defaults=True):
    """When two values are the same: numbers within a tolerance, lists in any order where they are `unordered`."""

    absolute: float | None = None
    relative: float | None = None
    unordered: bool | None = None


class Function(msgspec.Struct, frozen=True, omit_defaults=True):
    """A function of the program, such as `add` or `Solution.add`, that is called in each case."""

    name: str
    cases: tuple[Call, ...]
    comparator: Equality = Equality()


class Submission(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is to be run, or judged where it has test cases.

    Attributes:
        language: Name or alias, such as `python`, `js`, `c++`.
        code: The program; or `files`, whose first is the main one.
        timeout: Seconds of wall time for each run; None is the executor's default.
        time_limit: Seconds of CPU time for each run, which decides where there are test cases; None is `timeout` there.
        comparator: `lines`, `exact`, `tokens`, `float` or another name, or one with parameters.
        checker: Judges instead of the comparator.
        function: Is called in each case, instead of `test_cases`; what it returns is judged.
        interactor: Speaks with the program and judges it. A `checker` beside one of style `testlib` judges what it writes.
        transcript: What the program and the interactor said comes back as well; with `problem` it needs `judge_details`.
        problem: The name of a package that was put, which has the test cases; `put_problem` gives it.
        judge_details: With `problem`: outputs, answers and the checkers' words for the judge come back as well.
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
    comparator: str | Comparator = "lines"
    checker: Checker | None = None
    function: Function | None = None
    interactor: Checker | None = None
    transcript: bool = False
    problem: str | None = None
    judge_details: bool = False
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
    """What came of one test case; of a hidden one only id, status, times, points and feedback are set.

    `feedback` is for the student, and `judge_feedback` is not. `returned` is what a function returned, as JSON.
    """

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
    returned: str | None = None
    returned_truncated: bool = False
    score: float | None = None
    max_score: float | None = None
    feedback: str = ""
    judge_feedback: str = ""
    transcript: str = ""

    @property
    def passed(self) -> bool:
        """Whether the verdict is `accepted`."""
        return self.status == "accepted"


class GroupResult(msgspec.Struct, frozen=True):
    """What came of a group of a problem's test data; `cases` are the ids of those directly in it."""

    name: str
    status: str
    score: float | None = None
    max_score: float | None = None
    groups: "tuple[GroupResult, ...]" = ()
    cases: tuple[str, ...] = ()


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
    problem: str = ""
    score: float | None = None
    max_score: float | None = None
    groups: tuple[GroupResult, ...] = ()
    judge_feedback: str = ""


class Fault(msgspec.Struct, frozen=True):
    """What is said of one file of a package."""

    path: str
    message: str


class ProblemPackage(msgspec.Struct, frozen=True):
    """A problem package that was put: `problem` is its name. Times are seconds, memory is MiB."""

    problem: str
    name: str = ""
    format: str = ""
    type: tuple[str, ...] = ()
    cases: int = 0
    time_limit: float | None = None
    memory_limit_mb: int | None = None
    max_score: float | None = None
    languages: tuple[str, ...] | None = None
    time_multiplier: float = 2.0
    warnings: tuple[Fault, ...] = ()


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


class Started(msgspec.Struct, frozen=True):
    """A submission without an open request: `queued`, `running` or `done`."""

    id: str
    status: str
    answer: dict[str, Any] | None = None
    problem: Problem | None = None
