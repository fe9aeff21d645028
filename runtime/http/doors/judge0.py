"""Judge0's interface (github.com/judge0/judge0, 1.13.1 CE), for its clients.

What is Judge0's own: numbers for languages and statuses, times as strings, memory in KB, texts in base64 where the query
says so, and a token instead of a result unless the query says `wait`.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import msgspec
from aiohttp import web

from runtime.http.accepted import Accepted, AcceptedWork
from runtime.http.admission import Wait
from runtime.http.answers import json_response
from runtime.http.auth import CALLER
from runtime.http.callbacks import Callbacks
from runtime.http.doors import judge0_languages, judge0_submissions
from runtime.http.doors.judge0_languages import LANGUAGES
from runtime.http.doors.judge0_submissions import (
    ACCEPTED,
    FIELDS,
    INTERNAL_ERROR,
    PROCESSING,
    STATUSES,
    USUAL_FIELDS,
    Document,
    ProgramError,
    Reading,
)
from runtime.http.problems import BusyError, NotFoundError, Refusal, UnauthorizedError
from runtime.http.requests import Call
from runtime.http.submissions import Sender, Served, Submissions, sender_of
from runtime.judging.submission import RunResult
from runtime.languages.registry import Registry
from runtime.settings import Settings
from runtime.store.errors import StoreError

if TYPE_CHECKING:
    from runtime.store.pending import PendingWork

_VERSION = "1.13.1"
_MOST_IN_BATCH = 20
# As many wait as in its own queue (MAX_QUEUE_SIZE).
_WAIT = Wait(10.0, 100)
_FAILED = {"status_id": INTERNAL_ERROR, "message": "the executor failed; its log says why"}
_NO_TEXT = "some attributes for {these} cannot be converted to UTF-8, use base64_encoded=true query parameter"


class _Judge0Error(Refusal):
    """An error in Judge0's form: an object with one text."""

    status, code, title = 400, "invalid_request", "The request is not valid"

    def __init__(self, words: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(words)
        self.status = status


class Judge0Door:
    """The handlers of Judge0's API."""

    def __init__(
        self, submissions: Submissions, settings: Settings, registry: Registry, pending: "PendingWork | None"
    ) -> None:
        """`pending` is what the replicas have in common, where there is a store."""
        self._submissions = submissions
        self._settings = settings
        self._languages = registry.languages
        self._callbacks = Callbacks(settings.callback_hosts, private=settings.test_private_callbacks)
        self._reading = Reading(settings, registry.languages, self._callbacks.problem)
        self.accepted = AcceptedWork(submissions, self, kind="judge0", settings=settings, pending=pending)

    def refused(self, refusal: Refusal) -> web.Response:
        """An object with `error`; nothing at all without a key."""
        if isinstance(refusal, UnauthorizedError):
            return web.Response(status=HTTPStatus.UNAUTHORIZED)
        status = HTTPStatus.BAD_REQUEST if refusal.status == HTTPStatus.UNPROCESSABLE_ENTITY else refusal.status
        words = refusal.detail
        if isinstance(refusal, BusyError):
            status, words = HTTPStatus.SERVICE_UNAVAILABLE, "queue is full"
        response = json_response({"error": words}, status)
        response.headers.update(refusal.headers)
        return response

    async def create(self, request: web.Request) -> web.Response:
        """`POST /submissions`."""
        fields, is_encoded = _asked(request)
        with self._submissions.body(request) as body:
            document, errors = self._reading.read(_json(await body.read()), is_encoded=is_encoded)
            if document is None:
                return json_response(errors, HTTPStatus.UNPROCESSABLE_ENTITY)
            sender = sender_of(request)
            if request.query.get("wait") != "true":
                await self._accept(document, sender, 1)
                return json_response({"token": document["token"]}, HTTPStatus.CREATED)
            await self._run(document, sender, waits=True)
            await self.accepted.conclude(sender.caller, document["token"], judge0_submissions.packed(document))
        if document["callback_url"]:
            self.accepted.afterwards(self._call_back(document))
        try:
            return json_response(_shown(document, fields, is_encoded=is_encoded), HTTPStatus.CREATED)
        except UnicodeDecodeError:
            words = {"error": _NO_TEXT.format(these="this submission"), "token": document["token"]}
            return json_response(words, HTTPStatus.CREATED)

    async def show(self, request: web.Request) -> web.Response:
        """`GET /submissions/{token}`."""
        fields, is_encoded = _asked(request)
        document = await self._find(request, request.match_info["token"])
        if document is None:
            raise NotFoundError("there is no such submission, or it is no longer kept")
        try:
            return json_response(_shown(document, fields, is_encoded=is_encoded))
        except UnicodeDecodeError as error:
            raise _Judge0Error(_NO_TEXT.format(these="this submission")) from error

    async def create_batch(self, request: web.Request) -> web.Response:
        """`POST /submissions/batch`."""
        is_encoded = request.query.get("base64_encoded") == "true"
        with self._submissions.body(request) as body:
            found = _json(await body.read())
            given = found.get("submissions") if isinstance(found, dict) else None
            batch = given if isinstance(given, list) else []
            _check_batch(len(batch))
            if not self.accepted.has_room(len(batch)):
                raise _Judge0Error("queue is full", HTTPStatus.SERVICE_UNAVAILABLE)
            answers: list[dict[str, Any]] = []
            for each in batch:
                document, errors = self._reading.read(each, is_encoded=is_encoded)
                if document is None:
                    answers.append(errors)
                else:
                    await self._accept(document, sender_of(request), 0)
                    answers.append({"token": document["token"]})
        is_any = any("token" in answer for answer in answers)
        return json_response(answers, HTTPStatus.CREATED if is_any else HTTPStatus.UNPROCESSABLE_ENTITY)

    async def show_batch(self, request: web.Request) -> web.Response:
        """`GET /submissions/batch`."""
        fields, is_encoded = _asked(request)
        tokens = (request.headers.get("tokens") or request.query.get("tokens", "")).strip()
        names = [name for name in tokens.split(",") if name]
        _check_batch(len(names))
        documents = [await self._find(request, name) for name in names]
        try:
            shown = [document and _shown(document, fields, is_encoded=is_encoded) for document in documents]
        except UnicodeDecodeError as error:
            raise _Judge0Error(_NO_TEXT.format(these="one or more submissions")) from error
        return json_response({"submissions": shown})

    async def languages(self, _request: web.Request) -> web.Response:
        """`GET /languages`."""
        return json_response([{"id": number, "name": name} for number, name in (await self._titles()).items()])

    async def all_languages(self, _request: web.Request) -> web.Response:
        """`GET /languages/all`; nothing here is archived."""
        titles = sorted((await self._titles()).items(), key=lambda item: item[1])
        return json_response([{"id": number, "name": name, "is_archived": False} for number, name in titles])

    async def language(self, request: web.Request) -> web.Response:
        """`GET /languages/{id}`."""
        titles = {str(number): (number, name) for number, name in (await self._titles()).items()}
        if request.match_info["id"] not in titles:
            raise NotFoundError("there is no such language")
        number, name = titles[request.match_info["id"]]
        base = self._languages[LANGUAGES[number].base]
        answer = {
            "id": number,
            "name": name,
            "is_archived": False,
            "source_file": judge0_languages.source_file(number, base),
            "compile_cmd": " ".join(base.compile) or None,
            "run_cmd": " ".join(base.run),
        }
        return json_response(answer)

    async def statuses(self, _request: web.Request) -> web.Response:
        """`GET /statuses`."""
        return json_response([{"id": number, "description": words} for number, words in STATUSES.items()])

    async def about(self, _request: web.Request) -> web.Response:
        """`GET /about`: clients choose what they know of languages by this version."""
        return json_response({"version": _VERSION, "homepage": None, "source_code": None, "maintainer": None})

    async def config_info(self, _request: web.Request) -> web.Response:
        """`GET /config_info`."""
        settings = self._settings
        numbers: dict[str, Any] = {}
        for name, (usual, _, most) in judge0_submissions.limits(settings).items():
            numbers[name] = usual
            numbers[f"max_{name}"] = most
        return json_response(
            numbers
            | {
                "maintenance_mode": False,
                "enable_wait_result": True,
                "enable_compiler_options": True,
                "allowed_languages_for_compile_options": [],
                "enable_command_line_arguments": True,
                "enable_submission_delete": False,
                "enable_callbacks": bool(settings.callback_hosts),
                "callbacks_max_tries": 3,
                "callbacks_timeout": 5.0,
                "enable_additional_files": True,
                "max_queue_size": settings.accepted_most,
                "enable_per_process_and_thread_time_limit": False,
                "allow_enable_per_process_and_thread_time_limit": False,
                "enable_per_process_and_thread_memory_limit": False,
                "allow_enable_per_process_and_thread_memory_limit": False,
                "redirect_stderr_to_stdout": False,
                "max_extract_size": settings.max_disk_mb * 1024,
                "enable_batched_submissions": True,
                "max_submission_batch_size": _MOST_IN_BATCH,
                "submission_cache_duration": 0.0,
                "use_docs_as_homepage": False,
                "allow_enable_network": False,
                "enable_network": False,
            }
        )

    async def _titles(self) -> Mapping[int, str]:
        versions = {language.name: version for language, version in await self._submissions.versions()}
        return {
            number: judge0_languages.title(number, versions[language.base])
            for number, language in LANGUAGES.items()
            if language.base in versions
        }

    async def _find(self, request: web.Request, token: str) -> Document | None:
        try:
            found = await self.accepted.find(request[CALLER], token)
        except StoreError as error:
            raise _Judge0Error(str(error), HTTPStatus.SERVICE_UNAVAILABLE) from error
        return None if found is None else judge0_submissions.unpacked(found)

    async def _accept(self, document: Document, sender: Sender, count: int) -> None:
        """Has a submission run when a slot is free. `count` is 0 where the room for it has been looked at."""
        if count and not self.accepted.has_room(count):
            raise _Judge0Error("queue is full", HTTPStatus.SERVICE_UNAVAILABLE)

        kept = judge0_submissions.packed(document)
        await self.accepted.accept(Accepted(sender.caller, document["token"], kept, msgspec.msgpack.encode(sender)))

    async def work(self, accepted: Accepted) -> None:
        """Runs the submission, and tells what came of it."""
        document = judge0_submissions.unpacked(accepted.document)
        await self._run(document, msgspec.msgpack.decode(accepted.task, type=Sender), waits=False)
        await self._conclude(accepted, document)

    async def give_up(self, accepted: Accepted) -> None:
        """Tells that the executor failed."""
        document = judge0_submissions.unpacked(accepted.document)
        await self._conclude(accepted, document | _FAILED)

    async def _conclude(self, accepted: Accepted, document: Document) -> None:
        if await self.accepted.conclude(accepted.caller, accepted.token, judge0_submissions.packed(document)):
            await self._call_back(document)

    async def _run(self, document: Document, sender: Sender, *, waits: bool) -> None:
        """Runs a submission as often as it asks for, and enters what came of it."""
        try:
            found = judge0_submissions.submission(document, self._languages, self._settings)
        except ProgramError as error:
            document |= {"status_id": INTERNAL_ERROR, "message": str(error), "finished_at": judge0_submissions.now()}
            return
        # A version is asked for with the first run; until then the name is without.
        document["language"] = judge0_languages.title(document["language_id"], "")

        def begun(version: str) -> None:
            document["language"] = judge0_languages.title(document["language_id"], version)
            document["status_id"] = PROCESSING
            self.accepted.begun(sender.caller, document["token"], judge0_submissions.packed(document))

        call = Call(found, check_version=begun, wait=_WAIT if waits else None)
        times: list[tuple[float, float]] = []
        for _ in range(document["number_of_runs"]):
            served = await self._execute(call, sender, waits=waits)
            if served is None:
                document |= _FAILED
                return
            judge0_submissions.conclude(document, cast(RunResult, served.result))
            if document["time"] is not None:
                times.append((document["time"], document["memory"]))
            if document["status_id"] != ACCEPTED:
                break
        if times:
            document["time"] = sum(time for time, _ in times) / len(times)
            document["memory"] = round(sum(memory for _, memory in times) / len(times))

    async def _execute(self, call: Call, sender: Sender, *, waits: bool) -> Served | None:
        if waits:
            return await self._submissions.execute(call, sender)
        try:
            return await self.accepted.execute(call, sender)
        except Refusal:
            return None

    async def _call_back(self, document: Document) -> None:
        if document["callback_url"]:
            body = msgspec.json.encode(_shown(document, USUAL_FIELDS, is_encoded=True))
            await self._callbacks.send(str(document["callback_url"]), body)


def _asked(request: web.Request) -> tuple[tuple[str, ...], bool]:
    """The fields that a query asks for, and whether texts are in base64; raises _Judge0Error."""
    names = [name for name in request.query.get("fields", "").split(",") if name]
    if unknown := [name for name in names if name not in (*FIELDS, "*")]:
        raise _Judge0Error(f"invalid fields: [{', '.join(unknown)[:500]}]")
    fields = FIELDS if "*" in names else tuple(names) or USUAL_FIELDS
    return fields, request.query.get("base64_encoded") == "true"


def _check_batch(count: int) -> None:
    if count > _MOST_IN_BATCH:
        raise _Judge0Error(f"number of submissions in a batch should be less than or equal to {_MOST_IN_BATCH}")
    if count == 0:
        raise _Judge0Error("there should be at least one submission in a batch")


def _shown(document: Document, fields: tuple[str, ...], *, is_encoded: bool) -> dict[str, Any]:
    return {field: judge0_submissions.shown(document, field, is_encoded=is_encoded) for field in fields}


def _json(data: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return msgspec.json.decode(data) if data else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _Judge0Error(f"the body is not valid JSON: {error}") from error
