"""What each choice of an operator declares, each body checked against Azure's published types."""

import json
import runpy
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pulumi
import pytest

from devtools import stack_files
from devtools.azure_double import (
    ENVIRONMENT_DOMAIN,
    GET_APP,
    GROUP_ID,
    REGISTRY_PASSWORD,
    REGISTRY_SERVER,
    SUBSCRIPTION,
    WORKSPACE_KEY,
    AzureDouble,
    live_app,
)
from devtools.engine_double import EngineDouble, Secret, Unknown
from infra.image import ExecutorImageArgs, content_tag
from tests.infra import arm_types
from tests.infra.program import (
    ALERT,
    API_KEYS,
    APP,
    BUDGET,
    CONTAINER,
    ENVIRONMENT,
    GROUP,
    IDENTITY,
    IMAGE,
    LOCK,
    METRICS_COPY,
    PEOPLE,
    POOL,
    PREBUILT,
    REGISTRY,
    ROLE,
    WORKBOOK,
    WORKSPACE,
    deploy,
    deploy_unencrypted,
    preview,
    update,
)
from tests.infra.test_settings import CERTIFICATE, SUBNET
from tests.infra.test_settings import IDENTITY as PULLER

BOTH = pytest.mark.parametrize("new_engine", [preview, update], ids=["preview", "update"])

NEW: dict[str, str | None] = {
    "resourceGroup": "create",
    "resourceGroupName": "a-new-group",
    "registry": "create",
    "registryName": "anewregistry",
    "environment": "create",
    "environmentName": "a-new-env",
    "logWorkspace": "create",
}


Checked = Callable[[EngineDouble], EngineDouble]


@pytest.fixture
def checked(subtests: pytest.Subtests) -> Checked:
    """Passes an engine on after a look at all that was declared for Azure."""

    def check(engine: EngineDouble) -> EngineDouble:
        arm_types.check(engine.resources, subtests)
        return engine

    return check


@BOTH
def test_everything_can_be_created_and_what_is_shared_is_protected_and_outlives_the_stack(
    new_engine: Any, checked: Checked
) -> None:
    engine = checked(deploy("dev", new_engine(), **NEW))
    assert engine.types() == sorted(
        [GROUP, REGISTRY, ENVIRONMENT, WORKSPACE, IDENTITY, ROLE, IMAGE, APP, WORKBOOK, METRICS_COPY]
    )
    for resource in engine.resources:
        shared = resource.type in {GROUP, REGISTRY, ENVIRONMENT, WORKSPACE}
        assert (resource.protect, resource.retain_on_delete) == (shared, shared)
    assert engine.only(GROUP).inputs["resourceGroupName"] == "a-new-group"
    # A preview cannot ask a workspace for its keys that is not there yet.
    keys = [] if engine.preview else ["azure-native:operationalinsights:getSharedKeys"]
    assert [lookup.token for lookup in engine.lookups if lookup.token != GET_APP] == keys


def test_what_was_created_is_used_by_all_the_rest() -> None:
    engine = deploy("dev", update(), **NEW)
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/a-new-group"
    assert engine.only(APP).inputs["resourceGroupName"] == "a-new-group"
    assert engine.only(APP).inputs["environmentId"] == f"{group}/providers/Microsoft.App/managedEnvironments/a-new-env"
    assert engine.only(ROLE).inputs["scope"].startswith(f"{group}/providers/Microsoft.ContainerRegistry/")
    assert engine.only(IMAGE).inputs["imageName"].startswith("anewregistry.azurecr.io/executor-image:v1-")
    assert engine.outputs["executorUrl"] == f"https://ai-ta-ra-code-executor2-dev.{ENVIRONMENT_DOMAIN}"


def test_a_preview_of_everything_new_knows_no_url_and_says_so_without_failing() -> None:
    assert deploy("dev", preview(), **NEW).outputs["executorUrl"] == Unknown()


