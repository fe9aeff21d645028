"""When a failed request is sent again, and when nothing is sent for a while."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Exponential back-off with full jitter: what was refused at one moment does not come back at one moment.

    A wait is drawn evenly from 0 to a bound that doubles with each failure.

    Attributes:
        base: The first bound, in seconds.
        cap: The highest bound, in seconds.
        draw: Draws evenly between two numbers.
    """

    base: float = 0.25
    cap: float = 8.0
    draw: Callable[[float, float], float] = random.uniform

    def delay(self, attempt: int, retry_after: float, spent: float) -> float:
        """Seconds to wait after the `attempt`-th failure, counted from 0.

        What the server asks for comes on top of the jitter, because it asks everybody for the same. A request that the
        server held for `spent` seconds in its queue has waited already: that much is taken off the bound.
        """
        bound = min(self.cap, self.base * 2.0 ** min(attempt, 30))
        return retry_after + self.draw(0, max(self.base, bound - spent))


class CircuitBreaker:
    """Stops sending after `threshold` failures in a row, for `cooldown` seconds; then lets one request try.

    A refusal is an answer. What counts as a failure is only that nothing, or nothing whole, came back.
    """

    def __init__(self, threshold: int = 20, cooldown: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._threshold = threshold
        self._cooldown = cooldown
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0

    def wait(self) -> float:
        """Seconds until a request may go; at 0 it goes, and where the breaker is open it is the only one to try."""
        if self._failures < self._threshold:
            return 0.0
        now = self._clock()
        if now < self._open_until:
            return self._open_until - now
        self._open_until = now + self._cooldown
        return 0.0

    def succeeded(self) -> None:
        """An answer came."""
        self._failures = 0

    def failed(self) -> None:
        """No answer came."""
        self._failures += 1
        if self._failures == self._threshold:
            self._open_until = self._clock() + self._cooldown
