"""What a request asks for: the types of its body as JSON, and of what it comes to once it has been checked."""

from collections.abc import Callable
from typing import Annotated

import msgspec

from runtime.http import bounds
from runtime.http.problems import FieldError
from runtime.judging.comparators import COMPARATORS
from runtime.judging.submission import Submission


class FileBody(msgspec.Struct, frozen=True):
    """One file of a request; `encoding` is `utf8`, `base64` or `hex`."""

    content: str
    name: Annotated[str, bounds.NAME_OR_NOTHING] = ""
    encoding: Annotated[str, bounds.ENCODING] = "utf8"


class TestCaseBody(msgspec.Struct, frozen=True):
    """One test case of a request."""

    id: str
    input: str = ""
    expected_output: str = ""
    timeout: float | None = None
    memory_limit_mb: float | None = None
    hidden: bool = False


class ExecuteBody(msgspec.Struct, frozen=True):
    """The body of `POST /execute`. Fields that are not here are named in the answer, or refused where the client says so."""

    language: str
    code: Annotated[str, bounds.CODE] | None = None
    files: Annotated[list[FileBody], bounds.FILES] | None = None
    stdin: str = ""
    args: Annotated[list[Annotated[str, bounds.ARGUMENT]], bounds.ARGUMENTS] = []
    timeout: float | None = None
    memory_limit_mb: float | None = None
    test_cases: list[TestCaseBody] | None = None
    comparator: Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(COMPARATORS)})] = "lines"
    stop_on_failure: bool = False
    return_files: Annotated[list[Annotated[str, bounds.NAME]], bounds.NAMES] = []
    user_id: Annotated[str, bounds.ID] | None = None
    question_id: Annotated[str, bounds.ID] | None = None


class Call(msgspec.Struct, frozen=True):
    """What a request asks for: a submission, and which user and question it belongs to.

    `check_version` is given the version of the language, and raises Refusal where the request asks for another one.
    """

    submission: Submission
    user_id: str | None = None
    question_id: str | None = None
    check_version: Callable[[str], None] | None = None
    #: Fields that are not known here and were ignored.
    warnings: tuple[FieldError, ...] = ()