@pytest.mark.parametrize(
    ("changes", "created"),
    [
        ({"registry": "create", "registryName": "anewregistry"}, REGISTRY),
        ({"environment": "create", "environmentName": "a-new-env"}, ENVIRONMENT),
    ],
)
def test_each_shared_resource_is_created_by_itself(changes: dict[str, str], created: str, checked: Checked) -> None:
    engine = checked(deploy("dev", update(), **changes))
    assert engine.types() == sorted([created, IDENTITY, ROLE, IMAGE, APP])


def test_an_environment_sends_its_logs_to_the_workspace_with_a_key_that_stays_secret() -> None:
    engine = deploy("dev", update(), **NEW, logRetentionDays="90", logDailyCapGb="2")
    logs = engine.only(ENVIRONMENT).inputs["appLogsConfiguration"]
    assert logs["destination"] == "log-analytics"
    assert logs["logAnalyticsConfiguration"]["sharedKey"] == Secret(WORKSPACE_KEY)
    workspace = engine.only(WORKSPACE).inputs
    assert (workspace["retentionInDays"], workspace["workspaceCapping"]) == (90, {"dailyQuotaGb": 2})
    assert workspace["sku"] == {"name": "PerGB2018"}


def test_an_environment_can_have_no_store_of_logs_and_a_workspace_no_cap() -> None:
    engine = deploy("dev", update(), environment="create", environmentName="a-new-env")
    assert "appLogsConfiguration" not in engine.only(ENVIRONMENT).inputs
    engine = deploy("dev", update(), **NEW, logDailyCapGb="0")
    assert "workspaceCapping" not in engine.only(WORKSPACE).inputs


def test_an_environment_can_be_in_a_network_and_have_nodes_of_its_own(checked: Checked) -> None:
    changes = {"environmentSubnetId": SUBNET, "environmentInternal": "true"}
    profile = {"workloadProfile": "big", "workloadProfileType": "D4", "workloadProfileMaxNodes": "5"}
    engine = checked(deploy("dev", update(), **NEW, **changes, **profile))
    environment = engine.only(ENVIRONMENT).inputs
    assert environment["vnetConfiguration"] == {"infrastructureSubnetId": SUBNET, "internal": True}
    assert environment["workloadProfiles"] == [
        {"name": "Consumption", "workloadProfileType": "Consumption", "enableFips": False},
        {"name": "big", "workloadProfileType": "D4", "minimumCount": 0, "maximumCount": 5, "enableFips": False},
    ]
    assert engine.only(APP).inputs["workloadProfileName"] == "big"


def test_an_identity_that_may_pull_already_is_used_as_it_is_and_no_role_is_assigned(checked: Checked) -> None:
    engine = checked(deploy("dev", update(), pullIdentityId=PULLER))
    assert engine.types() == sorted([IMAGE, APP])
    app = engine.only(APP).inputs
    assert app["identity"]["userAssignedIdentities"] == [PULLER]
    assert app["configuration"]["registries"] == [{"server": REGISTRY_SERVER, "identity": PULLER}]


def test_everything_that_takes_tags_has_those_of_the_project_the_stack_and_the_operator(checked: Checked) -> None:
    engine = checked(deploy("dev", update(), **NEW, tags='{"course": "cs101"}', alertEmails='["ta@example.org"]'))
    tags = {"project": "code-executor", "stack": "dev", "course": "cs101"}
    for resource in engine.resources:
        if resource.custom and resource.type not in {ROLE, BUDGET, IMAGE, METRICS_COPY}:
            assert resource.inputs["tags"] == tags, resource.name


@BOTH
def test_a_push_with_the_registry_s_admin_account_keeps_its_password_secret(new_engine: Any) -> None:
    engine = deploy("dev", new_engine(), registryCredentials="admin")
    assert engine.only(IMAGE).inputs["registry"] == {
        "server": REGISTRY_SERVER,
        "username": Secret("admin"),
        "password": Secret(REGISTRY_PASSWORD),
    }
    # The app goes on pulling with its identity.
    (registry,) = engine.only(APP).inputs["configuration"]["registries"]
    assert set(registry) == {"server", "identity"}


def test_a_registry_that_is_created_has_an_admin_account_only_by_choice() -> None:
    for credentials, admin in (("login", False), ("admin", True)):
        engine = deploy("dev", update(), **NEW, registryCredentials=credentials)
        assert engine.only(REGISTRY).inputs["adminUserEnabled"] is admin


