"""The Container App that runs the executor: its ingress, the size of a replica, scaling, probes and secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi_azure_native import app, authorization

from infra.contests import cron_metadata
from infra.executor import API_KEYS_SECRET, PORT, ExecutorArgs, variables
from infra.live_apps import ATTEMPT_VARIABLE
from infra.settings import AccessSettings, RevisionSettings, ScalingSettings
from infra.settings.store import STORE_VARIABLE
from infra.settings.telemetry import CONNECTION_VARIABLE

if TYPE_CHECKING:
    from infra.store import Store


CONNECTION_SECRET = "insights-connection-string"  # noqa: S105 - the name of a secret, not its value


@dataclass(frozen=True)
class ExecutorAppArgs:
    """What only an app has.

    Attributes:
        executor: What a session pool has as well.
        environment_domain: Domain of the environment.
        workload_profile: Nodes that replicas run on, or None for the environment's default.
        scaling: When replicas come and go.
        access: Who reaches the app.
        revisions: How a new version takes over.
        attempt: How often a revision failed and was tried again.
        certificate_id: The certificate of the settings' own domain, or None.
        domains: Host names that the app has already, each as Azure writes it: a deployment that did not name them would drop
            what somebody bound by hand (azure-container-apps#957).
        lock: Whether a lock of Azure's own keeps the app from deletion.
        store: What all replicas share, or None.
        connection_string: Where the server sends traces and metrics to, as a secret, or None.
    """

    executor: ExecutorArgs
    environment_domain: pulumi.Input[str]
    workload_profile: str | None
    scaling: ScalingSettings
    access: AccessSettings
    revisions: RevisionSettings
    attempt: int
    domains: Sequence[Mapping[str, Any]]
    certificate_id: pulumi.Input[str] | None
    lock: bool
    store: "Store | None"
    connection_string: pulumi.Input[str] | None


class ExecutorApp(pulumi.ComponentResource):
    """The executor as a Container App.

    Attributes:
        id: Resource id.
        host: Host name. It is put together from the name and the environment's domain: taken from
            `configuration.ingress.fqdn` it would print as `[secret]`, since a secret stands in `configuration`
            (pulumi#2756).
        url: Where the backend sends its requests.
        revision: The revision that the deployment made.
        min_replicas: Replicas that are always there, as Azure answers.
        max_replicas: Replicas at most, likewise.
    """

    id: pulumi.Output[str]
    host: pulumi.Output[str]
    url: pulumi.Output[str]
    revision: pulumi.Output[str]
    min_replicas: pulumi.Output[int]
    max_replicas: pulumi.Output[int]

    def __init__(self, name: str, args: ExecutorAppArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declares the app."""
        super().__init__("code-executor:infra:ExecutorApp", name, None, opts)
        roles = [args.executor.pull_role, None if args.store is None else args.store.role]
        made = app.ContainerApp(
            f"{name}-app",
            container_app_name=args.executor.size.name,
            location=args.executor.location,
            resource_group_name=args.executor.resource_group_name,
            environment_id=args.executor.environment_id,
            workload_profile_name=args.workload_profile,
            identity=app.ManagedServiceIdentityArgs(
                type=app.ManagedServiceIdentityType.USER_ASSIGNED, user_assigned_identities=_identities(args)
            ),
            configuration=_configuration(args),
            template=_template(args),
            tags=args.executor.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=args.executor.protect,
                depends_on=[role for role in roles if role is not None],
                # A revision that cannot pull or start hangs until the provider gives up, by default after an hour.
                custom_timeouts=pulumi.CustomTimeouts(create="15m", update="15m"),
            ),
        )
        access = args.access
        inside = "" if access.external else "internal."
        own = pulumi.Output.concat(args.executor.size.name, ".", inside, args.environment_domain)
        certified = [
            domain.name for domain in _domains(access, args.domains, args.certificate_id) if domain.certificate_id is not None
        ]
        if args.lock:
            authorization.ManagementLockByScope(
                f"{name}-lock",
                lock_name=f"{args.executor.size.name}-lock",
                scope=made.id,
                level=authorization.LockLevel.CAN_NOT_DELETE,
                notes="The contests' executor. pulumi config set lockApp false takes the lock away.",
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.id = made.id
        self.host = pulumi.Output.from_input(certified[0]) if certified else own
        self.url = pulumi.Output.concat("https://", self.host)
        self.revision = made.latest_revision_name
        size = args.executor.size
        self.min_replicas = made.template.apply(lambda template: _answered(template, "min_replicas", size.min_replicas))
        self.max_replicas = made.template.apply(lambda template: _answered(template, "max_replicas", size.max_replicas))
        self.register_outputs({"host": self.host, "url": self.url, "revision": self.revision})


def _answered(template: app.outputs.TemplateResponse | None, number: str, wanted: int) -> int:
    """Gives a number of replicas as Azure has it: one report has it that a change to 0 did not take."""
    scale = None if template is None else template.scale
    found = int(getattr(scale, number, None) or 0)
    if found != wanted:
        pulumi.log.warn(f"Azure answers {found} as {number.replace('_r', 'R')}, where {wanted} was set: `pulumi up` again.")
    return found


def _configuration(args: ExecutorAppArgs) -> app.ConfigurationArgs:
    executor = args.executor
    return app.ConfigurationArgs(
        active_revisions_mode=app.ActiveRevisionsMode.SINGLE,
        revision_transition_threshold=args.revisions.transition_threshold,
        max_inactive_revisions=args.revisions.max_inactive,
        ingress=_ingress(args.access, args.domains, args.certificate_id),
        secrets=_secrets(args) or None,
        registries=[app.RegistryCredentialsArgs(server=executor.registry_server, identity=executor.pull_identity_id)],
        identity_settings=_identity_settings(args),
    )


def _identities(args: ExecutorAppArgs) -> list[pulumi.Input[str]]:
    return [args.executor.pull_identity_id, *([] if args.store is None else [args.store.identity_id])]


def _identity_settings(args: ExecutorAppArgs) -> list[app.IdentitySettingsArgs]:
    # The platform pulls with the identity; the container, where strangers' code runs, is to get no token for it.
    listed = [app.IdentitySettingsArgs(identity=args.executor.pull_identity_id, lifecycle=app.IdentitySettingsLifeCycle.NONE)]
    if args.store is not None:
        # The server asks for its tokens over loopback, with a header from its environment. Programs have neither a network
        # nor that environment (docs/security.md).
        listed.append(app.IdentitySettingsArgs(identity=args.store.identity_id, lifecycle=app.IdentitySettingsLifeCycle.MAIN))
    return listed


def _secrets(args: ExecutorAppArgs) -> list[app.SecretArgs]:
    executor, listed = args.executor, []
    if executor.api_keys is not None:
        listed.append(app.SecretArgs(name=API_KEYS_SECRET, value=pulumi.Output.secret(executor.api_keys)))
    elif executor.api_keys_vault_url is not None:
        # The platform fetches it with the identity, and again about every half an hour where no version is named.
        vault = executor.api_keys_vault_url
        listed.append(app.SecretArgs(name=API_KEYS_SECRET, key_vault_url=vault, identity=executor.pull_identity_id))
    if args.connection_string is not None:
        listed.append(app.SecretArgs(name=CONNECTION_SECRET, value=pulumi.Output.secret(args.connection_string)))
    return listed


def _ingress(
    access: AccessSettings, live: Sequence[Mapping[str, Any]], certificate_id: pulumi.Input[str] | None
) -> app.IngressArgs:
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
        custom_domains=_domains(access, live, certificate_id) or None,
        ip_security_restrictions=[
            app.IpSecurityRestrictionRuleArgs(name=f"allowed-{place}", ip_address_range=block, action=app.Action.ALLOW)
            for place, block in enumerate(access.allowed_ips, start=1)
        ]
        or None,
    )


def _domains(
    access: AccessSettings, live: Sequence[Mapping[str, Any]], certificate_id: pulumi.Input[str] | None
) -> list[app.CustomDomainArgs]:
    """Gives the domain of the settings and those that were bound by hand; a certificate that was bound stays bound."""
    there: dict[str, pulumi.Input[str] | None] = {str(domain["name"]): domain.get("certificateId") for domain in live}
    own = access.custom_domain
    # The first one with a certificate is the URL, for this stack and for one that scales the app (infra.live_apps).
    bound = there
    if own is not None:
        bound = {own: None} | there | {own: there.get(own) if certificate_id is None else certificate_id}
    return [
        app.CustomDomainArgs(
            name=name,
            certificate_id=certificate,
            binding_type=app.BindingType.DISABLED if certificate is None else app.BindingType.SNI_ENABLED,
        )
        for name, certificate in bound.items()
    ]


def _template(args: ExecutorAppArgs) -> app.TemplateArgs:
    size, scaling = args.executor.size, args.scaling
    return app.TemplateArgs(
        containers=[
            app.ContainerArgs(
                name="executor",
                image=args.executor.image,
                resources=app.ContainerResourcesArgs(cpu=size.cpu, memory=size.memory),
                env=_variables(args) or None,
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


def _variables(args: ExecutorAppArgs) -> list[app.EnvironmentVarArgs]:
    listed = variables(args.executor)
    if args.store is not None:
        listed.append(app.EnvironmentVarArgs(name=STORE_VARIABLE, value=args.store.url))
    if args.connection_string is not None:
        listed.append(app.EnvironmentVarArgs(name=CONNECTION_VARIABLE, secret_ref=CONNECTION_SECRET))
    if args.attempt:
        listed.append(app.EnvironmentVarArgs(name=ATTEMPT_VARIABLE, value=str(args.attempt)))
    return listed


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
