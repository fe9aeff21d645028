"""Piston's v2 API (github.com/engineer-man/piston, docs/api-v2.md), for its existing clients.

What is Piston's own: versions are chosen with npm's selectors, times are in milliseconds and memory in bytes, -1 stands
for the server's own limit, and every wrong request is a 400 with a `message`. `output` is stdout and then stderr; in which
order a program wrote to them is not known here.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import msgspec
from aiohttp import web

from runtime.http import bounds
from runtime.http.answers import json_response
from runtime.http.checks import Checks
from runtime.http.doors.npm_versions import is_selector, selects
from runtime.http.problems import Problem, Refusal, UnknownLanguageRefusal, problem_response
from runtime.http.requests import Call, ExecuteBody, FileBody, decode_as, submission
from runtime.http.submissions import Submissions
from runtime.judging.submission import RunResult, Status, StepResult
from runtime.languages.registry import Registry
from runtime.settings import Settings

if TYPE_CHECKING:
    from runtime.http.doors.piston_live import PistonLive

_PREFIX = "/api/v2"
_EXAMPLE = {"language": "python", "version": "*", "files": [{"content": "print(42)"}], "run_timeout": 3000}


# Others fit where the language has such a version, which no schema knows.
_FITS_ALWAYS = {"pattern": r"^[*xX](?!\n)$"}


class PistonBody(msgspec.Struct, frozen=True):
    """The whole body. Limits of the compile step and of CPU time are checked, but the server's own limits hold."""

    language: str
    version: str
    files: Annotated[list[FileBody], bounds.FILES]
    stdin: str | None = None
    args: Annotated[list[Annotated[str, bounds.ARGUMENT]], bounds.ARGUMENTS] | str | None = None
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


class PistonProblem(Problem, frozen=True, omit_defaults=True):
    """A refusal; `message` has all of it in words, where Piston's clients look for it."""

    message: str = ""


class PistonDoor:
    """The routes of Piston's API."""

    prefix = _PREFIX
    types = (PistonBody, PistonAnswer, Runtime, PistonProblem)

    def __init__(self, submissions: Submissions, settings: Settings, count: Callable[[Refusal], None]) -> None:
        """`count` is given each refusal that is no answer to a request."""
        self._submissions = submissions
        self._settings = settings
        self._count = count
        self._live: PistonLive | None = None

    def routes(self) -> Iterable[web.RouteDef]:
        """Running a program at once or live, and the list of languages."""
        return (
            web.post(f"{_PREFIX}/execute", self.execute),
            web.get(f"{_PREFIX}/connect", self.connect),
            web.get(f"{_PREFIX}/runtimes", self.runtimes),
        )

    async def execute(self, request: web.Request) -> web.Response:
        """`POST /api/v2/execute`."""
        served = await self._submissions.serve(request, decode)
        result = cast(RunResult, served.result)
        compiled = msgspec.UNSET if result.compile is None else _step(result.compile)
        language = served.call.submission.language.name
        return json_response(PistonAnswer(_step(result.run), language, served.version, compiled))

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """`GET /api/v2/connect`, which the first caller loads."""
        if self._live is None:
            from runtime.http.doors.piston_live import PistonLive  # noqa: PLC0415 - most executors never need it

            self._live = PistonLive(self._submissions, self._settings, self._count)
        return await self._live.connect(request)

    async def runtimes(self, _request: web.Request) -> web.Response:
        """`GET /api/v2/runtimes`."""
        versions = await self._submissions.versions()
        return json_response([Runtime(language.name, version, language.aliases) for language, version in versions])

    def refused(self, refusal: Refusal) -> web.Response:
        """A 400 where the request is wrong, as Piston answers."""
        status = HTTPStatus.BAD_REQUEST if refusal.status == HTTPStatus.UNPROCESSABLE_ENTITY else refusal.status
        told = words(refusal)
        problem = PistonProblem("about:blank", refusal.title, status, refusal.detail, refusal.code, refusal.errors, told)
        return problem_response(problem, refusal.headers)

    def bound(self, schemas: dict[str, Any], settings: Settings, registry: Registry) -> None:
        """Languages, limits of this server, and the selectors that always fit."""
        body = schemas[PistonBody.__name__]["properties"]
        body["language"] |= bounds.any_case(registry.names)
        body["version"] |= _FITS_ALWAYS
        body["args"]["anyOf"][1] = {"const": ""}
        for field, most in _limits(settings).items():
            server_limit, asked = {"enum": [-1, 0]}, {"type": "number", "exclusiveMinimum": 0, "maximum": most}
            body[field]["anyOf"] = [server_limit, asked, {"type": "null"}]

    def described(self, security: list[dict[str, list[str]]]) -> dict[str, Any]:
        """Both paths."""
        from runtime.http import openapi  # noqa: PLC0415 - a start need not wait for it

        refusals = openapi.refused(*openapi.SUBMISSION_REFUSALS, problem=PistonProblem)
        # What is a 422 elsewhere is a 400 here, with the same schema as for what is no JSON.
        refusals.pop(str(HTTPStatus.UNPROCESSABLE_ENTITY.value))
        return {
            f"{_PREFIX}/execute": {
                "post": {
                    "operationId": "pistonExecute",
                    "summary": "Run a program, as Piston's clients ask for it",
                    "requestBody": openapi.content(PistonBody, example=_EXAMPLE),
                    "responses": openapi.answered("The results", PistonAnswer) | refusals,
                    "security": security,
                }
            },
            f"{_PREFIX}/runtimes": openapi.get(
                "pistonRuntimes",
                "The languages, as Piston's clients ask for them",
                openapi.answered("The languages", [Runtime]) | openapi.refused(*openapi.LIST_REFUSALS, problem=PistonProblem),
                security,
            ),
        }