def test_a_build_takes_a_target_and_arguments_and_keeps_its_cache_in_the_image() -> None:
    build = deploy("dev", update(), imageTarget="judge", buildArgs='{"BASE_IMAGE": "debian:x"}').only(IMAGE).inputs["build"]
    assert build["target"] == "judge"
    assert build["args"] == {"BUILDKIT_INLINE_CACHE": "1", "BASE_IMAGE": "debian:x"}
    plain = deploy("dev", update()).only(IMAGE).inputs
    assert plain["build"]["cacheFrom"] == {"images": [plain["imageName"]]}
    assert "target" not in plain["build"]


@BOTH
def test_api_keys_are_a_secret_of_the_app_that_its_container_refers_to_by_name(new_engine: Any, checked: Checked) -> None:
    engine = checked(deploy("dev", new_engine(), apiKeys=API_KEYS))
    app = engine.only(APP).inputs
    assert app["configuration"]["secrets"] == [{"name": "api-keys", "value": Secret(API_KEYS)}]
    (container,) = app["template"]["containers"]
    assert {"name": "EXECUTOR_API_KEYS", "secretRef": "api-keys"} in container["env"]
    assert API_KEYS not in repr(container)


def test_no_output_becomes_secret_because_of_the_keys() -> None:
    outputs = deploy("dev", update(), apiKeys=API_KEYS).outputs
    assert outputs["executorUrl"] == f"https://ai-ta-ra-code-executor2-dev.{ENVIRONMENT_DOMAIN}"
    assert not any(isinstance(value, Secret) for value in outputs.values())


def test_other_keys_make_another_revision() -> None:
    digests = []
    for keys in (API_KEYS, API_KEYS, API_KEYS.replace("backend", "other")):
        (container,) = deploy("dev", update(), apiKeys=keys).only(APP).inputs["template"]["containers"]
        digests.append(next(each["value"] for each in container["env"] if each["name"] == "API_KEYS_DIGEST"))
    assert digests[0] == digests[1] != digests[2]


def test_keys_in_clear_text_are_refused_before_anything_is_declared() -> None:
    engine = preview()
    with pytest.raises(Exception, match="set it with `pulumi config set --secret apiKeys"):
        deploy_unencrypted("dev", engine, apiKeys=API_KEYS)
    assert engine.resources == []


def test_only_those_who_may_call_do(checked: Checked) -> None:
    engine = checked(
        deploy("dev", update(), allowedIps='["203.0.113.0/24", "198.51.100.7"]', corsOrigins='["https://ta.example.org"]')
    )
    ingress = engine.only(APP).inputs["configuration"]["ingress"]
    assert ingress["ipSecurityRestrictions"] == [
        {"name": "allowed-1", "ipAddressRange": "203.0.113.0/24", "action": "Allow"},
        {"name": "allowed-2", "ipAddressRange": "198.51.100.7/32", "action": "Allow"},
    ]
    assert ingress["corsPolicy"]["allowedOrigins"] == ["https://ta.example.org"]


def test_an_app_inside_its_environment_has_the_address_that_azure_gives_those() -> None:
    engine = deploy("dev", update(), ingress="internal")
    assert engine.only(APP).inputs["configuration"]["ingress"]["external"] is False
    assert engine.outputs["executorUrl"] == f"https://ai-ta-ra-code-executor2-dev.internal.{ENVIRONMENT_DOMAIN}"


def test_a_domain_becomes_the_url_once_it_has_a_certificate(checked: Checked) -> None:
    engine = checked(deploy("dev", update(), customDomain="executor.example.org"))
    (domain,) = engine.only(APP).inputs["configuration"]["ingress"]["customDomains"]
    assert domain == {"name": "executor.example.org", "bindingType": "Disabled"}
    assert engine.outputs["executorUrl"].endswith(ENVIRONMENT_DOMAIN)
    engine = checked(deploy("dev", update(), customDomain="executor.example.org", certificateId=CERTIFICATE))
    (domain,) = engine.only(APP).inputs["configuration"]["ingress"]["customDomains"]
    assert domain == {"name": "executor.example.org", "bindingType": "SniEnabled", "certificateId": CERTIFICATE}
    assert engine.outputs["executorUrl"] == "https://executor.example.org"


