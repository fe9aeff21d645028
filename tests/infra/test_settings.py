"""What a configuration may be, and what is said where it is wrong."""

import dataclasses
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from devtools import stack_files
from infra.settings import DECLARATIONS, KEYS, Settings, SettingsError, parse_settings
from infra.settings.formats import MEMORY_FOR_CPU
from infra.settings.kinds import HOSTINGS, Declaration
from infra.settings.schema import PROJECT_FILE, project_file
from runtime import settings as runtime_settings

DIGEST = "registry.example.com/executor-image@sha256:" + "0123456789abcdef" * 4
HASH = "0123456789abcdef" * 4
SUBNET = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/network"
    "/providers/Microsoft.Network/virtualNetworks/campus/subnets/executor"
)
CERTIFICATE = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/ai-ta-2"
    "/providers/Microsoft.App/managedEnvironments/ai-ta-RA-env/certificates/executor"
)
IDENTITY = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/ai-ta-2"
    "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/puller"
)
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

GOOD = {
    **{key.removeprefix("code-executor:"): value for key, value in stack_files.project_defaults().items()},
    "appName": "code-executor",
    "minReplicas": "2",
    "maxReplicas": "200",
}

CONTEST = {
    "name": "midterm",
    "start": "2026-03-14T09:00",
    "end": "2026-03-14T11:00",
    "timezone": "America/New_York",
    "replicas": 100,
}


def contests(**changes: object) -> str:
    return json.dumps([{**CONTEST, **changes}])


def parsed(**changes: str) -> Settings:
    return parse_settings({**GOOD, **changes}, now=NOW)


def refusal(**changes: str) -> SettingsError:
    with pytest.raises(SettingsError) as refused:
        parsed(**changes)
    return refused.value


