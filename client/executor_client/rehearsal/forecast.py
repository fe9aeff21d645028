"""What the model says of the same contest, before and after a rehearsal has shown how the app's scaler behaves."""

from dataclasses import dataclass, replace

import msgspec

from executor_client.capacity import Admission, Burst, Outcome, Scaling, runs, simulate, smallest_minimum
from executor_client.rehearsal.findings import Waits, waits
from executor_client.rehearsal.plan import Plan

_SEED = 1


class Forecast(msgspec.Struct, frozen=True):
    """Times in seconds from the start, `replicas` as steps: when, and how many from then on."""

    waits: Waits
    within: float
    answered: tuple[float, ...]
    replicas: tuple[tuple[float, int], ...]
    requests: int
    replica_seconds: float


@dataclass(frozen=True)
class Model:
    """The parts of the model that do not change with the number of warm replicas."""

    plan: Plan
    scaling: Scaling
    admission: Admission
    service: tuple[float, float]

    def outcome(self, warm: int) -> Outcome:
        """What comes of the plan with so many warm replicas."""
        count = len(self.plan.arrivals)
        burst = Burst(
            runs(count, *self.service, _SEED),
            warm,
            replace(self.scaling, minimum=warm),
            admission=self.admission,
            arrivals=self.plan.arrivals,
            seed=_SEED,
        )
        return simulate(burst)

    def forecast(self, warm: int) -> Forecast:
        """The figures that stand beside a rehearsal's."""
        outcome = self.outcome(warm)
        found = waits(outcome.waits)
        if found is None:
            raise ValueError("a plan without submissions")
        within = sum(wait <= self.plan.deadline for wait in outcome.waits) / len(outcome.waits)
        return Forecast(found, within, outcome.answered, outcome.replicas, outcome.requests, outcome.replica_seconds)

    def warm_needed(self) -> int | None:
        """The smallest number of warm replicas with which the plan is met; None where even the most are too few."""
        plan = self.plan
        return smallest_minimum(plan.deadline, plan.part, self.outcome, plan.most)
