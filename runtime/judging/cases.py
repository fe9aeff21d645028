"""The trials of one submission: in which slots and until when they run, and how much of their output is kept."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from runtime.execution.executor import Slot
from runtime.judging.case_results import blank, has_failed
from runtime.judging.submission import CaseResult, Status
from runtime.judging.trials import Task

#: Runs the trial with this number, within so many seconds, and judges it.
Run = Callable[[int, Slot, float], Awaitable[CaseResult]]


_TRANSCRIPT = "transcript"
_OVER = "the time of all test cases together was over"


class SpareSlots(Protocol):
    """Slots that no other submission waits for. Each is borrowed for one run."""

    total: int

    def borrow(self) -> Slot | None:
        """A slot, or None where there is none to spare."""

    def give_back(self, slot: Slot) -> None:
        """Takes a slot back, for the submission that is next in the queue."""


async def run_trials(
    task: Task,
    slot: Slot,
    spare: SpareSlots,
    run: Run,
    *,
    over_at: float,
    max_output_bytes: int,
) -> list[CaseResult]:
    """The results in the order of the trials, which run in `slot` and in spare ones.

    A trial that has not begun, or has not ended within its own limits, at the moment `over_at` of the monotonic clock is
    `overloaded`: nothing is known of it. After a trial that exceeded its limit of time it is `time_limit_exceeded` as well:
    the submission has used up the time of all of its trials itself. Of all outputs together `max_output_bytes` are kept.
    A trial may run ahead of one that fails; where the task's plan skips it because of that one, it is `skipped` all the same.
    """
    trials, plan = task.trials, task.plan()
    results: list[CaseResult | None] = [None] * len(trials)
    outputs = _KeptOutputs(results, max_output_bytes)
    numbers = iter(range(len(trials)))
    too_slow = False

    async def run_next(slot: Slot) -> bool:
        """Runs the next trial in `slot`; False where there is none left to run."""
        nonlocal too_slow
        number = next((number for number in numbers if not plan.skips(number)), None)
        if number is None:
            return False
        left = over_at - time.monotonic()
        found = await run(number, slot, left) if left > 0 else blank(trials[number], Status.OVERLOADED, _OVER)
        if found.status is Status.OVERLOADED and too_slow and time.monotonic() >= over_at:
            found = blank(trials[number], Status.TIME_LIMIT_EXCEEDED, _OVER)
        too_slow = too_slow or found.status is Status.TIME_LIMIT_EXCEEDED
        results[number] = found
        outputs.bound(number)
        if has_failed(found):
            plan.failed(number)
        return True

    async def run_in_spare_slots() -> None:
        more = True
        while more and (extra := spare.borrow()):
            try:
                more = await run_next(extra)
            finally:
                spare.give_back(extra)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(spare.total, len(trials)) - 1):
            group.create_task(run_in_spare_slots())
        while await run_next(slot):
            pass
    return _as_if_in_order(task, results)


def _as_if_in_order(task: Task, results: list[CaseResult | None]) -> list[CaseResult]:
    """The results that one slot alone would have brought."""
    plan, final = task.plan(), []
    for number, (trial, result) in enumerate(zip(task.trials, results, strict=True)):
        if result is None or plan.skips(number):
            result = blank(trial, Status.SKIPPED)  # noqa: PLW2901 - the result that counts
        if has_failed(result):
            plan.failed(number)
        final.append(result)
    return final


class _KeptOutputs:
    """Bounds the outputs of all cases together: an earlier case's output is kept before a later one's.

    The cases may end in any order.
    """

    def __init__(self, results: list[CaseResult | None], most_bytes: int) -> None:
        self._results = results
        self._sizes = [0] * len(results)
        self._over = -most_bytes
        self._last = 0

    def bound(self, number: int) -> None:
        """Counts the result with this number, and shortens the last results as far as that makes it necessary."""
        self._sizes[number] = _size(self._results[number])
        self._over += self._sizes[number]
        self._last = max(self._last, number)
        while self._over > 0:
            size = self._sizes[self._last]
            left = max(0, size - self._over)
            last = self._results[self._last]
            if size and last is not None:
                self._results[self._last] = _shortened(last, left)
            self._sizes[self._last] = left
            self._over -= size - left
            self._last -= self._over > 0


def _size(result: CaseResult | None) -> int:
    return 0 if result is None else sum(len(text.encode()) for text in _outputs(result).values())


def _outputs(result: CaseResult) -> dict[str, str]:
    """By their names; empty for a hidden case."""
    found = {"stdout": result.stdout, "stderr": result.stderr, "returned": result.returned, _TRANSCRIPT: result.transcript}
    return {name: text for name, text in found.items() if not isinstance(text, msgspec.UnsetType)}


def _shortened(result: CaseResult, most_bytes: int) -> CaseResult:
    """The result with at most so many bytes of its outputs together."""
    shortened: dict[str, object] = {}
    for name, text in _outputs(result).items():
        data = text.encode()
        if len(data) > most_bytes:
            shortened[name] = data[:most_bytes].decode(errors="ignore")
            if name != _TRANSCRIPT:  # which has no such flag: it is shortened in any case
                shortened[f"{name}_truncated"] = True
        most_bytes -= min(len(data), most_bytes)
    return msgspec.structs.replace(result, **shortened)
