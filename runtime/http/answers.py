"""The types of answers, as `GET /openapi.json` shows them."""

from collections.abc import Iterator
from typing import Any, Literal, TypeVar

import msgspec
from aiohttp import web

from runtime.execution.isolation import Isolation
from runtime.http.judging_record import JudgingRecord
from runtime.http.problems import FieldError
from runtime.http.submissions import Served
from runtime.judging.submission import CaseResult, GroupResult, ReturnedFile, RunResult, Status, StepResult
from runtime.observability.host import Host
from runtime.problems.faults import Fault
from runtime.problems.model import Format, Problem
from runtime.settings import Settings

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
    problem: str | msgspec.UnsetType = msgspec.UNSET
    record: JudgingRecord | msgspec.UnsetType = msgspec.UNSET
    score: float | msgspec.UnsetType = msgspec.UNSET
    max_score: float | msgspec.UnsetType = msgspec.UNSET
    groups: tuple[GroupResult, ...] | msgspec.UnsetType = msgspec.UNSET
    judge_feedback: str | msgspec.UnsetType = msgspec.UNSET
    compile: StepResult | msgspec.UnsetType = msgspec.UNSET
    user_id: str | msgspec.UnsetType = msgspec.UNSET
    question_id: str | msgspec.UnsetType = msgspec.UNSET
    warnings: tuple[FieldError, ...] | msgspec.UnsetType = msgspec.UNSET


class ExecutionAnswer(msgspec.Struct, frozen=True):
    """A submission that was accepted without an open request: `answer` or `problem` once it is done."""

    id: str
    status: Literal["queued", "running", "done"]
    answer: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    problem: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class ProblemAnswer(msgspec.Struct, frozen=True):
    """A problem package that submissions can be judged by. Times are seconds and memory is MiB, as in the package."""

    problem: str
    name: str
    format: Format
    type: tuple[str, ...]
    cases: int
    time_limit: float | None
    memory_limit_mb: int | None
    max_score: float | None
    languages: tuple[str, ...] | None
    #: Of the slowest accepted submission's time, for a limit that is proposed.
    time_multiplier: float
    warnings: tuple[Fault, ...]


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


class HostAnswer(msgspec.Struct, frozen=True):
    """One replica for its operator: `uptime` is in milliseconds, what the settings are in is in their names."""

    replica: str
    version: str
    uptime: int
    host: Host
    isolation: Isolation
    concurrency: int
    queue_length: int
    queue_seconds: float
    max_body_mb: float
    max_timeout_seconds: float
    max_judging_seconds: float
    #: Whether callers need one.
    keys: bool


class ReadyAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether this replica takes work."""

    ready: bool
    reason: str = ""


def _set(value: Field | None) -> Field | msgspec.UnsetType:
    """A field that is left out of the answer where there is nothing to say."""
    return msgspec.UNSET if value is None else value


def problem_answer(problem: Problem, settings: Settings) -> ProblemAnswer:
    """The answer of `PUT /problems` and of `GET /problems/...`."""
    limits = problem.limits
    kinds = (("multi-pass", problem.multi_pass), ("interactive", problem.interactive))
    types = ("scoring" if problem.scoring else "pass-fail", *(kind for kind, is_so in kinds if is_so))
    return ProblemAnswer(
        problem=problem.digest,
        name=problem.name,
        format=problem.format,
        type=types,
        cases=len(problem.data.cases()),
        time_limit=limits.time_seconds,
        memory_limit_mb=limits.memory_mb,
        max_score=problem.data.max_score if problem.scoring else None,
        languages=problem.languages,
        time_multiplier=limits.time_multiplier,
        warnings=tuple(_warnings(problem, settings)),
    )


def _warnings(problem: Problem, settings: Settings) -> Iterator[Fault]:
    """Limits that this server does not allow: it judges within its own."""
    limits = problem.limits
    for key, given, most, unit in (
        ("time_limit", limits.time_seconds, settings.max_time_limit_seconds, "s"),
        ("memory", limits.memory_mb, settings.max_memory_mb, "MiB"),
        ("output", limits.output_mb, settings.max_case_output_kb / 1024, "MiB"),
        ("validation_time", limits.validation_seconds, settings.checker_seconds, "s"),
        ("validation_memory", limits.validation_memory_mb, settings.checker_memory_mb, "MiB"),
    ):
        if given is not None and given > most:
            yield Fault("problem.yaml", f"limits.{key} is {given:g} {unit}: this executor judges with {most:g} {unit}")


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
    return JudgeAnswer(
        language,
        version,
        result.status,
        result.passed,
        result.total,
        result.test_results,
        _set(call.problem or None),
        _set(served.record),
        _set(result.score),
        _set(result.max_score),
        _set(result.groups),
        _set(result.judge_feedback or None),
        compiled,
        user,
        question,
        warnings,
    )
