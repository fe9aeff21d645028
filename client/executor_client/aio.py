"""The asynchronous client."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self, TypedDict, TypeVar, Unpack

import aiohttp
import msgspec
import yarl

from executor_client import overload
from executor_client.answers import checked, read_answer, reason
from executor_client.errors import (
    CircuitOpenError,
    ConfigurationError,
    ConnectionFailedError,
    ExecutorError,
    InvalidRequestError,
    NoAnswerError,
    RefusedError,
    UnavailableError,
    UnexpectedAnswerError,
)
from executor_client.models import (
    Checker,
    Comparator,
    Execution,
    File,
    Judgement,
    Language,
    ProblemPackage,
    Started,
    Submission,
    TestCase,
)
from executor_client.observing import Observation, Observe
from executor_client.retries import Backoff, CircuitBreaker
from executor_client.sessions import Credential, TokenSource, identifier

Answer = TypeVar("Answer")
Progress = Callable[[int, int], None]
"""Called with how many are answered, and how many there are."""

_CONNECT_SECONDS = 10


class Options(TypedDict, total=False):
    """How a client behaves.

    Attributes:
        deadline: Seconds for a submission with all of its attempts and waits; 120 unless told.
        backoff: Waits between attempts.
        hedge_after: Seconds after which a request that has no answer is sent a second time, beside the first; the
            first answer counts. Costs work, saves waiting behind a slow replica. None, the default, never does.
        breaker: When to stop sending.
        strict: Whether the executor is to refuse a request with a field that it does not know, such as a mistyped one or
            one that only a newer executor has. True unless told; else the answer names such fields in `warnings`.
        session_pool: Whether the URL is a session pool's, which has a session for each `user_id`.
        credential: For a session pool, a credential of azure.identity.aio; DefaultAzureCredential unless told.
        headers: Added to every request, such as the mark of a rehearsal.
        observe: Called after each request, retries and hedges included, in the task that sent it.
    """

    deadline: float
    backoff: Backoff
    hedge_after: float | None
    breaker: CircuitBreaker
    strict: bool
    session_pool: bool
    credential: Credential | None
    headers: Mapping[str, str]
    observe: Observe | None


class RunFields(TypedDict, total=False):
    """What a submission may say besides language and code, as in `Submission`."""

    files: tuple[File, ...]
    stdin: str
    args: tuple[str, ...]
    timeout: float | None
    time_limit: float | None
    memory_limit_mb: int | None
    user_id: str | None
    question_id: str | None


class JudgeFields(RunFields, total=False):
    """What a submission with test cases may say besides, as in `Submission`."""

    comparator: str | Comparator
    checker: Checker | None
    interactor: Checker | None
    transcript: bool
    stop_on_failure: bool


class AsyncExecutorClient:
    """An executor under `url`. One client serves a whole process: connections and breaker are shared by its calls.

    Every method raises errors of `executor_client.errors` only. An execution has no side effects, so what fails for
    the moment (429, 5xx, connections) is sent again until `deadline`.
    """

    def __init__(self, url: str, api_key: str | None = None, **options: Unpack[Options]) -> None:
        """Raises ConfigurationError for a URL that cannot be one, and for times that are not above 0."""
        self._endpoint = _endpoint(url)
        self._deadline = options.get("deadline", 120.0)
        self._backoff = options.get("backoff", Backoff())
        self._hedge_after = options.get("hedge_after")
        if not self._deadline > 0 or (self._hedge_after is not None and not self._hedge_after > 0):
            raise ConfigurationError(f"deadline={self._deadline}, hedge_after={self._hedge_after}: must be seconds above 0")
        self._breaker = options.get("breaker") or CircuitBreaker()
        # The executor takes its key in this header too, which leaves Authorization to a session pool's token.
        self._headers = dict(options.get("headers", {})) | ({"X-API-Key": api_key} if api_key else {})
        self._observe = options.get("observe")
        self._strict = {"strict": "1"} if options.get("strict", True) else {}
        self._tokens = TokenSource(options.get("credential")) if options.get("session_pool") else None
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Nothing is opened before the first call."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connections."""
        await self.close()

    async def close(self) -> None:
        """Closes the connections; the client opens new ones if it is used again."""
        if self._http is not None:
            await self._http.close()
            self._http = None
        if self._tokens is not None:
            await self._tokens.close()

    async def execute(self, language: str, code: str = "", **fields: Unpack[RunFields]) -> Execution:
        """Runs a program."""
        return await self._exchange(Submission(language=language, code=code, **fields), Execution)

    async def judge(
        self, language: str, code: str, test_cases: Iterable[TestCase], **fields: Unpack[JudgeFields]
    ) -> Judgement:
        """Runs a program once for each test case and compares its output."""
        submission = Submission(language=language, code=code, test_cases=tuple(test_cases), **fields)
        return await self._exchange(submission, Judgement)

    async def languages(self) -> list[Language]:
        """The languages that the executor has."""
        end = time.monotonic() + self._deadline
        read = msgspec.json.Decoder(list[Language]).decode
        return await self._retried(_Request("GET", self._endpoint.with_name("languages")), read, end)

    async def host(self) -> dict[str, Any]:
        """What one replica runs on, and its settings, as `GET /host` says."""
        end = time.monotonic() + self._deadline
        read = msgspec.json.Decoder(dict[str, Any]).decode
        return await self._retried(_Request("GET", self._endpoint.with_name("host")), read, end)

    async def submit(self, submission: Submission) -> Execution | Judgement:
        """Judges a submission that has test cases or a problem, and runs one that has none."""
        if submission.test_cases is None and submission.problem is None:
            return await self._exchange(submission, Execution)
        return await self._exchange(submission, Judgement)

    async def put_problem(self, package: bytes) -> ProblemPackage:
        """Puts a problem package, a zip; what is wrong with it is in the `errors` of an InvalidRequestError, by its path."""
        url = self._endpoint.with_name("problems")
        end = time.monotonic() + self._deadline
        return await self._retried(_Request("PUT", url, package, "application/zip"), _package, end)

    async def start(self, submission: Submission, callback: str = "") -> str:
        """Has a submission run without an open request, and gives its id for `result`.

        The result is sent to the URL `callback` too, if the executor allows its host. On Azure prefer `submit`: work without
        an open request brings no new replica.
        """
        url = self._endpoint.with_query(self._strict | ({"callback": callback} if callback else {}))
        request = _Request("POST", url, _encoded(msgspec.to_builtins(submission)), prefer="respond-async")
        started = await self._retried(request, msgspec.json.Decoder(Started).decode, time.monotonic() + self._deadline)
        return started.id

    async def result(self, identifier: str) -> Execution | Judgement | None:
        """What came of a submission that was started; None while there is nothing. Raises RefusedError as `submit`."""
        request = _Request("GET", self._endpoint.with_name("executions") / identifier)
        found = await self._retried(request, msgspec.json.Decoder(Started).decode, time.monotonic() + self._deadline)
        if found.problem is not None:
            raise RefusedError(f"{found.problem.code}: {found.problem.detail}", 0, found.problem.code, found.problem.errors)
        if found.answer is None:
            return None
        if "test_results" in found.answer:
            return msgspec.convert(found.answer, Judgement)
        return msgspec.convert(found.answer, Execution)

    async def execute_many(
        self, submissions: Iterable[Submission], *, concurrency: int = 64, progress: Progress | None = None
    ) -> list[Execution | Judgement | ExecutorError]:
        """Sends all, at most `concurrency` at the same time; the answers are in the submissions' order.

        One that fails has its error in its place, so that none of the others is lost. Raises ConfigurationError for a
        concurrency below 1.
        """
        if concurrency < 1:
            raise ConfigurationError(f"concurrency={concurrency}: must be at least 1")
        waiting = list(submissions)
        results: list[Execution | Judgement | ExecutorError | None] = [None] * len(waiting)
        places = iter(range(len(waiting)))
        done = 0

        async def work() -> None:
            nonlocal done
            for place in places:
                try:
                    results[place] = await self.submit(waiting[place])
                except ExecutorError as error:
                    results[place] = error
                done += 1
                if progress is not None:
                    progress(done, len(waiting))

        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(waiting))):
                group.create_task(work())
        return [result for result in results if result is not None]

    async def send(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Sends a request of the HTTP contract as it is, and gives the answer as it is.

        What an overloaded replica could not run or judge is sent again, to whichever replica takes it, as long as the
        deadline lasts; what is still `overloaded` then stays so in the answer.
        """
        end = time.monotonic() + self._deadline
        answer = await self._ask(request, end)
        attempt = 0
        while (remaining := overload.again(request, answer)) is not None:
            delay = self._backoff.delay(attempt, 0.0, 0.0)
            if time.monotonic() + delay >= end:
                break
            await asyncio.sleep(delay)
            attempt += 1
            try:
                answer = overload.merged(answer, await self._ask(remaining, end))
            except UnavailableError:
                break  # what the answer says of the others holds
        return answer

    async def _ask(self, request: Mapping[str, Any], end: float) -> dict[str, Any]:
        user_id = request.get("user_id")
        session = {}
        if self._tokens is not None:
            session = {"identifier": identifier(user_id if isinstance(user_id, str) else None)}
        plain = request.get("test_cases") is None and request.get("problem") is None
        shape: type[Judgement] | type[Execution] = Execution if plain else Judgement
        url = self._endpoint.with_query(session | self._strict)
        sent = _Request("POST", url, _encoded(dict(request)), "application/json")
        return await self._retried(sent, lambda raw: checked(raw, shape), end)

    async def _exchange(self, submission: Submission, shape: type[Answer]) -> Answer:
        return msgspec.convert(await self.send(msgspec.to_builtins(submission)), shape)

    async def _retried(self, request: "_Request", read: Callable[[bytes], Answer], end: float) -> Answer:
        attempt = 0
        last: UnavailableError | None = None
        while True:
            sent = time.monotonic()
            try:
                if (wait := self._breaker.wait()) > 0:
                    raise CircuitOpenError(f"{self._endpoint} failed too often; it is tried again in {wait:.1f} s", wait)
                async with asyncio.timeout(end - sent):
                    return await self._hedged(lambda: self._once(request, read))
            except TimeoutError:
                self._breaker.failed()
                # An attempt that was hardly begun says less than what happened to those before it.
                if last is None or time.monotonic() - sent > self._deadline / 2:
                    before = f"; before that: {last}" if last else ""
                    last = NoAnswerError(f"{request.url} gave no answer in {self._deadline:g} s{before}")
                last.attempts = attempt + 1
                raise last from None
            except UnavailableError as failure:
                now = time.monotonic()
                delay = self._backoff.delay(attempt, failure.retry_after, now - sent)
                refused_at_once = attempt == 0 and isinstance(failure, CircuitOpenError)
                if refused_at_once or now + delay >= end:
                    failure.attempts = attempt + (not isinstance(failure, CircuitOpenError))
                    raise
                last = failure
            except ExecutorError as failure:
                failure.attempts = attempt + 1
                raise
            attempt += not isinstance(last, CircuitOpenError)
            await asyncio.sleep(delay)

    async def _hedged(self, send: Callable[[], Awaitable[Answer]]) -> Answer:
        """One answer from at most two requests."""
        if self._hedge_after is None:
            return await send()
        running = {asyncio.ensure_future(send())}
        try:
            done, running = await asyncio.wait(running, timeout=self._hedge_after)
            if not done:
                running.add(asyncio.ensure_future(send()))
            while True:
                # As long as the other one may still bring an answer, a failure for the moment decides nothing.
                decided = [task for task in done if not isinstance(task.exception(), UnavailableError)]
                if decided or (not running and done):
                    return (decided or list(done))[0].result()
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _once(self, request: "_Request", read: Callable[[bytes], Answer]) -> Answer:
        """One request. What it raises says by its class whether another one can help."""
        url, headers = request.url, self._headers | {"Content-Type": request.content_type}
        if request.prefer:
            headers["Prefer"] = request.prefer
        if self._tokens is not None:
            headers = headers | {"Authorization": f"Bearer {await self._tokens.token()}"}
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            )
        observation = Observation(self._observe)
        try:
            with observation:
                async with self._http.request(
                    request.method, url, data=request.body, headers=headers, allow_redirects=False
                ) as response:
                    observation.begins(response)
                    raw = await response.read()
                    answer = read_answer(response, raw, read)
        except aiohttp.ClientConnectorCertificateError as error:
            raise UnexpectedAnswerError(f"{url}: the server's certificate is not valid: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            self._breaker.failed()
            raise ConnectionFailedError(f"{url}: {reason(error)}") from error
        except ConnectionFailedError:
            self._breaker.failed()
            raise
        except ExecutorError:
            self._breaker.succeeded()
            raise
        self._breaker.succeeded()
        return answer


class _Request(NamedTuple):
    method: str
    url: yarl.URL
    body: bytes | None = None
    content_type: str = "application/json"
    prefer: str = ""


def _package(raw: bytes) -> ProblemPackage:
    return msgspec.json.decode(raw, type=ProblemPackage)


def _endpoint(url: str) -> yarl.URL:
    try:
        parsed = yarl.URL(url)
    except ValueError as error:
        raise ConfigurationError(f"the executor's URL is not one: {url!r}: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query_string or parsed.fragment:
        raise ConfigurationError(f"the executor's URL must be like https://host, not {url!r}")
    return parsed / "execute"


def _encoded(request: object) -> bytes:
    try:
        return msgspec.json.encode(request)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(f"the submission cannot be written as JSON: {error}", 400, "invalid_json") from error
