"""The types of answers, as `GET /openapi.json` shows them."""

from typing import Literal, TypeVar

import msgspec
from aiohttp import web

from runtime.execution.executor import Isolation
from runtime.http.problems import FieldError
from runtime.http.submissions import Served
from runtime.judging.submission import CaseResult, ReturnedFile, RunResult, Status, StepResult

Field = TypeVar("Field")


class RunAnswer(msgspec.Struct, frozen=True):
    """The answer to a plain submission."""

    language: str
    version: str
    run: StepResult
    compile: StepResult | msgspec.UnsetType = msgspec.UNSET
    files: tuple[ReturnedFile, ...] | msgspec.UnsetType = msgspec.UNSET
    user_id: str | msgspec.UnsetType = msgspec.UNSET
    question_id: str | msgspec.UnsetType = msgspec.UNSET
    warnings: tuple[FieldError, ...] | msgspec.UnsetType = msgspec.UNSET


class JudgeAnswer(msgspec.Struct, frozen=True):
    """The answer to a judged submission: `status` is that of the first case that did not pass, or `accepted`."""

    language: str
    version: str
    status: Status
    passed: int
    total: int
    test_results: tuple[CaseResult, ...]
    compile: StepResult | msgspec.UnsetType = msgspec.UNSET
    user_id: str | msgspec.UnsetType = msgspec.UNSET
    question_id: str | msgspec.UnsetType = msgspec.UNSET
    warnings: tuple[FieldError, ...] | msgspec.UnsetType = msgspec.UNSET


class LanguageAnswer(msgspec.Struct, frozen=True):
    """One language that works on this host."""

    language: str
    version: str
    aliases: tuple[str, ...]
    compiled: bool


class HealthAnswer(msgspec.Struct, frozen=True):
    """`uptime` is in milliseconds."""

    status: Literal["healthy", "unhealthy"]
    service: str
    replica: str
    version: str
    uptime: int
    languages: tuple[str, ...]
    unavailable: dict[str, str]
    isolation: Isolation


class ReadyAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether this replica takes work."""

    ready: bool
    reason: str = ""


def _set(value: Field | None) -> Field | msgspec.UnsetType:
    """A field that is left out of the answer where there is nothing to say."""
    return msgspec.UNSET if value is None else value


encode = msgspec.json.Encoder().encode


def json_response(body: object, status: int = 200) -> web.Response:
    """An answer with this body as JSON."""
    return web.Response(body=encode(body), status=status, content_type="application/json")


def answer(served: Served) -> RunAnswer | JudgeAnswer:
    """The answer of `POST /execute` for what came of a submission."""
    call, version, result = served.call, served.version, served.result
    language = call.submission.language.name
    compiled, warnings = _set(result.compile), _set(call.warnings or None)
    user, question = _set(call.user_id), _set(call.question_id)
    if isinstance(result, RunResult):
        files = _set(result.files or None)
        return RunAnswer(language, version, result.run, compiled, files, user, question, warnings)
    passed, total = result.passed, result.total
    return JudgeAnswer(
        language, version, result.status, passed, total, result.test_results, compiled, user, question, warnings
    )
