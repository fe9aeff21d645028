"""An executor's answer over HTTP: what it says, or the error that it amounts to."""

import email.utils
import time
from collections.abc import Callable
from typing import Any, TypeVar

import aiohttp
import msgspec

from executor_client.errors import (
    BusyError,
    ConnectionFailedError,
    InvalidRequestError,
    RefusedError,
    ServerFailedError,
    UnauthorizedError,
    UnexpectedAnswerError,
)
from executor_client.models import Execution, Judgement, Problem

Answer = TypeVar("Answer")


def checked(raw: bytes, shape: type[Judgement] | type[Execution]) -> dict[str, Any]:
    """The answer as it is; raises msgspec.MsgspecError where it has not got this shape."""
    answer: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Any])
    msgspec.convert(answer, shape)
    return answer


def reason(error: Exception) -> str:
    """Why a connection failed, in words."""
    match error:
        case aiohttp.ClientPayloadError():
            return "the connection ended in the middle of the answer"
        case aiohttp.ServerDisconnectedError():
            return "the connection ended before an answer came"
        case _:
            return str(error) or type(error).__name__


def read_answer(response: aiohttp.ClientResponse, raw: bytes, read: Callable[[bytes], Answer]) -> Answer:
    """The answer; raises the ExecutorError that it amounts to where it is none."""
    url, status, kind = response.url, response.status, response.content_type
    if status in (200, 202):
        if kind != "application/json":
            raise UnexpectedAnswerError(f"{url} answers {kind}, as no executor does: is the URL right?")
        try:
            return read(raw)
        except msgspec.ValidationError as error:
            raise UnexpectedAnswerError(f"{url} answers JSON that is not an executor's: {error}") from error
        except msgspec.DecodeError as error:
            raise ConnectionFailedError(f"{url}: only part of the answer came: {error}") from error
    problem = _problem(kind, raw)
    said = f"{url} answers {status}" + (f" {problem.code}: {problem.detail}" if problem else "")
    retry_after = _seconds(response.headers.get("Retry-After", ""))
    if status == 429:
        raise BusyError(said, retry_after)
    if status == 404 and problem is None and "identifier" in url.query:
        # Source: Microsoft's page on session pools with custom containers.
        raise BusyError(f"{said}: all sessions of the pool are taken, or there is no pool at this URL", retry_after)
    if status in (500, 502, 503, 504):
        raise ServerFailedError(said, retry_after)
    if status in (401, 403):
        raise UnauthorizedError(said, status, problem.code if problem else "")
    if problem is None:
        moved = f", to {response.headers['Location']}" if "Location" in response.headers else ""
        raise UnexpectedAnswerError(f"{said} ({kind}){moved}, as no executor does: is the URL right?")
    fields = "".join(f"; {item.field} {item.message}" for item in problem.errors)
    if status in (400, 413, 415, 422):
        raise InvalidRequestError(said + fields, status, problem.code, problem.errors)
    raise RefusedError(said + fields, status, problem.code, problem.errors)


def _problem(kind: str, raw: bytes) -> Problem | None:
    if kind != "application/problem+json":
        return None
    try:
        return msgspec.json.decode(raw, type=Problem)
    except msgspec.MsgspecError:
        return None


def _seconds(retry_after: str) -> float:
    """`Retry-After` as seconds from now; what is neither a number nor a date asks for nothing."""
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass  # a date, or nothing that can be used
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return 0.0
