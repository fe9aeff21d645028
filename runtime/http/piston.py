"""Piston's v2 API (github.com/engineer-man/piston, docs/api-v2.md), for its existing clients.

The same submissions go the same way as those of `POST /execute`. What is Piston's own: versions are chosen with npm's
selectors, times are in milliseconds and memory in bytes, -1 stands for the server's own limit, and every wrong request
is a 400 with a `message`. `output` is stdout and then stderr; in which order a program wrote to them is not known here.
"""

import itertools
import math
import re
from typing import Literal

import msgspec

from runtime.http.problems import UnknownLanguageRefusal
from runtime.http.requests import Call, Checks, ExecuteBody, FileBody, decode_as, submission
from runtime.judging.submission import RunResult, Status, StepResult
from runtime.languages.registry import Registry
from runtime.settings import Settings

PREFIX = "/api/v2"
_WORD = re.compile(r"(\^|~|>=|<=|>|<|=)?v?((?:\d{1,9}|[xX*])(?:\.(?:\d{1,9}|[xX*])){0,2})(?:[-+][\w.+-]*)?", re.ASCII)
_LONGEST_SELECTOR = 256


class PistonBody(msgspec.Struct, frozen=True):
    """The whole body. Limits of the compile step and of CPU time are checked, but are the server's own."""

    language: str
    version: str
    files: list[FileBody]
    stdin: str | None = None
    args: list[str] | None = None
    run_timeout: float | None = None
    compile_timeout: float | None = None
    run_cpu_time: float | None = None
    compile_cpu_time: float | None = None
    run_memory_limit: float | None = None
    compile_memory_limit: float | None = None


class Runtime(msgspec.Struct, frozen=True):
    """One language of `GET /api/v2/runtimes`."""

    language: str
    version: str
    aliases: tuple[str, ...]


class PistonStep(msgspec.Struct, frozen=True):
    """A compile or run step; `status` is Piston's: RE, SG, TO, OL, EL, XX, or null where all went well."""

    stdout: str
    stderr: str
    output: str
    code: int | None
    signal: str | None
    message: str | None
    status: Literal["RE", "SG", "TO", "OL", "EL", "XX"] | None
    cpu_time: float
    wall_time: float
    memory: int


class PistonAnswer(msgspec.Struct, frozen=True):
    """`compile` is there for compiled languages."""

    run: PistonStep
    language: str
    version: str
    compile: PistonStep | msgspec.UnsetType = msgspec.UNSET


_decoder = msgspec.json.Decoder(PistonBody)


def decode(data: bytes, settings: Settings, registry: Registry) -> Call:
    """The body as a submission; raises Refusal."""
    body = decode_as(_decoder, data)
    checks = Checks()
    limits = {
        "run_timeout": settings.max_timeout_seconds * 1000,
        "compile_timeout": settings.compile_timeout_seconds * 1000,
        "run_cpu_time": settings.cpu_seconds * 1000,
        "compile_cpu_time": settings.compile_timeout_seconds * 1000,
        "run_memory_limit": settings.max_memory_mb << 20,
        "compile_memory_limit": settings.compile_memory_mb << 20,
    }
    asked = {field: _asked(body, field, limit, checks) for field, limit in limits.items()}
    if not body.version.strip() or len(body.version) > _LONGEST_SELECTOR or not _words(body.version):
        checks.refuse("version", "must be a version such as 3.11.2, or a selector such as 3.x")
    checks.raise_if_any()
    timeout, memory = asked["run_timeout"], asked["run_memory_limit"]
    execute = ExecuteBody(
        language=body.language,
        files=[
            file if file.name or not position else msgspec.structs.replace(file, name=f"file{position}.code")
            for position, file in enumerate(body.files)
        ],
        stdin=body.stdin or "",
        args=body.args or [],
        timeout=timeout / 1000 if timeout else None,
        memory_limit_mb=math.ceil(memory / (1 << 20)) if memory else None,
    )
    return Call(submission(execute, settings, registry), version=body.version)


def _asked(body: PistonBody, field: str, limit: float, checks: Checks) -> float | None:
    value: float | None = getattr(body, field)
    if value is None or value in (0, -1):
        return None
    if not 0 < value <= limit:
        checks.refuse(field, f"must be above 0 and at most {limit:.0f}")
    return value


def require_version(language: str, selector: str, version: str) -> None:
    """Raises UnknownLanguageRefusal where the language's version is not among those that `selector` names."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    ours = (*numbers, 0, 0, 0)[:3]
    if not any(all(_matches(ours, sign, place) for sign, place in words) for words in _words(selector)):
        raise UnknownLanguageRefusal(f"{language}-{selector} runtime is unknown; here is {language}-{version}.")


def _words(selector: str) -> list[list[tuple[str, str]]]:
    """The alternatives of a selector, each a list of a sign and a place; empty where it is no selector."""
    alternatives = []
    for alternative in selector.split("||"):
        found = [_WORD.fullmatch(word) for word in re.sub(r"([\^~<>=])\s+", r"\1", alternative).split()]
        words = [(match[1] or "=", match[2]) for match in found if match]
        if len(words) < len(found):
            return []
        alternatives.append(words)
    return alternatives


def _matches(ours: tuple[int, ...], sign: str, place: str) -> bool:  # noqa: PLR0911 - a return for each sign
    """Whether a version of three numbers is one that `sign` and `place`, which may have fewer, select."""
    parts = tuple(int(part) for part in itertools.takewhile(str.isdigit, place.split(".")))
    least = (*parts, 0, 0, 0)[:3]
    match sign:
        case "^":
            leading = next((position for position, part in enumerate(parts) if part), len(parts) - 1)
            return ours >= least and ours[: leading + 1] == parts[: leading + 1]
        case "~":
            return ours >= least and ours[: len(parts[:2])] == parts[:2]
        case ">=":
            return ours >= least
        case "<":
            return ours < least
        case ">":
            return ours[: len(parts)] > parts
        case "<=":
            return ours[: len(parts)] <= parts
    return ours[: len(parts)] == parts


def answer(language: str, version: str, result: RunResult) -> PistonAnswer:
    """The answer of `POST /api/v2/execute`."""
    compiled = msgspec.UNSET if result.compile is None else _step(result.compile)
    return PistonAnswer(_step(result.run), language, version, compiled)


def _step(step: StepResult) -> PistonStep:
    return PistonStep(
        stdout=step.stdout,
        stderr=step.stderr,
        output=step.stdout + step.stderr,
        code=step.code,
        signal=step.signal,
        message=step.message or None,
        status=_status(step),
        cpu_time=step.cpu_time,
        wall_time=step.wall_time,
        memory=step.memory,
    )


def _status(step: StepResult) -> Literal["RE", "SG", "TO", "OL", "EL", "XX"] | None:
    match step.status:
        case Status.OK:
            return None
        case Status.TIME_LIMIT_EXCEEDED:
            return "TO"
        case Status.OUTPUT_LIMIT_EXCEEDED:
            return "OL" if step.stdout_truncated else "EL"
        case Status.INTERNAL_ERROR:
            return "XX"
    return "SG" if step.signal else "RE"
