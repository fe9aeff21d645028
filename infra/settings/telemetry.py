"""Where traces and metrics go: Application Insights, straight or through the environment's OpenTelemetry agent."""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.settings import formats
from infra.settings.foundation import FoundationSettings, SharedResource
from infra.settings.kinds import choice, setting, switch, text
from infra.settings.reader import ConfigReader

CONNECTION_VARIABLE = "APPLICATIONINSIGHTS_CONNECTION_STRING"
PROTOCOL_VARIABLE = "OTEL_EXPORTER_OTLP_PROTOCOL"


@dataclass(frozen=True)
class TelemetrySettings:
    """Where traces and metrics go."""

    mode: str = setting(
        choice("none", "existing", "create"),
        "none",
        "none, existing or create, for the Application Insights resource that traces and metrics go to. One that is created "
        "keeps them in logWorkspace.",
        key="applicationInsights",
        hostings=("app",),
    )
    name: str = setting(
        text(formats.INSIGHTS_NAME),
        "code-executor-insights",
        "Name of that resource.",
        key="applicationInsightsName",
        hostings=("app",),
    )
    agent: bool = setting(
        switch,
        False,
        "Send through the OpenTelemetry agent of an environment that is created, which passes traces and logs on and no "
        "metrics. The agent of an environment that exists is its owner's.",
        key="telemetryAgent",
        hostings=("app",),
    )

    @property
    def insights(self) -> SharedResource | None:
        """The Application Insights resource, or None for no telemetry."""
        return None if self.mode == "none" else SharedResource(self.name, self.mode == "create")


def check_telemetry(
    reader: ConfigReader, settings: TelemetrySettings, foundation: FoundationSettings, variables: Mapping[str, str]
) -> None:
    """Notes a resource without a place, an agent without an environment, and a connection string in two places."""
    if settings.mode == "create" and foundation.logs is None and reader.sound("logWorkspace"):
        reader.refuse("applicationInsights", "must be none or existing where logWorkspace is none: it keeps its data there")
    if settings.mode == "existing" and foundation.resource_group.create:
        reader.refuse("applicationInsights", "must be create or none where resourceGroup is create")
    if settings.agent and settings.mode == "none":
        reader.refuse("telemetryAgent", "must be false where applicationInsights is none: it has nowhere to send to")
    if settings.agent and not foundation.environment.create:
        reader.refuse("telemetryAgent", "must be false where environment is existing: its agent is its owner's")
    if settings.mode != "none" and CONNECTION_VARIABLE in variables:
        reader.refuse_hidden(
            f"environmentVariables.{CONNECTION_VARIABLE}",
            f"must not be set where applicationInsights is {settings.mode}, which sets it as a secret",
        )
