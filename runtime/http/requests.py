"""The body of `POST /execute`: its type, and the checks that turn it into a submission."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar

import msgspec

from runtime.http import admission, bounds
from runtime.http.checks import MOST_ERRORS, Checks, check_arguments, check_limits, files_of, name_problem
from runtime.http.functions import EqualityBody, FunctionBody, arguments_of, check_function, text_of
from runtime.http.problems import FieldError, InvalidJsonError, InvalidRequestError, UnknownLanguageRefusal, why_no_json
from runtime.http.unknown_fields import Shape
from runtime.judging.comparators import PARAMETERS, Comparator, ExpectedOutputError
from runtime.judging.submission import Checker, RunResult, Style, Submission, TestCase
from runtime.languages.registry import MOST_SEED, Registry, UnknownLanguageError
from runtime.problems.programs import RESERVED_FOLDER
from runtime.settings import Settings
from runtime.store.digests import is_digest

Body = TypeVar("Body")
_NAMES = msgspec.Meta(extra_json_schema={"enum": list(PARAMETERS)})


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
    max_score: Annotated[float, bounds.POINTS] | None = None


class ComparatorBody(msgspec.Struct, frozen=True):
    """A comparator with parameters; which ones it takes depends on its name."""

    name: Annotated[str, _NAMES]
    absolute: Annotated[float, bounds.FROM_ZERO] | None = None
    relative: Annotated[float, bounds.FROM_ZERO] | None = None
    case_sensitive: bool | None = None
    space_change_sensitive: bool | None = None
    unordered: bool | None = None


class CheckerBody(msgspec.Struct, frozen=True):
    """A program that judges the output, or the program while it runs, instead of a comparator."""

    language: str
    code: Annotated[str, bounds.CODE] | None = None
    files: Annotated[list[FileBody], bounds.FILES] | None = None
    style: Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(Style)})] = "icpc"
    args: Annotated[list[Annotated[str, bounds.ARGUMENT]], bounds.ARGUMENTS] = []
    time_limit: float | None = None
    memory_limit_mb: float | None = None


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
    comparator: Annotated[str, _NAMES] | ComparatorBody = "lines"
    checker: CheckerBody | None = None
    function: FunctionBody | None = None
    interactor: CheckerBody | None = None
    transcript: bool = False
    problem: Annotated[str, bounds.DIGEST] | None = None
    judge_details: bool = False
    stop_on_failure: bool = False
    return_files: Annotated[list[Annotated[str, bounds.NAME]], bounds.NAMES] = []
    user_id: Annotated[str, bounds.ID] | None = None
    question_id: Annotated[str, bounds.ID] | None = None
    seed: float | None = None


class Call(msgspec.Struct, frozen=True):
    """What a request asks for: a submission, and which user and question it belongs to.

    `check_version` is given the version of the language, and raises Refusal where the request asks for another one.
    `follow_up` is given the result, and may ask for another run in the same slot.
    """

    submission: Submission
    user_id: str | None = None
    question_id: str | None = None
    #: The digest of the package by which it is judged; empty where it is not.
    problem: str = ""
    #: Whether the answer shows what only the judge should see.
    judge_details: bool = False
    check_version: Callable[[str], None] | None = None
    follow_up: Callable[[RunResult], Submission | None] | None = None
    #: For a slot, where it is not the server's usual one.
    wait: admission.Wait | None = None
    #: Fields that are not known here and were ignored.
    warnings: tuple[FieldError, ...] = ()


_decoder = msgspec.json.Decoder(ExecuteBody)
_shape = Shape(ExecuteBody)
_PLACE = re.compile(r" - at `\$(.*)`$")


def decode(data: bytes, settings: Settings, registry: Registry, *, strict: bool = False) -> Call:
    """The body of `POST /execute` as a submission; raises Refusal, with `strict` also for fields that are not known."""
    body = decode_as(_decoder, data)
    unknown = _shape.unknown(data, MOST_ERRORS)
    checked = submission(body, settings, registry, refused=unknown if strict else ())
    return Call(
        checked,
        body.user_id,
        body.question_id,
        problem=body.problem or "",
        judge_details=body.judge_details,
        warnings=unknown,
    )


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
        raise InvalidJsonError(why_no_json(error, data)) from error


def _located(message: str) -> FieldError:
    place = _PLACE.search(message)
    words = _PLACE.sub("", message)
    missing = re.search(r"missing required field `(\w+)`", words)
    field = place[1].lstrip(".") if place else ""
    if missing:
        return FieldError(f"{field}.{missing[1]}".lstrip("."), "is required")
    return FieldError(field or "(body)", words[:1].lower() + words[1:])


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
    check_arguments("args", body.args, checks)
    memory = settings.default_memory_mb if body.memory_limit_mb is None else body.memory_limit_mb
    check_limits("", body.timeout, body.time_limit, memory, settings, checks=checks)
    comparator = _comparator(body.comparator, checks)
    checker, interactor = (
        None if given is None else _checker(place, given, settings, registry, checks)
        for place, given in (("checker", body.checker), ("interactor", body.interactor))
    )
    for field in ("user_id", "question_id"):
        value = getattr(body, field)
        if value is not None and len(value) > bounds.ID_LENGTH:
            checks.refuse(field, f"must have at most {bounds.ID_LENGTH} characters")
    if body.seed is not None and not (0 <= body.seed <= MOST_SEED and body.seed == int(body.seed)):
        checks.refuse("seed", f"must be a whole number from 0 to {MOST_SEED}")
    cases = _test_cases(body.test_cases, "test_cases", settings, checks)
    if body.function is not None:
        check_function(body.function, language, [file.name for file in files], checks)
        comparator = _equality(body.function.comparator, checks)
        cases = _test_cases(_calls(body.function), "function.cases", settings, checks)
    _check_judging(body, checks)
    if comparator and body.checker is None and body.interactor is None and body.function is None:
        _check_expected(body, comparator, checks)
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
        test_cases=() if body.problem is not None else cases,
        comparator=comparator or Comparator(),
        stop_on_failure=body.stop_on_failure,
        checker=checker,
        interactor=interactor,
        function=body.function.name if body.function is not None else "",
        transcript=body.transcript,
        return_files=tuple(dict.fromkeys(body.return_files)),
        seed=None if body.seed is None else int(body.seed),
    )


def _comparator(given: str | ComparatorBody, checks: Checks, place: str = "comparator") -> Comparator | None:
    """None where it is refused."""
    body = ComparatorBody(given) if isinstance(given, str) else given
    if body.name not in PARAMETERS:
        checks.refuse(place if isinstance(given, str) else f"{place}.name", f"must be one of {', '.join(PARAMETERS)}")
        return None
    set_here = {name: value for name, value in msgspec.structs.asdict(body).items() if name != "name" and value is not None}
    known = PARAMETERS[body.name]
    for name, value in set_here.items():
        if name not in known:
            takes = ", ".join(known) or "no parameter"
            checks.refuse(f"{place}.{name}", f"goes without {body.name}, which takes {takes}")
        elif name in ("absolute", "relative") and not 0 <= value < math.inf:
            checks.refuse(f"{place}.{name}", "must be a number from 0")
    return Comparator(body.name, **{name: value for name, value in set_here.items() if name in known})


def _checker(place: str, body: CheckerBody, settings: Settings, registry: Registry, checks: Checks) -> Checker | None:
    """The checker, or the interactor, at this `place` of the body; None where it is refused."""
    try:
        language = registry.get(body.language)
    except UnknownLanguageError as error:
        checks.refuse(f"{place}.language", str(error))
        return None
    files = files_of(body, language, checks, f"{place}.")
    if any(file.name.startswith(RESERVED_FOLDER) for file in files):
        checks.refuse(f"{place}.files", f"must not begin with {RESERVED_FOLDER}, as the files of the case do")
    check_arguments(f"{place}.args", body.args, checks)
    if body.style not in tuple(Style):
        checks.refuse(f"{place}.style", f"must be one of {', '.join(Style)}")
        return None
    seconds = settings.checker_seconds if body.time_limit is None else body.time_limit
    if not 0 < seconds <= settings.checker_seconds:
        checks.refuse(f"{place}.time_limit", f"must be above 0 and at most {settings.checker_seconds:g} seconds")
    usual_mb = min(settings.default_memory_mb, settings.checker_memory_mb)
    memory_mb = usual_mb if body.memory_limit_mb is None else body.memory_limit_mb
    if not (1 <= memory_mb <= settings.checker_memory_mb and memory_mb == int(memory_mb)):
        checks.refuse(f"{place}.memory_limit_mb", f"must be a whole number from 1 to {settings.checker_memory_mb}")
    return Checker(
        Submission(
            language=language,
            files=files,
            stdin=b"",
            arguments=tuple(body.args),
            timeout_seconds=None,
            time_limit_seconds=seconds,
            memory_bytes=int(memory_mb) << 20,
            test_cases=None,
            comparator=Comparator(),
            stop_on_failure=False,
        ),
        Style(body.style),
        speaks=place == "interactor",
    )


def _check_function_alone(body: ExecuteBody, checks: Checks) -> None:
    """Refuses what does not go with a function."""
    if body.function is None:
        return
    others = {
        "test_cases": body.test_cases is not None, "checker": body.checker is not None,
        "interactor": body.interactor is not None,
        "comparator": body.comparator != "lines", "problem": body.problem is not None, "stdin": body.stdin != "",
        "args": body.args != [], "return_files": body.return_files != [],
    }  # fmt: skip
    for field, there in others.items():
        if there:
            checks.refuse(field, "goes without function, whose cases say all of it")


def _check_judging(body: ExecuteBody, checks: Checks) -> None:
    """Refuses what does not go together."""
    for place in ("checker", "interactor"):
        if getattr(body, place) is None:
            continue
        if body.test_cases is None:
            checks.refuse(place, "goes with test_cases")
        if body.comparator != "lines":
            checks.refuse("comparator", f"goes without {place}, which judges instead of it")
    if body.checker is not None and body.interactor is not None and body.interactor.style != Style.TESTLIB:
        checks.refuse("checker", "goes without interactor, unless that is of style testlib and writes an output for it")
    if body.transcript and body.interactor is None and not (body.problem is not None and body.judge_details):
        checks.refuse("transcript", "goes with interactor, or with the judge_details of a problem")
    _check_function_alone(body, checks)
    if body.problem is None:
        if body.judge_details:
            checks.refuse("judge_details", "goes with problem")
        return
    if not is_digest(body.problem):
        checks.refuse("problem", "must be sha256: and 64 hexadecimal digits in lower case, as PUT /problems has given them")
    others = {
        "test_cases": body.test_cases is not None, "checker": body.checker is not None,
        "interactor": body.interactor is not None, "comparator": body.comparator != "lines", "stdin": body.stdin != "",
        "args": body.args != [], "return_files": body.return_files != [], "stop_on_failure": body.stop_on_failure,
    }  # fmt: skip
    for field, there in others.items():
        if there:
            checks.refuse(field, "goes without problem, whose package says all of it")


def _check_expected(body: ExecuteBody, comparator: Comparator, checks: Checks) -> None:
    for position, case in enumerate(body.test_cases or ()):
        try:
            comparator.check(case.expected_output)
        except ExpectedOutputError as error:
            checks.refuse(f"test_cases[{position}].expected_output", str(error))


def _check_return_files(body: ExecuteBody, checks: Checks) -> None:
    if body.return_files and body.test_cases is not None:
        checks.refuse("return_files", "goes without test_cases")
    if len(body.return_files) > bounds.MOST_RETURNED:
        checks.refuse("return_files", f"must have at most {bounds.MOST_RETURNED} items")
        return
    for position, name in enumerate(body.return_files):
        if problem := name_problem(name):
            checks.refuse(f"return_files[{position}]", problem)


def _calls(body: FunctionBody) -> list[TestCaseBody]:
    """The calls as test cases: arguments are the input."""
    return [
        TestCaseBody(
            id=str(number) if case.id is None else case.id,
            input=arguments_of(case),
            expected_output=text_of(case.expected),
            timeout=case.timeout,
            time_limit=case.time_limit,
            memory_limit_mb=case.memory_limit_mb,
            hidden=case.hidden,
            max_score=case.max_score,
        )
        for number, case in enumerate(body.cases, 1)
    ]


def _equality(body: EqualityBody, checks: Checks) -> Comparator | None:
    """The comparator of what a function returns; None where it is refused."""
    given = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not None}
    return _comparator(ComparatorBody("json", **given), checks, "function.comparator")


def _test_cases(
    cases: list[TestCaseBody] | None, field: str, settings: Settings, checks: Checks
) -> tuple[TestCase, ...] | None:
    if cases is None:
        return None
    if not 1 <= len(cases) <= settings.max_test_cases:
        checks.refuse(field, f"must have from 1 to {settings.max_test_cases} items")
        return None
    for position, case in enumerate(cases):
        place = f"{field}[{position}]."
        check_limits(place, case.timeout, case.time_limit, case.memory_limit_mb, settings, checks=checks)
        if case.max_score is not None and not 0 <= case.max_score <= bounds.MOST_POINTS:
            checks.refuse(f"{place}max_score", f"must be from 0 to {bounds.MOST_POINTS:g}")
    return tuple(
        TestCase(
            id=case.id,
            input=case.input,
            expected_output=case.expected_output,
            timeout_seconds=case.timeout,
            time_limit_seconds=case.time_limit,
            memory_bytes=None if case.memory_limit_mb is None else int(case.memory_limit_mb) << 20,
            hidden=case.hidden,
            max_score=case.max_score,
        )
        for case in cases
    )
