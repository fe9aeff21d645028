"""Students on a deployed executor, for Locust.

    EXECUTOR_API_KEY=... locust -f loadtest/locustfile.py --host "$(pulumi stack output executorUrl)" --users 100

A 429 is no failure, only an answer that comes later: it is counted by name, and the student tries again as the client does.
"""

import os
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from executor_client import Backoff
from locust import HttpUser, between, task

_DEADLINE_SECONDS = 120.0
_backoff = Backoff()


class Student(HttpUser):
    """Runs, thinks, and hands in."""

    wait_time = between(5, 20)

    def on_start(self) -> None:
        """Each has a name of its own, as fairness is by user."""
        self.student = f"locust-{random.getrandbits(40):010x}"
        if key := os.environ.get("EXECUTOR_API_KEY"):
            self.client.headers["X-API-Key"] = key

    @task(3)
    def try_out(self) -> None:
        """A plain run."""
        number = random.randrange(1_000_000)
        self._submit("run", {"code": f"print({number} * 2)"}, lambda answer: answer["run"]["stdout"] == f"{number * 2}\n")

    @task(2)
    def hand_in(self) -> None:
        """Three test cases."""
        cases = [{"id": str(n), "input": str(n), "expected_output": str(n * n)} for n in (3, 7, 11)]
        body = {"code": "print(int(input()) ** 2)", "test_cases": cases, "question_id": "squares"}
        self._submit("judge", body, lambda answer: answer["passed"] == 3)

    @task(1)
    def mistake(self) -> None:
        """A loop that never ends, stopped after a second."""
        body = {"code": "while True: pass", "timeout": 1}
        self._submit("endless", body, lambda answer: answer["run"]["status"] == "time_limit_exceeded")

    def _submit(self, name: str, body: Mapping[str, Any], right: Callable[[Any], bool]) -> None:
        end = time.monotonic() + _DEADLINE_SECONDS
        for attempt in range(1000):
            sent = time.monotonic()
            request = {"language": "python", "user_id": self.student, **body}
            with self.client.post("/execute", json=request, name=name, catch_response=True) as response:
                if response.status_code != 429:
                    if response.status_code == 200 and not right(response.json()):
                        response.failure(f"a wrong answer: {response.text[:200]}")
                    return
                response.request_meta["name"] = f"{name}, refused for now"
                response.success()
                retry_after = float(response.headers.get("Retry-After", "1"))
            delay = _backoff.delay(attempt, retry_after, time.monotonic() - sent)
            if time.monotonic() + delay > end:
                self.environment.events.request.fire(
                    request_type="POST", name=name, response_time=_DEADLINE_SECONDS * 1000, response_length=0,
                    exception=TimeoutError("no answer within the deadline"), context={},
                )  # fmt: skip
                return
            time.sleep(delay)
