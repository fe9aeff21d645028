"""The aiohttp application: routes to judging and back, and the life of the executor around it."""

import asyncio
import logging
import os
import platform
import random
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import msgspec
from aiohttp import HttpVersion10, web

from runtime import __version__
from runtime.execution import leftovers
from runtime.execution.executor import Executor, Slot
from runtime.execution.protocol import WarmStart
from runtime.http import piston
from runtime.http.admission import Admission, Busy
from runtime.http.answers import HealthAnswer, LanguageAnswer, ReadyAnswer, answer
from runtime.http.auth import Keys
from runtime.http.bodies import Bodies
from runtime.http.connections import Connection
from runtime.http.problems import (
    BadRequestError,
    BusyError,
    DrainingError,
    MethodNotAllowedError,
    NotFoundError,
    Refusal,
)
from runtime.http.requests import Call, decode
from runtime.judging.judge import Judge
from runtime.judging.submission import CaseResult, JudgeResult, RunResult, Status, StepResult
from runtime.languages.registry import Language, Registry
from runtime.observability.metrics import Metrics
from runtime.observability.records import ExecutionRecord, Log
from runtime.sandbox import landlock
from runtime.settings import Settings

_log = logging.getLogger(__name__)
# The platform's probes carry no key, and neither does a person who looks at the page: it tells nothing about anybody.
_OPEN_PATHS = ("/health", "/ready", "/docs", "/openapi.json")
_PAGE = Path(__file__).with_name("docs.html")
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_REQUEST_ID = "X-Request-ID"
_USABLE_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
_REPLICA = os.environ.get("CONTAINER_APP_REPLICA_NAME") or f"code-executor-{platform.node()}"
SERVICE = "Code Execution Service"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Result = RunResult | JudgeResult


_encode = msgspec.json.Encoder().encode


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=_encode(body), status=status, content_type="application/json")


class _Execution(msgspec.Struct, frozen=True):
    """What is told of an execution; `seconds` from the request's arrival, `queue_seconds` of them without a slot."""

    call: Call
    version: str
    result: Result | None
    status: str
    seconds: float
    queue_seconds: float


