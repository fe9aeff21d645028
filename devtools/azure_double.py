"""Answers as Azure and a Docker engine would: what exists before the first deployment, and what a creation gives."""

import hashlib
import uuid
from collections.abc import Collection, Mapping
from typing import Any

from devtools.engine_double import Declared, NotFoundError, RefusedError, Secret

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
GROUP_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/ai-ta-2"
REGISTRY_ID = f"{GROUP_ID}/providers/Microsoft.ContainerRegistry/registries/aitaraacr1763805702"
REGISTRY_SERVER = "aitaraacr1763805702.azurecr.io"
ENVIRONMENT_ID = f"{GROUP_ID}/providers/Microsoft.App/managedEnvironments/ai-ta-RA-env"
ENVIRONMENT_DOMAIN = "kindsea-01234567.eastus2.azurecontainerapps.io"
STORE_CONTAINER_ID = (
    f"{GROUP_ID}/providers/Microsoft.Storage/storageAccounts/aitarastore/blobServices/default/containers/executor"
)
STORE_IDENTITY_ID = f"{GROUP_ID}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/keeper"
WORKSPACE_ID = f"{GROUP_ID}/providers/Microsoft.OperationalInsights/workspaces/workspace-ai-ta"
WORKSPACE_CUSTOMER_ID = "77777777-6666-5555-4444-333333333333"
CONNECTION_STRING = "InstrumentationKey=00000000-1111-2222-3333-444444444444;IngestionEndpoint=https://example.org/"
WORKSPACE_KEY = "a shared key of the workspace"
REGISTRY_PASSWORD = "a password of the registry"  # noqa: S105 - there is no such registry

APP = "azure-native:app:ContainerApp"
GET_APP = "azure-native:app:getContainerApp"

EXISTING: Mapping[str, tuple[Mapping[str, str], Mapping[str, Any]]] = {
    "azure-native:resources:getResourceGroup": (
        {"resourceGroupName": "ai-ta-2"},
        {"id": GROUP_ID, "name": "ai-ta-2", "location": "eastus2"},
    ),
    "azure-native:containerregistry:getRegistry": (
        {"resourceGroupName": "ai-ta-2", "registryName": "aitaraacr1763805702"},
        {"id": REGISTRY_ID, "name": "aitaraacr1763805702", "loginServer": REGISTRY_SERVER, "location": "eastus2"},
    ),
    "azure-native:app:getManagedEnvironment": (
        {"resourceGroupName": "ai-ta-2", "environmentName": "ai-ta-RA-env"},
        {
            "id": ENVIRONMENT_ID,
            "name": "ai-ta-RA-env",
            "defaultDomain": ENVIRONMENT_DOMAIN,
            "location": "East US 2",
            "workloadProfiles": [{"name": "Consumption", "workloadProfileType": "Consumption"}],
            "appLogsConfiguration": {
                "destination": "log-analytics",
                "logAnalyticsConfiguration": {"customerId": WORKSPACE_CUSTOMER_ID},
            },
        },
    ),
}
"""What was there before: each lookup with the arguments that find something, and what they find."""

OPTIONAL: Mapping[str, tuple[Mapping[str, str], Mapping[str, Any]]] = {
    "azure-native:operationalinsights:getWorkspace": (
        {"resourceGroupName": "ai-ta-2", "workspaceName": "workspace-ai-ta"},
        {"id": WORKSPACE_ID, "name": "workspace-ai-ta", "customerId": WORKSPACE_CUSTOMER_ID, "location": "East US 2"},
    ),
    "azure-native:applicationinsights:getComponent": (
        {"resourceGroupName": "ai-ta-2", "resourceName": "insights-ai-ta"},
        {"name": "insights-ai-ta", "connectionString": CONNECTION_STRING},
    ),
    "azure-native:storage:getBlobContainer": (
        {"resourceGroupName": "ai-ta-2", "accountName": "aitarastore", "containerName": "executor"},
        {"id": STORE_CONTAINER_ID, "name": "executor"},
    ),
    "azure-native:managedidentity:getUserAssignedIdentity": (
        {"resourceGroupName": "ai-ta-2", "resourceName": "keeper"},
        {"id": STORE_IDENTITY_ID, "name": "keeper", "clientId": "99999999-8888-7777-6666-555555555555"},
    ),
}
"""What was there before and only some settings look up, likewise."""

SECRETS: Mapping[str, Mapping[str, Any]] = {
    "azure-native:operationalinsights:getSharedKeys": {"primarySharedKey": WORKSPACE_KEY},
    "azure-native:containerregistry:listRegistryCredentials": {
        "username": "admin",
        "passwords": [{"name": "password", "value": REGISTRY_PASSWORD}],
    },
}
"""What is asked of a resource whatever its name, whether it was there before or was created."""

SCALE = "pulumi-python:dynamic/code-executor:AppScale"

