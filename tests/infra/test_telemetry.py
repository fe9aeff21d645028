"""Where a stack's traces, metrics, logs and alerts go."""

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pulumi
import pytest

from devtools.azure_double import CONNECTION_STRING, WORKSPACE_ID, AzureDouble
from devtools.engine_double import EngineDouble, Secret
from infra.settings.telemetry import CONNECTION_VARIABLE, PROTOCOL_VARIABLE
from runtime.observability import telemetry_settings
from tests.infra import arm_types
from tests.infra.program import (
    ALERT,
    API_KEYS,
    APP,
    ENVIRONMENT,
    INSIGHTS,
    LOG_ALERT,
    METRICS_COPY,
    PEOPLE,
    WORKBOOK,
    WORKSPACE,
    deploy,
    preview,
    update,
)

EMAILS = '["ta@example.org"]'
NEW = {"environment": "create", "environmentName": "a-new-env", "logWorkspace": "create", "applicationInsights": "create"}
NAMED = {"logWorkspace": "existing", "logWorkspaceName": "workspace-ai-ta"}
BOTH = pytest.mark.parametrize("new_engine", [preview, update], ids=["preview", "update"])


def environment_variables(engine: EngineDouble) -> dict[str, str | None]:
    (container,) = engine.only(APP).inputs["template"]["containers"]
    return {each["name"]: each.get("secretRef") for each in container.get("env", [])}


@BOTH
def test_the_server_gets_the_connection_string_as_a_secret_and_its_data_lies_in_the_workspace(
    new_engine: Callable[[], EngineDouble], subtests: pytest.Subtests
) -> None:
    engine = deploy("dev", new_engine(), **NEW, apiKeys=API_KEYS)
    insights = engine.only(INSIGHTS)
    assert engine.only(WORKSPACE).urn in insights.property_dependencies["workspaceResourceId"]
    assert insights.protect
    assert insights.retain_on_delete
    assert environment_variables(engine)["APPLICATIONINSIGHTS_CONNECTION_STRING"] == "insights-connection-string"
    keys, connection = engine.only(APP).inputs["configuration"]["secrets"]
    assert (keys["name"], connection["name"]) == ("api-keys", "insights-connection-string")
    assert isinstance(connection["value"], Secret)
    assert not isinstance(engine.outputs["executorUrl"], Secret)
    assert "openTelemetryConfiguration" not in engine.only(ENVIRONMENT).inputs
    arm_types.check(engine.resources, subtests)


@BOTH
def test_an_agent_of_the_environment_gets_the_connection_string_instead_and_the_app_nothing(
    new_engine: Callable[[], EngineDouble], subtests: pytest.Subtests
) -> None:
    engine = deploy("dev", new_engine(), **NEW, telemetryAgent="true")
    environment = engine.only(ENVIRONMENT).inputs
    assert isinstance(environment["appInsightsConfiguration"]["connectionString"], Secret)
    assert environment["openTelemetryConfiguration"] == {
        "logsConfiguration": {"destinations": ["appInsights"]},
        "tracesConfiguration": {"destinations": ["appInsights"]},
    }
    # Azure itself sets OTEL_EXPORTER_OTLP_ENDPOINT in the containers.
    (container,) = engine.only(APP).inputs["template"]["containers"]
    assert container["env"] == [{"name": "OTEL_EXPORTER_OTLP_PROTOCOL", "value": "grpc"}]
    assert "secrets" not in engine.only(APP).inputs["configuration"]
    arm_types.check(engine.resources, subtests)


def test_the_server_reads_the_variables_that_a_stack_gives_it() -> None:
    assert (telemetry_settings.CONNECTION_STRING, telemetry_settings.PROTOCOL) == (CONNECTION_VARIABLE, PROTOCOL_VARIABLE)


def test_a_resource_that_exists_is_looked_up() -> None:
    engine = deploy("dev", update(), applicationInsights="existing", applicationInsightsName="insights-ai-ta")
    assert INSIGHTS not in engine.types()
    (connection,) = engine.only(APP).inputs["configuration"]["secrets"]
    assert connection["value"] == Secret(CONNECTION_STRING)


