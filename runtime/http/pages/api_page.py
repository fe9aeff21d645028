"""`GET /docs`: the page on which a person reads the API's description and tries it."""

import asyncio
from pathlib import Path

from aiohttp import web

_PAGE = Path(__file__).with_name("docs.html")
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'"


async def show(_request: web.Request) -> web.Response:
    """Answers with the page, which itself reads /openapi.json."""
    page = await asyncio.to_thread(_PAGE.read_bytes)
    return web.Response(body=page, content_type="text/html", charset="utf-8", headers={"Content-Security-Policy": _POLICY})