WRONG = [
    ("azure-native:location", "East US 2", "eastus2"),
    ("appName", "", "2 to 32"),
    ("appName", "x", "2 to 32"),
    ("appName", "x" * 33, "2 to 32"),
    ("appName", "Code-Executor", "small letters"),
    ("appName", "2nd-executor", "from a letter"),
    ("appName", "executor-", "to a letter or digit"),
    ("appName", "code--executor", "single hyphens"),
    ("appName", "code_executor", "single hyphens"),
    ("appName", "executor\n", "small letters"),
    ("resourceGroupName", "group.", "not end in a dot"),
    ("resourceGroupName", "g/roup", "1 to 90"),
    ("resourceGroupName", "g" * 91, "1 to 90"),
    ("registryName", "registry1.azurecr.io", "without .azurecr.io"),
    ("registryName", "acr", "5 to 50"),
    ("environmentName", "my environment", "2 to 60"),
    ("environmentName", "env-", "2 to 60"),
    ("imageName", "executor-image", "repository:tag"),
    ("imageName", "Executor:v1", "repository:tag"),
    ("imageName", "registry.example.com:5000/executor:v1", "without a registry"),
    ("image", "executor-image:v1", "@sha256:"),
    ("image", DIGEST[:-1], "64 hexadecimal digits"),
    ("image", DIGEST.upper(), "64 hexadecimal digits"),
    ("image", DIGEST.partition("/")[2], "registry/repository"),
    ("minReplicas", "-1", "from 0 to 1000"),
    ("minReplicas", "1001", "from 0 to 1000"),
    ("minReplicas", "two", "whole number"),
    ("minReplicas", "2.5", "whole number"),
    ("minReplicas", "1_0", "whole number"),
    ("minReplicas", " 5", "whole number"),
    ("minReplicas", "9" * 5000, "whole number"),
    ("maxReplicas", "0", "from 1 to 1000"),
    ("maxReplicas", "1001", "from 1 to 1000"),
    ("maxReplicas", "", "whole number"),
    ("minReplicas", "201", "not be above maxReplicas, which is 200"),
    ("cpu", "0", "0.25 to 4"),
    ("cpu", "0.3", "steps of 0.25"),
    ("cpu", "4.25", "0.25 to 4"),
    ("cpu", "-0.5", "0.25 to 4"),
    ("cpu", "NaN", "0.25 to 4"),
    ("cpu", "500m", "0.25 to 4"),
    ("memory", "1", "0.5Gi to 8.0Gi"),
    ("memory", "1024Mi", "0.5Gi to 8.0Gi"),
    ("memory", "0.75Gi", "steps of 0.5Gi"),
    ("memory", "16Gi", "0.5Gi to 8.0Gi"),
    ("memory", "4.0Gi", "must be 1.0Gi where cpu is 0.5"),
    ("hosting", "vm", "app, sessions, local or scale"),
    ("protectApp", "yes", "false or true"),
    ("stackReadme", "yes", "false or true"),
    ("production", "yes", "false or true"),
    ("tags", "course", "a map of names to texts"),
    ("resourceGroup", "maybe", "existing or create"),
    ("registry", "maybe", "existing or create"),
    ("registry", "", "existing or create"),
    ("registrySku", "Gold", "Basic, Standard or Premium"),
    ("environment", "new", "existing or create"),
    ("environmentSubnetId", "executor", "a subnet's resource id"),
    ("environmentSubnetId", SUBNET, "must be empty where environment is existing"),
    ("environmentInternal", "1", "false or true"),
    ("environmentInternal", "true", "without environmentSubnetId"),
    ("environmentZoneRedundant", "yes", "false or true"),
    ("environmentZoneRedundant", "true", "without environmentSubnetId"),
    ("apiKeysVaultUrl", "https://a-vault.vault.azure.net/keys/x", "a secret's address in a key vault"),
    ("lockApp", "yes", "false or true"),
    ("logWorkspace", "maybe", "none, existing or create"),
    ("logWorkspace", "create", "must be none or existing where environment is existing"),
    ("logWorkspaceGroupName", "group.", "not end in a dot"),
    ("applicationInsights", "maybe", "none, existing or create"),
    ("applicationInsights", "create", "must be none or existing where logWorkspace is none"),
    ("applicationInsightsName", "insights.", "not end in a dot"),
    ("telemetryAgent", "yes", "false or true"),
    ("telemetryAgent", "true", "must be false where applicationInsights is none"),
    ("waitAlertSeconds", "0", "from 1 to 600"),
    ("logWorkspaceName", "abc", "4 to 63"),
    ("logRetentionDays", "7", "from 30 to 730"),
    ("logDailyCapGb", "-1", "from 0 to 1000"),
    ("workloadProfile", "my profile", "2 to 15 letters"),
    ("workloadProfileType", "d4", "such as D4"),
    ("workloadProfileType", "D4", "must be empty unless environment is create"),
    ("workloadProfileMaxNodes", "0", "from 1 to 100"),
    ("pullIdentityId", "puller", "a user-assigned identity's resource id"),
    ("imageTarget", "Judge", "a stage of runtime/Dockerfile"),
    ("imageTarget", "cobol", "a stage of runtime/Dockerfile: python, node, judge, full"),
    ("imageTarget", "system-node", "a stage of runtime/Dockerfile: "),
    ("buildArgs", "[]", "a map of names to texts"),
    ("registryCredentials", "password", "login or admin"),
    ("apps", "python", "a list of maps"),
    ("concurrentRequests", "0", "from 1 to 100"),
    ("cooldownSeconds", "5", "from 10 to 3600"),
    ("pollingSeconds", "1", "from 5 to 600"),
    ("contests", "tomorrow", "a list of maps"),
    ("contests", "{}", "a list of maps"),
    ("prewarmMinutes", "300", "from 0 to 240"),
    ("ingress", "public", "external or internal"),
    ("allowedIps", "203.0.113.1", "a list of texts"),
    ("corsOrigins", "https://ta.example.org", "a list of texts"),
    ("customDomain", "https://executor.example.org", "a host name in small letters"),
    ("certificateId", "executor", "the resource id of a certificate of the environment, or managed"),
    ("certificateId", CERTIFICATE, "must be empty without customDomain"),
    ("environmentVariables", "A=1", "a map of names to texts"),
    ("store", "maybe", "none, existing or create"),
    ("storeAccountName", "Executor", "3 to 24 small letters and digits"),
    ("storeAccountName", "e" * 25, "3 to 24 small letters and digits"),
    ("storeAccountName", "executorstore", "must be empty where store is none"),
    ("storeGroupName", "group.", "not end in a dot"),
    ("storeContainerName", "a--b", "3 to 63 small letters, digits and single hyphens"),
    ("storeResultDays", "0", "from 1 to 3650"),
    ("storeIdentityId", "keeper", "a user-assigned identity's resource id that may use the store"),
    ("storeIdentityId", IDENTITY, "must be empty where store is none"),
    ("revisionMode", "blue", "single or multiple"),
    ("revisionMode", "multiple", "must be single"),
    ("registryGroupName", "g/roup", "1 to 90"),
    ("environmentGroupName", "group.", "not end in a dot"),
    ("pullRole", "owner", "acrPull or repositoryReader"),
    ("budgetStart", "2027-04-01", "at most 12 months ahead"),
    ("revisionTransitionThreshold", "101", "from 1 to 100"),
    ("maxInactiveRevisions", "101", "from 0 to 100"),
    ("terminationGraceSeconds", "601", "from 1 to 600"),
    ("terminationGraceSeconds", "240", "must be above 240"),
    ("sessionCooldownSeconds", "60", "from 300 to 3600"),
    ("sessionCallers", "backend", "a list of texts"),
    ("localPort", "65536", "from 1 to 65535"),
    ("alertEmails", "ta@example.org", "a list of texts"),
    ("budgetAmount", "0", "from 1 to 1000000"),
    ("budgetAmount", "12.50", "whole number"),
    ("budgetStart", "2026-03-14", "the first of a month"),
    ("replicaAlert", "201", "from 0 to 200"),
    ("coreQuota", "0", "from 1 to 100000"),
    ("strictQuota", "maybe", "false or true"),
]