def test_the_executor_s_own_settings_reach_its_container(checked: Checked) -> None:
    engine = checked(deploy("dev", update(), environmentVariables='{"EXECUTOR_LOG_LEVEL": "debug", "TZ": "UTC"}'))
    (container,) = engine.only(APP).inputs["template"]["containers"]
    assert container["env"] == [{"name": "EXECUTOR_LOG_LEVEL", "value": "debug"}, {"name": "TZ", "value": "UTC"}]


def test_revisions_and_scaling_are_declared_as_they_are_set(checked: Checked) -> None:
    engine = checked(
        deploy(
            "dev",
            update(),
            revisionTransitionThreshold="50",
            maxInactiveRevisions="3",
            terminationGraceSeconds="300",
            concurrentRequests="4",
            cooldownSeconds="600",
            pollingSeconds="15",
            workloadProfile="Consumption",
        )
    )
    app = engine.only(APP).inputs
    assert app["configuration"]["activeRevisionsMode"] == "Single"
    assert app["configuration"]["revisionTransitionThreshold"] == 50
    assert app["configuration"]["maxInactiveRevisions"] == 3
    assert app["template"]["terminationGracePeriodSeconds"] == 300
    assert app["template"]["scale"]["cooldownPeriod"] == 600
    assert app["template"]["scale"]["pollingInterval"] == 15
    (rule,) = app["template"]["scale"]["rules"]
    assert rule["http"] == {"metadata": {"concurrentRequests": "4"}}
    assert app["workloadProfileName"] == "Consumption"


def test_a_contest_has_a_rule_beside_the_one_for_requests(checked: Checked) -> None:
    start = datetime.now(UTC).replace(hour=9, minute=30) + timedelta(days=30)
    contest = {
        "name": "finals",
        "start": f"{start:%Y-%m-%dT%H:%M}",
        "end": f"{start + timedelta(hours=2):%Y-%m-%dT%H:%M}",
        "timezone": "Etc/UTC",
        "replicas": 150,
    }
    engine = checked(deploy("dev", update(), contests=json.dumps([contest])))
    http, cron = engine.only(APP).inputs["template"]["scale"]["rules"]
    assert "http" in http
    day = f"{start.day} {start.month} *"
    assert cron == {
        "name": "contest-finals",
        "custom": {
            "type": "cron",
            "metadata": {
                "timezone": "Etc/UTC",
                "start": f"10 9 {day}",
                "end": f"30 11 {day}",
                "desiredReplicas": "150",
            },
        },
    }


@BOTH
def test_sessions_have_a_pool_of_the_same_image_without_network_and_token(new_engine: Any, checked: Checked) -> None:
    callers = '["22222222-3333-4444-5555-666666666666"]'
    engine = checked(
        deploy(
            "dev", new_engine(), hosting="sessions", sessionCallers=callers, sessionCooldownSeconds="600", apiKeys=API_KEYS
        )
    )
    assert engine.types() == sorted([POOL, IDENTITY, ROLE, ROLE, IMAGE])
    pool = engine.only(POOL).inputs
    assert pool["sessionPoolName"] == "aitaracodeexecutor2dev"
    assert (pool["containerType"], pool["poolManagementType"]) == ("CustomContainer", "Dynamic")
    assert pool["sessionNetworkConfiguration"] == {"status": "EgressDisabled"}
    assert pool["scaleConfiguration"] == {"readySessionInstances": 2, "maxConcurrentSessions": 200}
    assert pool["dynamicPoolConfiguration"]["lifecycleConfiguration"] == {
        "lifecycleType": "Timed",
        "cooldownPeriodInSeconds": 600,
    }
    (setting,) = pool["managedIdentitySettings"]
    assert setting["lifecycle"] == "None"
    assert pool["secrets"] == [{"name": "api-keys", "value": Secret(API_KEYS)}]
    (container,) = pool["customContainerTemplate"]["containers"]
    assert container["image"] == engine.outputs["imageDigest"]
    call, pull = engine.all_of(ROLE)
    assert pull.urn in engine.only(POOL).dependencies
    assert call.inputs["principalId"] == "22222222-3333-4444-5555-666666666666"
    if engine.preview:
        assert engine.outputs["executorUrl"] == Unknown()
    else:
        assert engine.outputs["executorUrl"] == f"https://aitaracodeexecutor2dev.{ENVIRONMENT_DOMAIN}"
        assert call.inputs["roleDefinitionId"].endswith("0fb8eba5-a2bb-4abe-b1c1-49dfad359bb0")
    assert engine.outputs["hosting"] == "sessions"
    assert "estimatedCost" not in engine.outputs


