"""The same image as a session pool: a container for each user, in a Hyper-V machine of its own."""

from dataclasses import dataclass
from functools import partial

import pulumi
from pulumi_azure_native import app, authorization

from infra.executor import API_KEYS_SECRET, PORT, ExecutorArgs, variables
from infra.granted_identity import role_assignment_name, role_definition
from infra.settings import SessionSettings, pool_name

SESSION_EXECUTOR_ROLE = "0fb8eba5-a2bb-4abe-b1c1-49dfad359bb0"
"""The built-in role "Azure ContainerApps Session Executor". Source: Microsoft's list of Azure built-in roles."""


_PRINCIPAL_TYPES = {
    "": authorization.PrincipalType.SERVICE_PRINCIPAL,
    "user": authorization.PrincipalType.USER,
    "group": authorization.PrincipalType.GROUP,
}


@dataclass(frozen=True)
class SessionPoolArgs:
    """What only a session pool has.

    Attributes:
        executor: What an app has as well.
        sessions: Cooldown, and the principals that may call.
    """

    executor: ExecutorArgs
    sessions: SessionSettings


class SessionPool(pulumi.ComponentResource):
    """The executor as a session pool.

    Attributes:
        id: Resource id.
        url: The pool's management endpoint. A request to it names its user with `?identifier=` and carries a
            Microsoft Entra token of one of the callers; what comes after the host goes to the user's container.
        min_sessions: Sessions that are kept ready, as Azure answers.
        max_sessions: Sessions at the same time at most, likewise.
    """

    id: pulumi.Output[str]
    url: pulumi.Output[str]
    min_sessions: pulumi.Output[int]
    max_sessions: pulumi.Output[int]

    def __init__(self, name: str, args: SessionPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declares the pool, and lets the callers in."""
        super().__init__("code-executor:infra:SessionPool", name, None, opts)
        executor = args.executor
        keys, size = executor.api_keys, executor.size
        pool = app.ContainerAppsSessionPool(
            f"{name}-pool",
            session_pool_name=pool_name(size.name),
            location=executor.location,
            resource_group_name=executor.resource_group_name,
            environment_id=executor.environment_id,
            container_type=app.ContainerType.CUSTOM_CONTAINER,
            pool_management_type=app.PoolManagementType.DYNAMIC,
            identity=app.ManagedServiceIdentityArgs(
                type=app.ManagedServiceIdentityType.USER_ASSIGNED, user_assigned_identities=[executor.pull_identity_id]
            ),
            # Programs that strangers sent run there: no token for them.
            managed_identity_settings=[
                app.ManagedIdentitySettingArgs(
                    identity=executor.pull_identity_id, lifecycle=app.IdentitySettingsLifeCycle.NONE
                )
            ],
            custom_container_template=app.CustomContainerTemplateArgs(
                containers=[
                    app.SessionContainerArgs(
                        name="executor",
                        image=executor.image,
                        resources=app.SessionContainerResourcesArgs(cpu=size.cpu, memory=size.memory),
                        env=variables(executor) or None,
                    )
                ],
                ingress=app.SessionIngressArgs(target_port=PORT),
                registry_credentials=app.SessionRegistryCredentialsArgs(
                    server=executor.registry_server, identity=executor.pull_identity_id
                ),
            ),
            dynamic_pool_configuration=app.DynamicPoolConfigurationArgs(
                lifecycle_configuration=app.LifecycleConfigurationArgs(
                    lifecycle_type=app.LifecycleType.TIMED, cooldown_period_in_seconds=args.sessions.cooldown_seconds
                )
            ),
            scale_configuration=app.ScaleConfigurationArgs(
                ready_session_instances=size.min_replicas,
                max_concurrent_sessions=size.max_replicas,
            ),
            session_network_configuration=app.SessionNetworkConfigurationArgs(
                status=app.SessionNetworkStatus.EGRESS_DISABLED
            ),
            secrets=(
                None if keys is None else [app.SessionPoolSecretArgs(name=API_KEYS_SECRET, value=pulumi.Output.secret(keys))]
            ),
            tags=executor.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=executor.protect,
                depends_on=[] if executor.pull_role is None else [executor.pull_role],
                custom_timeouts=pulumi.CustomTimeouts(create="15m", update="15m"),
            ),
        )
        for place, listed in enumerate(args.sessions.callers, start=1):
            kind, _, caller = listed.rpartition(":")
            authorization.RoleAssignment(
                f"{name}-caller-{place}",
                role_assignment_name=pool.id.apply(partial(_assignment_name, caller)),
                scope=pool.id,
                principal_id=caller,
                # A wrong type is refused (UnmatchedPrincipalType), and none is looked up too early for a new identity.
                principal_type=_PRINCIPAL_TYPES[kind],
                role_definition_id=pool.id.apply(lambda scope: role_definition(scope, SESSION_EXECUTOR_ROLE)),
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )
        self.id = pool.id
        self.url = pool.pool_management_endpoint
        self.min_sessions = pool.scale_configuration.apply(lambda scale: int((scale and scale.ready_session_instances) or 0))
        self.max_sessions = pool.scale_configuration.apply(lambda scale: int((scale and scale.max_concurrent_sessions) or 0))
        self.register_outputs({"url": self.url})


def _assignment_name(caller: str, pool_id: str) -> str:
    return role_assignment_name(pool_id, caller, SESSION_EXECUTOR_ROLE)
