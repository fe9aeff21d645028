"""What tells people before a deployment gets expensive, and when it stops serving: a budget and alerts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pulumi
from pulumi_azure_native import consumption, monitor

from infra.foundation import Workspace
from infra.log_queries import internal_errors, waits
from infra.settings import AppSettings, GuardrailSettings

REPLICA_SHARE = 0.8
"""Part of the most replicas above which the alert is sent, where no number is set."""

FAILED_REQUESTS = 5
"""Requests within five minutes that may fail before an alert says that no replica serves."""

GREATER_THAN = "GreaterThan"
"""Of a log alert. azure-native's own enumeration has what an older API called it."""

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
        workspace: Where the apps' logs are, or None, and then there are no alerts on what the logs say.
        settings: Addresses, amounts and numbers.
    """

    name: str
    tags: Mapping[str, str]
    resource_group_id: pulumi.Input[str]
    resource_group_name: pulumi.Input[str]
    apps: tuple[WatchedApp, ...]
    workspace: Workspace | None
    settings: GuardrailSettings


class Guardrails(pulumi.ComponentResource):
    """The budget of the resource group, alerts on each app's metrics, and alerts on what the apps log; all by e-mail."""

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
        self._name = name
        self._args = args
        self._people = group
        for watched in args.apps:
            self._alert_on_metrics(watched)
        if args.apps and args.workspace is not None:
            self._alert_on_logs(args.workspace)
        self.register_outputs({})

    def _alert_on_metrics(self, watched: WatchedApp) -> None:
        most = watched.size.max_replicas
        above = self._args.settings.replica_alert or max(1, int(REPLICA_SHARE * most))
        self._metric_alert(
            watched, "replicas", f"More than {above} of at most {most} replicas run.", 2, _criterion("Replicas", above)
        )
        if watched.size.min_replicas < most:  # else it would never be silent
            self._metric_alert(
                watched,
                "replicas-maximum",
                f"All {most} replicas run: what is more waits.",
                1,
                _criterion("Replicas", most, monitor.Operator.GREATER_THAN_OR_EQUAL),
            )
        # Azure counts replicas, healthy or not. What it answers in their place when none is healthy is what callers see.
        failed = _criterion(
            "Requests",
            FAILED_REQUESTS,
            aggregation=monitor.AggregationTypeEnum.TOTAL,
            dimensions=[monitor.MetricDimensionArgs(name="statusCodeCategory", operator="Include", values=["5xx"])],
        )
        text = f"More than {FAILED_REQUESTS} requests within five minutes got no answer from a healthy replica (5xx)."
        self._metric_alert(watched, "no-healthy-replica", text, 1, failed)

    def _metric_alert(
        self, watched: WatchedApp, what: str, description: str, severity: int, criterion: monitor.MetricCriteriaArgs
    ) -> None:
        suffix = "" if watched.size.key == "default" else f"-{watched.size.key}"
        monitor.MetricAlert(
            f"{self._name}-{what}{suffix}",
            rule_name=f"{watched.size.name}-{what}",
            resource_group_name=self._args.resource_group_name,
            location="global",
            description=description,
            severity=severity,
            enabled=True,
            scopes=[watched.id],
            evaluation_frequency="PT1M",
            window_size="PT5M",
            auto_mitigate=True,
            criteria=monitor.MetricAlertSingleResourceMultipleMetricCriteriaArgs(
                odata_type="Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria", all_of=[criterion]
            ),
            actions=[monitor.MetricAlertActionArgs(action_group_id=self._people.id)],
            tags=self._args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _alert_on_logs(self, workspace: Workspace) -> None:
        names = [watched.size.name for watched in self._args.apps]
        seconds = self._args.settings.wait_alert_seconds
        self._log_alert(
            workspace,
            "internal-errors",
            "The executor itself failed at a submission (internal_error).",
            1,
            monitor.ConditionArgs(
                query=internal_errors(names),
                time_aggregation=monitor.TimeAggregation.COUNT,
                operator=GREATER_THAN,
                threshold=0,
            ),
        )
        self._log_alert(
            workspace,
            "waits",
            f"One submission of twenty waited for a slot for more than {seconds} s.",
            2,
            monitor.ConditionArgs(
                query=waits(names),
                metric_measure_column="seconds",
                time_aggregation=monitor.TimeAggregation.MAXIMUM,
                operator=GREATER_THAN,
                threshold=seconds,
            ),
        )

    def _log_alert(
        self, workspace: Workspace, what: str, description: str, severity: int, condition: monitor.ConditionArgs
    ) -> None:
        monitor.ScheduledQueryRule(
            f"{self._name}-{what}",
            rule_name=f"{self._args.name}-{what}",
            resource_group_name=self._args.resource_group_name,
            location=workspace.location,
            kind=monitor.Kind.LOG_ALERT,
            display_name=f"{self._args.name}-{what}",
            description=description,
            severity=severity,
            enabled=True,
            scopes=[workspace.id],
            evaluation_frequency="PT5M",
            window_size="PT5M",
            auto_mitigate=True,
            # A workspace has no table for logs before the first line of one, and the rule would be refused until then.
            skip_query_validation=True,
            criteria=monitor.ScheduledQueryRuleCriteriaArgs(all_of=[condition]),
            actions=monitor.ActionsArgs(action_groups=[self._people.id]),
            tags=self._args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )


def _criterion(
    metric: str,
    threshold: int,
    operator: monitor.Operator = monitor.Operator.GREATER_THAN,
    aggregation: monitor.AggregationTypeEnum = monitor.AggregationTypeEnum.MAXIMUM,
    dimensions: list[monitor.MetricDimensionArgs] | None = None,
) -> monitor.MetricCriteriaArgs:
    return monitor.MetricCriteriaArgs(
        criterion_type="StaticThresholdCriterion",
        name=metric.lower(),
        metric_namespace=METRIC_NAMESPACE,
        metric_name=metric,
        dimensions=dimensions,
        time_aggregation=aggregation,
        operator=operator,
        threshold=threshold,
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