@BOTH
def test_the_local_stack_runs_the_image_on_this_machine_with_nothing_granted_and_no_azure(new_engine: Any) -> None:
    engine = deploy("local", new_engine(), apiKeys=API_KEYS, environmentVariables='{"EXECUTOR_LOG_LEVEL": "debug"}')
    assert engine.types() == sorted([IMAGE, CONTAINER])
    assert engine.lookups == []
    image = engine.only(IMAGE).inputs
    assert (image["imageName"], image["skipPush"]) == ("executor-image:v1", True)
    assert "registry" not in image
    container = engine.only(CONTAINER)
    inputs = container.inputs
    assert inputs["capabilities"] == {"drops": ["ALL"]}
    assert inputs["securityOpts"] == ["no-new-privileges"]
    assert (inputs["memory"], inputs["memorySwap"], inputs["cpus"]) == (1024, 1024, "0.5")
    assert inputs["ports"] == [{"internal": 8000, "external": 8000, "ip": "127.0.0.1"}]
    assert inputs["envs"] == ["EXECUTOR_LOG_LEVEL=debug", Secret(f"EXECUTOR_API_KEYS={API_KEYS}")]
    assert container.delete_before_replace
    assert inputs["image"] == engine.outputs["imageDigest"]
    assert engine.outputs["executorUrl"] == "http://localhost:8000"
    assert engine.messages == []


def test_the_local_port_is_the_one_that_is_set() -> None:
    engine = deploy("local", update(), localPort="9001", image=PREBUILT)
    assert engine.types() == [CONTAINER]
    assert engine.only(CONTAINER).inputs["ports"][0]["external"] == 9001
    assert engine.only(CONTAINER).inputs["image"] == PREBUILT
    assert engine.outputs["executorUrl"] == "http://localhost:9001"


@BOTH
def test_an_address_is_all_it_takes_to_have_a_budget_and_an_alert(new_engine: Any, checked: Checked) -> None:
    engine = checked(deploy("dev", new_engine(), alertEmails='["ta@example.org", "dean@example.org"]', budgetAmount="350"))
    assert engine.types() == sorted([APP, IDENTITY, ROLE, IMAGE, BUDGET, ALERT, ALERT, ALERT, PEOPLE])
    budget = engine.only(BUDGET)
    assert (budget.inputs["amount"], budget.inputs["timeGrain"], budget.inputs["scope"]) == (350, "Monthly", GROUP_ID)
    notices = budget.inputs["notifications"].values()
    assert sorted((notice["thresholdType"], notice["threshold"]) for notice in notices) == [
        ("Actual", 80),
        ("Actual", 100),
        ("Forecasted", 100),
    ]
    assert all(notice["contactEmails"] == ["ta@example.org", "dean@example.org"] for notice in notices)
    receivers = engine.only(PEOPLE).inputs["emailReceivers"]
    assert [receiver["emailAddress"] for receiver in receivers] == ["ta@example.org", "dean@example.org"]
    assert len(engine.only(PEOPLE).inputs["groupShortName"]) <= 12
    found = {}
    for alert in engine.all_of(ALERT):
        (criterion,) = alert.inputs["criteria"]["allOf"]
        found[alert.inputs["ruleName"]] = (criterion["metricName"], criterion["operator"], criterion["threshold"])
        assert engine.only(APP).urn in alert.dependencies
        assert engine.only(PEOPLE).urn in alert.dependencies
    assert found == {
        "ai-ta-ra-code-executor2-dev-replicas": ("Replicas", "GreaterThan", 160),
        "ai-ta-ra-code-executor2-dev-replicas-maximum": ("Replicas", "GreaterThanOrEqual", 200),
        "ai-ta-ra-code-executor2-dev-no-healthy-replica": ("Requests", "GreaterThan", 5),
    }


