"""Request bodies: read whole, within a size and a share of memory. The connection limits the time that they take."""

from typing import BinaryIO, Self, cast

from aiohttp import web

from runtime.http.connections import Connection
from runtime.http.problems import (
    BadRequestError,
    BusyError,
    PayloadTooLargeError,
    UnsupportedMediaTypeError,
)
from runtime.settings import Settings

_JSON = "application/json"
_ZIP = "application/zip"
_BYTES = "application/octet-stream"


class Bodies:
    """The bodies of all requests: their limits, and how much of them is in memory."""

    def __init__(self, settings: Settings) -> None:
        self.largest = int(settings.max_body_mb * (1 << 20))
        self.most = int(settings.max_bodies_mb * (1 << 20))
        #: Bytes that have arrived, and not those that were announced.
        self.held = 0

    def body(self, request: web.Request) -> "Body":
        """The request's body, to be read within `with`."""
        return Body(self, request)


class Body:
    """One request's body, which counts as held from its first byte until the request has been answered."""

    def __init__(self, bodies: Bodies, request: web.Request) -> None:
        self._bodies = bodies
        self._request = request
        self._held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._bodies.held -= self._held

    async def read(self, *, any_type: bool = False) -> bytes:
        """The body, which must say that it is JSON unless it may be of `any_type`; raises Refusal."""
        request, bodies = self._request, self._bodies
        if not any_type:
            _refuse_type(request)
        if (request.content_length or 0) > bodies.largest:
            raise _too_large(bodies.largest)
        connection = cast(Connection, request.protocol)
        connection.body_awaited(request.content)
        parts: list[bytes] = []
        try:
            while part := await request.content.readany():
                parts.append(part)
                self._held += len(part)
                bodies.held += len(part)
                if self._held > bodies.largest:
                    raise _too_large(bodies.largest)
                if bodies.held > bodies.most:
                    raise BusyError("The requests that are here already fill the memory for them.", reason="memory")
        except web.RequestPayloadError as error:
            raise BadRequestError("The body's transfer coding is not valid.") from error
        finally:
            connection.handled()
        return b"".join(parts)

    async def spool(self, file: BinaryIO, most_bytes: int) -> None:
        """Writes the body, which is a zip, into a file, since it may be larger than the memory; raises Refusal."""
        request, size = self._request, 0
        media = request.headers.get("Content-Type", _ZIP).partition(";")[0].strip().lower()
        if media not in (_ZIP, _BYTES):
            raise UnsupportedMediaTypeError(f"The body is {media}; it must be {_ZIP}.")
        if (request.content_length or 0) > most_bytes:
            raise _too_large(most_bytes)
        connection = cast(Connection, request.protocol)
        connection.body_awaited(request.content)
        try:
            while part := await request.content.readany():
                size += len(part)
                if size > most_bytes:
                    raise _too_large(most_bytes)
                file.write(part)
        except web.RequestPayloadError as error:
            raise BadRequestError("The body's transfer coding is not valid.") from error
        finally:
            connection.handled()


def _too_large(most_bytes: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"The body may have at most {most_bytes / (1 << 20):g} MiB.")


def _refuse_type(request: web.Request) -> None:
    """Raises UnsupportedMediaTypeError for anything but plain JSON.

    A body without a type is taken for JSON, and so is the type that clients send for bytes of which they know nothing.
    """
    # Not `request.content_type`, which takes everything without a slash for application/octet-stream too.
    # Another site's page can send a body without any type unasked; with one of these types a browser asks here first.
    unsaid = "" if "Origin" in request.headers else _JSON
    media = request.headers.get("Content-Type", unsaid).partition(";")[0].strip().lower()
    if media not in (_JSON, _BYTES):
        raise UnsupportedMediaTypeError(f"The body is {media or 'of no type'}; it must be {_JSON}.")
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding != "identity":
        raise UnsupportedMediaTypeError(
            f"The body's content coding is {coding}; it must be identity.", headers={"Accept-Encoding": "identity"}
        )
