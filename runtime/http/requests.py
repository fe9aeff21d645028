"""The body of `POST /execute`: its type, and the checks that turn it into a submission."""

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import msgspec

from runtime.execution.protocol import File
from runtime.http.problems import FieldError, InvalidJsonError, InvalidRequestError, UnknownLanguageRefusal
from runtime.http.unknown_fields import Shape
from runtime.judging.comparators import COMPARATORS
from runtime.judging.submission import RunResult, Submission, TestCase
from runtime.languages.registry import Language, Registry, UnknownLanguageError
from runtime.settings import Settings

_MOST_FILES = 100
_MOST_ARGUMENTS = 100
_MOST_RETURNED = 20
_ARGUMENT_BYTES = 32 << 10
_NAME_BYTES, _PART_BYTES, _DEPTH = 1024, 255, 16
_ID_LENGTH = 256
# An answer to a wrong request shall not be larger than the request.
_MOST_ERRORS = 50
#: The values of the query's `strict`, and what they mean.
STRICT = {"0": False, "1": True, "false": False, "true": True}


Body = TypeVar("Body")


class FileBody(msgspec.Struct, frozen=True):
    """One file of a request; `encoding` is `utf8`, `base64` or `hex`."""

    content: str
    name: str = ""
    encoding: str = "utf8"


class TestCaseBody(msgspec.Struct, frozen=True):
    """One test case of a request."""

    id: str
    input: str = ""
    expected_output: str = ""
    timeout: float | None = None
    time_limit: float | None = None
    memory_limit_mb: int | None = None
    hidden: bool = False


class ExecuteBody(msgspec.Struct, frozen=True):
    """The body of `POST /execute`. Fields that are not here are named in the answer, or refused where the client says so."""

    language: str
    code: str | None = None
    files: list[FileBody] | None = None
    stdin: str = ""
    args: list[str] = []
    timeout: float | None = None
    time_limit: float | None = None
    memory_limit_mb: int | None = None
    test_cases: list[TestCaseBody] | None = None
    comparator: str = "lines"
    stop_on_failure: bool = False
    return_files: list[str] = []
    user_id: str | None = None
    question_id: str | None = None


class Call(msgspec.Struct, frozen=True):
    """What a request asks for: a submission, and which user and question it belongs to.

    `check_version` is given the version of the language, and raises Refusal where the request asks for another one.
    `follow_up` is given the result, and may ask for another run in the same slot.
    """

    submission: Submission
    user_id: str | None = None
    question_id: str | None = None
    check_version: Callable[[str], None] | None = None
    follow_up: Callable[[RunResult], Submission | None] | None = None
    #: The longest wait for a slot, where it is not the server's usual one.
    queue_seconds: float | None = None
    #: Fields that are not known here and were ignored.
    warnings: tuple[FieldError, ...] = ()


_decoder = msgspec.json.Decoder(ExecuteBody)
_shape = Shape(ExecuteBody)
_PLACE = re.compile(r" - at `\$(.*)`$")


def decode(data: bytes, settings: Settings, registry: Registry, *, strict: bool = False) -> Call:
    """The body of `POST /execute` as a submission; raises Refusal, with `strict` also for fields that are not known."""
    body = decode_as(_decoder, data)
    unknown = _shape.unknown(data, _MOST_ERRORS)
    checked = submission(body, settings, registry, refused=unknown if strict else ())
    return Call(checked, body.user_id, body.question_id, warnings=unknown)


def is_strict(query: Mapping[str, str]) -> bool:
    """Whether a request with this query wants fields refused that are not known; raises InvalidRequestError."""
    given = query.get("strict", "0")
    if given not in STRICT:
        raise InvalidRequestError("The query is not valid.", (FieldError("strict", f"must be one of {', '.join(STRICT)}"),))
    return STRICT[given]


