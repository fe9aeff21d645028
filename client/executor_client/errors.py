"""Everything that can go wrong between a backend and an executor, as one tree.

ExecutorError
├── ConfigurationError       the caller's settings: no usable URL, azure-identity missing, no user for a session pool
├── UnexpectedAnswerError    something answers there, but it is no executor
├── RefusedError             the executor said no, and would say so again
│   ├── InvalidRequestError      400, 413, 415, 422: `errors` names the fields
│   └── UnauthorizedError        401, 403: the key or the token is missing or wrong
└── UnavailableError         no answer yet; the same submission may be sent again later
├── BusyError                429 until the deadline: every replica was at work
├── ServerFailedError        500, 502, 503 or 504: stopping, starting, or broken
├── ConnectionFailedError    no connection, or it broke before the whole answer was here
├── NoAnswerError            connected, and nothing came until the deadline
└── CircuitOpenError         so many failures in a row that nothing is sent for a moment
"""

from collections.abc import Sequence

from executor_client.models import FieldError


class ExecutorError(Exception):
    """Base of all errors of this package.

    Attributes:
        attempts: How many requests were sent for the submission, hedges not counted.
    """

    attempts = 0


class ConfigurationError(ExecutorError):
    """The client cannot be used as it is set up."""


class UnexpectedAnswerError(ExecutorError):
    """Something else than an executor answers under the URL."""


class RefusedError(ExecutorError):
    """The executor refused the request for good.

    Attributes:
        status: HTTP status.
        code: The executor's word for the reason, such as `unknown_language`; empty where the ingress refused.
        errors: The fields that are wrong, as in `test_cases[3].id`.
    """

    def __init__(self, message: str, status: int, code: str = "", errors: Sequence[FieldError] = ()) -> None:
        """`message` is for a person."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.errors = tuple(errors)


class InvalidRequestError(RefusedError):
    """The submission is not one that the executor takes."""


class UnauthorizedError(RefusedError):
    """The key or the token is missing or wrong."""


class UnavailableError(ExecutorError):
    """No answer within the deadline.

    Attributes:
        retry_after: Seconds that the server asked to wait, or 0.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        """`message` is for a person."""
        super().__init__(message)
        self.retry_after = retry_after


class BusyError(UnavailableError):
    """Every replica that was asked was at work."""


class ServerFailedError(UnavailableError):
    """The executor or the ingress in front of it could not serve the request."""


class ConnectionFailedError(UnavailableError):
    """There was no connection, or it ended before the whole answer had arrived."""


class NoAnswerError(UnavailableError):
    """The deadline came first."""


class CircuitOpenError(UnavailableError):
    """Too many failures in a row: nothing is sent until `retry_after` seconds are over."""
