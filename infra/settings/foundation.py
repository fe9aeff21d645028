"""What the apps stand on: group, registry, environment, logs, nodes, and who pulls images."""

from dataclasses import dataclass

from infra.settings import formats
from infra.settings.kinds import HOSTINGS, choice, integer, optional, setting, switch, text
from infra.settings.reader import ConfigReader


@dataclass(frozen=True)
class SharedResource:
    """Something that several stacks use: looked up by its name, or created and then owned by this stack."""

    name: str
    create: bool


@dataclass(frozen=True)
class WorkloadProfile:
    """Nodes that replicas run on. `type` and `max_nodes` matter only where the environment is created."""

    name: str
    type: str | None
    max_nodes: int


@dataclass(frozen=True)
class FoundationSettings:
    """What the apps stand on: group, registry, environment, logs, nodes, and who pulls."""

    resource_group_mode: str = setting(
        choice("existing", "create"),
        "existing",
        "existing: the group is there already. create: this stack makes it, protects it from deletion, and leaves it in "
        "Azure when the stack is destroyed. The same two words serve for registry, environment and logWorkspace.",
        key="resourceGroup",
    )
    resource_group_name: str = setting(
        text(formats.GROUP_NAME),
        "ai-ta-2",
        "Resource group that holds the registry and the environment, and receives the app.",
        hostings=HOSTINGS,
    )
    registry_mode: str = setting(
        choice("existing", "create"), "existing", "existing or create, for the container registry.", key="registry"
    )
    registry_name: str = setting(
        text(formats.REGISTRY_NAME),
        "aitaraacr1763805702",
        "Container registry, by its name alone (without .azurecr.io), which is unique in all of Azure.",
    )
    registry_group_name: str | None = setting(
        optional(formats.GROUP_NAME), "", "Resource group of the registry, where it is another one than resourceGroupName."
    )
    registry_sku: str = setting(
        choice("Basic", "Standard", "Premium"),
        "Basic",
        "Tier of a registry that is created, Basic, Standard or Premium.",
    )
    environment_mode: str = setting(
        choice("existing", "create"), "existing", "existing or create, for the Container Apps environment.", key="environment"
    )
    environment_name: str = setting(
        text(formats.ENVIRONMENT_NAME),
        "ai-ta-RA-env",
        "Container Apps environment. Apps are in its region.",
    )
    environment_group_name: str | None = setting(
        optional(formats.GROUP_NAME), "", "Resource group of the environment, where it is another one than resourceGroupName."
    )
    environment_subnet_id: str | None = setting(
        optional(formats.SUBNET_ID),
        "",
        "Resource id of the subnet that an environment is created in. Empty, Azure's own network.",
    )
    environment_internal: bool = setting(
        switch,
        False,
        "Whether an environment that is created is reached from its network only. Needs environmentSubnetId.",
    )
    environment_zone_redundant: bool = setting(
        switch,
        False,
        "Whether an environment that is created spreads its replicas over zones. Needs environmentSubnetId, and cannot be "
        "chosen later.",
    )
    log_workspace_mode: str = setting(
        choice("none", "existing", "create"),
        "none",
        "none, existing or create, for the Log Analytics workspace that the environment's logs go to. An environment that "
        "exists has its logs already: existing names the workspace for the workbook and the alerts.",
        key="logWorkspace",
    )
    log_workspace_name: str = setting(text(formats.WORKSPACE_NAME), "code-executor-logs", "Name of that workspace.")
    log_workspace_group_name: str | None = setting(
        optional(formats.GROUP_NAME),
        "",
        "Resource group of a workspace that exists, where it is another one than resourceGroupName.",
    )
    log_retention_days: int = setting(
        integer(30, 730), 30, "Days for which a workspace that is created keeps logs, {bounds}."
    )
    log_daily_cap_gb: int = setting(
        integer(0, 1000), 1, "GB a day after which a workspace that is created takes no more, {bounds}. 0 is no cap."
    )
    workload_profile_name: str | None = setting(
        optional(formats.PROFILE_NAME),
        "",
        "Workload profile that replicas run on. Empty is the environment's default, which is Consumption.",
        key="workloadProfile",
        hostings=("app",),
    )
    workload_profile_type: str | None = setting(
        optional(formats.PROFILE_TYPE),
        "",
        "Kind of nodes, such as D4, where environment is create and workloadProfile names a profile to make.",
    )
    workload_profile_max_nodes: int = setting(integer(1, 100), 3, "Nodes at most of a profile that is made, {bounds}.")
    pull_identity_id: str | None = setting(
        optional(formats.IDENTITY_ID),
        "",
        "Resource id of a user-assigned identity that may pull from the registry already, for those who may not assign "
        "roles. Empty, one is created and given pullRole.",
    )
    pull_role: str = setting(
        choice("acrPull", "repositoryReader"),
        "acrPull",
        "Role of the identity that is created. acrPull: AcrPull. repositoryReader: Container Registry Repository Reader, for "
        "a registry in the mode RBAC Registry + ABAC Repository Permissions, which does not honour AcrPull.",
    )

    @property
    def resource_group(self) -> SharedResource:
        """Holds everything."""
        return SharedResource(self.resource_group_name, self.resource_group_mode == "create")

    @property
    def registry(self) -> SharedResource:
        """Holds the image."""
        return SharedResource(self.registry_name, self.registry_mode == "create")

    @property
    def environment(self) -> SharedResource:
        """The Container Apps environment."""
        return SharedResource(self.environment_name, self.environment_mode == "create")

    @property
    def logs(self) -> SharedResource | None:
        """The Log Analytics workspace of the environment, or None where there is none or nobody named it."""
        if self.log_workspace_mode == "none":
            return None
        return SharedResource(self.log_workspace_name, self.log_workspace_mode == "create")

    @property
    def workload_profile(self) -> WorkloadProfile | None:
        """Where replicas run, or None for the environment's default."""
        if self.workload_profile_name is None:
            return None
        return WorkloadProfile(self.workload_profile_name, self.workload_profile_type, self.workload_profile_max_nodes)


