"""What the apps stand on: group, registry, environment and logs, each looked up or created, and who may pull images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_azure_native import app, containerregistry, operationalinsights, resources

from infra.granted_identity import granted_identity
from infra.settings import FoundationSettings, SharedResource, TelemetrySettings

PULL_ROLES: Mapping[str, str] = {
    "acrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "repositoryReader": "b93aa761-3e63-49ed-ac28-beffa264f7ac",
}
"""The built-in roles AcrPull and Container Registry Repository Reader. Source: Microsoft's list of Azure built-in roles."""

CONSUMPTION = "Consumption"
"""The workload profile that every environment with profiles has."""


@dataclass(frozen=True)
class FoundationArgs:
    """What is looked up or created.

    Attributes:
        location: Region of whatever is created.
        tags: Tags of whatever is created.
        settings: Names, and whether to create.
        identity_name: Name of the identity that is created to pull images, where none is given.
        registry_admin: Whether the registry's admin account is needed for the push.
        needs_profiles: Whether what comes into the environment needs one with workload profiles.
        telemetry: Where traces and metrics go.
    """

    location: str
    tags: Mapping[str, str]
    settings: FoundationSettings
    identity_name: str
    registry_admin: bool
    needs_profiles: bool
    telemetry: TelemetrySettings


@dataclass(frozen=True)
class Workspace:
    """The Log Analytics workspace of the environment's logs; `location` is its region in the short form."""

    id: pulumi.Output[str]
    name: pulumi.Output[str]
    customer_id: pulumi.Output[str]
    group: pulumi.Input[str]
    location: pulumi.Output[str]


@dataclass(frozen=True)
class RegistryLogin:
    """The registry's admin account; both are secret."""

    username: pulumi.Output[str]
    password: pulumi.Output[str]


