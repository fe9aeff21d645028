"""The Container App that runs the executor: its ingress, the size of a replica, scaling and probes."""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import app

PORT = 8000
"""Where the image listens by its own default."""

LONGEST_REQUEST_SECONDS = 240
"""After this Azure's ingress gives up on a request. Source: Microsoft's page on ingress in Azure Container Apps."""

TERMINATION_GRACE_SECONDS = LONGEST_REQUEST_SECONDS + 10
"""Time between SIGTERM and SIGKILL: a replica that is scaled away finishes even the longest request that can still be
answered. An idle one leaves at once and does not wait for it."""


@dataclass(frozen=True)
class ExecutorAppArgs:
    """Everything that the app is made of.

    Attributes:
        app_name: Name in Azure, and first label of the host name.
        location: Region of the environment.
        resource_group_name: Group that the app is created in.
        environment_id: Container Apps environment that it runs in.
        environment_domain: Domain of that environment.
        registry_server: Registry that `pull_identity_id` may pull from.
        pull_identity_id: User-assigned identity that pulls the image.
        pull_role: Role assignment that has to exist before the first pull.
        image: Image by digest.
        cpu: Cores of one replica.
        memory: Memory of one replica, such as `1.0Gi`.
        min_replicas: Replicas that are always there.
        max_replicas: Replicas at most.
    """

    app_name: str
    location: str
    resource_group_name: pulumi.Input[str]
    environment_id: pulumi.Input[str]
    environment_domain: pulumi.Input[str]
    registry_server: pulumi.Input[str]
    pull_identity_id: pulumi.Input[str]
    pull_role: pulumi.Resource
    image: pulumi.Input[str]
    cpu: float
    memory: str
    min_replicas: int
    max_replicas: int


class ExecutorApp(pulumi.ComponentResource):
    """The executor as a Container App.

    Attributes:
        app_name: Name in Azure.
        url: Where the backend sends its requests. It is put together from the name and the environment's domain: taken
            from `configuration.ingress.fqdn` it would print as `[secret]` as soon as one secret stands in
            `configuration` (pulumi#2756).
    """

    app_name: pulumi.Output[str]
    url: pulumi.Output[str]

    def __init__(self, name: str, args: ExecutorAppArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declares the app."""
        super().__init__("code-executor:infra:ExecutorApp", name, None, opts)
        app.ContainerApp(
            f"{name}-app",
            container_app_name=args.app_name,
            location=args.location,
            resource_group_name=args.resource_group_name,
            environment_id=args.environment_id,
            identity=app.ManagedServiceIdentityArgs(
                type=app.ManagedServiceIdentityType.USER_ASSIGNED, user_assigned_identities=[args.pull_identity_id]
            ),
            configuration=_configuration(args),
            template=_template(args),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[args.pull_role],
                # A revision that cannot pull or start hangs until the provider gives up, by default after an hour.
                custom_timeouts=pulumi.CustomTimeouts(create="15m", update="15m"),
            ),
        )
        self.app_name = pulumi.Output.from_input(args.app_name)
        self.url = pulumi.Output.concat("https://", args.app_name, ".", args.environment_domain)
        self.register_outputs({"appName": self.app_name, "url": self.url})


def _configuration(args: ExecutorAppArgs) -> app.ConfigurationArgs:
    return app.ConfigurationArgs(
        active_revisions_mode=app.ActiveRevisionsMode.SINGLE,
        ingress=app.IngressArgs(
            external=True,
            target_port=PORT,
            transport=app.IngressTransportMethod.HTTP,
            allow_insecure=False,
        ),
        registries=[app.RegistryCredentialsArgs(server=args.registry_server, identity=args.pull_identity_id)],
        # The platform pulls with the identity; the container, where strangers' code runs, is to get no token for it.
        identity_settings=[
            app.IdentitySettingsArgs(identity=args.pull_identity_id, lifecycle=app.IdentitySettingsLifeCycle.NONE)
        ],
    )


def _template(args: ExecutorAppArgs) -> app.TemplateArgs:
    return app.TemplateArgs(
        containers=[
            app.ContainerArgs(
                name="executor",
                image=args.image,
                resources=app.ContainerResourcesArgs(cpu=args.cpu, memory=args.memory),
                probes=_probes(),
            )
        ],
        scale=app.ScaleArgs(
            min_replicas=args.min_replicas,
            max_replicas=args.max_replicas,
            rules=[
                app.ScaleRuleArgs(
                    # A trigger, not a limit: that a replica runs one program at a time is the executor's own doing.
                    name="one-execution-a-replica",
                    http=app.HttpScaleRuleArgs(metadata={"concurrentRequests": "1"}),
                )
            ],
        ),
        termination_grace_period_seconds=TERMINATION_GRACE_SECONDS,
    )


def _probes() -> list[app.ContainerAppProbeArgs]:
    """All three, because an environment with workload profiles sets none by itself (Microsoft's page on probes)."""
    return [
        # Asked often, since every second here is one of a cold start; patient for 20 s, as crowded nodes start slowly.
        _probe(app.Type.STARTUP, "/health", period=2, timeout=2, failures=10),
        # A restart in a contest costs more than a slow minute, so only a server that is silent for a minute is killed.
        _probe(app.Type.LIVENESS, "/health", period=10, timeout=5, failures=6),
        _probe(app.Type.READINESS, "/ready", period=5, timeout=3, failures=2),
    ]


def _probe(kind: app.Type, path: str, *, period: int, timeout: int, failures: int) -> app.ContainerAppProbeArgs:
    return app.ContainerAppProbeArgs(
        type=kind,
        http_get=app.ContainerAppProbeHttpGetArgs(path=path, port=PORT),
        period_seconds=period,
        timeout_seconds=timeout,
        failure_threshold=failures,
    )