def decode_as(decoder: msgspec.json.Decoder[Body], data: bytes) -> Body:
    """The body as its type; raises InvalidJsonError or InvalidRequestError with the field."""
    try:
        # The decoder passes over the bytes of fields that are not known.
        if not data.isascii():
            data.decode()
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise InvalidRequestError("A field is missing or of the wrong type.", (_located(str(error)),)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidJsonError(f"{error}") from error


def _located(message: str) -> FieldError:
    place = _PLACE.search(message)
    words = _PLACE.sub("", message)
    missing = re.search(r"missing required field `(\w+)`", words)
    field = place[1].lstrip(".") if place else ""
    if missing:
        return FieldError(f"{field}.{missing[1]}".lstrip("."), "is required")
    return FieldError(field or "(body)", words[:1].lower() + words[1:])


class Checks:
    """Collects what is wrong, so that one answer names every wrong field."""

    def __init__(self, errors: Iterable[FieldError] = ()) -> None:
        self.errors = list(errors)

    def refuse(self, field: str, message: str) -> None:
        """Notes what is wrong with `field`."""
        if len(self.errors) < _MOST_ERRORS:
            self.errors.append(FieldError(field, message))

    def raise_if_any(self) -> None:
        """Raises InvalidRequestError with every wrong field."""
        if self.errors:
            names = ", ".join(error.field for error in self.errors)
            raise InvalidRequestError(f"These fields are not valid: {names}.", tuple(self.errors))


def submission(body: ExecuteBody, settings: Settings, registry: Registry, refused: tuple[FieldError, ...] = ()) -> Submission:
    """The checked submission; raises UnknownLanguageRefusal, or InvalidRequestError with every wrong field.

    Fields that are `refused` already are among these.
    """
    try:
        language = registry.get(body.language)
    except UnknownLanguageError as error:
        raise UnknownLanguageRefusal(str(error), (FieldError("language", "is not known here"),)) from error
    checks = Checks(refused)
    files = _files(body, language, checks)
    _check_arguments(body.args, checks)
    memory = settings.default_memory_mb if body.memory_limit_mb is None else body.memory_limit_mb
    _check_limits("", body.timeout, body.time_limit, memory, settings, checks=checks)
    if body.comparator not in COMPARATORS:
        checks.refuse("comparator", f"must be one of {', '.join(COMPARATORS)}")
    for field in ("user_id", "question_id"):
        value = getattr(body, field)
        if value is not None and len(value) > _ID_LENGTH:
            checks.refuse(field, f"must have at most {_ID_LENGTH} characters")
    cases = _test_cases(body, settings, checks)
    _check_return_files(body, checks)
    checks.raise_if_any()
    return Submission(
        language=language,
        files=files,
        stdin=body.stdin.encode(),
        arguments=tuple(body.args),
        timeout_seconds=body.timeout,
        time_limit_seconds=body.time_limit,
        memory_bytes=memory << 20,
        test_cases=cases,
        comparator=body.comparator,
        stop_on_failure=body.stop_on_failure,
        return_files=tuple(dict.fromkeys(body.return_files)),
    )


def _check_limits(
    place: str,
    timeout: float | None,
    time_limit: float | None,
    memory_mb: int | None,
    settings: Settings,
    *,
    checks: Checks,
) -> None:
    """Checks the limits at `place`; None where there is none."""
    if time_limit is not None and not 0 < time_limit <= settings.max_time_limit_seconds:
        checks.refuse(f"{place}time_limit", f"must be above 0 and at most {settings.max_time_limit_seconds:g} seconds")
    if timeout is not None and not 0 < timeout <= settings.max_timeout_seconds:
        checks.refuse(f"{place}timeout", f"must be above 0 and at most {settings.max_timeout_seconds:g} seconds")
    if memory_mb is not None and not 1 <= memory_mb <= settings.max_memory_mb:
        checks.refuse(f"{place}memory_limit_mb", f"must be from 1 to {settings.max_memory_mb}")


def _check_return_files(body: ExecuteBody, checks: Checks) -> None:
    if body.return_files and body.test_cases is not None:
        checks.refuse("return_files", "goes without test_cases")
    if len(body.return_files) > _MOST_RETURNED:
        checks.refuse("return_files", f"must have at most {_MOST_RETURNED} items")
        return
    for position, name in enumerate(body.return_files):
        if problem := file_name_problem(name):
            checks.refuse(f"return_files[{position}]", problem)


def _test_cases(body: ExecuteBody, settings: Settings, checks: Checks) -> tuple[TestCase, ...] | None:
    if body.test_cases is None:
        return None
    if not 1 <= len(body.test_cases) <= settings.max_test_cases:
        checks.refuse("test_cases", f"must have from 1 to {settings.max_test_cases} items")
        return None
    for position, case in enumerate(body.test_cases):
        _check_limits(
            f"test_cases[{position}].", case.timeout, case.time_limit, case.memory_limit_mb, settings, checks=checks
        )
    return tuple(
        TestCase(
            id=case.id,
            input=case.input,
            expected_output=case.expected_output,
            timeout_seconds=case.timeout,
            time_limit_seconds=case.time_limit,
            memory_bytes=None if case.memory_limit_mb is None else case.memory_limit_mb << 20,
            hidden=case.hidden,
        )
        for case in body.test_cases
    )


def _check_arguments(arguments: list[str], checks: Checks) -> None:
    if len(arguments) > _MOST_ARGUMENTS or sum(len(word.encode()) + 1 for word in arguments) > _ARGUMENT_BYTES:
        checks.refuse("args", f"must have at most {_MOST_ARGUMENTS} items and {_ARGUMENT_BYTES >> 10} KiB")
        return
    for position, word in enumerate(arguments):
        if "\0" in word:
            checks.refuse(f"args[{position}]", "must not contain NUL")


def _files(body: ExecuteBody, language: Language, checks: Checks) -> tuple[File, ...]:
    if body.files is None:
        if not body.code:
            checks.refuse("code", "must not be empty" if body.code is not None else "is required, or files")
            return ()
        return (File(language.main_file(body.code), memoryview(body.code.encode())),)
    if body.code is not None:
        checks.refuse("code", "goes without files, and files without code")
    if not 1 <= len(body.files) <= _MOST_FILES:
        checks.refuse("files", f"must have from 1 to {_MOST_FILES} items")
        return ()
    found: list[File] = []
    names: set[str] = set()
    for position, item in enumerate(body.files):
        content = b""
        try:
            content = _content(item)
        except ValueError as error:
            checks.refuse(f"files[{position}].{'encoding' if isinstance(error, _EncodingError) else 'content'}", str(error))
        else:
            if position == 0 and not content:
                checks.refuse("files[0].content", "must not be empty: it is the main file")
        name = item.name or (language.main_file(content.decode(errors="replace")) if position == 0 else "")
        problem = file_name_problem(name) or ("is there twice" if name in names else "")
        if not problem and any(name.startswith(f"{other}/") or other.startswith(f"{name}/") for other in names):
            problem = "is a file and a folder at the same time"
        if problem:
            checks.refuse(f"files[{position}].name", problem)
        names.add(name)
        found.append(File(name, memoryview(content)))
    return tuple(found)


class _EncodingError(ValueError):
    """An encoding that is not one of the three."""


def _content(item: FileBody) -> bytes:
    match item.encoding:
        case "utf8":
            return item.content.encode()
        case "base64":
            try:
                return base64.b64decode(item.content, validate=True)
            except ValueError as error:
                raise ValueError("is not base64") from error
        case "hex":
            try:
                return bytes.fromhex(item.content)
            except ValueError as error:
                raise ValueError("is not hexadecimal") from error
    raise _EncodingError("must be utf8, base64 or hex")


def file_name_problem(name: str) -> str:  # noqa: PLR0911 - a reason each
    """Why a file cannot have this name; empty where it can."""
    parts = name.split("/")
    if not name:
        return "must not be empty"
    if any(part in ("", ".", "..") for part in parts):
        return "must be a path inside the working directory"
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        return "must not contain control characters"
    if any(part.startswith(("-", "@")) for part in parts):
        return "must not start with a dash or an at sign, which compilers take for an option or a response file"
    if len(name.encode()) > _NAME_BYTES or any(len(part.encode()) > _PART_BYTES for part in parts):
        return f"must have at most {_NAME_BYTES} bytes, and {_PART_BYTES} between slashes"
    if len(parts) > _DEPTH:
        return f"must be at most {_DEPTH} folders deep"
    return ""