_decoder = msgspec.json.Decoder(PistonBody)


def words(refusal: Refusal) -> str:
    """All of a refusal in one text, as Piston's clients show it."""
    return " ".join((refusal.detail, *(f"{error.field} {error.message}." for error in refusal.errors)))


def _limits(settings: Settings) -> dict[str, float]:
    """The most that each field may ask for, in its own unit."""
    return {
        "run_timeout": settings.max_timeout_seconds * 1000,
        "compile_timeout": settings.compile_timeout_seconds * 1000,
        "run_cpu_time": settings.max_time_limit_seconds * 1000,
        "compile_cpu_time": settings.compile_time_limit_seconds * 1000,
        "run_memory_limit": settings.max_memory_mb << 20,
        "compile_memory_limit": settings.compile_memory_mb << 20,
    }


def decode(data: bytes, settings: Settings, registry: Registry, return_files: Sequence[str] = ()) -> Call:
    """The body as a submission that brings `return_files` back; raises Refusal."""
    body = decode_as(_decoder, data)
    checks = Checks()
    asked = {field: _asked(body, field, limit, checks) for field, limit in _limits(settings).items()}
    if not is_selector(body.version):
        checks.refuse("version", "must be a version such as 3.11.2, or a selector such as 3.x")
    if isinstance(body.args, str) and body.args:
        checks.refuse("args", "must be a list of strings")
    checks.raise_if_any()
    timeout, memory = asked["run_timeout"], asked["run_memory_limit"]
    execute = ExecuteBody(
        language=body.language,
        files=_named(body.files),
        stdin=body.stdin or "",
        # Some clients send "" for no arguments, which Piston takes.
        args=body.args if isinstance(body.args, list) else [],
        timeout=max(timeout, 1) / 1000 if timeout else None,
        memory_limit_mb=max(1, math.ceil(memory / (1 << 20))) if memory else None,
        return_files=list(return_files),
    )
    checked = submission(execute, settings, registry, empty_main=True)

    def check_version(version: str) -> None:
        if not selects(body.version, version):
            name = checked.language.name
            raise UnknownLanguageRefusal(f"{name}-{body.version} runtime is unknown; here is {name}-{version}.")

    return Call(checked, check_version=check_version)


def _named(files: list[FileBody]) -> list[FileBody]:
    """The files, all but the main one with a name; of two with the same name the later one counts, as it does in Piston."""
    named: dict[str, FileBody] = {}
    for position, file in enumerate(files):
        name = file.name or (f"file{position}.code" if position else "")
        named[name] = msgspec.structs.replace(file, name=name)
    return list(named.values())


def _asked(body: PistonBody, field: str, limit: float, checks: Checks) -> float | None:
    value: float | None = getattr(body, field)
    if value is None or value in (0, -1):
        return None
    if not 0 < value <= limit:
        checks.refuse(field, f"must be above 0 and at most {limit:.0f}")
    return value


def _step(step: StepResult) -> PistonStep:
    return PistonStep(
        stdout=step.stdout,
        stderr=step.stderr,
        output=step.stdout + step.stderr,
        code=step.code,
        signal=step.signal,
        message=step.message or None,
        status=status_of(step),
        cpu_time=step.cpu_time,
        wall_time=step.wall_time,
        memory=step.memory,
    )


def status_of(step: StepResult) -> Literal["RE", "SG", "TO", "OL", "EL", "XX"] | None:
    """Piston's status of a step."""
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
