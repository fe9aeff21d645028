"""The id of each request: the client's own where it is usable, else a new one. Answers and log records carry it."""

import random
import re

from aiohttp import web
from aiohttp.typedefs import Handler

_HEADER = "X-Request-ID"
_USABLE = re.compile(r"[\w.:-]{1,128}", re.ASCII)
#: A rehearsal marks its requests, so that logs can leave them out.
_REHEARSAL_HEADER = "X-Executor-Rehearsal"
REQUEST_ID = web.RequestKey("request_id", str)


@web.middleware
async def request_ids(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives the request its id before any other code sees it."""
    given = request.headers.get(_HEADER, "")
    request[REQUEST_ID] = given if _USABLE.fullmatch(given) else f"{random.getrandbits(64):016x}"
    response = await handler(request)
    response.headers[_HEADER] = request[REQUEST_ID]
    return response


def rehearsal_of(request: web.Request) -> str:
    """The name of the rehearsal that the request belongs to; empty where it has none, or none that is usable."""
    given = request.headers.get(_REHEARSAL_HEADER, "")
    return given if _USABLE.fullmatch(given) else ""
