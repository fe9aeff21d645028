"""Refusals: every answer that is not the one asked for, as RFC 9457 problem details."""

import re
from http import HTTPStatus

import msgspec
from aiohttp import web

_CONTENT_TYPE = "application/problem+json"
_HALF_A_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field, by its path in the body, as in `test_cases[3].id`."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457 problem details; `code` is for programs, and `errors` name the fields that are wrong."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: tuple[FieldError, ...] = ()


def problem_response(problem: Problem, headers: dict[str, str]) -> web.Response:
    """An answer that says `problem`."""
    return web.Response(body=msgspec.json.encode(problem), status=problem.status, content_type=_CONTENT_TYPE, headers=headers)


class Refusal(Exception):  # noqa: N818 - most of what it stands for is no error of the server
    """A request that is not served. Raised anywhere below a route, answered in one place."""

    status = 500
    code = "internal_error"
    title = "Internal error"

    def __init__(
        self,
        detail: str,
        errors: tuple[FieldError, ...] = (),
        headers: dict[str, str] | None = None,
        reason: str = "",
    ) -> None:
        """`detail` is for a person; `errors` name the fields; `headers` go with the answer; `reason` is for a counter."""
        super().__init__(detail)
        # A path or a header may hold bytes that are no UTF-8; the answer always is.
        self.detail = detail.encode(errors="backslashreplace").decode()
        self.errors = errors
        self.headers = headers or {}
        self.reason = reason or self.code

    def problem(self) -> Problem:
        """What the answer says."""
        return Problem("about:blank", self.title, self.status, self.detail, self.code, self.errors)

    def response(self) -> web.Response:
        """The answer."""
        return problem_response(self.problem(), self.headers)

    def raw(self) -> bytes:
        """The answer as it goes over a connection that no request has been read from; it is the connection's last."""
        body = msgspec.json.encode(self.problem())
        fields = {
            "Content-Type": _CONTENT_TYPE,
            "Content-Length": str(len(body)),
            "Connection": "close",
            **self.headers,
        }
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}", *(f"{name}: {fields[name]}" for name in fields)]
        return "\r\n".join((*lines, "", "")).encode() + body


class BadRequestError(Refusal):
    """The request is not valid HTTP/1.1."""

    status, code, title = 400, "bad_request", "The request is not valid HTTP"


class InvalidJsonError(Refusal):
    """The body is not JSON in UTF-8."""

    status, code, title = 400, "invalid_json", "The body is not valid JSON"


def why_no_json(error: Exception, data: bytes) -> str:
    """What is wrong with JSON that could not be read: to the decoder half of a surrogate pair is an end that is missing."""
    return "a text has half of a surrogate pair" if _HALF_A_PAIR.search(data) else str(error)


class UnauthorizedError(Refusal):
    """No key, or a wrong one."""

    status, code, title = 401, "unauthorized", "A valid key is needed"
    #: Whether a wrong one was there.
    key_given = False


class ForbiddenOriginError(Refusal):
    """A browser asks for a page of another site."""

    status, code, title = 403, "forbidden_origin", "Pages of other sites may not connect"


class NotFoundError(Refusal):
    """No such path."""

    status, code, title = 404, "not_found", "Not found"


class MethodNotAllowedError(Refusal):
    """A path that takes another method."""

    status, code, title = 405, "method_not_allowed", "Method not allowed"


class RequestTimeoutError(Refusal):
    """The headers or the body did not arrive in time."""

    status, code, title = 408, "request_timeout", "The request took too long to arrive"


class PayloadTooLargeError(Refusal):
    """The body is larger than the server reads."""

    status, code, title = 413, "payload_too_large", "The body is too large"


class UnsupportedMediaTypeError(Refusal):
    """The body says that it is something else than JSON."""

    status, code, title = 415, "unsupported_media_type", "The body must be JSON"


class InvalidRequestError(Refusal):
    """JSON, but not a request that can be served; `errors` says why."""

    status, code, title = 422, "invalid_request", "The request is not valid"


class UnknownLanguageRefusal(Refusal):
    """A language that is not here."""

    status, code, title = 422, "unknown_language", "Unknown language"


class ForbiddenError(Refusal):
    """The key is valid, and not for this."""

    status, code, title = 403, "forbidden", "The key may not do this"


class InvalidProblemError(Refusal):
    """A problem package that cannot be judged by; `errors` has each fault with its path in the package."""

    status, code, title = 422, "invalid_problem", "The problem package is not valid"


class UnknownProblemRefusal(Refusal):
    """A problem that was not put into this executor's store."""

    status, code, title = 422, "unknown_problem", "Unknown problem"


class StoreUnavailableRefusal(Refusal):
    """The store of problems is away, too slow or full."""

    status, code, title = 503, "store_unavailable", "The store of problems is not available"


class BusyError(Refusal):
    """Every slot is taken and the wait was too long, or there is no room for one more request."""

    status, code, title = 429, "busy", "The executor is busy"

    def __init__(self, detail: str, reason: str, retry_after: int = 1) -> None:
        """`retry_after` is in seconds."""
        super().__init__(detail, headers={"Retry-After": str(retry_after)}, reason=reason)


class HeadersTooLargeError(Refusal):
    """A header, the request line, or the number of headers is above the limit."""

    status, code, title = 431, "headers_too_large", "The headers are too large"


class DrainingError(Refusal):
    """The executor is about to stop."""

    status, code, title = 503, "draining", "The executor is shutting down"


class NoRoomError(Refusal):
    """The machine has no disk, no processes or no memory left for a run, which no submission is to blame for."""

    status, code, title = 503, "no_room", "The executor has no room"
