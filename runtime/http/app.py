"""The aiohttp application: its routes, and the executor's slots, which open and close with it."""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from aiohttp import web

from runtime import __version__
from runtime.execution.executor import Executor, Slot
from runtime.http.admission import Admission
from runtime.http.answers import (
    HostAnswer,
    LanguageAnswer,
    ReadyAnswer,
    answer,
    encode,
    json_response,
    problem_answer,
)
from runtime.http.auth import Keys
from runtime.http.bodies import Bodies
from runtime.http.doors.opening import doors, executions
from runtime.http.handover import Handover
from runtime.http.health import health
from runtime.http.judging_record import walls
from runtime.http.other_pages import other_pages
from runtime.http.packages import Packages
from runtime.http.pages.browser_pages import BrowserPages
from runtime.http.problems import Refusal
from runtime.http.refusals import refusals
from runtime.http.replica_names import REPLICA, names_replica
from runtime.http.request_ids import request_ids
from runtime.http.requests import decode, is_strict
from runtime.http.submissions import Submissions
from runtime.http.traces import tracing
from runtime.judging.judge import Judge
from runtime.languages.ahead import Ahead
from runtime.languages.registry import Registry
from runtime.observability import host
from runtime.observability.metrics import Metrics
from runtime.observability.records import Log
from runtime.observability.tracing import Tracer
from runtime.settings import Settings

if TYPE_CHECKING:
    from runtime.http.executions import Executions