def test_a_budget_begins_this_month_or_later_and_stays_there() -> None:
    now = datetime.now(UTC)
    later = f"{now.year + (now.month == 12)}-{now.month % 12 + 1:02}-01"
    for start, expected in (("", f"{now:%Y-%m}-01"), ("2025-03-01", f"{now:%Y-%m}-01"), (later, later)):
        budget = deploy("dev", update(), alertEmails='["ta@example.org"]', budgetStart=start).only(BUDGET)
        assert budget.inputs["timePeriod"] == {"startDate": f"{expected}T00:00:00Z"}
        assert budget.ignore_changes == ("timePeriod",)


def test_the_alert_is_sent_above_the_number_that_is_set() -> None:
    engine = deploy("dev", update(), alertEmails='["ta@example.org"]', replicaAlert="20")
    (alert,) = [each for each in engine.all_of(ALERT) if each.name == "guardrails-replicas"]
    assert alert.inputs["criteria"]["allOf"][0]["threshold"] == 20


def test_an_app_that_is_always_at_its_most_replicas_has_no_alert_that_never_ends() -> None:
    engine = deploy("dev", update(), alertEmails='["ta@example.org"]', minReplicas="3", maxReplicas="3")
    assert sorted(each.name for each in engine.all_of(ALERT)) == [
        "guardrails-no-healthy-replica",
        "guardrails-replicas",
    ]


def test_a_session_pool_has_a_budget_and_no_alert_since_it_has_no_replicas(checked: Checked) -> None:
    engine = checked(deploy("dev", update(), hosting="sessions", alertEmails='["ta@example.org"]'))
    assert BUDGET in engine.types()
    assert ALERT not in engine.types()


@BOTH
def test_several_apps_share_a_foundation_and_have_an_image_a_url_and_an_alert_each(new_engine: Any, checked: Checked) -> None:
    apps = '[{"imageTarget": "node", "maxReplicas": 20}, {"imageTarget": "judge", "appName": "everything"}]'
    engine = checked(deploy("dev", new_engine(), apps=apps, alertEmails='["ta@example.org"]'))
    assert engine.types() == sorted([IDENTITY, ROLE, IMAGE, IMAGE, APP, APP, BUDGET, PEOPLE, *6 * [ALERT]])
    assert [image.inputs["build"]["target"] for image in engine.all_of(IMAGE)] == ["judge", "node"]
    tags = [image.inputs["imageName"].rpartition(":")[2] for image in engine.all_of(IMAGE)]
    assert [tag.rpartition("-")[0] for tag in tags] == ["v1-judge", "v1-node"]
    names = {app.inputs["containerAppName"]: app.inputs["template"]["scale"]["maxReplicas"] for app in engine.all_of(APP)}
    assert names == {"ai-ta-ra-code-executor2-dev-node": 20, "everything": 200}
    assert engine.outputs["executorUrls"] == {
        "node": f"https://ai-ta-ra-code-executor2-dev-node.{ENVIRONMENT_DOMAIN}",
        "judge": f"https://everything.{ENVIRONMENT_DOMAIN}",
    }
    assert engine.outputs["executorUrl"] == engine.outputs["executorUrls"]["node"]


def test_production_without_a_key_is_refused_before_anything_is_declared() -> None:
    engine = preview()
    with pytest.raises(Exception, match="apiKeys: must be set, or allowedIps, where production is true"):
        deploy("contest", engine, production="true")
    assert (engine.resources, engine.lookups) == ([], [])


@pytest.mark.parametrize(
    ("role", "definition"),
    [("acrPull", "7f951dda-4ed3-4680-a7ca-43fe172d538d"), ("repositoryReader", "b93aa761-3e63-49ed-ac28-beffa264f7ac")],
)
def test_the_identity_gets_the_role_that_the_registry_honours(role: str, definition: str) -> None:
    assigned = deploy("dev", update(), pullRole=role).only(ROLE).inputs
    assert assigned["roleDefinitionId"].endswith(definition)


