"""`POST /execute` without an open request (RFC 7240, `Prefer: respond-async`): accepted at once, asked for later or sent."""

import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from runtime.http.accepted import AcceptedWork
from runtime.http.answers import answer, encode
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
from runtime.http.requests import Call
from runtime.http.submissions import Parse, Sender, Submissions, sender_of
from runtime.settings import Settings
from runtime.store.errors import StoreError

if TYPE_CHECKING:
    from runtime.store.blobs import BlobStore

PREFERENCE = "respond-async"
_RETRY_AFTER = "1"


class Executions:
    """The submissions that were accepted so."""

    def __init__(self, submissions: Submissions, settings: Settings, store: "BlobStore | None") -> None:
        """Results are in the `store` too, where there is one."""
        self._submissions = submissions
        self._settings = settings
        self._callbacks = Callbacks(settings.callback_hosts, private=settings.test_private_callbacks)
        self._accepted = AcceptedWork(
            submissions,
            kind="execution",
            most=settings.accepted_most,
            most_bytes=settings.accepted_mb << 20,
            seconds=settings.accepted_seconds,
            store=store,
        )

    def refused(self, refusal: Refusal) -> web.Response:
        """As everywhere."""
        return refusal.response()

    async def accept(self, request: web.Request, parse: Parse) -> web.Response:
        """Answers 202 with the place of the result; raises Refusal for what would be refused in a slot's time as well."""
        url = request.query.get("callback", "")
        if url and (problem := self._callbacks.problem(url)):
            raise InvalidRequestError("The query is not valid.", (FieldError("callback", problem),))
        with self._submissions.body(request) as body:
            call = self._submissions.parsed(await body.read(), parse)
        if not self._accepted.has_room(1):
            raise BusyError(f"{self._accepted.waiting} submissions wait without a request already.", reason="accepted")
        token, sender = uuid.uuid4().hex, sender_of(request)

        async def work() -> None:
            await self._run(token, call, sender, url)

        await self._accepted.accept(sender.caller, token, _state(token, "queued"), work)
        headers = {"Location": f"/executions/{token}", "Preference-Applied": PREFERENCE, "Retry-After": _RETRY_AFTER}
        return _response(_state(token, "queued"), HTTPStatus.ACCEPTED, headers)

    async def show(self, request: web.Request) -> web.Response:
        """`GET /executions/{id}`."""
        try:
            found = await self._accepted.find(request[CALLER], request.match_info["id"])
        except StoreError as error:
            raise StoreUnavailableRefusal(f"{error}.") from error
        if found is None:
            raise NotFoundError("There is no such execution, or it is no longer kept.")
        is_over = msgspec.json.decode(found)["status"] == "done"
        return _response(found, HTTPStatus.OK, {} if is_over else {"Retry-After": _RETRY_AFTER})

    async def _run(self, token: str, call: Call, sender: Sender, url: str) -> None:
        check_version = call.check_version

        def begun(version: str) -> None:
            if check_version is not None:
                check_version(version)
            self._accepted.note(sender.caller, token, _state(token, "running"))

        try:
            served = await self._accepted.execute(msgspec.structs.replace(call, check_version=begun), sender)
            state = _state(token, "done", answer=answer(served))
        except Refusal as refusal:
            state = _state(token, "done", problem=refusal.problem())
        except Exception:
            await self._accepted.update(sender.caller, token, _state(token, "done", problem=_failed().problem()))
            raise
        await self._accepted.update(sender.caller, token, state)
        if url:
            self._accepted.afterwards(self._send(url, state))

    async def _send(self, url: str, state: bytes) -> None:
        await self._callbacks.send(url, state)


def _failed() -> Refusal:
    return Refusal("The executor failed; its log says why.")


def _state(token: str, status: str, **result: Any) -> bytes:  # noqa: ANN401 - an answer or a problem
    """`answer` is what `POST /execute` would have answered, `problem` why it would have refused."""
    return encode({"id": token, "status": status, **result})


def _response(state: bytes, status: HTTPStatus, headers: dict[str, str]) -> web.Response:
    return web.Response(body=state, status=status, content_type="application/json", headers=headers)