NAMED: Mapping[str, tuple[str, str]] = {
    APP: ("containerAppName", "Microsoft.App/containerApps"),
    "azure-native:app:ContainerAppsSessionPool": ("sessionPoolName", "Microsoft.App/sessionPools"),
    "azure-native:app:ManagedEnvironment": ("environmentName", "Microsoft.App/managedEnvironments"),
    "azure-native:app:ManagedCertificate": (
        "managedCertificateName",
        "Microsoft.App/managedEnvironments/{environmentName}/managedCertificates",
    ),
    "azure-native:containerregistry:Registry": ("registryName", "Microsoft.ContainerRegistry/registries"),
    "azure-native:managedidentity:UserAssignedIdentity": (
        "resourceName",
        "Microsoft.ManagedIdentity/userAssignedIdentities",
    ),
    "azure-native:applicationinsights:Component": ("resourceName", "Microsoft.Insights/components"),
    "azure-native:applicationinsights:Workbook": ("resourceName", "Microsoft.Insights/workbooks"),
    "azure-native:monitor:ScheduledQueryRule": ("ruleName", "Microsoft.Insights/scheduledQueryRules"),
    "azure-native:monitor:ActionGroup": ("actionGroupName", "Microsoft.Insights/actionGroups"),
    "azure-native:monitor:MetricAlert": ("ruleName", "Microsoft.Insights/metricAlerts"),
    "azure-native:operationalinsights:Workspace": ("workspaceName", "Microsoft.OperationalInsights/workspaces"),
    "azure-native:storage:StorageAccount": ("accountName", "Microsoft.Storage/storageAccounts"),
    "azure-native:storage:BlobContainer": (
        "containerName",
        "Microsoft.Storage/storageAccounts/{accountName}/blobServices/default/containers",
    ),
    "azure-native:storage:ManagementPolicy": (
        "managementPolicyName",
        "Microsoft.Storage/storageAccounts/{accountName}/managementPolicies",
    ),
}
"""Resources of a group: the input that names them, and their type in a resource id."""

SCOPED: Mapping[str, tuple[str, str]] = {
    "azure-native:authorization:RoleAssignment": ("roleAssignmentName", "Microsoft.Authorization/roleAssignments"),
    "azure-native:authorization:ManagementLockByScope": ("lockName", "Microsoft.Authorization/locks"),
    "azure-native:monitor:DiagnosticSetting": ("name", "Microsoft.Insights/diagnosticSettings"),
    "azure-native:consumption:Budget": ("budgetName", "Microsoft.Consumption/budgets"),
}
"""Resources of a scope, likewise."""


