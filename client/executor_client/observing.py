"""What one request met, for those who watch a client at work: when, which status, and which replica answered."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

_REPLICA, _UPTIME = "X-Executor-Replica", "X-Executor-Uptime"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request; times of `time.monotonic`.

    Attributes:
        status: HTTP status, or 0 where no answer began.
        replica: Name of the replica that answered; empty where the ingress did, or nobody.
        uptime: Seconds for which that replica had been up; None where it does not say.
        error: Name of what went wrong; empty where the answer is whole.
    """

    sent: float
    ended: float
    status: int
    replica: str
    uptime: float | None
    error: str


Observe = Callable[[Attempt], None]


class _Response(Protocol):
    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...


class Observation:
    """Around one request; tells `observe` of it, if there is one, however the request ends."""

    def __init__(self, observe: Observe | None) -> None:
        self._observe = observe
        self._sent = 0.0
        self._status = 0
        self._replica = ""
        self._uptime: float | None = None

    def __enter__(self) -> Self:
        """The request leaves now."""
        self._sent = time.monotonic()
        return self

    def begins(self, response: _Response) -> None:
        """The head of an answer is here."""
        if self._observe is None:
            return
        self._status = response.status
        self._replica = response.headers.get(_REPLICA, "")
        uptime = response.headers.get(_UPTIME, "")
        self._uptime = int(uptime) / 1000 if uptime.isdecimal() else None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """The request has ended."""
        if self._observe is not None:
            named = type(error).__name__ if error is not None else ""
            self._observe(Attempt(self._sent, time.monotonic(), self._status, self._replica, self._uptime, named))
