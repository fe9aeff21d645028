"""The Container App that runs the executor: its ingress, the size of a replica, scaling, probes and secrets."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import app

from infra.contests import cron_metadata
from infra.settings import AccessSettings, AppSettings, RevisionSettings, ScalingSettings

PORT = 8000
"""Where the image listens by its own default."""

API_KEYS_SECRET = "api-keys"  # noqa: S105 - the name of a secret, not its value
API_KEYS_VARIABLE = "EXECUTOR_API_KEYS"


@dataclass(frozen=True)
class ExecutorAppArgs:
    """Everything that the app is made of.

    Attributes:
        location: Region of the environment.
        tags: Tags of the app.
        resource_group_name: Group that the app is created in.
        environment_id: Container Apps environment that it runs in.
        environment_domain: Domain of that environment.
        registry_server: Registry that `pull_identity_id` may pull from.
        pull_identity_id: User-assigned identity that pulls the image.
        pull_role: Role assignment that has to exist before the first pull, or None where it does already.
        image: Image by digest.
        size: Name, replicas, cores and memory.
        workload_profile: Nodes that replicas run on, or None for the environment's default.
        scaling: When replicas come and go.
        access: Who reaches the app.
        revisions: How a new version takes over.
        environment_variables: The executor's own settings and others.
    """

    location: str
    tags: Mapping[str, str]
    resource_group_name: pulumi.Input[str]
    environment_id: pulumi.Input[str]
    environment_domain: pulumi.Input[str]
    registry_server: pulumi.Input[str]
    pull_identity_id: pulumi.Input[str]
    pull_role: pulumi.Resource | None
    image: pulumi.Input[str]
    size: AppSettings
    workload_profile: str | None
    scaling: ScalingSettings
    access: AccessSettings
    revisions: RevisionSettings
    environment_variables: Mapping[str, str]


class ExecutorApp(pulumi.ComponentResource):
    """The executor as a Container App.

    Attributes:
        id: Resource id.
        host: Host name. It is put together from the name and the environment's domain: taken from
            `configuration.ingress.fqdn` it would print as `[secret]`, since a secret stands in `configuration`
            (pulumi#2756).
        url: Where the backend sends its requests.
        revision: The revision that the deployment made.
    """

    id: pulumi.Output[str]
    host: pulumi.Output[str]
    url: pulumi.Output[str]
    revision: pulumi.Output[str]

    def __init__(self, name: str, args: ExecutorAppArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declares the app."""
        super().__init__("code-executor:infra:ExecutorApp", name, None, opts)
        made = app.ContainerApp(
            f"{name}-app",
            container_app_name=args.size.name,
            location=args.location,
            resource_group_name=args.resource_group_name,
            environment_id=args.environment_id,
            workload_profile_name=args.workload_profile,
            identity=app.ManagedServiceIdentityArgs(
                type=app.ManagedServiceIdentityType.USER_ASSIGNED, user_assigned_identities=[args.pull_identity_id]
            ),
            configuration=_configuration(args),
            template=_template(args),
            tags=args.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[] if args.pull_role is None else [args.pull_role],
                # A revision that cannot pull or start hangs until the provider gives up, by default after an hour.
                custom_timeouts=pulumi.CustomTimeouts(create="15m", update="15m"),
            ),
        )
        access = args.access
        inside = "" if access.external else "internal."
        own = pulumi.Output.concat(args.size.name, ".", inside, args.environment_domain)
        bound = access.custom_domain is not None and access.certificate_id is not None
        self.id = made.id
        self.host = pulumi.Output.from_input(access.custom_domain) if bound and access.custom_domain else own
        self.url = pulumi.Output.concat("https://", self.host)
        self.revision = made.latest_revision_name
        self.register_outputs({"host": self.host, "url": self.url, "revision": self.revision})


