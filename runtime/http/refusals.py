"""Turns every error below a route into an answer, in one place."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import cast

from aiohttp import HttpVersion10, web
from aiohttp.typedefs import Handler, Middleware

from runtime.http.connections import Connection
from runtime.http.doors.door import Door
from runtime.http.problems import BadRequestError, MethodNotAllowedError, NotFoundError, Refusal

_log = logging.getLogger(__name__)


def refusals(doors: Sequence[Door], count: Callable[[Refusal], None]) -> Middleware:
    """A middleware that answers refusals, below a door's prefix in that door's form. `count` is given each refusal."""

    def refused(request: web.Request, refusal: Refusal) -> web.Response:
        count(refusal)
        door = next((door for door in doors if request.path.startswith(door.prefix)), None)
        return door.refused(refusal) if door else refusal.response()

    @web.middleware
    async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        cast(Connection, request.protocol).handled()
        try:
            if request.version < HttpVersion10:
                raise BadRequestError("The request is not HTTP/1.1.")
            return await handler(request)
        except Refusal as refusal:
            return refused(request, refusal)
        except web.HTTPNotFound:
            return refused(request, NotFoundError(f"There is nothing at {request.path}."))
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            return refused(request, MethodNotAllowedError(f"{request.path} takes {allowed}.", headers={"Allow": allowed}))
        except web.HTTPException as error:
            return refused(request, BadRequestError(error.reason))
        except (asyncio.CancelledError, ConnectionResetError):
            raise
        except Exception:  # noqa: BLE001 - the last line: whatever it is, it is logged whole and answered
            _log.exception("unexpected error in %s %r", request.method, request.path)
            return refused(request, Refusal("The executor failed; its log says why."))

    return answer_errors
