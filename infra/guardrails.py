"""What tells people before a deployment gets expensive: a budget, and an alert on the number of replicas."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pulumi
from pulumi_azure_native import consumption, monitor

from infra.settings import AppSettings, GuardrailSettings

REPLICA_SHARE = 0.8
"""Part of the most replicas above which the alert is sent, where no number is set."""

METRIC_NAMESPACE = "microsoft.app/containerapps"


@dataclass(frozen=True)
class WatchedApp:
    """An app that the alert watches: its resource id and its size."""

    id: pulumi.Input[str]
    size: AppSettings


@dataclass(frozen=True)
class GuardrailsArgs:
    """What is watched, and who is told.

    Attributes:
        name: First part of the names in Azure.
        tags: Tags of whatever takes some.
        resource_group_id: Group that the budget is for.
        resource_group_name: Group that the alerts are created in.
        apps: What the alert on replicas watches. A session pool has no such metric.
        settings: Addresses, amounts and numbers.
    """

    name: str
    tags: Mapping[str, str]
    resource_group_id: pulumi.Input[str]
    resource_group_name: pulumi.Input[str]
    apps: tuple[WatchedApp, ...]
    settings: GuardrailSettings


class Guardrails(pulumi.ComponentResource):
    """The budget of the resource group, and an alert on the replicas of each app, both by e-mail."""

    def __init__(self, name: str, args: GuardrailsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declares them."""
        super().__init__("code-executor:infra:Guardrails", name, None, opts)
        group = monitor.ActionGroup(
            f"{name}-people",
            action_group_name=f"{args.name}-people",
            # Shown in the messages; 12 characters at most.
            group_short_name="executor",
            resource_group_name=args.resource_group_name,
            location="Global",
            enabled=True,
            email_receivers=[
                monitor.MicrosoftCommonEmailReceiverArgs(
                    name=f"person-{place}", email_address=email, use_common_alert_schema=True
                )
                for place, email in enumerate(args.settings.emails, start=1)
            ],
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        # Azure takes no start before this month; a budget that is there keeps the one it has.
        start = max(args.settings.budget_start or "", f"{datetime.now(UTC):%Y-%m}-01")
        consumption.Budget(
            f"{name}-budget",
            budget_name=f"{args.name}-month",
            scope=args.resource_group_id,
            amount=args.settings.budget_amount,
            category=consumption.CategoryType.COST,
            time_grain=consumption.TimeGrainType.MONTHLY,
            time_period=consumption.BudgetTimePeriodArgs(start_date=f"{start}T00:00:00Z"),
            notifications={
                "actual-80-percent": _notification(args, group, consumption.ThresholdType.ACTUAL, 80),
                "actual-100-percent": _notification(args, group, consumption.ThresholdType.ACTUAL, 100),
                "forecast-100-percent": _notification(args, group, consumption.ThresholdType.FORECASTED, 100),
            },
            # Another start would be another budget, and this month's moves on.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["timePeriod"]),
        )
        for watched in args.apps:
            self._alert(name, args, watched, group)
        self.register_outputs({})

    def _alert(self, name: str, args: GuardrailsArgs, watched: WatchedApp, group: monitor.ActionGroup) -> None:
        above = args.settings.replica_alert or max(1, int(REPLICA_SHARE * watched.size.max_replicas))
        suffix = "" if watched.size.key == "default" else f"-{watched.size.key}"
        monitor.MetricAlert(
            f"{name}-replicas{suffix}",
            rule_name=f"{watched.size.name}-replicas",
            resource_group_name=args.resource_group_name,
            location="global",
            description=f"More than {above} of at most {watched.size.max_replicas} replicas run.",
            severity=2,
            enabled=True,
            scopes=[watched.id],
            evaluation_frequency="PT1M",
            window_size="PT5M",
            auto_mitigate=True,
            criteria=monitor.MetricAlertSingleResourceMultipleMetricCriteriaArgs(
                odata_type="Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
                all_of=[
                    monitor.MetricCriteriaArgs(
                        criterion_type="StaticThresholdCriterion",
                        name="replicas",
                        metric_namespace=METRIC_NAMESPACE,
                        metric_name="Replicas",
                        time_aggregation=monitor.AggregationTypeEnum.MAXIMUM,
                        operator=monitor.Operator.GREATER_THAN,
                        threshold=above,
                    )
                ],
            ),
            actions=[monitor.MetricAlertActionArgs(action_group_id=group.id)],
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )


def _notification(
    args: GuardrailsArgs, group: monitor.ActionGroup, kind: consumption.ThresholdType, percent: int
) -> consumption.NotificationArgs:
    return consumption.NotificationArgs(
        enabled=True,
        operator=consumption.OperatorType.GREATER_THAN_OR_EQUAL_TO,
        threshold=percent,
        threshold_type=kind,
        contact_emails=list(args.settings.emails),
        contact_groups=[group.id],
    )
