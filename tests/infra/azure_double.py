"""Answers as Azure and a Docker engine would: what exists before the first deployment, and what a creation gives."""

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

from tests.infra.engine_double import Declared, NotFoundError

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
GROUP_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/ai-ta-2"
REGISTRY_ID = f"{GROUP_ID}/providers/Microsoft.ContainerRegistry/registries/aitaraacr1763805702"
REGISTRY_SERVER = "aitaraacr1763805702.azurecr.io"
ENVIRONMENT_ID = f"{GROUP_ID}/providers/Microsoft.App/managedEnvironments/ai-ta-RA-env"
ENVIRONMENT_DOMAIN = "kindsea-01234567.eastus2.azurecontainerapps.io"

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
        },
    ),
}
"""What was there before: each lookup with the arguments that find something, and what they find."""


class AzureDouble:
    """A subscription that holds what the mission starts from.

    Attributes:
        pushes: False makes the Docker engine answer as it does for an image that it did not push.
    """

    def __init__(self, *, pushes: bool = True) -> None:
        self.pushes = pushes

    @property
    def reshaped(self) -> Mapping[str, frozenset[str]]:
        """The identities of an app go in as a list and come out as a map."""
        return {"azure-native:app:ContainerApp": frozenset({"identity"})}

    def look_up(self, token: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Finds what `EXISTING` lists."""
        known, found = EXISTING[token]
        if arguments != known:
            message = f"ResourceNotFound: {token} finds nothing for {dict(arguments)}"
            raise NotFoundError(message)
        return found

    def create(self, resource: Declared) -> tuple[str, Mapping[str, Any]]:
        """Gives each type the outputs that it has in reality, as far as a program may use them."""
        inputs = resource.inputs
        match resource.type:
            case "azure-native:managedidentity:UserAssignedIdentity":
                name = inputs["resourceName"]
                principal = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
                return (
                    f"{GROUP_ID}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}",
                    {"name": name, "location": inputs["location"], "principalId": principal, "clientId": principal},
                )
            case "azure-native:authorization:RoleAssignment":
                name = inputs["roleAssignmentName"]
                return (
                    f"{inputs['scope']}/providers/Microsoft.Authorization/roleAssignments/{name}",
                    {**inputs, "name": name},
                )
            case "azure-native:app:ContainerApp":
                name = inputs["containerAppName"]
                identities = inputs["identity"]["userAssignedIdentities"]
                return (
                    f"{GROUP_ID}/providers/Microsoft.App/containerApps/{name}",
                    {
                        **inputs,
                        "name": name,
                        "identity": {**inputs["identity"], "userAssignedIdentities": {key: {} for key in identities}},
                    },
                )
            case "docker:index/image:Image":
                repository = inputs["imageName"].rpartition(":")[0]
                digest = f"sha256:{hashlib.sha256(repository.encode()).hexdigest()}"
                return (
                    inputs["imageName"],
                    {**inputs, "repoDigest": f"{repository}@{digest}" if self.pushes else digest},
                )
            case unexpected:
                raise AssertionError(unexpected)
