"""A submission's way through the server: body, slot, judge, and the record of what came of it."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import msgspec
from aiohttp import web

from runtime.execution.executor import Slot
from runtime.execution.protocol import File
from runtime.http.admission import Admission, Busy
from runtime.http.auth import CALLER
from runtime.http.bodies import Bodies, Body
from runtime.http.judging_record import JudgingRecord, judging_record
from runtime.http.packages import Packages
from runtime.http.problems import BusyError, DrainingError, NoRoomError
from runtime.http.request_ids import REQUEST_ID, rehearsal_of
from runtime.http.requests import Call
from runtime.http.traces import TRACE, trace_submission
from runtime.judging.judge import Judge, Watcher
from runtime.judging.problem_tasks import task as problem_task
from runtime.judging.submission import CaseResult, JudgeResult, RunResult, Status, StepResult
from runtime.judging.trials import inline
from runtime.languages.registry import Language, Registry
from runtime.observability.metrics import Metrics
from runtime.observability.records import ExecutionRecord, Log
from runtime.observability.tracing import Trace, Tracer, Value
from runtime.settings import Settings

Result = RunResult | JudgeResult
Parse = Callable[[bytes, Settings, Registry], Call]


class Served(msgspec.Struct, frozen=True):
    """What came of a submission; `version` is the language's."""

    call: Call
    version: str
    result: Result
    #: The directory that the program was run in.
    folder: str
    #: Of `Call.follow_up`.
    further: RunResult | None = None
    #: Of a judged submission.
    record: JudgingRecord | None = None


class Sender(msgspec.Struct, frozen=True):
    """Where a submission comes from: the name of its key, its client's address, and the request's id."""

    caller: str
    address: str
    request_id: str
    #: What a rehearsal calls itself; empty for anybody else.
    rehearsal: str = ""
    trace: Trace | None = None


class _Execution(msgspec.Struct, frozen=True):
    """What the record says of an execution; moments in seconds of `time.perf_counter`."""

    call: Call
    version: str
    result: Result | None
    status: str
    began: float
    #: Its wait for a slot: from and until.
    queued: tuple[float, float]
    ended: float

    @property
    def seconds(self) -> float:
        """From the request's arrival to its answer."""
        return self.ended - self.began

    @property
    def queue_seconds(self) -> float:
        """In the queue."""
        return self.queued[1] - self.queued[0]


