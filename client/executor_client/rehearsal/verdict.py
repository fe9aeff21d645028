"""Whether it holds, in one sentence, with the setting to change where it does not."""

import msgspec

from executor_client.rehearsal.findings import Findings
from executor_client.rehearsal.plan import Plan

HOLDS, HOLDS_WITH, FAILS, UNKNOWN = "holds", "holds with more warm replicas", "does not hold", "not known"

_MORE_CPU = "The host keeps programs from its processors even without load: give replicas more `cpu`."
_MEND = "Mend the package or the app first: `executor-client doctor`, `executor-client problem verify`."


class Verdict(msgspec.Struct, frozen=True):
    """`kind` is one of the four above; `setting` is what to change, empty where nothing is."""

    kind: str
    sentence: str
    setting: str = ""
    warm: int | None = None


def stood_still(findings: Findings, interval: float) -> float | None:
    """Seconds for which replicas refused requests while no replica came any more; None where that was no while."""
    refusing = [each.since for each in findings.slices if each.refusals]
    if not refusing or not findings.replicas:
        return None
    newest = max([0.0, *(replica.up for replica in findings.replicas)])
    still = max(refusing) - newest
    return still if still > 3 * interval else None


def judge(findings: Findings, plan: Plan, warm_needed: int | None, *, forecast_made: bool) -> Verdict:
    """What the figures say. `warm_needed` is the fitted model's, None where no number of warm replicas is enough."""
    if findings.quiet_faults:
        return Verdict(
            FAILS,
            f"does not hold even without load: {findings.quiet_faults[0]}",
            findings.remedy or (_MORE_CPU if "overloaded" in findings.quiet_faults[0] else _MEND),
        )
    if findings.wrong:
        return Verdict(
            FAILS,
            f"does not hold, because {findings.wrong} of {findings.answers} answers were wrong: {findings.wrong_named[0]}",
            _of_wrong(findings),
        )
    if findings.lost:
        return Verdict(
            FAILS,
            f"does not hold, because {findings.lost} of {findings.submissions} submissions had no answer within "
            f"{plan.patience:g} s: {findings.lost_named[0]}",
            _of_lost(findings, plan, warm_needed),
            warm_needed,
        )
    if findings.waits is None or findings.stopped:
        why = findings.stopped or "nothing was played"
        return Verdict(UNKNOWN, f"not known: {why}, after {findings.answers:,} of {findings.planned:,} answers")
    waited = _waited(findings, plan)
    if findings.waits.p95 <= plan.deadline:
        return Verdict(HOLDS, f"holds: {waited}")
    return _too_slow(findings, plan, warm_needed, waited, forecast_made=forecast_made)


def _waited(findings: Findings, plan: Plan) -> str:
    if findings.waits is None:
        return "nothing was answered"
    return (
        f"{findings.answers:,} answers, none lost, none wrong; 95 % within {findings.waits.p95:.1f} s, where "
        f"{plan.deadline:g} s are allowed, with {_replicas(len(findings.replicas))}"
    )


def _replicas(count: int) -> str:
    return f"{count} replica{'s' if count != 1 else ''}"


def _too_slow(findings: Findings, plan: Plan, warm_needed: int | None, waited: str, *, forecast_made: bool) -> Verdict:
    still = stood_still(findings, plan.interval)
    if still is not None and len(findings.replicas) < plan.most:
        only = f"there were only {_replicas(len(findings.replicas))}, and no more came for {still:.0f} s"
        return Verdict(
            FAILS,
            f"does not hold, because {only} while requests were refused: {waited}",
            "Raise `maxReplicas`, or have the environment's quota of cores (`coreQuota`) raised, which takes days.",
        )
    if warm_needed is not None and forecast_made:
        return Verdict(
            HOLDS_WITH,
            f"holds with {warm_needed} warm: {waited}. By the model as fitted, {warm_needed} warm replicas meet it",
            f"Set `minReplicas` to {warm_needed} before the contest, or `contests[0].replicas` for its time; "
            f"`executor-client prewarm --replicas {warm_needed}` does it without a deployment.",
            warm_needed,
        )
    return Verdict(
        FAILS,
        f"does not hold, because {plan.most} replicas at most are too few: {waited}",
        "Raise `maxReplicas` within the quota, give students more time (`--within`), or spread the submissions.",
    )


def _of_wrong(findings: Findings) -> str:
    if findings.differences:
        return "A verdict changed under load: choose a larger time limit, or `cpu` for each replica."
    return "Look at the wrong answers in the report's JSON; run `executor-client doctor`."


def _of_lost(findings: Findings, plan: Plan, warm_needed: int | None) -> str:
    if findings.statuses.get("401") or findings.statuses.get("403"):
        return "Set EXECUTOR_API_KEY to the key whose hash is in the stack's `apiKeys`."
    if findings.cut_after is not None:
        return f"The ingress cut requests after {findings.cut_after:.0f} s: keep EXECUTOR_MAX_JUDGING_SECONDS well below."
    if warm_needed is not None and warm_needed > findings.warm:
        return f"Set `minReplicas` to {warm_needed} before the contest."
    return f"Raise `maxReplicas` above {plan.most}, and the quota with it; see the failed requests in the report."
