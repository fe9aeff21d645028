"""Keys: who may call. The server knows only the SHA-256 of each key."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from runtime.http.pages import browser_pages
from runtime.http.problems import UnauthorizedError

_BEARER = "bearer "
# The platform's probes and a browser that opens a page carry no key; these paths show nothing about any user.
_OPEN_PATHS = ("/health", "/ready", "/openapi.json", *browser_pages.PATHS)
#: A WebSocket's protocol here. A browser's page cannot set headers for one, so its key comes as another protocol.
PROTOCOL = "executor"
_KEY_PROTOCOL = "executor.key."
#: The name of the request's key; empty where the server asks for none.
CALLER = web.RequestKey("caller", str)


def is_open(path: str) -> bool:
    """Whether a path answers without a key."""
    return path in _OPEN_PATHS or path.startswith(browser_pages.ASSETS)


class Keys:
    """The keys that are accepted; without any, everybody may call."""

    def __init__(self, keys: tuple[tuple[str, str], ...]) -> None:
        """Takes pairs of a name, which goes into the log, and the SHA-256 of the key in hexadecimal."""
        self._keys = keys

    def caller(self, headers: Mapping[str, str]) -> str:
        """The name of the key that the request carries, empty where none is asked for; raises UnauthorizedError.

        Every known key is compared, and each in constant time, so that the answer's time says nothing about the keys.
        """
        if not self._keys:
            return ""
        given = headers.get("X-API-Key", "") or headers.get("X-Auth-Token", "")
        authorization = headers.get("Authorization", "")
        if authorization[: len(_BEARER)].lower() == _BEARER:
            given = given or authorization[len(_BEARER) :].strip()
        given = given or _key_of_protocol(headers.get("Sec-WebSocket-Protocol", ""))
        digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).hexdigest()
        names = [name for name, known in self._keys if hmac.compare_digest(digest, known)]
        if not given or not names:
            refusal = UnauthorizedError(
                "Send a key as 'Authorization: Bearer KEY' or as 'X-API-Key: KEY'.", headers={"WWW-Authenticate": "Bearer"}
            )
            refusal.key_given = bool(given)
            raise refusal
        return names[0]

    def middleware(self) -> Middleware:
        """Refuses requests without a valid key, before anything of their body is read."""

        @web.middleware
        async def authorize(request: web.Request, handler: Handler) -> web.StreamResponse:
            request[CALLER] = "" if is_open(request.path) else self.caller(request.headers)
            return await handler(request)

        return authorize


def _key_of_protocol(offered: str) -> str:
    """The key among the protocols that a WebSocket's client offers, in base64url after a prefix; empty without one."""
    for name in offered.split(","):
        if name.strip().startswith(_KEY_PROTOCOL):
            encoded = name.strip()[len(_KEY_PROTOCOL) :]
            try:
                return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
            except (binascii.Error, ValueError):
                return ""
    return ""
