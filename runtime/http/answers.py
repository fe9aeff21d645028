"""The answers' types, as `GET /openapi.json` shows them."""

from typing import Literal, TypeVar

import msgspec

from runtime.execution.executor import Isolation
from runtime.judging.submission import CaseResult, JudgeResult, ReturnedFile, RunResult, Status, StepResult

Field = TypeVar("Field")


class RunAnswer(msgspec.Struct, frozen=True):
    """Of a plain submission."""

    language: str
    version: str
    run: StepResult
    compile: StepResult | msgspec.UnsetType = msgspec.UNSET
    files: tuple[ReturnedFile, ...] | msgspec.UnsetType = msgspec.UNSET
    user_id: str | msgspec.UnsetType = msgspec.UNSET
    question_id: str | msgspec.UnsetType = msgspec.UNSET


class JudgeAnswer(msgspec.Struct, frozen=True):
    """Of a judged submission: `status` is that of the first case that did not pass, or `accepted`."""

    language: str
    version: str
    status: Status
    passed: int
    total: int
    test_results: tuple[CaseResult, ...]
    compile: StepResult | msgspec.UnsetType = msgspec.UNSET
    user_id: str | msgspec.UnsetType = msgspec.UNSET
    question_id: str | msgspec.UnsetType = msgspec.UNSET


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
    isolation: Isolation


class ReadyAnswer(msgspec.Struct, frozen=True):
    """Whether this replica takes work."""

    ready: bool


def _set(value: Field | None) -> Field | msgspec.UnsetType:
    """A field that is left out of the answer where there is nothing to say."""
    return msgspec.UNSET if value is None else value


def answer(
    language: str, version: str, result: RunResult | JudgeResult, user_id: str | None, question_id: str | None
) -> RunAnswer | JudgeAnswer:
    """The answer of `POST /execute` for what came of a submission."""
    compiled, user, question = _set(result.compile), _set(user_id), _set(question_id)
    if isinstance(result, RunResult):
        return RunAnswer(language, version, result.run, compiled, _set(result.files or None), user, question)
    return JudgeAnswer(
        language, version, result.status, result.passed, result.total, result.test_results, compiled, user, question
    )