class Submissions:
    """Serves submissions, whichever interface they come through, and counts those that are being served."""

    def __init__(
        self,
        *,
        settings: Settings,
        registry: Registry,
        judge: Judge,
        packages: Packages,
        admission: Admission[Slot],
        bodies: Bodies,
        metrics: Metrics,
        log: Log,
        walls: tuple[str, ...],
        tracer: Tracer | None,
    ) -> None:
        """`walls` are the layers in force, for the records of judgements; without a `tracer` there are no traces."""
        self._settings = settings
        self._registry = registry
        self._judge = judge
        self._packages = packages
        self._admission = admission
        self._bodies = bodies
        self._metrics = metrics
        self._log = log
        self._walls = walls
        self._tracer = tracer
        self._serving = 0
        self._drained = asyncio.Event()
        self.draining = False

    async def drain(self) -> None:
        """From now on new work is refused; returns when all that was accepted has been answered."""
        self.draining = True
        if self._serving:
            await self._drained.wait()

    async def serve(self, request: web.Request, parse: Parse) -> Served:
        """Reads the request's body with `parse`, waits for a slot and runs the submission; raises Refusal."""
        started = time.perf_counter()
        with self.accepting(), self._bodies.body(request) as body:
            call = parse(await body.read(), self._settings, self._registry)
            return await self._run_in_slot(call, sender_of(request), started)

    def body(self, request: web.Request) -> Body:
        """The request's body, within the limits of all bodies."""
        return self._bodies.body(request)

    def parsed(self, data: bytes, parse: Parse) -> Call:
        """What `data` asks for; raises Refusal."""
        return parse(data, self._settings, self._registry)

    @property
    def slots(self) -> int:
        """How many programs may run at the same time."""
        return self._admission.total

    async def execute(self, call: Call, sender: Sender, watcher: Watcher | None = None, *, accepted: bool = False) -> Served:
        """Waits for a slot and runs a submission that is no request's whole body; raises Refusal.

        One that was `accepted` before, within `accepting`, is run although the replica is about to stop.
        """
        started = time.perf_counter()
        with self.accepting(accepted=accepted):
            return await self._run_in_slot(call, sender, started, watcher)

    @contextmanager
    def accepting(self, *, accepted: bool = False) -> Iterator[None]:
        """Counts a submission for the length of the block; raises Refusal where none is taken, or no slot is free."""
        if self.draining and not accepted:
            raise DrainingError(
                "This replica is about to stop; try again, another one will answer.", headers={"Retry-After": "1"}
            )
        self._serving += 1
        try:
            yield
        except Busy as error:
            raise BusyError(f"{error}.", error.reason, error.retry_after) from error
        finally:
            self._serving -= 1
            if self.draining and not self._serving:
                self._drained.set()

    async def _run_in_slot(self, call: Call, sender: Sender, started: float, watcher: Watcher | None = None) -> Served:
        # Before it takes a slot: a store that is slow holds nobody else up.
        files = call.submission.files
        call, opened = await self._packages.of_call(sender.caller, call)
        submission = call.submission
        arrived = time.perf_counter()
        async with self._admission.slot(_user(sender, call), call.wait) as slot:
            queued = (arrived, time.perf_counter())
            version = await self._judge.version(submission.language, slot)
            if call.check_version is not None:
                call.check_version(version)
            result: Result | None = None
            status = "cancelled"
            try:
                if submission.test_cases is None:
                    result = run = await self._judge.run(submission, slot, watcher)
                    status = run.run.status
                    if call.follow_up and (further := call.follow_up(run)):
                        return Served(call, version, run, slot.box, await self._judge.run(further, slot))
                else:
                    task = (
                        inline(submission, submission.test_cases)
                        if opened is None
                        else problem_task(submission, opened, self._registry, self._settings, details=call.judge_details)
                    )
                    result = await self._judge.judge(submission, task, slot, self._admission)
                    status = result.status
                if slot.no_room:
                    raise NoRoomError(f"{slot.no_room}. Try again, another replica has room.", headers={"Retry-After": "1"})
                return Served(call, version, result, slot.box, record=self._judging_record(files, call, version))
            except Exception:
                status = Status.INTERNAL_ERROR
                raise
            finally:
                execution = _Execution(call, version, result, status, started, queued, time.perf_counter())
                # After the answer has left.
                asyncio.get_running_loop().call_soon(self._record, execution, sender)

    def _judging_record(self, files: tuple[File, ...], call: Call, version: str) -> JudgingRecord | None:
        submission = call.submission
        if submission.test_cases is None:
            return None
        limits = self._judge.limits(submission)
        return judging_record(files, call.problem, submission, version, limits, walls=self._walls, seed=self._registry.seed)

    def _record(self, execution: _Execution, sender: Sender) -> None:
        """Counts and logs the execution."""
        call, result, metrics = execution.call, execution.result, self._metrics
        language = call.submission.language.name
        metrics.executions[language, execution.status] += 1
        metrics.seconds[language].add(execution.seconds)
        metrics.queue_seconds.add(execution.queue_seconds)
        judged = result if isinstance(result, JudgeResult) else None
        steps: list[StepResult | CaseResult] = []
        if result is not None:
            steps += [result.run] if isinstance(result, RunResult) else result.test_results
            steps += [result.compile] if result.compile else []
        trace = sender.trace
        if trace and trace.sampled and self._tracer:
            self._trace(self._tracer, trace, execution)
        self._log.write(
            ExecutionRecord(
                time=datetime.now(UTC),
                request_id=sender.request_id,
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
                caller=sender.caller,
                trace_id=trace.trace_id.hex() if trace else "",
                span_id=trace.span_id.hex() if trace else "",
                rehearsal=sender.rehearsal,
            )
        )

    def _trace(self, tracer: Tracer, trace: Trace, execution: _Execution) -> None:
        call, result = execution.call, execution.result
        attributes: dict[str, Value] = {
            "executor.language": call.submission.language.name,
            "executor.version": execution.version,
            "executor.status": execution.status,
        }
        if isinstance(result, JudgeResult):
            attributes |= {"executor.passed": result.passed, "executor.total": result.total}
        if call.question_id is not None:
            attributes["executor.question_id"] = call.question_id
        trace_submission(
            tracer,
            trace,
            attributes,
            result.timeline if result else (),
            began=execution.began,
            queued=execution.queued,
            ended=execution.ended,
            status=execution.status,
        )

    async def versions(self) -> list[tuple[Language, str]]:
        """Every language with its version; the first call asks each toolchain for it. Raises BusyError."""
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


def sender_of(request: web.Request) -> Sender:
    """Where a request comes from."""
    # The last entry is the one that the ingress itself has added.
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    address = forwarded or request.remote or ""
    return Sender(request[CALLER], address, request[REQUEST_ID], rehearsal_of(request), request.get(TRACE))


def _user(sender: Sender, call: Call) -> str:
    """Whose turn a submission takes: its `user_id` counts where given, else the key's name, else the address."""
    if call.user_id is not None:
        return f"user {sender.caller}\0{call.user_id}"
    if sender.caller:
        return f"key {sender.caller}"
    return f"address {sender.address}"
