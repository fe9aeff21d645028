"""Refusals: every way to say no, as RFC 9457 problem details."""

import msgspec
from aiohttp import web


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field, by its path in the body, as in `test_cases[3].id`."""

    field: str
    message: str


class _Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: tuple[FieldError, ...] = ()


class Refusal(Exception):  # noqa: N818 - most of what it stands for is no error of ours
    """A request that is not served. Raised anywhere below a route, answered in one place."""

    status = 500
    code = "internal_error"
    title = "Internal error"

    def __init__(self, detail: str, errors: tuple[FieldError, ...] = (), headers: dict[str, str] | None = None) -> None:
        """`detail` is for a person; `errors` name the fields; `headers` go with the answer."""
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}

    def response(self) -> web.Response:
        """The answer."""
        problem = _Problem("about:blank", self.title, self.status, self.detail, self.code, self.errors)
        return web.Response(
            body=msgspec.json.encode(problem),
            status=self.status,
            content_type="application/problem+json",
            headers=self.headers,
        )


class InvalidJsonError(Refusal):
    """The body is not JSON in UTF-8."""

    status, code, title = 400, "invalid_json", "The body is not valid JSON"


class UnauthorizedError(Refusal):
    """No key, or a wrong one."""

    status, code, title = 401, "unauthorized", "A valid key is needed"


class NotFoundError(Refusal):
    """No such path."""

    status, code, title = 404, "not_found", "Not found"


class MethodNotAllowedError(Refusal):
    """A path that takes another method."""

    status, code, title = 405, "method_not_allowed", "Method not allowed"


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


class BusyError(Refusal):
    """Every slot is taken and the wait was too long."""

    status, code, title = 429, "busy", "The executor is busy"


class DrainingError(Refusal):
    """The executor is about to stop."""

    status, code, title = 503, "draining", "The executor is shutting down"
