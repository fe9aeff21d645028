"""Pages for people: their HTML, what a browser may do with it, and the files that they load."""

import asyncio
import base64
import functools
import mimetypes
import os
import re
import zlib
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from aiohttp import web

from runtime.http.problems import NotFoundError
from runtime.settings import Settings

#: What web/build.mjs writes.
BUILT = Path(__file__).with_name("built")
#: Nothing below these paths needs a key: they hold no user's data, and a browser opens them without one.
PATHS = ("/", "/status", "/docs")
ASSETS = "/assets/"
# What stands in the HTML for a value that only the server knows.
_NONCE, _LONGEST_RUN, _PLAYGROUND_HIDDEN = b"NONCE", b"LONGEST_RUN", b"PLAYGROUND_HIDDEN"
_NAME = re.compile(r"[\w-]+(?:\.[\w-]+)*")
# The hash in a name is that of the content, so that a browser need never ask again.
_HASHED = re.compile(r"-[A-Z0-9]{8}\.\w+$")
# zlib's number for gzip's format with the largest window; the module gzip would be loaded for this alone.
_GZIP = 31
# Every file that there is, about 400 KiB, once people have opened every page.
_KEPT = 128


@functools.lru_cache(_KEPT)
def _read(name: str) -> bytes:
    return (BUILT / name).read_bytes()


@functools.lru_cache(_KEPT)
def _compressed(name: str) -> bytes:
    return zlib.compress(_read(name), wbits=_GZIP)


class BrowserPages:
    """The routes of pages; nothing is read before a browser asks for it."""

    def __init__(self, settings: Settings) -> None:
        self._frame_ancestors = " ".join(settings.frame_origins) or "'none'"
        self._playground = settings.playground
        self._values = {
            _LONGEST_RUN: f"{settings.max_timeout_seconds:g}".encode(),  # in seconds
            _PLAYGROUND_HIDDEN: b"" if settings.playground else b"hidden",
        }

    def routes(self) -> Iterable[web.RouteDef]:
        """Each page, and what pages load."""
        yield web.get("/docs", self._page("docs.html"))
        # For those who run a contest, whose executors have no playground; its figures need a key where there are keys.
        yield web.get("/status", self._page("status.html"))
        yield web.get(f"{ASSETS}{{name}}", self.asset)
        if self._playground:
            yield web.get("/", self._page("playground.html", framed=True))

    def _page(self, name: str, *, framed: bool = False) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Each answer has a nonce of its own, by which the editor's own styles are known."""

        async def show(_request: web.Request) -> web.Response:
            nonce = base64.urlsafe_b64encode(os.urandom(18))
            page = await asyncio.to_thread(_read, name)
            headers = {
                "Content-Security-Policy": _policy(nonce.decode(), self._frame_ancestors if framed else "'none'"),
                "Cache-Control": "no-cache",
                **_HEADERS,
            }
            body = page.replace(_NONCE, nonce)
            for word, value in self._values.items():
                body = body.replace(word, value)
            return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)

        return show

    async def asset(self, request: web.Request) -> web.Response:
        """`GET /assets/NAME`; raises NotFoundError."""
        name = request.match_info["name"]
        packed = "gzip" in request.headers.get("Accept-Encoding", "")
        try:
            if not _NAME.fullmatch(name) or name.endswith(".html"):
                raise FileNotFoundError
            body = await asyncio.to_thread(_compressed if packed else _read, name)
        except FileNotFoundError:
            raise NotFoundError(f"There is nothing at {request.path}.") from None
        age = "max-age=31536000, immutable" if _HASHED.search(name) else "no-cache"
        headers = {"Cache-Control": f"public, {age}", "Vary": "Accept-Encoding", **_HEADERS}
        if packed:
            headers["Content-Encoding"] = "gzip"
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        text = "utf-8" if kind.startswith("text/") else None
        return web.Response(body=body, content_type=kind, charset=text, headers=headers)


_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def _policy(nonce: str, frame_ancestors: str) -> str:
    """What the page may do: load from this server alone, and never read a string as markup or as a script."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' 'nonce-{nonce}'",
            "connect-src 'self'",
            # Pictures that programs make come as blobs.
            "img-src 'self' blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
            f"frame-ancestors {frame_ancestors}",
        )
    )