def variables(environment: Mapping[str, str], api_keys: str | None) -> list[app.EnvironmentVarArgs]:
    """Gives a container its environment; the API keys come from the secret `API_KEYS_SECRET`."""
    listed = [app.EnvironmentVarArgs(name=name, value=value) for name, value in sorted(environment.items())]
    if api_keys is not None:
        listed.append(app.EnvironmentVarArgs(name=API_KEYS_VARIABLE, secret_ref=API_KEYS_SECRET))
        # A changed secret alone makes no new revision, and running replicas keep the old one (Microsoft's page on
        # secrets). The keys are hashes already, so a hash of all of them gives nothing away.
        listed.append(
            app.EnvironmentVarArgs(name="API_KEYS_DIGEST", value=hashlib.sha256(api_keys.encode()).hexdigest()[:12])
        )
    return listed


def _configuration(args: ExecutorAppArgs) -> app.ConfigurationArgs:
    keys = args.access.api_keys
    return app.ConfigurationArgs(
        active_revisions_mode=(
            app.ActiveRevisionsMode.SINGLE if args.revisions.mode == "single" else app.ActiveRevisionsMode.MULTIPLE
        ),
        revision_transition_threshold=args.revisions.transition_threshold,
        max_inactive_revisions=args.revisions.max_inactive,
        ingress=_ingress(args.access),
        secrets=None if keys is None else [app.SecretArgs(name=API_KEYS_SECRET, value=pulumi.Output.secret(keys))],
        registries=[app.RegistryCredentialsArgs(server=args.registry_server, identity=args.pull_identity_id)],
        # The platform pulls with the identity; the container, where strangers' code runs, is to get no token for it.
        identity_settings=[
            app.IdentitySettingsArgs(identity=args.pull_identity_id, lifecycle=app.IdentitySettingsLifeCycle.NONE)
        ],
    )


def _ingress(access: AccessSettings) -> app.IngressArgs:
    domains = None
    if access.custom_domain is not None:
        certified = access.certificate_id is not None
        domains = [
            app.CustomDomainArgs(
                name=access.custom_domain,
                certificate_id=access.certificate_id,
                binding_type=app.BindingType.SNI_ENABLED if certified else app.BindingType.DISABLED,
            )
        ]
    cors = None
    if access.cors_origins:
        cors = app.CorsPolicyArgs(
            allowed_origins=list(access.cors_origins),
            allowed_methods=["GET", "POST", "OPTIONS"],
            allowed_headers=["*"],
            max_age=600,
        )
    return app.IngressArgs(
        external=access.external,
        target_port=PORT,
        transport=app.IngressTransportMethod.HTTP,
        allow_insecure=False,
        cors_policy=cors,
        custom_domains=domains,
        ip_security_restrictions=[
            app.IpSecurityRestrictionRuleArgs(name=f"allowed-{place}", ip_address_range=block, action=app.Action.ALLOW)
            for place, block in enumerate(access.allowed_ips, start=1)
        ]
        or None,
    )


def _template(args: ExecutorAppArgs) -> app.TemplateArgs:
    size, scaling = args.size, args.scaling
    return app.TemplateArgs(
        containers=[
            app.ContainerArgs(
                name="executor",
                image=args.image,
                resources=app.ContainerResourcesArgs(cpu=size.cpu, memory=size.memory),
                env=variables(args.environment_variables, args.access.api_keys) or None,
                probes=_probes(),
            )
        ],
        scale=app.ScaleArgs(
            min_replicas=size.min_replicas,
            max_replicas=size.max_replicas,
            cooldown_period=scaling.cooldown_seconds,
            polling_interval=scaling.polling_seconds,
            rules=[
                app.ScaleRuleArgs(
                    # A trigger, not a limit: that a replica runs one program at a time is the executor's own doing.
                    name="one-execution-a-replica",
                    http=app.HttpScaleRuleArgs(metadata={"concurrentRequests": str(scaling.concurrent_requests)}),
                ),
                *(
                    app.ScaleRuleArgs(
                        name=f"contest-{contest.name}",
                        custom=app.CustomScaleRuleArgs(type="cron", metadata=cron_metadata(contest, scaling.prewarm)),
                    )
                    for contest in scaling.contests
                ),
            ],
        ),
        termination_grace_period_seconds=args.revisions.termination_grace_seconds,
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
