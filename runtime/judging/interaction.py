"""Two programs that speak with each other: a submission and the interactor that judges it, each in a box of its own.

What one writes to its standard output is the other's standard input. The bytes go through the server, which takes no more
from one than the other has room for. Neither gets a broken pipe: what the other one does not read any more is dropped.
"""

import asyncio
from collections.abc import Callable

import msgspec

from runtime.execution.codec import number_of
from runtime.execution.executor import Slot
from runtime.execution.live import LiveStreams
from runtime.execution.protocol import Ended, Event, Job, Outcome
from runtime.judging.checkers import Checked
from runtime.judging.submission import Status, StepResult
from runtime.judging.transcript import Transcript

#: What a message needs on its way through the server and back, generously: no wall time of the program's.
_WAY_MS = 1
_ENDED = "it was ended, because the interactor had given its verdict"
_NOT_THE_PROGRAMS = (Status.JUDGE_ERROR, Status.INTERNAL_ERROR, Status.OVERLOADED)
_NOT_ABLE = (Ended.FAILED, Ended.CANCELLED, Ended.STARVED)


class Spoken(msgspec.Struct, frozen=True):
    """What came of the two, with what was kept of their outputs."""

    program: Outcome
    interactor: Outcome
    #: Whether the interactor had closed its output, or had ended, before the program ended.
    interactor_first: bool


async def speak(
    program: Job,
    interactor: Job,
    slot: Slot,
    *,
    accepts: Callable[[Outcome], bool],
    kept_bytes: int,
    transcript: Transcript,
) -> Spoken:
    """Runs both jobs to their ends, in the slot's halves.

    Once the interactor has ended and does not accept, of which `accepts` tells, the program is ended. `kept_bytes` are kept
    of each output.
    """
    of_program, of_interactor = slot.halves
    return await _Conversation(kept_bytes, accepts, transcript).hold((of_program, program), (of_interactor, interactor))


def paired(program: Job, interactor: Job, *, left_seconds: float, output_bytes: int) -> tuple[Job, Job]:
    """The two jobs as they speak with each other, of a submission that may take `left_seconds` more.

    At each moment the wall time of one of them passes: the program's while the interactor waits for it, else the
    interactor's. So each may last as long as both may.
    """
    longest = min(program.limits.max_wall_ms + interactor.limits.max_wall_ms, max(1, round(left_seconds * 1000)))
    limits = msgspec.structs.replace(program.limits, max_wall_ms=longest)
    of_interactor = msgspec.structs.replace(
        interactor.limits, max_wall_ms=longest, output_bytes=output_bytes, free_waiting=True
    )
    return (
        msgspec.structs.replace(program, live=True, paired=True, limits=limits),
        msgspec.structs.replace(interactor, live=True, paired=True, limits=of_interactor),
    )


def verdict(spoken: Spoken, step: StepResult, checked: Checked) -> tuple[StepResult, Checked | None]:
    """The program's result, and what the interactor says of it; None where the program's own failure counts.

    A failure of the interactor's is never the program's. Where the interactor was first and does not accept, what the
    program does then, of whose input nothing is left, is of no account.
    """
    if spoken.program.ended in (Ended.FAILED, Ended.STARVED):
        return step, None
    if spoken.program.ended is Ended.CANCELLED:
        step = msgspec.structs.replace(step, message=_ENDED)
    was_first = spoken.interactor_first and checked.status is not Status.ACCEPTED
    if was_first or checked.status in _NOT_THE_PROGRAMS or step.status is Status.OK:
        return step, checked
    return step, None


class _End:
    """One of the two: its streams, what it has said that is not on its way yet, and what was kept of its outputs."""

    def __init__(self, kept_bytes: int, on_event: Callable[[Event, bytes], None]) -> None:
        self._kept_bytes = kept_bytes
        self._on_event = on_event
        self.streams = LiveStreams(self._arrived)
        #: None is the end of standard output.
        self.said: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.outputs = {Event.STDOUT: bytearray(), Event.STDERR: bytearray()}
        self.outcome: Outcome | None = None

    def _arrived(self, event: Event, data: bytes) -> None:
        if event in self.outputs:
            kept = self.outputs[event]
            # One more tells that there was more.
            kept += data[: self._kept_bytes + 1 - len(kept)]
        if event is Event.STDOUT:
            self.said.put_nowait(data)
        elif event is Event.STDERR:
            self.streams.taken(len(data))
        else:
            self._on_event(event, data)

    async def run(self, half: Slot, job: Job) -> Outcome:
        try:
            outcome = await half.run(job, self.streams)
        finally:
            self.streams.end()
            self.said.put_nowait(None)
        stdout, stderr = (bytes(self.outputs[event]) for event in (Event.STDOUT, Event.STDERR))
        if len(stderr) > self._kept_bytes:
            stderr += outcome.stderr  # a runtime's last words, which the verdict needs
        self.outcome = msgspec.structs.replace(outcome, stdout=stdout, stderr=stderr)
        return self.outcome


class _Conversation:
    def __init__(self, kept_bytes: int, accepts: Callable[[Outcome], bool], transcript: Transcript) -> None:
        self._accepts = accepts
        self._transcript = transcript
        self._program = _End(kept_bytes, self._program_told)
        self._interactor = _End(kept_bytes, self._interactor_told)
        self._interactor_began = asyncio.Event()
        self._interactor_first = False

    async def hold(self, program: tuple[Slot, Job], interactor: tuple[Slot, Job]) -> Spoken:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pass_on(self._program, self._interactor, ">"))
            group.create_task(self._pass_on(self._interactor, self._program, "<"))
            second = group.create_task(self._run_interactor(*interactor))
            first = group.create_task(self._run_program(*program))
        return Spoken(first.result(), second.result(), self._interactor_first)

    async def _run_interactor(self, half: Slot, job: Job) -> Outcome:
        outcome = await self._interactor.run(half, job)
        self._interactor_is_first()
        self._interactor_began.set()
        if not self._accepts(outcome):
            self._program.streams.give_up()
        return outcome

    async def _run_program(self, half: Slot, job: Job) -> Outcome:
        # The program's time shall not be that of the other one's start.
        await self._interactor_began.wait()
        outcome = await self._program.run(half, job)
        if outcome.ended in _NOT_ABLE:
            self._interactor.streams.give_up()
        return outcome

    def _program_told(self, event: Event, _data: bytes) -> None:
        if event is Event.END_OF_STDOUT:
            self._program.said.put_nowait(None)

    def _interactor_told(self, event: Event, data: bytes) -> None:
        if event is Event.END_OF_STDOUT:
            self._interactor_is_first()
            self._interactor.said.put_nowait(None)
        elif event is Event.BUSY:
            self._interactor_began.set()
            self._program.streams.excuse(number_of(memoryview(data)))

    def _interactor_is_first(self) -> None:
        self._interactor_first = self._interactor_first or self._program.outcome is None

    async def _pass_on(self, speaker: _End, listener: _End, sign: str) -> None:
        while (data := await speaker.said.get()) is not None:
            self._transcript.add(sign, data)
            await listener.streams.write(data)
            speaker.streams.taken(len(data))
            self._program.streams.excuse(_WAY_MS)
        await listener.streams.end_input()
