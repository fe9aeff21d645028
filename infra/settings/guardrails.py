"""What tells people before a stack gets too expensive or too large."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from infra.pricing import estimate, load_rates
from infra.quota import Demand, cores_needed, quota_warning
from infra.settings import formats
from infra.settings.apps import MAX_REPLICAS, AppSettings
from infra.settings.foundation import FoundationSettings
from infra.settings.kinds import integer, optional, setting, switch, texts
from infra.settings.reader import ConfigReader
from infra.settings.scaling import ScalingSettings

MOST_MONTHS_AHEAD = 12
"""How late a budget may begin. Source: the descriptions of Microsoft.Consumption's budgets."""


@dataclass(frozen=True)
class GuardrailSettings:
    """Who is told, and from which amount or number on."""

    emails: tuple[str, ...] = setting(
        texts(formats.EMAIL),
        [],
        "Whom the budget and the alerts write to. Empty, there are neither, and every deployment says so.",
        key="alertEmails",
    )
    budget_amount: int = setting(
        integer(1, 1_000_000), 200, "Budget of the resource group for a month, in the subscription's currency, {bounds}."
    )
    budget_start: str | None = setting(
        optional(formats.MONTH),
        "",
        "First of the month that a new budget begins with, as YYYY-MM-01, at most twelve months ahead. Empty or past, the "
        "month of its creation. Azure changes it never again, and neither does a deployment.",
    )
    replica_alert: int = setting(
        integer(0, MAX_REPLICAS),
        0,
        "Replicas above which an alert is sent, up to maxReplicas. 0 is four fifths of maxReplicas.",
        hostings=("app",),
    )
    wait_alert_seconds: int = setting(
        integer(1, 600),
        30,
        "Seconds, {bounds}, that one submission of twenty may wait for a slot in five minutes before an alert is sent. Needs "
        "logWorkspace.",
        hostings=("app",),
    )


@dataclass(frozen=True)
class QuotaSettings:
    """The cores that there are."""

    cores: int = setting(
        integer(1, 100_000),
        100,
        "Cores that the environment may hand out, {bounds}. az containerapp env list-usages shows it.",
        key="coreQuota",
    )
    strict: bool = setting(
        switch,
        False,
        "Refuse a deployment that could need more than coreQuota, instead of warning of it.",
        key="strictQuota",
    )


def check_alert(reader: ConfigReader, guardrails: GuardrailSettings, apps: Sequence[AppSettings]) -> None:
    """Notes a number of replicas that no app could pass."""
    most = max(app.max_replicas for app in apps)
    if guardrails.replica_alert > most:
        reader.refuse("replicaAlert", f"must be a whole number from 0 to {most}")


def check_budget_start(reader: ConfigReader, guardrails: GuardrailSettings, now: datetime) -> None:
    """Notes a start that Azure would refuse after everything else was made. Source: the published type of a budget."""
    if guardrails.budget_start is None or not reader.sound("budgetStart"):
        return
    start = date.fromisoformat(guardrails.budget_start)
    if (start.year - now.year) * 12 + start.month - now.month > MOST_MONTHS_AHEAD:
        reader.refuse("budgetStart", f"must be at most {MOST_MONTHS_AHEAD} months ahead")


def check_cost(
    reader: ConfigReader,
    guardrails: GuardrailSettings,
    apps: Sequence[AppSettings],
    scaling: ScalingSettings,
    warnings: list[str],
) -> None:
    """Warns of a month that is estimated above the budget: the budget only tells, and tells late."""
    if not reader.sound("minReplicas", "maxReplicas", "cpu", "memory", "apps", "contests", "budgetAmount"):
        return
    cost = estimate((app.priced for app in apps), load_rates(), scaling.windows)
    if cost.month > guardrails.budget_amount:
        planned = f"its contests about {cost.windows:.0f}" if scaling.windows else f"one contest about {cost.contest:.0f}"
        warnings.append(
            f"A month of this stack is estimated at {cost.month:.0f} {cost.currency}, {planned} of it, above the "
            f"budgetAmount of {guardrails.budget_amount}. Nothing stops at a budget: lower replicas or contests, or raise it."
        )


def check_quota(
    reader: ConfigReader,
    quota: QuotaSettings,
    apps: Sequence[AppSettings],
    foundation: FoundationSettings,
    *,
    location: str,
    warnings: list[str],
) -> None:
    """Notes or warns that the cores do not suffice for full scale."""
    need = cores_needed(Demand(app.max_replicas, app.cpu) for app in apps)
    if not reader.sound("coreQuota", "maxReplicas", "cpu", "apps") or need.fits(quota.cores):
        return
    if quota.strict:
        reader.refuse(
            "coreQuota",
            f"must be at least {need.swap:g} where strictQuota is true: {need.steady:g} cores at full scale, "
            "twice that while a revision is replaced",
        )
        return
    group = foundation.environment_group_name or foundation.resource_group_name
    warnings.append(quota_warning(need, quota.cores, group, foundation.environment_name, location))