def test_registry_and_environment_may_be_in_other_groups_than_the_app() -> None:
    groups = {"registryGroupName": "ai-ta-2", "environmentGroupName": "ai-ta-2"}
    cloud = AzureDouble(groups=("apps-only",))
    engine = deploy("dev", EngineDouble(cloud, preview=False), resourceGroupName="apps-only", **groups)
    assert engine.only(APP).inputs["resourceGroupName"] == "apps-only"
    found = {lookup.token.rpartition(":")[2]: lookup.arguments["resourceGroupName"] for lookup in engine.lookups}
    assert (found["getRegistry"], found["getManagedEnvironment"]) == ("ai-ta-2", "ai-ta-2")
    (quota,) = (text for text in engine.warnings if "list-usages" in text)
    assert "--resource-group ai-ta-2 --name ai-ta-RA-env" in quota


def test_an_app_is_in_the_region_of_its_environment_whatever_is_set() -> None:
    engine = EngineDouble(AzureDouble(), preview=False)
    config = stack_files.stack_config("dev") | {"azure-native:location": "westeurope"}
    engine.run(
        lambda: runpy.run_path(str(stack_files.ROOT), run_name="__main__"),
        project="code-executor",
        stack="dev",
        config=config,
    )
    assert engine.only(APP).inputs["location"] == "eastus2"
    assert engine.only(IDENTITY).inputs["location"] == "westeurope"


def test_a_session_pool_needs_an_environment_with_workload_profiles() -> None:
    engine = EngineDouble(AzureDouble(profiles=False), preview=True)
    with pytest.raises(pulumi.RunError, match="ai-ta-RA-env has no workload profiles, which a session pool needs"):
        deploy("dev", engine, hosting="sessions")
    assert POOL not in engine.types()
    assert APP in deploy("dev", EngineDouble(AzureDouble(profiles=False), preview=True)).types()


def test_callers_of_a_pool_may_be_people_and_groups_too(checked: Checked) -> None:
    ids = [f"{number}2222222-3333-4444-5555-666666666666" for number in (1, 2, 3)]
    callers = json.dumps([ids[0], f"user:{ids[1]}", f"group:{ids[2]}"])
    engine = checked(deploy("dev", update(), hosting="sessions", sessionCallers=callers))
    assigned = [role.inputs for role in engine.all_of(ROLE) if "caller" in role.name]
    found = {each["principalId"]: each["principalType"] for each in assigned}
    assert found == dict(zip(ids, ("ServicePrincipal", "User", "Group"), strict=True))


def test_a_domain_that_was_bound_by_hand_stays_bound(checked: Checked) -> None:
    app = live_app("ai-ta-ra-code-executor2-dev")
    by_hand = [
        {"name": "by-hand.example.org", "bindingType": "SniEnabled", "certificateId": CERTIFICATE},
        {"name": "unverified.example.org", "bindingType": "Disabled"},
    ]
    app["configuration"]["ingress"]["customDomains"] = by_hand
    cloud = AzureDouble(apps={app["name"]: app})
    cloud.state = (f"urn:pulumi:dev::code-executor::{APP}::executor-app",)

    def domains(name: str, certificate: str = "") -> list[Any]:
        engine = EngineDouble(cloud, preview=True)
        declared = checked(deploy("dev", engine, customDomain=name, certificateId=certificate)).only(APP).inputs
        found: list[Any] = declared["configuration"]["ingress"]["customDomains"]
        certified = [each["name"] for each in found if "certificateId" in each]
        assert engine.outputs["fqdn"] == certified[0]
        return found

    assert domains("") == by_hand
    assert domains("executor.example.org") == [{"name": "executor.example.org", "bindingType": "Disabled"}, *by_hand]
    # The setting's own name, bound by hand: the certificate stays.
    assert domains("by-hand.example.org") == by_hand
    (first, *rest) = domains("executor.example.org", CERTIFICATE)
    assert first == {"name": "executor.example.org", "bindingType": "SniEnabled", "certificateId": CERTIFICATE}
    assert rest == by_hand


