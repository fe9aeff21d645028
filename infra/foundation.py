"""What the app stands on: group, registry and environment, which exist already, and the identity that pulls images."""

import uuid
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import app, authorization, containerregistry, managedidentity, resources

ACR_PULL_ROLE = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
"""The built-in role AcrPull. Source: Microsoft's list of Azure built-in roles."""


@dataclass(frozen=True)
class FoundationArgs:
    """Names of what is looked up, and of the identity that is created (in `location`)."""

    location: str
    resource_group_name: str
    registry_name: str
    environment_name: str
    identity_name: str


class Foundation(pulumi.ComponentResource):
    """The shared resources of a deployment, and the right to pull from its registry.

    A shared resource that does not exist makes the preview fail: nothing is created in its place.

    Attributes:
        resource_group_name: Group that everything is created in.
        registry_server: Host name of the registry.
        environment_id: Resource id of the Container Apps environment.
        environment_domain: Domain that the environment's apps are subdomains of.
        pull_identity_id: Resource id of the identity that may pull from the registry.
        pull_role: The role assignment. Whatever pulls with the identity depends on it.
    """

    resource_group_name: pulumi.Output[str]
    registry_server: pulumi.Output[str]
    environment_id: pulumi.Output[str]
    environment_domain: pulumi.Output[str]
    pull_identity_id: pulumi.Output[str]
    pull_role: pulumi.Resource

    def __init__(self, name: str, args: FoundationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Looks up what exists and declares the identity with its role."""
        super().__init__("code-executor:infra:Foundation", name, None, opts)
        looked_up = pulumi.InvokeOutputOptions(parent=self)
        group = resources.get_resource_group_output(resource_group_name=args.resource_group_name, opts=looked_up)
        registry = containerregistry.get_registry_output(
            registry_name=args.registry_name, resource_group_name=group.name, opts=looked_up
        )
        environment = app.get_managed_environment_output(
            environment_name=args.environment_name, resource_group_name=group.name, opts=looked_up
        )
        identity = managedidentity.UserAssignedIdentity(
            f"{name}-pull-identity",
            resource_name_=args.identity_name,
            resource_group_name=group.name,
            location=args.location,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.pull_role = authorization.RoleAssignment(
            f"{name}-pull-role",
            role_assignment_name=pulumi.Output.all(registry.id, group.id).apply(
                lambda ids: role_assignment_name(ids[0], ids[1], args.identity_name)
            ),
            scope=registry.id,
            principal_id=identity.principal_id,
            principal_type=authorization.PrincipalType.SERVICE_PRINCIPAL,
            role_definition_id=registry.id.apply(acr_pull_definition),
            # The name is fixed and an assignment cannot change its principal, so the old one has to go first.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.resource_group_name = group.name
        self.registry_server = registry.login_server
        self.environment_id = environment.id
        self.environment_domain = environment.default_domain
        self.pull_identity_id = identity.id
        self.register_outputs(
            {
                "registryServer": self.registry_server,
                "environmentId": self.environment_id,
                "environmentDomain": self.environment_domain,
                "pullIdentityId": self.pull_identity_id,
            }
        )


def role_assignment_name(registry_id: str, group_id: str, identity_name: str) -> str:
    """Gives the assignment's GUID, the same at every run, and another for every registry, group and identity.

    Azure answers with resource ids in varying letter case, hence the lower-casing.
    """
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{registry_id} {group_id} {identity_name} {ACR_PULL_ROLE}".lower()))


def acr_pull_definition(registry_id: str) -> str:
    """Gives the id of AcrPull within the registry's subscription: so Azure stores it, and a refresh sees no change."""
    subscription = registry_id.split("/")[2]
    return f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{ACR_PULL_ROLE}"
