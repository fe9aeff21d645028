"""The Azure Workbook of a stack: replicas, waits, verdicts, slow submissions, refusals and cost, on one page."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi_azure_native import applicationinsights, monitor

from infra.guardrails import WatchedApp
from infra.pricing import load_rates, replica_hour
from infra.settings import AppSettings

FILE = Path(__file__).parent / "dashboards" / "workbook.json"


@dataclass(frozen=True)
class WorkbookArgs:
    """What is shown, and where from.

    Attributes:
        name: What the workbook is called after.
        location: Region of the workspace.
        tags: The workbook's tags.
        resource_group_id: Group that it is created in.
        resource_group_name: Likewise.
        workspace_id: Log Analytics workspace that has the apps' logs, and gets their metrics.
        apps: What is shown, at least one.
    """

    name: str
    location: pulumi.Input[str]
    tags: Mapping[str, str]
    resource_group_id: pulumi.Input[str]
    resource_group_name: pulumi.Input[str]
    workspace_id: pulumi.Input[str]
    apps: Sequence[WatchedApp]


class Workbook(pulumi.ComponentResource):
    """The workbook, and a copy of each app's metrics in the workspace: the cost is counted from it."""

    def __init__(self, name: str, args: WorkbookArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declares both."""
        super().__init__("code-executor:infra:Workbook", name, None, opts)
        sizes = [shown.size for shown in args.apps]
        ids = pulumi.Output.all(args.workspace_id, *(shown.id for shown in args.apps))
        applicationinsights.Workbook(
            f"{name}-page",
            resource_name_=pulumi.Output.from_input(args.resource_group_id).apply(lambda group: _guid(group, args.name)),
            resource_group_name=args.resource_group_name,
            location=args.location,
            kind="shared",
            category="workbook",
            display_name=f"Code executor: {args.name}",
            source_id=args.workspace_id,
            version="Notebook/1.0",
            serialized_data=ids.apply(lambda found: json.dumps(filled(found[0], found[1:], sizes))),
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        for shown in args.apps:
            suffix = "" if shown.size.key == "default" else f"-{shown.size.key}"
            monitor.DiagnosticSetting(
                f"{name}-metrics{suffix}",
                name="metrics-to-workspace",
                resource_uri=shown.id,
                workspace_id=args.workspace_id,
                metrics=[monitor.DiagnosticsMetricSettingsArgs(category="AllMetrics", enabled=True)],
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})


def filled(workspace_id: str, app_ids: Sequence[str], sizes: Sequence[AppSettings]) -> dict[str, Any]:
    """Gives the workbook with a stack's apps, and the price of the largest one's replica, in its parameters."""
    workbook: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    names = [size.name for size in sizes]
    price = max(replica_hour(size.cpu, size.memory_gib, load_rates(), active=True) for size in sizes)
    workbook["fallbackResourceIds"] = [workspace_id]
    for item in workbook["items"]:
        if item["type"] == _METRICS:
            item["content"]["resourceIds"] = list(app_ids)
        for parameter in item["content"].get("parameters", []):
            if parameter["name"] == "App":
                parameter["jsonData"] = json.dumps([{"value": name, "selected": True} for name in names])
                parameter["value"] = names
            elif parameter["name"] == "ReplicaHour":
                parameter["value"] = f"{price:g}"
    return workbook


_METRICS = 10
"""The type of an item that shows metrics. Source: the published schema of workbooks."""


def _guid(group_id: str, name: str) -> str:
    # The name of a workbook has to be a GUID; this one is the same at every run.
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{group_id} workbook {name}".lower()))
