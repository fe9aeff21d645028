"""The same image as a session pool: a container for each user, in a Hyper-V machine of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import pulumi
from pulumi_azure_native import app, authorization

from infra.executor_app import API_KEYS_SECRET, PORT, variables
from infra.foundation import role_assignment_name, role_definition
from infra.settings import AppSettings, SessionSettings, pool_name

SESSION_EXECUTOR_ROLE = "0fb8eba5-a2bb-4abe-b1c1-49dfad359bb0"
"""The built-in role "Azure ContainerApps Session Executor". Source: Microsoft's list of Azure built-in roles."""


@dataclass(frozen=True)
class SessionPoolArgs:
    """Everything that a pool is made of; what is not explained here is as in `ExecutorAppArgs`.

    Attributes:
        size: `min_replicas` sessions are kept ready, and `max_replicas` are in use at most.
        sessions: Cooldown, and the principals that may call.
    """

    location: str
    tags: Mapping[str, str]
    resource_group_name: pulumi.Input[str]
    environment_id: pulumi.Input[str]
    registry_server: pulumi.Input[str]
    pull_identity_id: pulumi.Input[str]
    pull_role: pulumi.Resource | None
    image: pulumi.Input[str]
    size: AppSettings
    sessions: SessionSettings
    api_keys: str | None
    environment_variables: Mapping[str, str]


class SessionPool(pulumi.ComponentResource):
    """The executor as a session pool.

    Attributes:
        id: Resource id.
        url: The pool's management endpoint. A request to it names its user with `?identifier=` and carries a
            Microsoft Entra token of one of the callers; what comes after the host goes to the user's container.
    """

    id: pulumi.Output[str]
    url: pulumi.Output[str]

    def __init__(self, name: str, args: SessionPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declares the pool, and lets the callers in."""
        super().__init__("code-executor:infra:SessionPool", name, None, opts)
        keys = args.api_keys
        pool = app.ContainerAppsSessionPool(
            f"{name}-pool",
            session_pool_name=pool_name(args.size.name),
            location=args.location,
            resource_group_name=args.resource_group_name,
            environment_id=args.environment_id,
            container_type=app.ContainerType.CUSTOM_CONTAINER,
            pool_management_type=app.PoolManagementType.DYNAMIC,
            identity=app.ManagedServiceIdentityArgs(
                type=app.ManagedServiceIdentityType.USER_ASSIGNED, user_assigned_identities=[args.pull_identity_id]
            ),
            # Programs that strangers sent run there: no token for them.
            managed_identity_settings=[
                app.ManagedIdentitySettingArgs(identity=args.pull_identity_id, lifecycle=app.IdentitySettingsLifeCycle.NONE)
            ],
            custom_container_template=app.CustomContainerTemplateArgs(
                containers=[
                    app.SessionContainerArgs(
                        name="executor",
                        image=args.image,
                        resources=app.SessionContainerResourcesArgs(cpu=args.size.cpu, memory=args.size.memory),
                        env=variables(args.environment_variables, keys) or None,
                    )
                ],
                ingress=app.SessionIngressArgs(target_port=PORT),
                registry_credentials=app.SessionRegistryCredentialsArgs(
                    server=args.registry_server, identity=args.pull_identity_id
                ),
            ),
            dynamic_pool_configuration=app.DynamicPoolConfigurationArgs(
                lifecycle_configuration=app.LifecycleConfigurationArgs(
                    lifecycle_type=app.LifecycleType.TIMED, cooldown_period_in_seconds=args.sessions.cooldown_seconds
                )
            ),
            scale_configuration=app.ScaleConfigurationArgs(
                ready_session_instances=args.size.min_replicas, max_concurrent_sessions=args.size.max_replicas
            ),
            session_network_configuration=app.SessionNetworkConfigurationArgs(
                status=app.SessionNetworkStatus.EGRESS_DISABLED
            ),
            secrets=(
                None if keys is None else [app.SessionPoolSecretArgs(name=API_KEYS_SECRET, value=pulumi.Output.secret(keys))]
            ),
            tags=args.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[] if args.pull_role is None else [args.pull_role],
                custom_timeouts=pulumi.CustomTimeouts(create="15m", update="15m"),
            ),
        )
        for place, caller in enumerate(args.sessions.callers, start=1):
            authorization.RoleAssignment(
                f"{name}-caller-{place}",
                role_assignment_name=pool.id.apply(partial(_assignment_name, caller)),
                scope=pool.id,
                principal_id=caller,
                principal_type=authorization.PrincipalType.SERVICE_PRINCIPAL,
                role_definition_id=pool.id.apply(lambda scope: role_definition(scope, SESSION_EXECUTOR_ROLE)),
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )
        self.id = pool.id
        self.url = pool.pool_management_endpoint
        self.register_outputs({"url": self.url})


def _assignment_name(caller: str, pool_id: str) -> str:
    return role_assignment_name(pool_id, caller, SESSION_EXECUTOR_ROLE)
