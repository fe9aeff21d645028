"""Pages of other sites: what a browser may ask for on their behalf."""

from urllib.parse import urlsplit

from aiohttp import web

from runtime.http.auth import CALLER
from runtime.http.problems import ForbiddenOriginError


def require_own_page(request: web.Request) -> None:
    """Raises ForbiddenOriginError for a page of another site, unless it has a key.

    It could use what only its reader's browser can reach, such as an executor on the reader's own machine. With a key it
    could ask from anywhere.
    """
    origin = request.headers.get("Origin")
    if origin is not None and not request[CALLER] and urlsplit(origin).netloc.lower() != request.host.lower():
        raise ForbiddenOriginError("Pages of other sites may connect only with a key.")
