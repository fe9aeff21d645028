"""The same client for code without an event loop: threads share one loop, and so its connections."""

import asyncio
import atexit
import concurrent.futures
import os
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from executor_client.aio import AsyncExecutorClient, JudgeFields, Options, Progress, RunFields
from executor_client.errors import ExecutorError
from executor_client.models import Execution, Judgement, Language, ProblemPackage, Submission, TestCase

Answer = TypeVar("Answer")


class ExecutorClient:
    """`AsyncExecutorClient` with calls that block. Any number of threads may use one."""

    def __init__(self, url: str, api_key: str | None = None, **options: Unpack[Options]) -> None:
        """Raises ConfigurationError for a URL that cannot be one."""
        self._make: Callable[[], AsyncExecutorClient] = lambda: AsyncExecutorClient(url, api_key, **options)
        self._client = self._make()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = 0

    def __enter__(self) -> Self:
        """Nothing is opened before the first call."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Closes the connections."""
        self.close()

    def close(self) -> None:
        """Closes the connections and ends the loop's thread; the client starts anew if it is used again."""
        atexit.unregister(self.close)
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None and self._process == os.getpid():
            asyncio.run_coroutine_threadsafe(self._client.close(), loop).result()
            loop.call_soon_threadsafe(loop.stop)

    def execute(self, language: str, code: str = "", **fields: Unpack[RunFields]) -> Execution:
        """Runs a program."""
        return self._run(lambda client: client.execute(language, code, **fields))

    def judge(self, language: str, code: str, test_cases: Iterable[TestCase], **fields: Unpack[JudgeFields]) -> Judgement:
        """Runs a program once for each test case and compares its output."""
        return self._run(lambda client: client.judge(language, code, test_cases, **fields))

    def submit(self, submission: Submission) -> Execution | Judgement:
        """Judges a submission that has test cases or a problem, and runs one that has none."""
        return self._run(lambda client: client.submit(submission))

    def put_problem(self, package: bytes) -> ProblemPackage:
        """Puts a problem package, a zip."""
        return self._run(lambda client: client.put_problem(package))

    def languages(self) -> list[Language]:
        """Every language that works on the executor."""
        return self._run(lambda client: client.languages())

    def execute_many(
        self, submissions: Iterable[Submission], *, concurrency: int = 64, progress: Progress | None = None
    ) -> list[Execution | Judgement | ExecutorError]:
        """As `AsyncExecutorClient.execute_many`; `progress` is called in the loop's thread."""
        return self._run(lambda client: client.execute_many(submissions, concurrency=concurrency, progress=progress))

    def send(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Sends a request of the HTTP contract as it is, and gives the answer as it is."""
        return self._run(lambda client: client.send(request))

    def _run(self, call: Callable[[AsyncExecutorClient], Coroutine[Any, Any, Answer]]) -> Answer:
        with self._lock:
            # A server that forks its workers after the first call leaves them without the thread.
            if self._loop is None or self._process != os.getpid():
                self._loop = asyncio.new_event_loop()
                self._process = os.getpid()
                self._client = self._make()
                atexit.register(self.close)  # a client that lives as long as its process is closed by nobody else
                threading.Thread(target=_serve, args=(self._loop,), name="executor-client", daemon=True).start()
            future = asyncio.run_coroutine_threadsafe(call(self._client), self._loop)
        try:
            return future.result()
        except (KeyboardInterrupt, concurrent.futures.CancelledError):
            future.cancel()
            raise


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()
