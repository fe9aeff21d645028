"""Application Insights, where traces and metrics go, and the environment's OpenTelemetry agent, which may pass them on."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import app, applicationinsights

from infra.settings import SharedResource

DESTINATION = "appInsights"
"""What the agent calls Application Insights. Source: Microsoft's page on OpenTelemetry agents in Azure Container Apps."""


@dataclass(frozen=True)
class InsightsArgs:
    """What is looked up or created.

    Attributes:
        location: Region of a resource that is created.
        tags: Its tags.
        resource_group_name: Group that it is in.
        resource: Its name, and whether to create it.
        workspace_id: Log Analytics workspace that one that is created keeps its data in.
    """

    location: str
    tags: Mapping[str, str]
    resource_group_name: pulumi.Input[str]
    resource: SharedResource
    workspace_id: pulumi.Input[str] | None


def connection_string(name: str, args: InsightsArgs, shared: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """Looks the resource up or declares it, with the options `shared`, and gives its connection string as a secret.

    The string lets its holder send telemetry and read none.
    """
    if args.resource.create:
        made = applicationinsights.Component(
            name,
            resource_name_=args.resource.name,
            resource_group_name=args.resource_group_name,
            location=args.location,
            application_type=applicationinsights.ApplicationType.WEB,
            kind="web",
            ingestion_mode=applicationinsights.IngestionMode.LOG_ANALYTICS,
            workspace_resource_id=args.workspace_id,
            tags=args.tags,
            opts=pulumi.ResourceOptions.merge(
                shared, pulumi.ResourceOptions(additional_secret_outputs=["connectionString", "instrumentationKey"])
            ),
        )
        return pulumi.Output.secret(made.connection_string)
    found = applicationinsights.get_component_output(
        resource_name=args.resource.name,
        resource_group_name=args.resource_group_name,
        opts=pulumi.InvokeOutputOptions(parent=shared.parent),
    )
    return pulumi.Output.secret(found.connection_string)


def agent() -> app.OpenTelemetryConfigurationArgs:
    """Has the environment's agent pass traces and logs on; it takes no metrics for Application Insights."""
    return app.OpenTelemetryConfigurationArgs(
        traces_configuration=app.TracesConfigurationArgs(destinations=[DESTINATION]),
        logs_configuration=app.LogsConfigurationArgs(destinations=[DESTINATION]),
    )
