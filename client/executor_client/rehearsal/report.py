"""The report of a rehearsal as data: the JSON is this, and terminal and HTML show it."""

from pathlib import Path

import msgspec

from executor_client.capacity import Admission, Scaling
from executor_client.rehearsal import fit, verdict
from executor_client.rehearsal.findings import Findings, find
from executor_client.rehearsal.fit import Fitted
from executor_client.rehearsal.forecast import Forecast, Model
from executor_client.rehearsal.plan import Plan
from executor_client.rehearsal.play import Recording
from executor_client.rehearsal.verdict import Verdict

FORMAT = 1


class Costs(msgspec.Struct, frozen=True):
    """In the currency of the price that was given, of replicas alone.

    Attributes:
        rehearsal: Every replica that was seen, from when it was up until it is let go.
        contest: The warm replicas for the contest's length, and those that came on top for the rush.
    """

    rehearsal: float
    contest: float
    replica_hour: float
    contest_hours: float


class Report(msgspec.Struct, frozen=True):
    """`documented` is the forecast before, by Azure's documented scaler, and `refitted` the one by the scaler as seen."""

    format: int
    url: str
    arrival: str
    deadline: float
    part: float
    verdict: Verdict
    findings: Findings
    fitted: Fitted | None
    documented: Forecast | None
    refitted: Forecast | None
    costs: Costs


def make(url: str, recording: Recording, limits: dict[str, float | None], admission: Admission) -> Report:
    """Everything that is to be said of a recording, whole or cut short."""
    plan = recording.plan
    findings = find(recording, limits)
    fitted = fit.fit(recording, findings)
    warm = findings.warm if plan.warm is None else plan.warm
    documented = refitted = None
    needed: int | None = None
    if findings.service is not None and not findings.stopped:
        scaling = Scaling(maximum=plan.most, concurrent_requests=plan.concurrent_requests, interval=plan.interval)
        documented = Model(plan, scaling, admission, findings.service).forecast(warm)
        model = Model(plan, fit.as_seen(scaling, fitted), admission, findings.service)
        refitted = model.forecast(warm)
        needed = _needed(findings, plan, model)
    said = verdict.judge(findings, plan, needed, forecast_made=refitted is not None)
    return Report(
        FORMAT, url, plan.arrival, plan.deadline, plan.part, said, findings, fitted, documented, refitted,
        _costs(findings, plan, said.warm if said.warm is not None else warm),
    )  # fmt: skip


def _needed(findings: Findings, plan: Plan, model: Model) -> int | None:
    """Where it was in time nothing is needed; the search takes the model's time."""
    if findings.waits is None or (findings.waits.p95 <= plan.deadline and not findings.lost):
        return None
    return model.warm_needed()


def _costs(findings: Findings, plan: Plan, warm: int) -> Costs:
    hour = plan.replica_hour / 3600
    more = sum(findings.seconds - replica.up for replica in findings.replicas if not replica.warm)
    contest = warm * plan.contest_hours * 3600 + max(0.0, more)
    return Costs(findings.replica_seconds * hour, contest * hour, plan.replica_hour, plan.contest_hours)


def write(path: Path, report: Report) -> None:
    """Writes the JSON; raises OSError."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