class AzureDouble:
    """A subscription that holds the group, the registry and the environment, and whatever apps it is given.

    Attributes:
        pushes: False makes the Docker engine answer as it does for an image that it did not push.
        apps: What `getContainerApp` finds, by the app's name.
        groups: Resource groups that are there besides.
        profiles: Whether the environment has workload profiles.
        state: The URNs in the stack's state.
        refusal: What `getContainerApp` answers for any other app, where it is set.
    """

    def __init__(
        self,
        *,
        pushes: bool = True,
        apps: Mapping[str, Mapping[str, Any]] | None = None,
        groups: Collection[str] = (),
        profiles: bool = True,
    ) -> None:
        self.pushes = pushes
        self.groups = groups
        self.profiles = profiles
        self.apps = apps or {}
        self.refusal: str | None = None
        self.state: tuple[str, ...] = ()

    @property
    def reshaped(self) -> Mapping[str, frozenset[str]]:
        """The identities of an app go in as a list and come out as a map."""
        return {
            APP: frozenset({"identity"}),
            "azure-native:app:ContainerAppsSessionPool": frozenset({"identity"}),
        }

    def look_up(self, token: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Finds what `EXISTING` and `OPTIONAL` list, and the apps."""
        if token == GET_APP and self.refusal and arguments["containerAppName"] not in self.apps:
            raise RefusedError(self.refusal)
        if token == "pulumi:pulumi:readStackResourceOutputs":  # noqa: S105 - the name of a function
            return {"name": arguments["stackName"], "outputs": {urn: {} for urn in self.state}}
        if token == "azure-native:resources:getResourceGroup" and arguments["resourceGroupName"] in self.groups:  # noqa: S105
            name = arguments["resourceGroupName"]
            return {"id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}", "name": name, "location": "eastus2"}
        found = look_up_in_azure(token, arguments, self.apps)
        return found if self.profiles else {key: value for key, value in found.items() if key != "workloadProfiles"}

    def create(self, resource: Declared) -> tuple[str, Mapping[str, Any]]:
        """Gives each type the outputs that it has in reality, as far as a program may use them."""
        inputs = plain(resource.inputs)
        if resource.type.startswith("docker:"):
            return create_in_docker(resource.type, inputs, pushes=self.pushes)
        return create_in_azure(resource.type, inputs)


def look_up_in_azure(token: str, arguments: Mapping[str, Any], apps: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Finds what `EXISTING` and `OPTIONAL` list, and keys of whatever is asked for.

    Raises:
        NotFoundError: There is nothing of that name.
    """
    if token in SECRETS:
        return SECRETS[token]
    if token == GET_APP and arguments["containerAppName"] in apps:
        return apps[arguments["containerAppName"]]
    known, found = {**EXISTING, **OPTIONAL}.get(token, ({}, {}))
    if arguments != known:
        message = f"ResourceNotFound: {token} finds nothing for {dict(arguments)}"
        raise NotFoundError(message)
    return found


def create_in_docker(resource_type: str, inputs: Mapping[str, Any], *, pushes: bool = True) -> tuple[str, Mapping[str, Any]]:
    """Gives the id and the outputs of a new image or container."""
    if resource_type == "docker:index/container:Container":
        return hashlib.sha256(inputs["name"].encode()).hexdigest(), inputs
    repository = inputs["imageName"].rpartition(":")[0]
    digest = f"sha256:{hashlib.sha256(repository.encode()).hexdigest()}"
    pushed = pushes and not inputs["skipPush"]
    return inputs["imageName"], {**inputs, "repoDigest": f"{repository}@{digest}" if pushed else digest}


def create_in_azure(resource_type: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Gives the id and the outputs of a new resource from its inputs in clear."""
    if resource_type == SCALE:
        return inputs["appId"], {**inputs, "revision": f"{inputs['appId'].rpartition('/')[2]}--0000002"}
    if resource_type == "azure-native:resources:ResourceGroup":
        name = inputs["resourceGroupName"]
        return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}", {**inputs, "name": name}
    if resource_type in SCOPED:
        key, kind = SCOPED[resource_type]
        name = inputs[key]
        scope = inputs.get("scope") or inputs["resourceUri"]
        return f"{scope}/providers/{kind}/{name}", {**inputs, "name": name}
    key, kind = NAMED[resource_type]
    kind = kind.format_map(inputs)
    name = inputs[key]
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{inputs['resourceGroupName']}"
    outputs = {**inputs, "name": name}
    if "userAssignedIdentities" in inputs.get("identity", {}):
        identities: dict[str, Any] = {identity: {} for identity in inputs["identity"]["userAssignedIdentities"]}
        outputs["identity"] = {**inputs["identity"], "userAssignedIdentities": identities}
    match resource_type:
        case "azure-native:app:ContainerApp":
            outputs["latestRevisionName"] = f"{name}--0000001"
            ingress = inputs["configuration"]["ingress"]
            fqdn = f"{name}.{'' if ingress['external'] else 'internal.'}{ENVIRONMENT_DOMAIN}"
            outputs["configuration"] = {**inputs["configuration"], "ingress": {**ingress, "fqdn": fqdn}}
            if "secrets" in inputs["configuration"]:
                # Azure takes their values and never gives them back.
                outputs["configuration"]["secrets"] = [
                    {key: value for key, value in each.items() if key != "value"}
                    for each in inputs["configuration"]["secrets"]
                ]
        case "azure-native:app:ContainerAppsSessionPool":
            outputs["poolManagementEndpoint"] = f"https://{name}.{ENVIRONMENT_DOMAIN}"
        case "azure-native:app:ManagedEnvironment":
            outputs["defaultDomain"] = ENVIRONMENT_DOMAIN
        case "azure-native:applicationinsights:Component":
            outputs["connectionString"] = CONNECTION_STRING
        case "azure-native:containerregistry:Registry":
            outputs["loginServer"] = f"{name}.azurecr.io"
        case "azure-native:managedidentity:UserAssignedIdentity":
            outputs["principalId"] = outputs["clientId"] = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
        case "azure-native:operationalinsights:Workspace":
            outputs["customerId"] = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
    return f"{group}/providers/{kind}/{name}", outputs


def plain(value: Any) -> Any:
    """Gives a declared value without its marks of secrecy."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


def live_app(name: str = "ai-ta-ra-code-executor2", **changes: Any) -> dict[str, Any]:
    """Gives an app as Azure has it once the contest stack made it, with `changes` to its scale."""
    return {
        "id": f"{GROUP_ID}/providers/Microsoft.App/containerApps/{name}",
        "name": name,
        "location": "East US 2",
        "tags": {"project": "code-executor", "stack": "contest"},
        "environmentId": ENVIRONMENT_ID,
        "latestRevisionName": f"{name}--0000001",
        "provisioningState": "Succeeded",
        "configuration": {"ingress": {"external": True, "targetPort": 8000, "fqdn": f"{name}.{ENVIRONMENT_DOMAIN}"}},
        "template": {
            "containers": [
                {
                    "name": "executor",
                    "image": f"{REGISTRY_SERVER}/executor-image@sha256:{'ab' * 32}",
                    "resources": {"cpu": 0.5, "memory": "1Gi"},
                    "env": [{"name": "EXECUTOR_PLAYGROUND", "value": "0"}],
                }
            ],
            "scale": {"minReplicas": 10, "maxReplicas": 1000, **changes},
        },
    }
