"""codapi's interface (github.com/nalgeon/codapi, docs/api.md), whose widget makes examples on a page runnable.

What is codapi's own: a sandbox is a language here, `run` is its one command, the main file's name may be empty, and every
answer has the same five fields, a refusal too. The widget stands on another site's page: those of EXECUTOR_FRAME_ORIGINS.
"""

from http import HTTPStatus
from typing import Any, cast

import msgspec
from aiohttp import web

from runtime.http import bounds
from runtime.http.answers import json_response
from runtime.http.doors.npm_versions import is_selector, selects
from runtime.http.problems import FieldError, InvalidRequestError, Refusal, UnknownLanguageRefusal
from runtime.http.request_ids import REQUEST_ID
from runtime.http.requests import Call, ExecuteBody, FileBody, decode_as, submission
from runtime.http.submissions import Submissions
from runtime.judging.submission import RunResult, Status
from runtime.languages.registry import Registry, UnknownLanguageError
from runtime.settings import Settings

_COMMAND = "run"
_ID_CHARACTERS = 8
_EXAMPLE = {"sandbox": "python", "command": _COMMAND, "files": {"": "print(6 * 7)"}}


class CodapiBody(msgspec.Struct, frozen=True):
    """The whole body; `id` is the widget's own and is not read."""

    sandbox: str
    files: dict[str, str]
    command: str = _COMMAND
    version: str = ""


class CodapiAnswer(msgspec.Struct, frozen=True):
    """The answer; `duration` is in milliseconds."""

    id: str
    ok: bool
    duration: int
    stdout: str
    stderr: str


_decoder = msgspec.json.Decoder(CodapiBody)


class CodapiDoor:
    """The handlers of codapi's API."""

    types: tuple[type, ...] = (CodapiBody, CodapiAnswer)

    def __init__(self, submissions: Submissions) -> None:
        self._submissions = submissions

    async def health(self, _request: web.Request) -> web.Response:
        """`HEAD health`, with which the widget looks whether anybody is there."""
        return json_response({"status": "ok"})

    async def run(self, request: web.Request) -> web.Response:
        """`POST exec`."""
        served = await self._submissions.serve(request, _decode)
        run = cast(RunResult, served.result).run
        language = served.call.submission.language.name
        # Why a program was stopped is told nowhere else.
        told = (
            f"{run.stderr}{run.message}\n"
            if run.message and run.status not in (Status.OK, Status.COMPILE_ERROR)
            else run.stderr
        )
        answer = CodapiAnswer(
            id=f"{language}_{_COMMAND}_{request[REQUEST_ID][:_ID_CHARACTERS]}",
            ok=run.status == Status.OK,
            duration=round(run.wall_time),
            stdout=run.stdout,
            stderr=told,
        )
        return json_response(answer)

    def bound(self, schemas: dict[str, Any], _settings: Settings, registry: Registry) -> None:
        """Languages, the command, versions that always fit, and names of files."""
        body = schemas[CodapiBody.__name__]["properties"]
        body["sandbox"] |= bounds.any_case(registry.names)
        body["command"] |= {"const": _COMMAND}
        body["version"] |= bounds.FITS_ALWAYS_OR_NOTHING
        names = bounds.NAME_OR_NOTHING.extra_json_schema or {}
        body["files"] |= {
            "minProperties": 1,
            "maxProperties": bounds.MOST_FILES,
            "propertyNames": {"type": "string", **names},
        }

    def described(self, security: list[dict[str, list[str]]]) -> dict[str, Any]:
        """`POST exec`; the widget's look at `health` has neither a body nor an answer."""
        from runtime.http import openapi, problems  # noqa: PLC0415 - a start need not wait for it

        [answer] = openapi.answered("The result", CodapiAnswer).values()
        kinds = (*openapi.SUBMISSION_REFUSALS, problems.NotFoundError)
        refusals = {str(kind.status): {**answer, "description": kind.title} for kind in kinds}
        # What is a 422 elsewhere is a 400 here.
        refusals.pop(str(HTTPStatus.UNPROCESSABLE_ENTITY.value))
        return {
            "/v1/exec": {
                "post": {
                    "operationId": "codapiExec",
                    "summary": "Run a program, as codapi's widget asks for it",
                    "requestBody": openapi.content(CodapiBody, example=_EXAMPLE),
                    "responses": {"200": answer} | refusals,
                    "security": security,
                }
            }
        }

    def refused(self, refusal: Refusal) -> web.Response:
        """The same five fields; what is no language here is not found."""
        status = refusal.status
        if status == HTTPStatus.UNPROCESSABLE_ENTITY:
            status = HTTPStatus.NOT_FOUND if isinstance(refusal, UnknownLanguageRefusal) else HTTPStatus.BAD_REQUEST
        words = " ".join((refusal.detail, *(f"{error.field} {error.message}." for error in refusal.errors)))
        response = json_response(CodapiAnswer("-", ok=False, duration=0, stdout="", stderr=words), status)
        response.headers.update(refusal.headers)
        return response


def _decode(data: bytes, settings: Settings, registry: Registry) -> Call:
    """The body as a submission; raises Refusal."""
    body = decode_as(_decoder, data)
    if body.command != _COMMAND:
        raise UnknownLanguageRefusal(f"Unknown command {body.command!r}: {_COMMAND} is the only one.")
    if body.version and not is_selector(body.version):
        raise InvalidRequestError("The version is not valid.", (FieldError("version", "must be a version such as 3.11"),))
    try:
        main = registry.get(body.sandbox).file
    except UnknownLanguageError as error:
        raise UnknownLanguageRefusal(str(error), (FieldError("sandbox", "is not known here"),)) from error
    # A name that is empty sorts before that of the main file, and every other one keeps its place after them.
    names = sorted(body.files, key=lambda name: 0 if not name else 1 if name == main else 2)
    files = [FileBody(content=body.files[name], name=name) for name in names]
    checked = submission(ExecuteBody(language=body.sandbox, files=files), settings, registry)

    def check_version(version: str) -> None:
        if body.version and not selects(body.version, version):
            raise UnknownLanguageRefusal(f"{body.sandbox} {body.version} is not here; here is {version}.")

    return Call(checked, check_version=check_version)
