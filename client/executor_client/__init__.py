"""The backend's client of the code executor: one HTTP call, made to arrive even when a thousand are made at once."""

from executor_client.aio import AsyncExecutorClient
from executor_client.backend import execute_code_in_session
from executor_client.errors import (
    BusyError,
    CircuitOpenError,
    ConfigurationError,
    ConnectionFailedError,
    ExecutorError,
    InvalidRequestError,
    NoAnswerError,
    RefusedError,
    ServerFailedError,
    UnauthorizedError,
    UnavailableError,
    UnexpectedAnswerError,
)
from executor_client.models import (
    CaseResult,
    Execution,
    FieldError,
    File,
    Judgement,
    Language,
    ReturnedFile,
    Step,
    Submission,
    TestCase,
)
from executor_client.retries import Backoff, CircuitBreaker
from executor_client.sync import ExecutorClient

__all__ = [
    "AsyncExecutorClient",
    "Backoff",
    "BusyError",
    "CaseResult",
    "CircuitBreaker",
    "CircuitOpenError",
    "ConfigurationError",
    "ConnectionFailedError",
    "Execution",
    "ExecutorClient",
    "ExecutorError",
    "FieldError",
    "File",
    "InvalidRequestError",
    "Judgement",
    "Language",
    "NoAnswerError",
    "RefusedError",
    "ReturnedFile",
    "ServerFailedError",
    "Step",
    "Submission",
    "TestCase",
    "UnauthorizedError",
    "UnavailableError",
    "UnexpectedAnswerError",
    "execute_code_in_session",
]