WRONG_WITHIN = [
    ("tags", '{"a<b": "c"}', "tags.a<b", None, "1 to 512 characters"),
    ("tags", '{"stack": "mine"}', "tags.stack", None, "which are set"),
    ("tags", '{"course": 5}', "tags.course", "5", "at most 256 characters"),
    ("buildArgs", '{"BASE IMAGE": "x"}', "buildArgs.BASE IMAGE", None, "no name of a build argument"),
    ("buildArgs", '{"BASE_IMAGE": 5}', "buildArgs.BASE_IMAGE", "5", "must be a text"),
    ("allowedIps", '["203.0.113.1/24"]', "allowedIps[0]", "203.0.113.1/24", "without host bits"),
    ("allowedIps", '["203.0.113.1", "2001:db8::1"]', "allowedIps[1]", "2001:db8::1", "IPv4"),
    ("allowedIps", '["256.0.0.1"]', "allowedIps[0]", "256.0.0.1", "IPv4"),
    ("allowedIps", '["203.0.113.1", "203.0.113.1"]', "allowedIps[1]", "203.0.113.1", "not stand there twice"),
    ("corsOrigins", '["https://ta.example.org/"]', "corsOrigins[0]", "https://ta.example.org/", "without a path"),
    ("corsOrigins", "[5]", "corsOrigins[0]", "5", "an origin"),
    ("sessionCallers", '["backend"]', "sessionCallers[0]", "backend", "(a GUID)"),
    ("alertEmails", '["ta at example.org"]', "alertEmails[0]", "ta at example.org", "an e-mail address"),
    ("environmentVariables", '{"A B": "1"}', "environmentVariables.A B", None, "no name of an environment variable"),
    ("environmentVariables", '{"A": 1}', "environmentVariables.A", "1", "must be a text"),
    ("environmentVariables", '{"EXECUTOR_PORT": "9"}', "environmentVariables.EXECUTOR_PORT", None, "port 8000"),
    ("environmentVariables", '{"EXECUTOR_API_KEYS": "x"}', "environmentVariables.EXECUTOR_API_KEYS", None, "set as apiKeys"),
    ("environmentVariables", '{"EXECUTOR_COMPILE_MEMORY": "5"}', "environmentVariables", None, "EXECUTOR_COMPILE_MEMORY_MB"),
    ("environmentVariables", '{"EXECUTOR_CONCURRENCY": "no"}', "environmentVariables", None, "EXECUTOR_CONCURRENCY is 'no'"),
    ("apps", '["python"]', "apps[0]", "python", "a map with imageTarget"),
    ("apps", '[{"cpu": "1", "memory": "2.0Gi"}]', "apps[0].imageTarget", None, "is not set"),
    ("apps", '[{"imageTarget": "python", "cpus": "1"}]', "apps[0].cpus", None, "cpu is"),
    ("apps", '[{"imageTarget": "python", "cpu": "1"}]', "apps[0].memory", "1.0Gi", "must be 2.0Gi where cpu is 1"),
    ("apps", '[{"imageTarget": "python", "minReplicas": 300}]', "apps[0].minReplicas", "300", "which is 200"),
    (
        "apps",
        '[{"imageTarget": "python"}, {"imageTarget": "python", "appName": "other"}]',
        "apps[1].imageTarget",
        None,
        "must differ",
    ),
    (
        "apps",
        '[{"imageTarget": "python", "appName": "one"}, {"imageTarget": "node", "appName": "one"}]',
        "apps[1].appName",
        None,
        "must differ",
    ),
    ("contests", contests(name="Mid Term"), "contests[0].name", "Mid Term", "small letters"),
    ("contests", contests(start="14 March"), "contests[0].start", "14 March", "such as 2026-03-14T09:00"),
    ("contests", contests(start="2026-02-30T09:00"), "contests[0].start", "2026-02-30T09:00", "such as 2026"),
    ("contests", contests(start="2026-03-08T02:30"), "contests[0].start", "2026-03-08T02:30", "does not exist in America"),
    ("contests", contests(end="2026-03-14T09:00"), "contests[0].end", "2026-03-14T09:00", "after start"),
    ("contests", contests(end="2026-03-24T09:00"), "contests[0].end", "2026-03-24T09:00", "at most 7 days"),
    ("contests", contests(timezone="Boston"), "contests[0].timezone", "Boston", "IANA"),
    ("contests", contests(timezone="../../etc/passwd"), "contests[0].timezone", "../../etc/passwd", "IANA"),
    ("contests", contests(replicas=201), "contests[0].replicas", "201", "from 1 to 200"),
    ("contests", contests(replica=5), "contests[0].replica", None, "replicas is"),
    (
        "contests",
        json.dumps([{key: value for key, value in CONTEST.items() if key != "timezone"}]),
        "contests[0].timezone",
        None,
        "is not set",
    ),
    (
        "contests",
        contests(start="2027-03-14T09:00", end="2027-03-14T11:00"),
        "contests[0].start",
        "2027-03-14T09:00",
        "within 360 days",
    ),
    ("contests", json.dumps([CONTEST, CONTEST]), "contests[1].name", "midterm", "must differ"),
]