class Foundation(pulumi.ComponentResource):
    """The shared resources of a deployment, and the right to pull from its registry.

    A shared resource that is `existing` and does not exist makes the preview fail: nothing is created in its place.

    Attributes:
        resource_group_id: Resource id of the group.
        resource_group_name: Group that everything is created in.
        registry_server: Host name of the registry.
        registry_login: The registry's admin account where it is asked for, else None.
        workspace: Where the environment's logs are, or None where there is nothing or nobody named it.
        connection_string: Of Application Insights, secret, or None for no telemetry.
        environment_id: Resource id of the Container Apps environment.
        environment_domain: Domain that the environment's apps are subdomains of.
        environment_location: Its region in the short form, which is the apps' as well.
        pull_identity_id: Resource id of the identity that may pull from the registry.
        pull_role: The role assignment, on which whatever pulls depends, or None where the identity had it before.
    """

    resource_group_id: pulumi.Output[str]
    resource_group_name: pulumi.Output[str]
    registry_server: pulumi.Output[str]
    registry_login: RegistryLogin | None
    workspace: Workspace | None
    connection_string: pulumi.Output[str] | None
    environment_id: pulumi.Output[str]
    environment_domain: pulumi.Output[str]
    environment_location: pulumi.Output[str]
    pull_identity_id: pulumi.Output[str]
    pull_role: pulumi.Resource | None

    def __init__(self, name: str, args: FoundationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Looks up or declares everything."""
        super().__init__("code-executor:infra:Foundation", name, None, opts)
        self._name = name
        self._args = args
        self._looked_up = pulumi.InvokeOutputOptions(parent=self)
        # Others use it as well: it is neither deleted with the stack nor by a slip in a setting.
        self._shared = pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True)
        self.resource_group_id, self.resource_group_name = self._group(args.settings.resource_group)
        self._registry_group = args.settings.registry_group_name or self.resource_group_name
        registry_id, registry_name, self.registry_server = self._registry(args.settings.registry)
        self.registry_login = self._login(registry_name) if args.registry_admin else None
        self.workspace = None if args.settings.logs is None else self._workspace(args.settings.logs)
        self.connection_string = self._connection_string()
        self.environment_id, self.environment_domain, self.environment_location = self._environment(args.settings.environment)
        self.pull_identity_id, self.pull_role = self._pull_identity(registry_id)
        self.register_outputs(
            {
                "resourceGroupName": self.resource_group_name,
                "registryServer": self.registry_server,
                "environmentId": self.environment_id,
                "environmentDomain": self.environment_domain,
                "pullIdentityId": self.pull_identity_id,
            }
        )

    def _group(self, group: SharedResource) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        if not group.create:
            found = resources.get_resource_group_output(resource_group_name=group.name, opts=self._looked_up)
            return found.id, found.name
        made = resources.ResourceGroup(
            f"{self._name}-group",
            resource_group_name=group.name,
            location=self._args.location,
            tags=self._args.tags,
            opts=self._shared,
        )
        return made.id, made.name

    def _registry(self, registry: SharedResource) -> tuple[pulumi.Output[str], pulumi.Output[str], pulumi.Output[str]]:
        if not registry.create:
            found = containerregistry.get_registry_output(
                registry_name=registry.name, resource_group_name=self._registry_group, opts=self._looked_up
            )
            return found.id, found.name, found.login_server
        made = containerregistry.Registry(
            f"{self._name}-registry",
            registry_name=registry.name,
            resource_group_name=self._registry_group,
            location=self._args.location,
            sku=containerregistry.SkuArgs(name=self._args.settings.registry_sku),
            admin_user_enabled=self._args.registry_admin,
            tags=self._args.tags,
            opts=self._shared,
        )
        return made.id, made.name, made.login_server

    def _login(self, registry_name: pulumi.Output[str]) -> RegistryLogin:
        found = containerregistry.list_registry_credentials_output(
            registry_name=registry_name, resource_group_name=self._registry_group, opts=self._looked_up
        )
        return RegistryLogin(
            username=pulumi.Output.secret(found.username),
            password=pulumi.Output.secret(found.passwords.apply(lambda passwords: passwords[0].value)),
        )

    def _environment(self, environment: SharedResource) -> tuple[pulumi.Output[str], pulumi.Output[str], pulumi.Output[str]]:
        if not environment.create:
            found = app.get_managed_environment_output(
                environment_name=environment.name,
                resource_group_name=self._args.settings.environment_group_name or self.resource_group_name,
                opts=self._looked_up,
            )
            environment_id = found.id
            if self.workspace is not None:
                ids = pulumi.Output.all(found.id, found.app_logs_configuration, self.workspace.customer_id)
                environment_id = ids.apply(_logging_there)
            if self._args.needs_profiles:
                environment_id = pulumi.Output.all(environment_id, found.workload_profiles).apply(_with_profiles)
            return environment_id, found.default_domain, found.location.apply(short_region)
        settings = self._args.settings
        network = None
        if settings.environment_subnet_id is not None:
            network = app.VnetConfigurationArgs(
                infrastructure_subnet_id=settings.environment_subnet_id, internal=settings.environment_internal
            )
        made = app.ManagedEnvironment(
            f"{self._name}-environment",
            environment_name=environment.name,
            resource_group_name=self._args.settings.environment_group_name or self.resource_group_name,
            location=self._args.location,
            app_logs_configuration=None if self.workspace is None else self._logs(self.workspace),
            **self._agent(),
            vnet_configuration=network,
            zone_redundant=settings.environment_zone_redundant or None,
            workload_profiles=self._workload_profiles(),
            tags=self._args.tags,
            opts=self._shared,
        )
        return made.id, made.default_domain, pulumi.Output.from_input(self._args.location)

    def _workload_profiles(self) -> list[app.WorkloadProfileArgs]:
        profiles = [app.WorkloadProfileArgs(name=CONSUMPTION, workload_profile_type=CONSUMPTION)]
        profile = self._args.settings.workload_profile
        if profile is not None and profile.type is not None:
            profiles.append(
                app.WorkloadProfileArgs(
                    name=profile.name,
                    workload_profile_type=profile.type,
                    minimum_count=0,
                    maximum_count=profile.max_nodes,
                )
            )
        return profiles

    def _agent(self) -> dict[str, Any]:
        if not self._args.telemetry.agent or self.connection_string is None:
            return {}
        from infra.insights import agent  # noqa: PLC0415 - as below

        insights = app.AppInsightsConfigurationArgs(connection_string=self.connection_string)
        return {"app_insights_configuration": insights, "open_telemetry_configuration": agent()}

    def _connection_string(self) -> pulumi.Output[str] | None:
        insights = self._args.telemetry.insights
        if insights is None:
            return None
        from infra.insights import InsightsArgs, connection_string  # noqa: PLC0415 - azure-native's parts are slow to load

        args = InsightsArgs(
            location=self._args.location,
            tags=self._args.tags,
            resource_group_name=self.resource_group_name,
            resource=insights,
            workspace_id=None if self.workspace is None else self.workspace.id,
        )
        return connection_string(f"{self._name}-insights", args, self._shared)

    def _workspace(self, logs: SharedResource) -> Workspace:
        settings = self._args.settings
        group = settings.log_workspace_group_name or self.resource_group_name
        if not logs.create:
            found = operationalinsights.get_workspace_output(
                workspace_name=logs.name, resource_group_name=group, opts=self._looked_up
            )
            return Workspace(found.id, found.name, found.customer_id, group, found.location.apply(short_region))
        cap = settings.log_daily_cap_gb
        made = operationalinsights.Workspace(
            f"{self._name}-logs",
            workspace_name=logs.name,
            resource_group_name=self.resource_group_name,
            location=self._args.location,
            sku=operationalinsights.WorkspaceSkuArgs(name=operationalinsights.WorkspaceSkuNameEnum.PER_GB2018),
            retention_in_days=settings.log_retention_days,
            workspace_capping=operationalinsights.WorkspaceCappingArgs(daily_quota_gb=cap) if cap else None,
            tags=self._args.tags,
            opts=self._shared,
        )
        return Workspace(made.id, made.name, made.customer_id, group, pulumi.Output.from_input(self._args.location))

    def _logs(self, workspace: Workspace) -> app.AppLogsConfigurationArgs:
        keys = operationalinsights.get_shared_keys_output(
            workspace_name=workspace.name, resource_group_name=workspace.group, opts=self._looked_up
        )
        return app.AppLogsConfigurationArgs(
            destination="log-analytics",
            log_analytics_configuration=app.LogAnalyticsConfigurationArgs(
                customer_id=workspace.customer_id, shared_key=pulumi.Output.secret(keys.primary_shared_key)
            ),
        )

    def _pull_identity(self, registry_id: pulumi.Output[str]) -> tuple[pulumi.Output[str], pulumi.Resource | None]:
        if self._args.settings.pull_identity_id is not None:
            return pulumi.Output.from_input(self._args.settings.pull_identity_id), None
        granted = granted_identity(
            self,
            f"{self._name}-pull",
            identity_name=self._args.identity_name,
            resource_group_name=self.resource_group_name,
            resource_group_id=self.resource_group_id,
            location=self._args.location,
            tags=self._args.tags,
            scope=registry_id,
            role=PULL_ROLES[self._args.settings.pull_role],
        )
        return granted.identity.id, granted.role


def short_region(region: str) -> str:
    """Gives a region's short form: Azure answers with the long one, East US 2."""
    return region.replace(" ", "").lower()


def _logging_there(found: list[Any]) -> str:
    """Gives the id of an environment whose logs go to the workspace that was named.

    Raises:
        pulumi.RunError: They go elsewhere, so that alerts and workbook would stay empty.
    """
    environment_id, logs, customer_id = found
    if ((logs or {}).get("log_analytics_configuration") or {}).get("customer_id") != customer_id:
        raise pulumi.RunError(
            f"The environment {environment_id.rpartition('/')[2]} does not send its logs to the workspace that "
            "logWorkspaceName names. Nothing was made: name the one that `az containerapp env show` has under "
            "appLogsConfiguration, or set logWorkspace to none."
        )
    return str(environment_id)


def _with_profiles(found: list[Any]) -> str:
    """Gives the id of an environment that has workload profiles.

    Raises:
        pulumi.RunError: It has none. Source: Microsoft's page on custom container sessions.
    """
    environment_id, profiles = found
    if not profiles:
        raise pulumi.RunError(
            f"The environment {environment_id.rpartition('/')[2]} has no workload profiles, which a session pool needs. "
            "Nothing was made in it: have another one created (environment: create), or set hosting to app."
        )
    return str(environment_id)
