"""Which pages of other sites a browser lets read the answers of an interface (CORS): those of EXECUTOR_FRAME_ORIGINS."""

from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

#: Interfaces whose clients stand on pages: codapi's widget, and Judge0's.
_PREFIXES = ("/v1/", "/judge0/")
_METHODS = "GET, HEAD, POST, OPTIONS"
_HEADERS = "authorization, content-type, x-api-key, x-auth-token"
_AGE_SECONDS = "600"


def other_pages(origins: Sequence[str]) -> Middleware:
    """A middleware that answers the browser's question for such a page, which comes without a key, and marks the answers."""

    @web.middleware
    async def mark(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(_PREFIXES):
            return await handler(request)
        origin = request.headers.get("Origin", "")
        is_allowed = any(_fits(origin, allowed) for allowed in origins)
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response: web.StreamResponse = web.Response(status=HTTPStatus.NO_CONTENT)
            if is_allowed:
                response.headers["Access-Control-Allow-Methods"] = _METHODS
                response.headers["Access-Control-Allow-Headers"] = _HEADERS
                response.headers["Access-Control-Max-Age"] = _AGE_SECONDS
        else:
            response = await handler(request)
        response.headers["Vary"] = "Origin"
        if is_allowed:
            response.headers["Access-Control-Allow-Origin"] = origin
        return response

    return mark


def _fits(origin: str, allowed: str) -> bool:
    """Whether an origin is the allowed one, whose host may begin with `*.` and whose port may be `*`."""
    scheme, _, place = origin.partition("://")
    wanted_scheme, _, wanted = allowed.partition("://")
    host, _, port = place.partition(":")
    wanted_host, _, wanted_port = wanted.partition(":")
    if scheme != wanted_scheme or wanted_port not in (port, "*"):
        return False
    return host.endswith(wanted_host[1:]) if wanted_host.startswith("*.") else host == wanted_host