SECRET_WRONG = [
    ("not a key", "name:sha256"),
    (f"backend:{HASH[:-1]}", "64 small hexadecimal digits"),
    (f"backend:{HASH.upper()}", "small hexadecimal"),
    (f"backend:{HASH},", "separated by commas"),
    (f"backend:{HASH},backend:{HASH}", "a name of its own"),
]


@pytest.mark.parametrize(("key", "value", "right"), WRONG, ids=[f"{key}={value[:40]!r}" for key, value, _ in WRONG])
def test_a_wrong_value_is_refused_with_its_key_the_value_and_what_would_be_right(key: str, value: str, right: str) -> None:
    refused = refusal(**{key: value})
    (problem,) = refused.problems
    assert problem.key == key
    assert problem.value == value
    assert right in problem.expected
    assert all(part in str(refused) for part in (key, repr(value), right))


@pytest.mark.parametrize(
    ("key", "value", "place", "shown", "right"), WRONG_WITHIN, ids=[f"{case[2]}-{case[4][:20]}" for case in WRONG_WITHIN]
)
def test_what_is_wrong_within_a_list_or_a_map_is_named_by_its_place(
    key: str, value: str, place: str, shown: str | None, right: str
) -> None:
    refused = refusal(**{key: value})
    problem = refused.problems[0]
    assert (problem.key, problem.value) == (place, shown)
    assert right in str(refused)


@pytest.mark.parametrize(("value", "right"), SECRET_WRONG)
def test_a_wrong_secret_is_refused_without_being_shown(value: str, right: str) -> None:
    refused = refusal(apiKeys=value)
    assert [problem.key for problem in refused.problems] == ["apiKeys"]
    assert right in str(refused)
    assert value not in str(refused)


