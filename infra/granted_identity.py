"""An identity of the app's own, with one role on one resource."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import authorization, managedidentity


@dataclass(frozen=True)
class GrantedIdentity:
    """The identity, and the assignment without which it can do nothing."""

    identity: managedidentity.UserAssignedIdentity
    role: authorization.RoleAssignment


def granted_identity(
    parent: pulumi.Resource,
    prefix: str,
    *,
    identity_name: str,
    resource_group_name: pulumi.Input[str],
    resource_group_id: pulumi.Input[str],
    location: pulumi.Input[str],
    tags: Mapping[str, str],
    scope: pulumi.Output[str],
    role: str,
) -> GrantedIdentity:
    """Creates both, in Pulumi as `prefix`-identity and `prefix`-role; `scope` is the resource's id, `role` a role's GUID."""
    identity = managedidentity.UserAssignedIdentity(
        f"{prefix}-identity",
        resource_name_=identity_name,
        resource_group_name=resource_group_name,
        location=location,
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    assignment = authorization.RoleAssignment(
        f"{prefix}-role",
        role_assignment_name=pulumi.Output.all(scope, resource_group_id).apply(
            lambda ids: role_assignment_name(ids[0], f"{ids[1]} {identity_name}", role)
        ),
        scope=scope,
        principal_id=identity.principal_id,
        principal_type=authorization.PrincipalType.SERVICE_PRINCIPAL,
        role_definition_id=scope.apply(lambda resource: role_definition(resource, role)),
        # The name is fixed and an assignment cannot change its principal, so the old one has to go first.
        opts=pulumi.ResourceOptions(parent=parent, delete_before_replace=True),
    )
    return GrantedIdentity(identity, assignment)


def role_assignment_name(scope: str, principal: str, role: str) -> str:
    """Gives an assignment's GUID, the same at every run, and another for every scope, principal and role.

    Azure answers with resource ids in varying letter case, hence the lower-casing.
    """
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{scope} {principal} {role}".lower()))


def role_definition(scope: str, role: str) -> str:
    """Gives a role's id within the subscription of `scope`: so Azure stores it, and a refresh sees no change."""
    subscription = scope.split("/")[2]
    return f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}"