CERTIFICATE_TYPE = "azure-native:app:ManagedCertificate"


def test_azure_issues_a_certificate_once_the_app_has_the_name(checked: Checked) -> None:
    app = live_app("ai-ta-ra-code-executor2-dev")
    cloud = AzureDouble(apps={app["name"]: app})
    cloud.state = (f"urn:pulumi:dev::code-executor::{APP}::executor-app",)

    def deployed() -> EngineDouble:
        engine = EngineDouble(cloud, preview=False)
        return checked(deploy("dev", engine, customDomain="executor.example.org", certificateId="managed"))

    first = deployed()
    (domain,) = first.only(APP).inputs["configuration"]["ingress"]["customDomains"]
    assert domain == {"name": "executor.example.org", "bindingType": "Disabled"}
    assert not first.all_of(CERTIFICATE_TYPE)
    assert any("`pulumi up` again" in warning for warning in first.warnings)
    app["configuration"]["ingress"]["customDomains"] = [domain]
    second = deployed()
    certificate = second.only(CERTIFICATE_TYPE)
    assert certificate.inputs["managedCertificateName"] == "executor-example-org"
    assert certificate.inputs["properties"] == {"subjectName": "executor.example.org", "domainControlValidation": "CNAME"}
    (domain,) = second.only(APP).inputs["configuration"]["ingress"]["customDomains"]
    assert domain["bindingType"] == "SniEnabled"
    assert domain["certificateId"].endswith("/managedCertificates/executor-example-org")
    assert second.outputs["executorUrl"] == "https://executor.example.org"


def test_each_content_has_a_tag_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    plain = ExecutorImageArgs("registry", "executor-image:v1", None)
    first = content_tag(tmp_path, plain)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert content_tag(tmp_path, plain) == first
    others = {
        content_tag(tmp_path, replace(plain, target="judge")),
        content_tag(tmp_path, replace(plain, build_args={"A": "1"})),
    }
    (tmp_path / "Dockerfile").write_text("FROM debian")
    others.add(content_tag(tmp_path, plain))
    (tmp_path / "Dockerfile").rename(tmp_path / "Containerfile")
    others.add(content_tag(tmp_path, plain))
    assert len(others | {first}) == 5


def test_keys_may_be_a_key_vault_s_secret_that_the_pulling_identity_reads(checked: Checked) -> None:
    url = "https://a-vault.vault.azure.net/secrets/executor-keys"
    engine = checked(deploy("dev", update(), apiKeysVaultUrl=url, pullIdentityId=PULLER, production="true"))
    app = engine.only(APP).inputs
    assert app["configuration"]["secrets"] == [{"name": "api-keys", "keyVaultUrl": url, "identity": PULLER}]
    (container,) = app["template"]["containers"]
    assert container["env"] == [{"name": "EXECUTOR_API_KEYS", "secretRef": "api-keys"}]
    with pytest.raises(pulumi.RunError, match=r"apiKeysVaultUrl .*must be empty where apiKeys is set"):
        deploy("dev", update(), apiKeysVaultUrl=url, apiKeys=API_KEYS)


def test_a_lock_of_azure_s_own_keeps_the_app_from_deletion_and_from_nothing_else() -> None:
    engine = deploy("contest", update(), lockApp="true")
    lock = engine.only(LOCK)
    assert (lock.inputs["level"], lock.inputs["lockName"]) == ("CanNotDelete", "ai-ta-ra-code-executor2-lock")
    assert engine.only(APP).urn in lock.property_dependencies["scope"]
    assert LOCK not in deploy("contest", update()).types()


def test_an_environment_that_is_created_can_be_spread_over_zones(checked: Checked) -> None:
    engine = checked(deploy("dev", update(), **NEW, environmentSubnetId=SUBNET, environmentZoneRedundant="true"))
    assert engine.only(ENVIRONMENT).inputs["zoneRedundant"] is True
    assert "zoneRedundant" not in deploy("dev", update(), **NEW).only(ENVIRONMENT).inputs
