"""`POST /execute` without an open request (RFC 7240, `Prefer: respond-async`): accepted at once, asked for later or sent."""

import uuid
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from runtime.http.accepted import Accepted, AcceptedWork
from runtime.http.answers import ExecutionAnswer, answer, encode
from runtime.http.auth import CALLER
from runtime.http.callbacks import Callbacks
from runtime.http.problems import (
    BusyError,
    FieldError,
    InvalidRequestError,
    NotFoundError,
    Refusal,
    StoreUnavailableRefusal,
)
from runtime.http.requests import decode, is_strict
from runtime.http.submissions import Sender, Submissions, sender_of
from runtime.languages.registry import Registry
from runtime.settings import Settings
from runtime.store.errors import StoreError

if TYPE_CHECKING:
    from runtime.store.pending import PendingWork

PREFERENCE = "respond-async"
_RETRY_AFTER = "1"
# What `POST /execute` answers, and what it refuses with.
_RESULTS = ("RunAnswer", "JudgeAnswer"), ("Problem",)


class _Task(msgspec.Struct, frozen=True):
    """A request that was accepted; `url` is where the result is to be sent, or empty."""

    body: bytes
    is_strict: bool
    sender: Sender
    url: str


class Executions:
    """The submissions that were accepted so."""

    # The answer 202 of `POST /execute` has the same.
    types: tuple[type, ...] = ()

    def __init__(self, submissions: Submissions, settings: Settings, pending: "PendingWork | None") -> None:
        """`pending` is what the replicas have in common, where there is a store."""
        self._submissions = submissions
        self._callbacks = Callbacks(settings.callback_hosts, private=settings.test_private_callbacks)
        self.accepted = AcceptedWork(submissions, self, kind="execution", settings=settings, pending=pending)

    def refused(self, refusal: Refusal) -> web.Response:
        """As everywhere."""
        return refusal.response()

    def bound(self, schemas: dict[str, Any], _settings: Settings, _registry: Registry) -> None:
        """What the two kinds of results are."""
        answers, problem = ([{"$ref": f"#/components/schemas/{name}"} for name in names] for names in _RESULTS)
        schemas[ExecutionAnswer.__name__]["properties"] |= {"answer": {"anyOf": answers}, "problem": {"anyOf": problem}}

    def described(self, security: list[dict[str, list[str]]]) -> dict[str, Any]:
        """`GET /executions/{id}`."""
        from runtime.http import openapi  # noqa: PLC0415 - a start need not wait for it

        return {
            "/executions/{id}": openapi.get(
                "execution",
                "The result of a submission that was accepted without an open request",
                openapi.answered("Where it is, and its result", ExecutionAnswer) | openapi.refused(*openapi.LOOK_UP_REFUSALS),
                security,
                parameters=[openapi.in_path("id", "As the answer 202 has given it.", "^[0-9a-f]{32}$")],
            )
        }

    async def accept(self, request: web.Request) -> web.Response:
        """Answers 202 with the place of the result; raises Refusal for what would be refused in a slot's time as well."""
        url = request.query.get("callback", "")
        if url and (problem := self._callbacks.problem(url)):
            raise InvalidRequestError("The query is not valid.", (FieldError("callback", problem),))
        with self._submissions.body(request) as arriving:
            body = await arriving.read()
            task = _Task(bytes(body), is_strict(request.query), sender_of(request), url)
            self._submissions.parsed(body, partial(decode, strict=task.is_strict))
        if not self.accepted.has_room(1):
            raise BusyError(f"{self.accepted.waiting} submissions wait without a request already.", reason="accepted")
        token = uuid.uuid4().hex
        state = _state(token, "queued")
        await self.accepted.accept(Accepted(task.sender.caller, token, state, msgspec.msgpack.encode(task)))
        headers = {"Location": f"/executions/{token}", "Preference-Applied": PREFERENCE, "Retry-After": _RETRY_AFTER}
        return _response(state, HTTPStatus.ACCEPTED, headers)

    async def show(self, request: web.Request) -> web.Response:
        """`GET /executions/{id}`."""
        try:
            found = await self.accepted.find(request[CALLER], request.match_info["id"])
        except StoreError as error:
            raise StoreUnavailableRefusal(f"{error}.") from error
        if found is None:
            raise NotFoundError("There is no such execution, or it is no longer kept.")
        is_over = msgspec.json.decode(found)["status"] == "done"
        return _response(found, HTTPStatus.OK, {} if is_over else {"Retry-After": _RETRY_AFTER})

    async def work(self, accepted: Accepted) -> None:
        """Runs the submission, and tells what came of it."""
        task = msgspec.msgpack.decode(accepted.task, type=_Task)
        try:
            call = self._submissions.parsed(task.body, partial(decode, strict=task.is_strict))
            check_version = call.check_version

            def begun(version: str) -> None:
                if check_version is not None:
                    check_version(version)
                self.accepted.begun(accepted.caller, accepted.token, _state(accepted.token, "running"))

            served = await self.accepted.execute(msgspec.structs.replace(call, check_version=begun), task.sender)
            state = _state(accepted.token, "done", answer=answer(served))
        except Refusal as refusal:
            state = _state(accepted.token, "done", problem=refusal.problem())
        await self._conclude(accepted, task, state)

    async def give_up(self, accepted: Accepted) -> None:
        """Tells that the executor failed."""
        failed = Refusal("The executor failed; its log says why.")
        task = msgspec.msgpack.decode(accepted.task, type=_Task)
        await self._conclude(accepted, task, _state(accepted.token, "done", problem=failed.problem()))

    async def _conclude(self, accepted: Accepted, task: _Task, state: bytes) -> None:
        if await self.accepted.conclude(accepted.caller, accepted.token, state) and task.url:
            self.accepted.afterwards(self._send(task.url, state))

    async def _send(self, url: str, state: bytes) -> None:
        await self._callbacks.send(url, state)


def _state(token: str, status: str, **result: Any) -> bytes:  # noqa: ANN401 - an answer or a problem
    """`answer` is what `POST /execute` would have answered, `problem` why it would have refused."""
    return encode({"id": token, "status": status, **result})


def _response(state: bytes, status: HTTPStatus, headers: dict[str, str]) -> web.Response:
    return web.Response(body=state, status=status, content_type="application/json", headers=headers)
