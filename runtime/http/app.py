"""The aiohttp application: routes to judging and back, and the life of the executor around it."""

import asyncio
import logging
import os
import platform
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from typing import TypeVar

import msgspec
from aiohttp import web

from runtime import __version__
from runtime.execution import leftovers
from runtime.execution.executor import Executor, Slot
from runtime.execution.protocol import WarmStart
from runtime.http.admission import Admission, Busy
from runtime.http.auth import Keys
from runtime.http.problems import (
    BusyError,
    DrainingError,
    InvalidJsonError,
    MethodNotAllowedError,
    NotFoundError,
    PayloadTooLargeError,
    Refusal,
    UnsupportedMediaTypeError,
)
from runtime.http.requests import decode, to_submission
from runtime.judging.judge import Judge
from runtime.judging.submission import CaseResult, StepResult
from runtime.languages.registry import Registry
from runtime.sandbox import landlock
from runtime.settings import Settings

_log = logging.getLogger(__name__)
Field = TypeVar("Field")
_OPEN_PATHS = ("/health", "/ready")
SERVICE = "Code Execution Service"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _RunAnswer(msgspec.Struct, frozen=True):
    language: str
    version: str
    run: StepResult
    compile: StepResult | msgspec.UnsetType = msgspec.UNSET
    user_id: str | msgspec.UnsetType = msgspec.UNSET
    question_id: str | msgspec.UnsetType = msgspec.UNSET


class _JudgeAnswer(msgspec.Struct, frozen=True):
    language: str
    version: str
    status: str
    passed: int
    total: int
    test_results: tuple[CaseResult, ...]
    compile: StepResult | msgspec.UnsetType = msgspec.UNSET
    user_id: str | msgspec.UnsetType = msgspec.UNSET
    question_id: str | msgspec.UnsetType = msgspec.UNSET


_encode = msgspec.json.Encoder().encode


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=_encode(body), status=status, content_type="application/json")


def _set(value: Field | None) -> Field | msgspec.UnsetType:
    """A field that is left out of the answer where there is nothing to say."""
    return msgspec.UNSET if value is None else value


class Service:
    """The handlers and what they share."""

    def __init__(self, settings: Settings, executor: Executor, registry: Registry) -> None:
        """The executor has been started; its slots open with the application."""
        self._settings = settings
        self._executor = executor
        self._registry = registry
        self._keys = Keys(settings.api_keys)
        self._judge = Judge(settings, registry)
        self._admission: Admission[Slot] = Admission(
            executor.slots, queue_length=settings.queue_length, queue_seconds=settings.queue_seconds
        )
        self._started = time.monotonic()
        self._open = False
        self._draining = False

    def application(self) -> web.Application:
        """The application with its routes; opening it opens the slots."""
        app = web.Application(
            middlewares=[_refusals, self._authorize], client_max_size=int(self._settings.max_body_mb * (1 << 20))
        )
        app.add_routes(
            [
                web.post("/execute", self.execute),
                web.get("/health", self.health),
                web.get("/ready", self.ready),
                web.get("/languages", self.languages),
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
                    argv=self._registry.command(language.warm.run, box=slot.box, bootstrap=self._executor.bootstrap),
                    env=self._registry.environment(language, slot.box),
                    forks=language.warm.forks,
                    ready=language.warm.ready,
                )
                for language in self._registry.languages.values()
                if language.warm
            )
            for slot in self._executor.slots
        }

    @web.middleware
    async def _authorize(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Before anything of the body is read; the platform's probes carry no key."""
        if request.path not in _OPEN_PATHS:
            self._keys.caller(request.headers)
        return await handler(request)

    def drain(self) -> None:
        """From now on new work is refused; running work goes on."""
        self._draining = True

    async def execute(self, request: web.Request) -> web.Response:
        """`POST /execute`."""
        if self._draining:
            raise DrainingError(
                "This replica is about to stop; try again, another one will answer.", headers={"Retry-After": "1"}
            )
        if request.content_type not in ("application/json", "application/octet-stream"):
            raise UnsupportedMediaTypeError(f"The body is {request.content_type}; it must be application/json.")
        try:
            data = await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            raise PayloadTooLargeError(f"The body may have at most {self._settings.max_body_mb:g} MiB.") from error
        body = decode(data)
        submission = to_submission(body, self._settings, self._registry)
        try:
            async with self._admission.slot() as slot:
                version = await self._judge.version(submission.language, slot)
                if submission.test_cases is None:
                    result = await self._judge.run(submission, slot)
                    return _json(_RunAnswer(
                        submission.language.name, version, result.run, _set(result.compile),
                        _set(body.user_id), _set(body.question_id),
                    ))  # fmt: skip
                verdict = await self._judge.judge(submission, submission.test_cases, slot)
                return _json(_JudgeAnswer(
                    submission.language.name, version, verdict.status, verdict.passed, verdict.total,
                    verdict.test_results, _set(verdict.compile), _set(body.user_id), _set(body.question_id),
                ))  # fmt: skip
        except Busy as error:
            raise BusyError(f"{error}.", headers={"Retry-After": str(error.retry_after)}) from error

    async def health(self, _request: web.Request) -> web.Response:
        """`GET /health`."""
        able = self._open and self._executor.alive()
        force = asdict(self._executor.isolation)
        return _json(
            {
                "status": "healthy" if able else "unhealthy",
                "service": SERVICE,
                "replica": os.environ.get("CONTAINER_APP_REPLICA_NAME") or f"code-executor-{platform.node()}",
                "version": __version__,
                "uptime": round((time.monotonic() - self._started) * 1000),
                "languages": sorted(self._registry.languages),
                "isolation": force | {"weak": self._executor.isolation.weak},
            },
            200 if able else 503,
        )

    async def ready(self, _request: web.Request) -> web.Response:
        """`GET /ready`."""
        ready = self._open and not self._draining and self._executor.alive()
        return _json({"ready": ready}, 200 if ready else 503)

    async def languages(self, _request: web.Request) -> web.Response:
        """`GET /languages`; the first call asks each toolchain for its version."""
        try:
            for language in self._registry.languages.values():
                if self._judge.known_version(language) is None:
                    async with self._admission.slot() as slot:
                        await self._judge.version(language, slot)
        except Busy as error:
            raise BusyError(f"{error}.", headers={"Retry-After": str(error.retry_after)}) from error
        return _json(
            [
                {
                    "language": language.name,
                    "version": self._judge.known_version(language),
                    "aliases": language.aliases,
                    "compiled": language.compiled,
                }
                for language in self._registry.languages.values()
            ]
        )


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The one place where an error becomes an answer."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return refusal.response()
    except web.HTTPNotFound:
        return NotFoundError(f"There is nothing at {request.path}.").response()
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        return MethodNotAllowedError(f"{request.path} takes {allowed}.", headers={"Allow": allowed}).response()
    except web.HTTPException as error:
        return InvalidJsonError(error.reason).response()
    except (asyncio.CancelledError, ConnectionResetError):
        raise
    except Exception:  # noqa: BLE001 - the last line: whatever it is, it is logged whole and answered
        _log.exception("unexpected error in %s %s", request.method, request.path)
        return Refusal("The executor failed; its log says why.").response()
