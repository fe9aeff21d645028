"""When each step of a submission ran, for whoever draws it: nothing here decides a verdict."""

import time
from typing import Literal

import msgspec

from runtime.execution.protocol import Outcome

Step = Literal["compile", "run", "checker", "interactor"]


class Timed(msgspec.Struct, frozen=True):
    """One step; moments in seconds of `time.perf_counter`."""

    step: Step
    #: The test case's id; empty where there is none.
    case: str
    began: float
    ended: float
    cpu_ms: float
    memory_bytes: int
    #: Whether a warm worker served it.
    warm: bool
    #: Why it was over, as the supervisor says it.
    ended_by: str


class Timeline:
    """The steps of one submission, in the order of their ends."""

    def __init__(self) -> None:
        self.steps: list[Timed] = []

    def add(self, step: Step, case: str, began: float, outcome: Outcome) -> None:
        """A step that has just ended; it began at this moment of `time.perf_counter`."""
        ended = time.perf_counter()
        self.steps.append(Timed(step, case, began, ended, outcome.cpu_ms, outcome.memory_bytes, outcome.warm, outcome.ended))
