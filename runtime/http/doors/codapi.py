"""codapi's interface (github.com/nalgeon/codapi, docs/api.md), whose widget makes examples on a page runnable.

What is codapi's own: a sandbox is a language here, `run` is its one command, the main file's name may be empty, and every
answer has the same five fields, a refusal too. The widget stands on another site's page: those of EXECUTOR_FRAME_ORIGINS.
"""

from http import HTTPStatus
from typing import cast

import msgspec
from aiohttp import web

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