def test_a_workspace_that_has_an_environment_s_logs_is_named_for_workbook_and_alerts(subtests: pytest.Subtests) -> None:
    engine = deploy("dev", update(), **NAMED, alertEmails=EMAILS, waitAlertSeconds="45")
    assert WORKSPACE not in engine.types()
    workbook, copy = engine.only(WORKBOOK), engine.only(METRICS_COPY)
    uuid.UUID(workbook.inputs["resourceName"])
    content = json.loads(workbook.inputs["serializedData"])
    assert content["fallbackResourceIds"] == [workbook.inputs["sourceId"]] == [WORKSPACE_ID]
    assert copy.inputs["workspaceId"] == WORKSPACE_ID
    assert copy.inputs["resourceUri"].endswith("/containerApps/ai-ta-ra-code-executor2-dev")
    rules = {each.inputs["ruleName"]: each.inputs for each in engine.all_of(LOG_ALERT)}
    assert sorted(rules) == ["ai-ta-ra-code-executor2-dev-internal-errors", "ai-ta-ra-code-executor2-dev-waits"]
    for rule in rules.values():
        assert (rule["scopes"], rule["location"], rule["skipQueryValidation"]) == ([WORKSPACE_ID], "eastus2", True)
        (condition,) = rule["criteria"]["allOf"]
        assert "'ai-ta-ra-code-executor2-dev'" in condition["query"]
    (errors,), (waits,) = (rules[name]["criteria"]["allOf"] for name in sorted(rules))
    assert (errors["timeAggregation"], errors["operator"], errors["threshold"]) == ("Count", "GreaterThan", 0)
    assert (waits["metricMeasureColumn"], waits["threshold"]) == ("seconds", 45)
    assert all(engine.only(PEOPLE).urn in each.dependencies for each in engine.all_of(LOG_ALERT))
    arm_types.check(engine.resources, subtests)


def test_a_preview_declares_the_same(subtests: pytest.Subtests) -> None:
    planned, done = (deploy("dev", engine, **NEW, alertEmails=EMAILS) for engine in (preview(), update()))
    assert planned.types() == done.types()
    arm_types.check(planned.resources, subtests)


def test_a_workspace_that_has_other_logs_stops_the_preview_before_anything_is_made() -> None:
    class Elsewhere(AzureDouble):
        def look_up(self, token: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
            found = super().look_up(token, arguments)
            return {**found, "customerId": "another"} if token.endswith(":getWorkspace") else found

    engine = EngineDouble(Elsewhere(), preview=True)
    with pytest.raises(pulumi.RunError, match="does not send its logs to the workspace that logWorkspaceName names"):
        deploy("dev", engine, **NAMED)
    assert APP not in engine.types()


def test_without_a_workspace_there_are_alerts_on_metrics_alone_and_no_workbook() -> None:
    types = deploy("dev", update(), alertEmails=EMAILS).types()
    assert ALERT in types
    assert not {LOG_ALERT, WORKBOOK, METRICS_COPY} & set(types)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"applicationInsights": "create"}, "must be none or existing where logWorkspace is none"),
        ({"telemetryAgent": "true"}, "must be false where applicationInsights is none"),
        (
            {"applicationInsights": "existing", "telemetryAgent": "true"},
            "telemetryAgent is 'true': must be false where environment is existing",
        ),
        (
            {**NEW, "environmentVariables": '{"APPLICATIONINSIGHTS_CONNECTION_STRING": "x"}'},
            "must not be set where applicationInsights is create, which sets it as a secret",
        ),
        (
            {"resourceGroup": "create", "registry": "create", "environment": "create", "applicationInsights": "existing"},
            "applicationInsights is 'existing': must be create or none where resourceGroup is create",
        ),
        ({**NAMED, "logWorkspace": "create"}, "must be none or existing where environment is existing"),
        ({**NEW, "logWorkspaceGroupName": "other"}, "logWorkspaceGroupName is 'other': must be empty where logWorkspace"),
        ({"hosting": "sessions", "applicationInsights": "existing"}, "must be none where hosting is sessions"),
        ({"hosting": "local", "applicationInsights": "existing"}, "must be none where hosting is local"),
    ],
    ids=lambda value: value[:50] if isinstance(value, str) else "",
)
def test_telemetry_that_cannot_be_is_refused_by_its_key(changes: dict[str, str], words: str) -> None:
    engine = preview()
    with pytest.raises(pulumi.RunError) as refused:
        deploy("dev", engine, **changes)
    assert words in str(refused.value)
    assert engine.resources == []