def test_every_setting_has_a_test_with_a_wrong_value() -> None:
    assert {case[0] for case in WRONG} | {case[0] for case in WRONG_WITHIN} | {"apiKeys"} == set(KEYS)


@pytest.mark.parametrize("key", [key for key in KEYS if GOOD[key] not in {"", "[]", "{}"}])
def test_a_setting_that_is_missing_is_named(key: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings({name: value for name, value in GOOD.items() if name != key})
    assert f"{key}: is not set; it must be" in str(refused.value)
    assert [problem.key for problem in refused.value.problems] == [key]


def test_all_wrong_settings_are_named_at_once_in_the_order_of_the_schema() -> None:
    refused = refusal(
        memory="4.0Gi", appName="X", minReplicas="50", maxReplicas="10", size="1", contests=contests(timezone="Boston")
    )
    places = ["appName", "minReplicas", "memory", "contests[0].timezone", "contests[0].replicas", "size"]
    assert sorted(problem.key for problem in refused.problems) == sorted(places)
    assert [problem.setting for problem in refused.problems] == [place.partition("[")[0] for place in places]
    assert "6 settings are wrong, so nothing was declared" in str(refused)


def test_a_bound_that_is_wrong_itself_is_not_compared_with_the_other() -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings({**GOOD, "minReplicas": "50", "maxReplicas": "ten", "cpu": "half"})
    assert [problem.key for problem in refused.value.problems] == ["maxReplicas", "cpu"]


def test_a_misspelt_key_is_refused_with_the_right_one_and_without_its_value() -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings({**GOOD, "minReplica": "a secret, perhaps"})
    assert "minReplica: is no setting of this project; minReplicas is" in str(refused.value)
    assert "a secret, perhaps" not in str(refused.value)


def test_a_key_unlike_any_other_is_refused_without_a_guess() -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings({**GOOD, "xyz": "1"})
    assert [str(problem) for problem in refused.value.problems] == ["xyz: is no setting of this project"]


@pytest.mark.parametrize(("cpu", "memory"), [(str(cpu), f"{memory}Gi") for cpu, memory in MEMORY_FOR_CPU.items()])
def test_every_size_of_azure_s_is_taken(cpu: str, memory: str) -> None:
    (app,) = parsed(cpu=cpu, memory=memory).apps
    assert (app.cpu, app.memory) == (float(cpu), f"{float(memory.removesuffix('Gi')):.1f}Gi")


@pytest.mark.parametrize(("cpu", "memory"), [("0.50", "1Gi"), ("0.5", "1.00Gi"), ("00.5", "01Gi")])
def test_a_size_is_the_same_however_it_is_written(cpu: str, memory: str) -> None:
    (app,) = parsed(cpu=cpu, memory=memory).apps
    assert (app.cpu, app.memory) == (0.5, "1.0Gi")


@pytest.mark.parametrize(("low", "high"), [("0", "1"), ("0", "1000"), ("1000", "1000"), ("1", "1")])
def test_replicas_may_go_to_the_very_bounds(low: str, high: str) -> None:
    (app,) = parsed(minReplicas=low, maxReplicas=high).apps
    assert (app.min_replicas, app.max_replicas) == (int(low), int(high))


@pytest.mark.parametrize("group", ["ai-ta-2", "Groupe_(été).1", "g"])
def test_a_resource_group_may_have_every_name_that_azure_allows(group: str) -> None:
    assert parsed(resourceGroupName=group).foundation.resource_group.name == group


def test_an_image_by_digest_takes_the_place_of_a_build() -> None:
    assert parsed().apps[0].prebuilt_image is None
    assert parsed(image=DIGEST).apps[0].prebuilt_image == DIGEST


def test_settings_cannot_be_changed_after_they_were_checked() -> None:
    settings: Any = parsed()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.apps[0].min_replicas = 2000


def test_the_project_file_s_settings_are_those_that_are_declared() -> None:
    assert PROJECT_FILE.read_text(encoding="utf-8") == project_file(), "`make docs` writes them"
    assert tuple(stack_files.project()["config"]) == KEYS


@pytest.mark.parametrize("declared", DECLARATIONS, ids=lambda declared: declared.key)
def test_a_setting_comes_back_from_the_project_file_as_it_is_declared(declared: Declaration) -> None:
    entry = stack_files.project()["config"][declared.key]
    assert entry.get("value", entry.get("default")) == declared.default
    assert entry.get("description", declared.meaning) == declared.meaning


@pytest.mark.parametrize("key", [key for key in KEYS if ":" not in key])
def test_each_setting_of_the_project_has_a_type_a_description_and_a_default_of_that_type(key: str) -> None:
    # The types are those that Pulumi checks, in sdk/go/common/workspace/project.go. It knows no fractions.
    setting = stack_files.project()["config"][key]
    types = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
    assert setting["description"].endswith(".")
    if key != "appName":
        assert type(setting["default"]) is types[setting["type"]]
    assert ("items" in setting) == (setting["type"] == "array")


def test_the_defaults_are_those_for_500_users_and_leave_only_the_app_s_name_open() -> None:
    defaults = {key.removeprefix("code-executor:"): value for key, value in stack_files.project_defaults().items()}
    assert set(KEYS) - set(defaults) == {"appName"}
    (app,) = parse_settings({**defaults, "appName": "executor"}).apps
    assert (app.min_replicas, app.max_replicas) == (5, 1000)
    assert (app.cpu, app.memory) == (0.5, "1.0Gi")


OTHERS = {
    "tags": '{"course": "cs101"}',
    "allowedIps": '["203.0.113.0/24"]',
    "corsOrigins": '["*"]',
    "buildArgs": '{"BASE_IMAGE": "debian:x"}',
    "apps": '[{"imageTarget": "node"}]',
    "contests": contests(),
    "environmentVariables": '{"TZ": "UTC"}',
    "sessionCallers": '["22222222-3333-4444-5555-666666666666"]',
    "alertEmails": '["ta@example.org"]',
    "resourceGroup": "create",
    "registry": "create",
    "environment": "create",
    "logWorkspace": "create",
    "applicationInsights": "create",
    "applicationInsightsName": "other-insights",
    "logWorkspaceGroupName": "another-group",
    "store": "create",
    "storeAccountName": "executorstore",
    "storeGroupName": "another-group",
    "storeContainerName": "problems",
    "storeIdentityId": IDENTITY,
    "registrySku": "Premium",
    "registryCredentials": "admin",
    "registryName": "anotherregistry",
    "environmentName": "another-env",
    "logWorkspaceName": "other-logs",
    "environmentSubnetId": SUBNET,
    "workloadProfile": "Consumption",
    "workloadProfileType": "D4",
    "pullIdentityId": IDENTITY,
    "pullRole": "repositoryReader",
    "apiKeysVaultUrl": "https://a-vault.vault.azure.net/secrets/executor-keys",
    "registryGroupName": "another-group",
    "environmentGroupName": "another-group",
    "imageName": "executor-image:v2",
    "image": DIGEST,
    "imageTarget": "judge",
    "cpu": "1",
    "memory": "2.0Gi",
    "ingress": "internal",
    "customDomain": "executor.example.org",
    "certificateId": CERTIFICATE,
    "apiKeys": f"backend:{HASH}",
    "revisionMode": "multiple",
    "budgetStart": "2026-03-01",
    "sessionCooldownSeconds": "600",
}


def another(key: str) -> str:
    """Gives a sound value that is not the default."""
    (declared,) = (each for each in DECLARATIONS if each.key == key)
    match declared.default:
        case bool():
            return json.dumps(not declared.default)
        case int():
            return OTHERS.get(key) or str(declared.default - 1 if declared.default >= 100 else declared.default + 1)
        case _:
            return OTHERS[key]


NOT_EVERYWHERE = [(hosting, each.key) for each in DECLARATIONS for hosting in HOSTINGS if hosting not in each.hostings]


@pytest.mark.parametrize(("hosting", "key"), NOT_EVERYWHERE)
def test_a_setting_that_would_have_no_effect_is_refused(hosting: str, key: str) -> None:
    refused = refusal(**{"hosting": hosting, key: another(key)})
    assert any(problem.key == key and "no effect" in problem.expected for problem in refused.problems)


def test_a_new_group_cannot_hold_what_exists_already() -> None:
    refused = refusal(resourceGroup="create")
    assert [problem.key for problem in refused.problems] == ["registry", "environment"]
    refused = refusal(resourceGroup="create", registry="create", environment="create", logWorkspace="existing")
    assert [problem.key for problem in refused.problems] == ["logWorkspace"]


def test_a_workload_profile_that_is_created_needs_a_type() -> None:
    refused = refusal(environment="create", workloadProfile="big")
    assert "workloadProfileType" in str(refused)
    profile = parsed(environment="create", workloadProfile="big", workloadProfileType="D4").foundation.workload_profile
    assert profile is not None
    assert (profile.name, profile.type) == ("big", "D4")


def test_api_keys_have_to_be_kept_encrypted() -> None:
    keys = f"backend:{HASH}"
    with pytest.raises(SettingsError, match="config set --secret apiKeys"):
        parse_settings({**GOOD, "apiKeys": keys}, secret_keys=frozenset())
    assert parse_settings({**GOOD, "apiKeys": keys}, secret_keys=frozenset({"apiKeys"})).access.api_keys == keys


def test_a_public_app_without_a_key_is_warned_of_and_refused_in_production() -> None:
    assert any("Everybody on the internet" in warning for warning in parsed().warnings)
    refused = refusal(production="true")
    assert [problem.key for problem in refused.problems] == ["apiKeys"]


@pytest.mark.parametrize(
    "changes",
    [
        {"apiKeys": f"backend:{HASH}"},
        {"allowedIps": '["203.0.113.0/24"]'},
        {"ingress": "internal"},
        {"environment": "create", "environmentSubnetId": SUBNET, "environmentInternal": "true"},
        {"hosting": "sessions"},
        {"hosting": "local"},
    ],
    ids=["key", "allow-list", "internal", "network", "sessions", "local"],
)
def test_an_app_that_not_everybody_can_use_is_taken_in_production(changes: dict[str, str]) -> None:
    settings = parsed(production="true", **changes)
    assert not any("Everybody on the internet" in warning for warning in settings.warnings)


@pytest.mark.parametrize(
    ("variable", "value"), [("ALLOW_WEAK_ISOLATION", "1"), ("TEST_DISABLE_LAYERS", "notify"), ("TEST_LANDLOCK_ABI", "1")]
)
def test_weak_isolation_is_refused_in_production(variable: str, value: str) -> None:
    weak = json.dumps({f"EXECUTOR_{variable}": value})
    keys = f"backend:{HASH}"
    assert parsed(environmentVariables=weak, apiKeys=keys)
    refused = refusal(environmentVariables=weak, apiKeys=keys, production="true")
    assert [problem.key for problem in refused.problems] == [f"environmentVariables.EXECUTOR_{variable}"]


def test_a_variable_that_another_version_of_the_executor_may_know_is_only_warned_of() -> None:
    settings = parsed(environmentVariables='{"EXECUTOR_OF_OLD": "1"}', image=DIGEST)
    assert any("EXECUTOR_OF_OLD" in warning for warning in settings.warnings)


def test_a_longer_drain_needs_a_longer_grace() -> None:
    variables = '{"EXECUTOR_DRAIN_SECONDS": "300"}'
    assert "must be above 300" in str(refusal(environmentVariables=variables))
    assert parsed(environmentVariables=variables, terminationGraceSeconds="301")


def test_a_quota_that_is_too_small_is_warned_of_once_and_refused_where_it_is_strict() -> None:
    (warning,) = (text for text in parsed(maxReplicas="1000").warnings if "cores" in text)
    assert "takes 500 cores, above the coreQuota of 100" in warning
    assert "list-usages --resource-group ai-ta-2 --name ai-ta-RA-env" in warning
    assert "to 1000 cores" in warning
    (warning,) = (text for text in parsed(maxReplicas="200").warnings if "cores" in text)
    assert "takes 100 of 100 cores (coreQuota), but 200 while a deployment" in warning
    refused = refusal(maxReplicas="1000", strictQuota="true")
    assert "must be at least 1000 where strictQuota is true" in str(refused)


@pytest.mark.parametrize(
    "changes", [{"coreQuota": "200"}, {"maxReplicas": "100"}, {"hosting": "sessions"}, {"hosting": "local"}]
)
def test_a_quota_that_is_enough_or_that_does_not_apply_is_no_matter(changes: dict[str, str]) -> None:
    assert not any("cores" in warning for warning in parsed(strictQuota="true", **changes).warnings)


def test_a_contest_that_is_over_keeps_no_replicas_and_is_pointed_out() -> None:
    settings = parse_settings({**GOOD, "contests": contests()}, now=datetime(2026, 3, 14, 15, 0, tzinfo=UTC))
    assert settings.scaling.contests == ()
    assert any("midterm is over" in warning for warning in settings.warnings)
    settings = parse_settings({**GOOD, "contests": contests()}, now=datetime(2026, 3, 14, 14, 59, tzinfo=UTC))
    assert [contest.name for contest in settings.scaling.contests] == ["midterm"]


def test_each_app_of_a_list_has_the_stack_s_size_unless_it_has_its_own() -> None:
    apps = parsed(
        apps='[{"imageTarget": "python"},'
        '{"imageTarget": "judge", "appName": "all", "cpu": "2", "memory": "4.0Gi", "maxReplicas": 5}]'
    ).apps
    assert [(app.key, app.name, app.image_name, app.max_replicas, app.cpu) for app in apps] == [
        ("python", "code-executor-python", "executor-image:v1-python", 200, 0.5),
        ("judge", "all", "executor-image:v1-judge", 5, 2.0),
    ]


def test_a_wrong_size_of_the_stack_is_said_once_however_many_apps_have_it() -> None:
    refused = refusal(cpu="half", apps='[{"imageTarget": "python"}, {"imageTarget": "node"}]')
    assert [problem.key for problem in refused.problems] == ["cpu"]


def test_a_name_that_gets_too_long_with_its_target_has_to_be_set() -> None:
    refused = refusal(appName="x" * 30, apps='[{"imageTarget": "python"}]')
    assert [problem.key for problem in refused.problems] == ["apps[0].appName"]


@pytest.mark.parametrize("key", ["image", "imageTarget", "customDomain"])
def test_what_can_only_be_one_app_s_is_refused_beside_a_list_of_apps(key: str) -> None:
    values = {"image": DIGEST, "imageTarget": "python", "customDomain": "executor.example.org"}
    refused = refusal(**{key: values[key]}, apps='[{"imageTarget": "python"}]')
    assert [problem.key for problem in refused.problems] == [key]


def test_every_message_is_a_sentence_that_says_what_would_be_right() -> None:
    for key, value, _ in WRONG:
        for problem in refusal(**{key: value}).problems:
            assert re.match(r"must |does not exist", problem.expected), problem


def test_a_target_of_another_checkout_is_no_matter_where_the_image_is_finished() -> None:
    (app,) = parsed(apps=json.dumps([{"imageTarget": "cobol", "image": DIGEST}])).apps
    assert app.prebuilt_image == DIGEST


def test_the_check_of_variables_needs_none_of_the_executor_s_packages() -> None:
    # `pulumi up` has a virtual environment of its own, without them.
    program = f"import sys; sys.path.insert(0, {str(stack_files.ROOT)!r}); import runtime.settings"
    subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True)