def check_foundation(reader: ConfigReader, settings: FoundationSettings) -> None:
    """Notes what cannot be looked up, and what would be set on something that is there already."""
    group, environment, logs = settings.resource_group, settings.environment, settings.logs
    for key, shared in (("registry", settings.registry), ("environment", environment)):
        if group.create and not shared.create and reader.sound("resourceGroup", key):
            reader.refuse(key, "must be create where resourceGroup is create: a new group holds nothing to look up")
    if logs is not None:
        if logs.create and not environment.create:
            reader.refuse(
                "logWorkspace", "must be none or existing where environment is existing: that one has its logs already"
            )
        elif group.create and not logs.create and settings.log_workspace_group_name is None:
            reader.refuse("logWorkspace", "must be create or none where resourceGroup is create")
        if logs.create and settings.log_workspace_group_name is not None:
            reader.refuse(
                "logWorkspaceGroupName", "must be empty where logWorkspace is create: it is made in resourceGroupName"
            )
    if settings.environment_subnet_id and not environment.create:
        reader.refuse("environmentSubnetId", "must be empty where environment is existing: its network is set already")
    if settings.environment_internal and not settings.environment_subnet_id:
        reader.refuse("environmentInternal", "must be false without environmentSubnetId: it needs a network to be in")
    if settings.environment_zone_redundant and not settings.environment_subnet_id:
        reader.refuse("environmentZoneRedundant", "must be false without environmentSubnetId: it needs a network to be in")
    _check_profile(reader, settings)


def _check_profile(reader: ConfigReader, settings: FoundationSettings) -> None:
    created = settings.environment.create and settings.workload_profile_name not in {None, "Consumption"}
    if created and settings.workload_profile_type is None:
        reader.refuse("workloadProfileType", formats.PROFILE_TYPE.expected)
    if settings.workload_profile_type is not None and not created:
        reader.refuse("workloadProfileType", "must be empty unless environment is create and workloadProfile names a new one")