_RESPOND_ASYNC = "respond-async"  # RFC 7240
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Service:
    """The handlers and what they share."""

    def __init__(
        self,
        settings: Settings,
        executor: Executor,
        registry: Registry,
        log: Log,
        *,
        ahead: Ahead,
        tracer: Tracer | None = None,
    ) -> None:
        """The executor has been started and configured; its slots open with the application."""
        self._tracer = tracer
        self._settings = settings
        self._executor = executor
        self._registry = registry
        self._keys = Keys(settings.api_keys)
        self._started = time.monotonic()
        self._open = False
        self._openapi = b""
        self._metrics_text: Callable[[], bytes] | None = None
        admission: Admission[Slot] = Admission(
            executor.slots, queue_length=settings.queue_length, queue_seconds=settings.queue_seconds
        )
        bodies = Bodies(settings)
        self.metrics = Metrics(REPLICA, __version__)
        self._watch(admission, bodies, log)
        self.metrics.watch("executor_headers_made", "Headers that were compiled ahead here", lambda: ahead.count)
        self._packages = Packages(settings, registry, Path(executor.root) / "problems", bodies)
        self.metrics.watch_count(
            "executor_problems_fetched", "Problems that came from the store", (), lambda: {(): self._packages.fetched}
        )
        self.submissions = Submissions(
            settings=settings,
            registry=registry,
            judge=Judge(settings, registry, ahead),
            packages=self._packages,
            admission=admission,
            bodies=bodies,
            metrics=self.metrics,
            log=log,
            walls=walls(executor.isolation),
            tracer=tracer,
        )
        self._pages = BrowserPages(settings)
        self._executions = executions(settings, self.submissions)
        opened = doors(settings, self.submissions, registry, Path(executor.root) / "doors", self.count)
        self._doors = (*opened, self._executions)
        self._handover = Handover(settings, self._doors)

    def _watch(self, admission: Admission[Slot], bodies: Bodies, log: Log) -> None:
        """Adds to the metrics what other objects count."""
        metrics = self.metrics
        metrics.watch("executor_slots", "Programs that may run at the same time", lambda: admission.total)
        metrics.watch("executor_slots_in_use", "Slots in which a submission is being run", lambda: admission.held)
        metrics.watch("executor_queue_length", "Submissions that wait for a slot", lambda: admission.waiting)
        metrics.watch("executor_body_bytes", "Request bodies in memory", lambda: bodies.held)
        metrics.watch("executor_ready", "1 while new work is taken", lambda: self._ready)
        metrics.watch_count("executor_log_records_lost", "Log records that nobody read in time", (), lambda: {(): log.lost})
        metrics.watch_count(
            "executor_warm_runs", "Runs that a warm worker could serve, and whether one did", ("language", "warm"),
            self._warm_runs,
        )  # fmt: skip

    def _warm_runs(self) -> dict[tuple[str, ...], float]:
        total: defaultdict[tuple[str, ...], float] = defaultdict(float)
        for slot in self._executor.slots:
            for (language, warm), count in slot.warm_runs.items():
                total[language, "yes" if warm else "no"] += count
        return total

    def application(self) -> web.Application:
        """The application with its routes; opening it opens the slots."""
        named, pages = names_replica(self._started), other_pages(self._settings.frame_origins)
        traces = [tracing(self._tracer)] if self._tracer else []
        answering = [refusals(self._doors, self.count), self._keys.middleware()]
        app = web.Application(middlewares=[request_ids, named, pages, *traces, *answering])
        app.add_routes(
            [
                web.post("/execute", self.execute),
                web.put("/problems", self.put_problem),
                web.get("/problems/{digest}", self.problem),
                web.get("/health", self.health),
                web.get("/ready", self.ready),
                web.get("/host", self.host),
                web.get("/languages", self.languages),
                web.get("/metrics", self.show_metrics),
                web.get("/openapi.json", self.openapi),
                *self._pages.routes(),
                *(route for door in self._doors for route in door.routes()),
            ]
        )
        app.cleanup_ctx.append(self._slots)
        return app

    async def _slots(self, _app: web.Application) -> AsyncIterator[None]:
        await self._executor.open()
        self._open = True
        async with self._handover.watching():
            yield
        self._executor.close()

    async def drain(self) -> None:
        """From now on new work is refused; returns when all that was accepted has been answered, or handed back."""
        self.submissions.draining = True
        await self._handover.hand_back()
        await self.submissions.drain()

    def count(self, refusal: Refusal) -> None:
        """Counts a refusal for the metrics."""
        self.metrics.refusals[refusal.reason] += 1

    async def execute(self, request: web.Request) -> web.Response:
        """`POST /execute`."""
        if _RESPOND_ASYNC in _preferences(request):
            return await cast("Executions", self._executions.door()).accept(request)
        parse = partial(decode, strict=is_strict(request.query))
        return json_response(answer(await self.submissions.serve(request, parse)))

    async def put_problem(self, request: web.Request) -> web.Response:
        """`PUT /problems`."""
        return json_response(problem_answer(await self._packages.put(request), self._settings))

    async def problem(self, request: web.Request) -> web.Response:
        """`GET /problems/{digest}`."""
        return json_response(problem_answer(await self._packages.get(request.match_info["digest"]), self._settings))

    async def health(self, _request: web.Request) -> web.Response:
        """`GET /health`."""
        able = self._open and self._executor.alive()
        body = health(self._executor, self._registry, time.monotonic() - self._started, able=able)
        return json_response(body, 200 if able else 503)

    @property
    def _ready(self) -> bool:
        return self._open and not self.submissions.draining and not self._executor.problem()

    async def ready(self, _request: web.Request) -> web.Response:
        """`GET /ready`."""
        ready = self._ready
        reason = self._executor.problem() if self._open and not ready else ""
        return json_response(ReadyAnswer(ready, reason), 200 if ready else 503)

    async def host(self, _request: web.Request) -> web.Response:
        """`GET /host`, for callers with a key: it says more of the platform than strangers need."""
        settings = self._settings
        return json_response(
            HostAnswer(
                replica=REPLICA,
                version=__version__,
                uptime=round((time.monotonic() - self._started) * 1000),
                host=host.describe(),
                isolation=self._executor.isolation,
                concurrency=settings.concurrency,
                queue_length=settings.queue_length,
                queue_seconds=settings.queue_seconds,
                max_body_mb=settings.max_body_mb,
                max_timeout_seconds=settings.max_timeout_seconds,
                max_judging_seconds=settings.max_judging_seconds,
                keys=bool(settings.api_keys),
            )
        )

    async def languages(self, _request: web.Request) -> web.Response:
        """`GET /languages`."""
        return json_response(
            [
                LanguageAnswer(language.name, version, language.aliases, language.compiled)
                for language, version in await self.submissions.versions()
            ]
        )

    async def show_metrics(self, _request: web.Request) -> web.Response:
        """`GET /metrics`."""
        if self._metrics_text is None:
            from runtime.observability.exposition import Exposition  # noqa: PLC0415 - a start need not wait for it

            self._metrics_text = Exposition(self.metrics).text
        return web.Response(body=self._metrics_text(), headers={"Content-Type": _METRICS_TYPE})

    async def openapi(self, _request: web.Request) -> web.Response:
        """`GET /openapi.json`, which is made at the first request for it."""
        if not self._openapi:
            from runtime.http.openapi import document  # noqa: PLC0415 - a start need not wait for it

            self._openapi = encode(document(self._settings, self._registry, self._doors))
        return web.Response(body=self._openapi, content_type="application/json")


def _preferences(request: web.Request) -> set[str]:
    """What the client prefers (RFC 7240): names, in whatever case, without values and parameters."""
    items = (item for line in request.headers.getall("Prefer", ()) for item in line.split(","))
    return {item.partition(";")[0].partition("=")[0].strip().lower() for item in items}