def test_the_keys_that_a_stack_takes_are_those_that_the_executor_takes() -> None:
    for keys in (f"backend:{HASH}", f"backend:{HASH},grader_2.x-y:{HASH}"):
        assert parsed(apiKeys=keys).access.api_keys == keys
        taken = runtime_settings.read_settings({"EXECUTOR_API_KEYS": keys}).api_keys
        assert ",".join(":".join(pair) for pair in taken) == keys


def test_contests_that_cost_more_than_the_budget_are_warned_of_whatever_the_number_of_apps() -> None:
    def warned(**changes: str) -> list[str]:
        return [text for text in parsed(**changes).warnings if "above the budgetAmount" in text]

    assert warned() == []
    (said,) = warned(budgetStart="2027-03-01", budgetAmount="40")
    assert said.startswith(
        "A month of this stack is estimated at 45 USD, one contest about 22 of it, above the budgetAmount of 40"
    )
    week = contests(start="2026-03-14T09:00", end="2026-03-21T09:00", replicas=200)
    (said,) = warned(contests=week)
    assert "its contests about 1800 of it" in said
    (said,) = warned(contests=week, apps='[{"imageTarget": "node"}, {"imageTarget": "judge"}]')
    assert "its contests about 3600 of it" in said
    assert warned(contests=week, budgetAmount="2000") == []
