"""The body of `POST /execute`: its type, and the checks that turn it into a submission."""

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, TypeVar

import msgspec

from runtime.execution.protocol import File
from runtime.http import bounds
from runtime.http.problems import FieldError, InvalidJsonError, InvalidRequestError, UnknownLanguageRefusal
from runtime.http.unknown_fields import Shape
from runtime.judging.comparators import PARAMETERS
from runtime.judging.submission import RunResult, Submission, TestCase
from runtime.languages.registry import Language, Registry, UnknownLanguageError
from runtime.settings import Settings

# An answer to a wrong request shall not be larger than the request.
_MOST_ERRORS = 50
_BASE64 = re.compile("[A-Za-z0-9+/]*={0,2}")


Body = TypeVar("Body")


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
    time_limit: float | None = None
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
    time_limit: float | None = None
    memory_limit_mb: float | None = None
    test_cases: list[TestCaseBody] | None = None
    comparator: Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(PARAMETERS)})] = "lines"
    stop_on_failure: bool = False
    return_files: Annotated[list[Annotated[str, bounds.NAME]], bounds.NAMES] = []
    user_id: Annotated[str, bounds.ID] | None = None
    question_id: Annotated[str, bounds.ID] | None = None


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
    if given not in bounds.STRICT:
        wrong = FieldError("strict", f"must be one of {', '.join(bounds.STRICT)}")
        raise InvalidRequestError("The query is not valid.", (wrong,))
    return bounds.STRICT[given]


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


def submission(
    body: ExecuteBody,
    settings: Settings,
    registry: Registry,
    refused: tuple[FieldError, ...] = (),
    *,
    empty_main: bool = False,
) -> Submission:
    """The checked submission; raises UnknownLanguageRefusal, or InvalidRequestError with every wrong field.

    Fields that are `refused` already are among these. With `empty_main` the main one of `files` may be empty.
    """
    try:
        language = registry.get(body.language)
    except UnknownLanguageError as error:
        raise UnknownLanguageRefusal(str(error), (FieldError("language", "is not known here"),)) from error
    checks = Checks(refused)
    files = files_of(body, language, checks, empty_main=empty_main)
    _check_arguments(body.args, checks)
    memory = settings.default_memory_mb if body.memory_limit_mb is None else body.memory_limit_mb
    _check_limits("", body.timeout, body.time_limit, memory, settings, checks=checks)
    if body.comparator not in PARAMETERS:
        checks.refuse("comparator", f"must be one of {', '.join(PARAMETERS)}")
    for field in ("user_id", "question_id"):
        value = getattr(body, field)
        if value is not None and len(value) > bounds.ID_LENGTH:
            checks.refuse(field, f"must have at most {bounds.ID_LENGTH} characters")
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
        memory_bytes=int(memory) << 20,
        test_cases=cases,
        comparator=body.comparator,
        stop_on_failure=body.stop_on_failure,
        return_files=tuple(dict.fromkeys(body.return_files)),
    )


def _check_limits(
    place: str,
    timeout: float | None,
    time_limit: float | None,
    memory_mb: float | None,
    settings: Settings,
    *,
    checks: Checks,
) -> None:
    """Checks the limits at `place`; None where there is none."""
    if time_limit is not None and not 0 < time_limit <= settings.max_time_limit_seconds:
        checks.refuse(f"{place}time_limit", f"must be above 0 and at most {settings.max_time_limit_seconds:g} seconds")
    if timeout is not None and not 0 < timeout <= settings.max_timeout_seconds:
        checks.refuse(f"{place}timeout", f"must be above 0 and at most {settings.max_timeout_seconds:g} seconds")
    if memory_mb is not None and not (1 <= memory_mb <= settings.max_memory_mb and memory_mb == int(memory_mb)):
        checks.refuse(f"{place}memory_limit_mb", f"must be a whole number from 1 to {settings.max_memory_mb}")


def _check_return_files(body: ExecuteBody, checks: Checks) -> None:
    if body.return_files and body.test_cases is not None:
        checks.refuse("return_files", "goes without test_cases")
    if len(body.return_files) > bounds.MOST_RETURNED:
        checks.refuse("return_files", f"must have at most {bounds.MOST_RETURNED} items")
        return
    for position, name in enumerate(body.return_files):
        if problem := name_problem(name):
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
            memory_bytes=None if case.memory_limit_mb is None else int(case.memory_limit_mb) << 20,
            hidden=case.hidden,
        )
        for case in body.test_cases
    )


def _check_arguments(arguments: list[str], checks: Checks) -> None:
    if len(arguments) > bounds.MOST_ARGUMENTS or sum(len(word.encode()) + 1 for word in arguments) > bounds.ARGUMENT_BYTES:
        checks.refuse("args", f"must have at most {bounds.MOST_ARGUMENTS} items and {bounds.ARGUMENT_BYTES >> 10} KiB")
        return
    for position, word in enumerate(arguments):
        if "\0" in word:
            checks.refuse(f"args[{position}]", "must not contain NUL")


def files_of(body: ExecuteBody, language: Language, checks: Checks, *, empty_main: bool = False) -> tuple[File, ...]:
    """The files with their names and contents, as far as they are valid; `checks` gets what is not."""
    if body.files is None:
        if not body.code:
            checks.refuse("code", "must not be empty" if body.code is not None else "is required, or files")
            return ()
        return (File(language.file, memoryview(body.code.encode())),)
    if body.code is not None:
        checks.refuse("code", "goes without files, and files without code")
    if not 1 <= len(body.files) <= bounds.MOST_FILES:
        checks.refuse("files", f"must have from 1 to {bounds.MOST_FILES} items")
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
            if position == 0 and not content and not empty_main:
                checks.refuse("files[0].content", "must not be empty: it is the main file")
        name = item.name or (language.file if position == 0 else "")
        problem = name_problem(name) or ("is there twice" if name in names else "")
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
            # Python's own check lets characters through after the end.
            if len(item.content) % 4 or not _BASE64.fullmatch(item.content):
                raise ValueError("is not base64")
            return base64.b64decode(item.content)
        case "hex":
            try:
                content = bytes.fromhex(item.content)
            except ValueError as error:
                raise ValueError("is not hexadecimal") from error
            if item.content and not content:
                raise ValueError("is not hexadecimal")
            return content
    raise _EncodingError(f"must be one of {', '.join(bounds.ENCODINGS)}")


def name_problem(name: str) -> str:  # noqa: PLR0911 - a reason each
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
    if len(name.encode()) > bounds.NAME_BYTES or any(len(part.encode()) > bounds.NAME_PART_BYTES for part in parts):
        return f"must have at most {bounds.NAME_BYTES} bytes, and {bounds.NAME_PART_BYTES} between slashes"
    if len(parts) > bounds.NAME_DEPTH:
        return f"must be at most {bounds.NAME_DEPTH} folders deep"
    return ""
