"""Keys: who may call, known to the server only by the SHA-256 of their keys."""

import hashlib
import hmac
from collections.abc import Mapping

from runtime.http.problems import UnauthorizedError

_BEARER = "bearer "


class Keys:
    """The keys that are accepted; without any, everybody may call."""

    def __init__(self, keys: tuple[tuple[str, str], ...]) -> None:
        """Pairs of a name, which goes into the log, and the SHA-256 of the key in hexadecimal."""
        self._keys = keys

    def caller(self, headers: Mapping[str, str]) -> str:
        """The name of the key that the request carries, empty where none is asked for; raises UnauthorizedError.

        Every known key is compared, and each in constant time, so that the answer's time tells nothing.
        """
        if not self._keys:
            return ""
        given = headers.get("X-API-Key", "")
        authorization = headers.get("Authorization", "")
        if authorization[: len(_BEARER)].lower() == _BEARER:
            given = given or authorization[len(_BEARER) :].strip()
        digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).hexdigest()
        names = [name for name, known in self._keys if hmac.compare_digest(digest, known)]
        if not given or not names:
            raise UnauthorizedError(
                "Send a key as 'Authorization: Bearer KEY' or as 'X-API-Key: KEY'.", headers={"WWW-Authenticate": "Bearer"}
            )
        return names[0]