class Service:
    """The handlers and what they share."""

    def __init__(self, settings: Settings, executor: Executor, registry: Registry, log: Log) -> None:
        """The executor has been started; its slots open with the application."""
        self._settings = settings
        self._executor = executor
        self._registry = registry
        self._log = log
        self._keys = Keys(settings.api_keys)
        self._judge = Judge(settings, registry)
        self._bodies = Bodies(settings)
        self._admission: Admission[Slot] = Admission(
            executor.slots, queue_length=settings.queue_length, queue_seconds=settings.queue_seconds
        )
        self._started = time.monotonic()
        self._open = False
        self._serving = 0
        self._draining = False
        self._drained = asyncio.Event()
        self._openapi = b""
        self._metrics_text: Callable[[], bytes] | None = None
        self.metrics = self._watched(Metrics(_REPLICA, __version__))

    def _watched(self, metrics: Metrics) -> Metrics:
        admission = self._admission
        metrics.watch("executor_slots", "Programs that may run at the same time", lambda: admission.total)
        metrics.watch("executor_slots_in_use", "Slots in which a submission is being run", lambda: admission.held)
        metrics.watch("executor_queue_length", "Submissions that wait for a slot", lambda: admission.waiting)
        metrics.watch("executor_body_bytes", "Request bodies in memory", lambda: self._bodies.held)
        metrics.watch("executor_ready", "1 while new work is taken", lambda: self._ready)
        metrics.watch_count(
            "executor_log_records_lost", "Log records that nobody read in time", (), lambda: {(): self._log.lost}
        )
        metrics.watch_count(
            "executor_warm_runs", "Runs that a warm worker could serve, and whether one did", ("language", "warm"),
            self._warm_runs,
        )  # fmt: skip
        return metrics

    def _warm_runs(self) -> dict[tuple[str, ...], float]:
        total: defaultdict[tuple[str, ...], float] = defaultdict(float)
        for slot in self._executor.slots:
            for (language, warm), count in slot.warm_runs.items():
                total[language, "yes" if warm else "no"] += count
        return total

    def application(self) -> web.Application:
        """The application with its routes; opening it opens the slots."""
        app = web.Application(middlewares=[self._refusals, self._authorize])
        app.add_routes(
            [
                web.post("/execute", self.execute),
                web.get("/health", self.health),
                web.get("/ready", self.ready),
                web.get("/languages", self.languages),
                web.get("/metrics", self.show_metrics),
                web.get("/openapi.json", self.openapi),
                web.get("/docs", self.docs),
                web.post(f"{piston.PREFIX}/execute", self.piston_execute),
                web.get(f"{piston.PREFIX}/runtimes", self.piston_runtimes),
            ]
        )
        app.cleanup_ctx.append(self._life)
        return app

    async def _life(self, _app: web.Application) -> AsyncIterator[None]:
        self._executor.configure(self._rules(), self._warm())
        await self._executor.open()
        self._open = True
        yield
        self._executor.close()

    def _rules(self) -> tuple[tuple[str, int], ...]:
        rules = (*self._registry.readable(), (self._executor.bootstrap, landlock.READ))
        if self._executor.isolation.shared_memory:
            rules = (*rules, (leftovers.SHARED_MEMORY, landlock.SHARED_MEMORY))
        return rules

    def _warm(self) -> dict[str, tuple[WarmStart, ...]]:
        """For each slot's box, the workers to keep ready in it."""
        return {
            slot.box: tuple(
                WarmStart(
                    name=language.name,
                    argv=self._registry.command(
                        language.warm.run,
                        box=slot.box,
                        bootstrap=self._executor.bootstrap,
                        memory_mb=self._settings.default_memory_mb,
                    ),
                    env=self._registry.environment(language, slot.box, self._settings.default_memory_mb),
                    forks=language.warm.forks,
                    ready=language.warm.ready,
                    on_demand=language.warm.on_demand,
                )
                for language in self._registry.languages.values()
                if language.warm and self._registry.worker_of(language)
            )
            for slot in self._executor.slots
        }

    @web.middleware
    async def _refusals(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The one place where an error becomes an answer."""
        cast(Connection, request.protocol).handled()
        try:
            if request.version < HttpVersion10:
                raise BadRequestError("The request is not HTTP/1.1.")
            return await handler(request)
        except Refusal as refusal:
            return self._refused(request, refusal)
        except web.HTTPNotFound:
            return self._refused(request, NotFoundError(f"There is nothing at {request.path}."))
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(sorted(error.allowed_methods))
            return self._refused(
                request, MethodNotAllowedError(f"{request.path} takes {allowed}.", headers={"Allow": allowed})
            )
        except web.HTTPException as error:
            return self._refused(request, BadRequestError(error.reason))
        except (asyncio.CancelledError, ConnectionResetError):
            raise
        except Exception:  # noqa: BLE001 - the last line: whatever it is, it is logged whole and answered
            _log.exception("unexpected error in %s %r", request.method, request.path)
            return self._refused(request, Refusal("The executor failed; its log says why."))

    def _refused(self, request: web.Request, refusal: Refusal) -> web.Response:
        self.count(refusal)
        return refusal.response(piston=request.path.startswith(piston.PREFIX))

    @web.middleware
    async def _authorize(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Before anything of the body is read."""
        if request.path not in _OPEN_PATHS:
            request["caller"] = self._keys.caller(request.headers)
        return await handler(request)

    def count(self, refusal: Refusal) -> None:
        """For the metrics."""
        self.metrics.refusals[refusal.reason] += 1

    async def drain(self) -> None:
        """From now on new work is refused; returns when all that was accepted has been answered."""
        self._draining = True
        if self._serving:
            await self._drained.wait()

    async def execute(self, request: web.Request) -> web.Response:
        """`POST /execute`."""
        call, version, result = await self._serve(request, decode)
        return self._answer(request, answer(call.submission.language.name, version, result, call.user_id, call.question_id))

    async def piston_execute(self, request: web.Request) -> web.Response:
        """`POST /api/v2/execute`."""
        call, version, result = await self._serve(request, piston.decode)
        return self._answer(request, piston.answer(call.submission.language.name, version, cast(RunResult, result)))

    def _answer(self, request: web.Request, body: object) -> web.Response:
        response = _json(body)
        response.headers[_REQUEST_ID] = request["id"]
        return response

    async def _serve(
        self, request: web.Request, parse: Callable[[bytes, Settings, Registry], Call]
    ) -> tuple[Call, str, Result]:
        """A submission's whole way: what was asked for, the language's version, and what came of it."""
        started = time.perf_counter()
        if self._draining:
            raise DrainingError(
                "This replica is about to stop; try again, another one will answer.", headers={"Retry-After": "1"}
            )
        self._serving += 1
        try:
            with self._bodies.body(request) as body:
                call = parse(await body.read(), self._settings, self._registry)
                version, result = await self._admitted(request, call, started)
                return call, version, result
        except Busy as error:
            raise BusyError(f"{error}.", error.reason, error.retry_after) from error
        finally:
            self._serving -= 1
            if self._draining and not self._serving:
                self._drained.set()

    async def _admitted(self, request: web.Request, call: Call, started: float) -> tuple[str, Result]:
        submission = call.submission
        given = request.headers.get(_REQUEST_ID, "")
        request["id"] = given if _USABLE_ID.fullmatch(given) else f"{random.getrandbits(64):016x}"
        arrived = time.perf_counter()
        async with self._admission.slot(_user(request, call)) as slot:
            waited = time.perf_counter() - arrived
            version = await self._judge.version(submission.language, slot)
            if call.version:
                piston.require_version(submission.language.name, call.version, version)
            result: Result | None = None
            status = "cancelled"
            try:
                if submission.test_cases is None:
                    result = await self._judge.run(submission, slot)
                    status = result.run.status
                else:
                    result = await self._judge.judge(submission, submission.test_cases, slot, self._admission)
                    status = result.status
                return version, result
            except Exception:
                status = Status.INTERNAL_ERROR
                raise
            finally:
                execution = _Execution(call, version, result, status, time.perf_counter() - started, waited)
                # After the answer has left.
                asyncio.get_running_loop().call_soon(self._record, execution, request["caller"], request["id"])

    def _record(self, execution: "_Execution", caller: str, request_id: str) -> None:
        """Counts and logs it."""
        call, result = execution.call, execution.result
        language = call.submission.language.name
        self.metrics.executions[language, execution.status] += 1
        self.metrics.seconds[language].add(execution.seconds)
        self.metrics.queue_seconds.add(execution.queue_seconds)
        judged = result if isinstance(result, JudgeResult) else None
        steps: list[StepResult | CaseResult] = []
        if result is not None:
            steps += [result.run] if isinstance(result, RunResult) else result.test_results
            steps += [result.compile] if result.compile else []
        self._log.write(
            ExecutionRecord(
                time=datetime.now(UTC),
                request_id=request_id,
                language=language,
                version=execution.version,
                status=execution.status,
                passed=judged.passed if judged else None,
                total=judged.total if judged else None,
                total_time=round(execution.seconds * 1000, 3),
                queue_time=round(execution.queue_seconds * 1000, 3),
                cpu_time=round(sum(step.cpu_time for step in steps), 3),
                wall_time=round(sum(step.wall_time for step in steps), 3),
                memory=max((step.memory or 0 for step in steps), default=0),
                user_id=call.user_id,
                question_id=call.question_id,
                caller=caller,
            )
        )

    async def health(self, _request: web.Request) -> web.Response:
        """`GET /health`."""
        able = self._open and self._executor.alive()
        return _json(
            HealthAnswer(
                status="healthy" if able else "unhealthy",
                service=SERVICE,
                replica=_REPLICA,
                version=__version__,
                uptime=round((time.monotonic() - self._started) * 1000),
                languages=tuple(sorted(self._registry.languages)),
                isolation=self._executor.isolation,
            ),
            200 if able else 503,
        )

    @property
    def _ready(self) -> bool:
        return self._open and not self._draining and self._executor.alive()

    async def ready(self, _request: web.Request) -> web.Response:
        """`GET /ready`."""
        ready = self._ready
        return _json(ReadyAnswer(ready), 200 if ready else 503)

    async def languages(self, _request: web.Request) -> web.Response:
        """`GET /languages`."""
        return _json(
            [
                LanguageAnswer(language.name, version, language.aliases, language.compiled)
                for language, version in await self._versions()
            ]
        )

    async def piston_runtimes(self, _request: web.Request) -> web.Response:
        """`GET /api/v2/runtimes`."""
        return _json(
            [piston.Runtime(language.name, version, language.aliases) for language, version in await self._versions()]
        )

    async def _versions(self) -> list[tuple[Language, str]]:
        """Every language with its version; the first call asks each toolchain for it."""
        found = []
        try:
            for language in self._registry.languages.values():
                version = self._judge.known_version(language)
                if version is None:
                    async with self._admission.slot("") as slot:
                        version = await self._judge.version(language, slot)
                found.append((language, version))
        except Busy as error:
            raise BusyError(f"{error}.", error.reason, error.retry_after) from error
        return found

    async def show_metrics(self, _request: web.Request) -> web.Response:
        """`GET /metrics`."""
        if self._metrics_text is None:
            from runtime.observability.exposition import Exposition  # noqa: PLC0415 - a start need not wait for it

            self._metrics_text = Exposition(self.metrics).text
        return web.Response(body=self._metrics_text(), headers={"Content-Type": _METRICS_TYPE})

    async def openapi(self, _request: web.Request) -> web.Response:
        """`GET /openapi.json`; it is made when somebody asks for it."""
        if not self._openapi:
            from runtime.http.openapi import document  # noqa: PLC0415 - a start need not wait for it

            self._openapi = _encode(document(self._settings, self._registry))
        return web.Response(body=self._openapi, content_type="application/json")

    async def docs(self, _request: web.Request) -> web.Response:
        """`GET /docs`: one page, with nothing from elsewhere."""
        page = await asyncio.to_thread(_PAGE.read_bytes)
        policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'"
        return web.Response(body=page, content_type="text/html", charset="utf-8", headers={"Content-Security-Policy": policy})


def _user(request: web.Request, call: Call) -> str:
    """Whose turn a submission takes: its `user_id` counts where given, else the key's name, else the address."""
    caller = request["caller"]
    if call.user_id is not None:
        return f"user {caller}\0{call.user_id}"
    if caller:
        return f"key {caller}"
    # The last entry is the one that the ingress itself has added.
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return f"address {forwarded or request.remote}"
