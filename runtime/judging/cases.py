"""The test cases of one submission: in which slots and until when they run, and how much of their output is kept."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from runtime.execution.executor import Slot
from runtime.judging.submission import CaseResult, Status, StepResult, Submission, TestCase
from runtime.judging.verdicts import case_result, without_run

#: Runs the submission, which has the limits of one test case, with that case's input.
Run = Callable[[Submission, Slot, bytes], Awaitable[StepResult]]


_OVER = "the time of all test cases together was over"


class SpareSlots(Protocol):
    """Slots that no other submission waits for. Each is borrowed for one run."""

    total: int

    def borrow(self) -> Slot | None:
        """A slot, or None where there is none to spare."""

    def give_back(self, slot: Slot) -> None:
        """Takes a slot back, for the submission that is next in the queue."""


async def run_cases(
    submission: Submission,
    cases: tuple[TestCase, ...],
    slot: Slot,
    spare: SpareSlots,
    run: Run,
    *,
    over_at: float,
    max_output_bytes: int,
) -> list[CaseResult]:
    """The results in the order of the cases, which run in `slot` and in spare ones.

    A case that has not begun, or has not ended within its own limits, at the moment `over_at` of the monotonic clock is
    `overloaded`: nothing is known of it. After a case that exceeded its limit of time it is `time_limit_exceeded` as well:
    the submission has used up the time of all of its cases itself. Of all outputs together `max_output_bytes` are kept.
    A case may run ahead of one that fails; with `stop_on_failure` it is `skipped` all the same.
    """
    skipped = without_run(Status.SKIPPED)
    results = [case_result(case, skipped, submission.comparator) for case in cases]
    numbers = iter(range(len(cases)))
    first_failed = len(cases)
    outputs = _KeptOutputs(results, max_output_bytes)
    too_slow = False

    async def run_next(slot: Slot) -> bool:
        """Runs the next case in `slot`; False where there is none left to run."""
        nonlocal first_failed, too_slow
        number = next(numbers, first_failed)
        if number >= first_failed:
            return False
        case = cases[number]
        left = over_at - time.monotonic()
        if left > 0:
            step = await run(submission.for_case(case, left), slot, case.input.encode())
        else:
            step = without_run(Status.OVERLOADED, _OVER)
        if step.status is Status.OVERLOADED and too_slow and time.monotonic() >= over_at:
            step = msgspec.structs.replace(step, status=Status.TIME_LIMIT_EXCEEDED, message=_OVER)
        too_slow = too_slow or step.status is Status.TIME_LIMIT_EXCEEDED
        results[number] = case_result(case, step, submission.comparator)
        outputs.bound(number)
        if submission.stop_on_failure and results[number].status not in (Status.ACCEPTED, Status.OVERLOADED):
            first_failed = min(first_failed, number)
        return True

    async def run_in_spare_slots() -> None:
        more = True
        while more and (extra := spare.borrow()):
            try:
                more = await run_next(extra)
            finally:
                spare.give_back(extra)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(spare.total, len(cases)) - 1):
            group.create_task(run_in_spare_slots())
        while await run_next(slot):
            pass
    for number in range(first_failed + 1, len(cases)):
        results[number] = case_result(cases[number], skipped, submission.comparator)
    return results


class _KeptOutputs:
    """Bounds the outputs of all cases together: an earlier case's output is kept before a later one's.

    The cases may end in any order.
    """

    def __init__(self, results: list[CaseResult], most_bytes: int) -> None:
        self._results = results
        self._sizes = [0] * len(results)
        self._over = -most_bytes
        self._last = 0

    def bound(self, number: int) -> None:
        """Counts the result with this number, and shortens the last results as far as that makes it necessary."""
        self._sizes[number] = sum(len(text.encode()) for text in _outputs(self._results[number]).values())
        self._over += self._sizes[number]
        self._last = max(self._last, number)
        while self._over > 0:
            size = self._sizes[self._last]
            left = max(0, size - self._over)
            if size:
                self._results[self._last] = _shortened(self._results[self._last], left)
            self._sizes[self._last] = left
            self._over -= size - left
            self._last -= self._over > 0


def _outputs(result: CaseResult) -> dict[str, str]:
    """By their names; empty for a hidden case."""
    found = {"stdout": result.stdout, "stderr": result.stderr}
    return {name: text for name, text in found.items() if not isinstance(text, msgspec.UnsetType)}


def _shortened(result: CaseResult, most_bytes: int) -> CaseResult:
    """The result with at most so many bytes of its outputs together."""
    shortened: dict[str, object] = {}
    for name, text in _outputs(result).items():
        data = text.encode()
        if len(data) > most_bytes:
            shortened |= {name: data[:most_bytes].decode(errors="ignore"), f"{name}_truncated": True}
        most_bytes -= min(len(data), most_bytes)
    return msgspec.structs.replace(result, **shortened)
