"""Turns a stack's configuration into one validated object, or into one error that names everything wrong with it."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pulumi
from pulumi.runtime import config as runtime_config

from infra import contests as windows
from infra.config_reader import ConfigReader, Problem, SettingsError, TextRule
from infra.contests import Contest
from infra.quota import Demand, cores_needed, quota_warning
from runtime import settings as runtime_settings

__all__ = [
    "KEYS",
    "LOCATION_KEY",
    "MEMORY_FOR_CPU",
    "Problem",
    "Settings",
    "SettingsError",
    "parse_settings",
    "read_settings",
]

MAX_REPLICAS = 1000
"""Replicas that one revision can have.

Source: Microsoft's page on scaling in Azure Container Apps.
"""

MEMORY_FOR_CPU: Mapping[Decimal, Decimal] = {Decimal(n) / 4: Decimal(n) / 2 for n in range(1, 17)}
"""The sizes a replica can have on the Consumption profile: cores, and the GiB that go with them.

Source: Microsoft's page on containers in Azure Container Apps ("Allocations").
"""

MAX_TAGS = 50
"""Tags that a resource can have. Source: Microsoft's page on tagging resources. Two of them are this project's own."""

LOCATION_KEY = "azure-native:location"

KEYS = (
    LOCATION_KEY,
    "hosting",
    "appName",
    "production",
    "tags",
    "resourceGroup",
    "resourceGroupName",
    "registry",
    "registryName",
    "registrySku",
    "environment",
    "environmentName",
    "environmentSubnetId",
    "environmentInternal",
    "logWorkspace",
    "logWorkspaceName",
    "logRetentionDays",
    "logDailyCapGb",
    "workloadProfile",
    "workloadProfileType",
    "workloadProfileMaxNodes",
    "pullIdentityId",
    "imageName",
    "image",
    "imageTarget",
    "buildArgs",
    "registryCredentials",
    "minReplicas",
    "maxReplicas",
    "cpu",
    "memory",
    "apps",
    "concurrentRequests",
    "cooldownSeconds",
    "pollingSeconds",
    "contests",
    "prewarmMinutes",
    "ingress",
    "allowedIps",
    "corsOrigins",
    "customDomain",
    "certificateId",
    "apiKeys",
    "environmentVariables",
    "revisionMode",
    "revisionTransitionThreshold",
    "maxInactiveRevisions",
    "terminationGraceSeconds",
    "sessionCooldownSeconds",
    "sessionCallers",
    "localPort",
    "alertEmails",
    "budgetAmount",
    "budgetStart",
    "replicaAlert",
    "coreQuota",
    "strictQuota",
)
"""Every setting, as `Pulumi.yaml` spells it; those without a namespace belong to the project's own."""

DOCKERFILE = Path(__file__).parents[1] / "runtime" / "Dockerfile"

APP_ONLY = {
    "contests": "",
    "ingress": "external",
    "allowedIps": "",
    "corsOrigins": "",
    "customDomain": "",
    "certificateId": "",
    "workloadProfile": "",
    "replicaAlert": "0",
}
"""Settings that mean nothing to a session pool or a local container, with the value that asks for nothing.

Set to another one all the same, they would be ignored in silence.
"""


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
    """What the app stands on.

    Attributes:
        resource_group: Holds everything.
        registry: Holds the image.
        registry_sku: Tier of a registry that is created.
        environment: The Container Apps environment.
        subnet_id: Network that an environment is created in, or None for Azure's own.
        internal: Whether an environment that is created is to be reached only from its network.
        logs: The Log Analytics workspace of an environment that is created, or None for no store of logs.
        log_retention_days: How long a workspace that is created keeps them.
        log_daily_cap_gb: GB a day after which it takes no more, or None for no cap.
        workload_profile: Where replicas run, or None for the environment's default.
        pull_identity_id: An identity that may pull already, or None to create one and give it the role.
    """

    resource_group: SharedResource
    registry: SharedResource
    registry_sku: str
    environment: SharedResource
    subnet_id: str | None
    internal: bool
    logs: SharedResource | None
    log_retention_days: int
    log_daily_cap_gb: int | None
    workload_profile: WorkloadProfile | None
    pull_identity_id: str | None


@dataclass(frozen=True)
class AppSettings:
    """One app, with an image and a size of its own.

    Attributes:
        key: Tells apart the apps of a stack: the image target, or `default` where there is one app.
        name: In Azure, and first part of the URL.
        image_name: `repository:tag` that a build is pushed under.
        image_target: Stage of the Dockerfile that is built, or None for its last one.
        prebuilt_image: `registry/repository@sha256:...` to run instead of building, or None to build.
        min_replicas: Replicas that are always there (sessions that are kept ready).
        max_replicas: Replicas at most (sessions at the same time).
        cpu: Cores of one replica.
        memory: Memory of one replica as Azure writes it, such as `1.0Gi`.
    """

    key: str
    name: str
    image_name: str
    image_target: str | None
    prebuilt_image: str | None
    min_replicas: int
    max_replicas: int
    cpu: float
    memory: str

    @property
    def memory_gib(self) -> float:
        """Memory of one replica in GiB."""
        return float(self.memory.removesuffix("Gi"))


@dataclass(frozen=True)
class ScalingSettings:
    """When replicas come and go. `contests` holds only those that are not over."""

    concurrent_requests: int
    cooldown_seconds: int
    polling_seconds: int
    contests: tuple[Contest, ...]
    prewarm: timedelta


@dataclass(frozen=True)
class AccessSettings:
    """Who reaches the executor, and under which name.

    Attributes:
        external: Whether callers outside the environment reach it.
        allowed_ips: IPv4 ranges in CIDR notation that may call; empty for all.
        cors_origins: Web pages whose scripts may call.
        custom_domain: Host name besides Azure's own.
        certificate_id: Certificate of that name, or None while the name is only being verified.
        api_keys: `name:sha256,...` of each key that is taken, or None where none is asked for.
    """

    external: bool
    allowed_ips: tuple[str, ...]
    cors_origins: tuple[str, ...]
    custom_domain: str | None
    certificate_id: str | None
    api_keys: str | None


@dataclass(frozen=True)
class RevisionSettings:
    """How one version of the app takes over from the one before."""

    mode: str
    transition_threshold: int
    max_inactive: int
    termination_grace_seconds: int


@dataclass(frozen=True)
class SessionSettings:
    """What only a session pool has: seconds until an unused session ends, and the principals that may call it."""

    cooldown_seconds: int
    callers: tuple[str, ...]


@dataclass(frozen=True)
class GuardrailSettings:
    """Who is told, and from which amount or number on. `budget_start` is None for the current month."""

    emails: tuple[str, ...]
    budget_amount: int
    budget_start: str | None
    replica_alert: int | None


@dataclass(frozen=True)
class Settings:
    """What one stack deploys. An instance has passed every check, so nothing that takes one checks it again.

    Attributes:
        location: Azure region of the environment and of everything that is created.
        hosting: `app`, `sessions` or `local`.
        app_name: The stack's name in Azure, and that of its only app where there is one.
        production: Whether what is otherwise warned of is refused.
        tags: Tags of everything that takes some, besides `project` and `stack`.
        foundation: What the apps stand on.
        apps: The apps, at least one.
        build_args: Build arguments of the image.
        registry_admin: Whether a build is pushed with the registry's admin account.
        scaling: When replicas come and go.
        access: Who reaches the executor.
        environment_variables: The executor's own settings, EXECUTOR_*, and others.
        revisions: How a new version takes over.
        sessions: What only a session pool has.
        local_port: Port on this machine, for hosting `local`.
        guardrails: Budget and alerts.
        warnings: What is allowed and yet likely to hurt.
    """

    location: str
    hosting: str
    app_name: str
    production: bool
    tags: Mapping[str, str]
    foundation: FoundationSettings
    apps: tuple[AppSettings, ...]
    build_args: Mapping[str, str]
    registry_admin: bool
    scaling: ScalingSettings
    access: AccessSettings
    environment_variables: Mapping[str, str]
    revisions: RevisionSettings
    sessions: SessionSettings
    local_port: int
    guardrails: GuardrailSettings
    warnings: tuple[str, ...]


def _rule(pattern: str, expected: str) -> TextRule:
    return TextRule(re.compile(pattern), expected)


_REPOSITORY = r"[a-z0-9]+([._/-]+[a-z0-9]+)*"
_GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_IN_GROUP = rf"/subscriptions/{_GUID}/resourceGroups/[^/]+/providers/"
_HOST = r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"

# Name rules: Microsoft's "Naming rules and restrictions for Azure resources", and the image reference grammar of the
# OCI distribution specification. The environment's rule is wider than that page, which knows only small letters: the
# environment that this project starts from has capitals.
_RULES: Mapping[str, TextRule] = {
    LOCATION_KEY: _rule(r"[a-z]+[a-z0-9]*", "must be an Azure region in its short form, such as eastus2"),
    "appName": _rule(
        r"(?!.*--)[a-z][a-z0-9-]{0,30}[a-z0-9]",
        "must be 2 to 32 small letters, digits and single hyphens, from a letter to a letter or digit",
    ),
    "resourceGroupName": _rule(r"[\w().-]{0,89}[\w()-]", "must be 1 to 90 letters, digits, _ - . ( ) and not end in a dot"),
    "registryName": _rule(r"[A-Za-z0-9]{5,50}", "must be 5 to 50 letters and digits, without .azurecr.io"),
    "environmentName": _rule(
        r"(?!.*--)[A-Za-z][A-Za-z0-9-]{0,58}[A-Za-z0-9]",
        "must be 2 to 60 letters, digits and single hyphens, from a letter to a letter or digit",
    ),
    "environmentSubnetId": _rule(
        rf"{_IN_GROUP}Microsoft\.Network/virtualNetworks/[^/]+/subnets/[^/]+",
        "must be a subnet's resource id, /subscriptions/.../virtualNetworks/NAME/subnets/NAME, or empty",
    ),
    "logWorkspaceName": _rule(r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]", "must be 4 to 63 letters, digits and hyphens"),
    "workloadProfile": _rule(
        r"[A-Za-z][A-Za-z0-9-]{0,13}[A-Za-z0-9]",
        "must be a workload profile's name of 2 to 15 letters, digits and hyphens, such as Consumption, or empty",
    ),
    "workloadProfileType": _rule(
        r"[A-Z][A-Za-z0-9-]{1,30}", "must be a profile type, such as D4 or E16, where a profile is to be created"
    ),
    "pullIdentityId": _rule(
        rf"{_IN_GROUP}Microsoft\.ManagedIdentity/userAssignedIdentities/[^/]+",
        "must be a user-assigned identity's resource id that may pull already, or empty to create one",
    ),
    "imageName": _rule(
        _REPOSITORY + r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}",
        "must be repository:tag without a registry, such as executor-image:v1",
    ),
    "image": _rule(
        r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?/" + _REPOSITORY + r"@sha256:[0-9a-f]{64}",
        "must be registry/repository@sha256: and 64 hexadecimal digits, or empty to build ./runtime",
    ),
    "imageTarget": _rule(r"[a-z][a-z0-9-]{0,19}", "must be a stage of runtime/Dockerfile, or empty for its last one"),
    "allowedIps": _rule(r"[0-9./]+", "must be an IPv4 address or range without host bits, such as 203.0.113.0/24"),
    "corsOrigins": _rule(
        rf"\*|https?://(localhost|{_HOST})(:[0-9]{{1,5}})?",
        "must be an origin without a path, such as https://ta.example.org, or *",
    ),
    "customDomain": _rule(_HOST, "must be a host name in small letters, such as executor.example.org, or empty"),
    "certificateId": _rule(
        rf"{_IN_GROUP}Microsoft\.App/managedEnvironments/[^/]+/(certificates|managedCertificates)/[^/]+",
        "must be the resource id of a certificate of the environment, or empty while customDomain is being verified",
    ),
    "apiKeys": _rule(
        r"[A-Za-z0-9_.-]{1,64}:[0-9a-f]{64}(,[A-Za-z0-9_.-]{1,64}:[0-9a-f]{64})*",
        "must be name:sha256 of each key, separated by commas, the hash in 64 small hexadecimal digits",
    ),
    "sessionCallers": _rule(_GUID, "must be a principal's object id (a GUID)"),
    "alertEmails": _rule(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;.]+", "must be an e-mail address"),
    "budgetStart": _rule(
        r"20[0-9]{2}-(0[1-9]|1[0-2])-01", "must be the first of a month, such as 2026-03-01, or empty for this month"
    ),
    "cpu": _rule(r"[0-9]{1,2}(\.[0-9]{1,3})?", "must be 0.25 to 4 in steps of 0.25"),
    "memory": _rule(r"[0-9]{1,2}(\.[0-9]{1,3})?Gi", "must be 0.5Gi to 8.0Gi in steps of 0.5Gi"),
}

_TAG_NAME = _rule(
    r"(?!(project|stack)$)[^<>%&\\?/]{1,512}",
    "is no tag name: must be 1 to 512 characters without < > % & \\ ? / and neither project nor stack, which are set",
)
_TAG_VALUE = _rule(r".{0,256}", "must be a text of at most 256 characters")
_BUILD_ARG = _rule(r"[A-Za-z_][A-Za-z0-9_]*", "is no name of a build argument")
_VARIABLE = _rule(r"[A-Za-z_][A-Za-z0-9_]*", "is no name of an environment variable")
_ANY = _rule(r"[^\x00]*", "must be a text")
_CONTEST_NAME = _rule(r"[a-z][a-z0-9-]{0,29}", "must be 1 to 30 small letters, digits and hyphens, from a letter")
_MOMENT = _rule(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}", "must be a local time such as 2026-03-14T09:00")

_RESERVED_VARIABLES: Mapping[str, str] = {
    "EXECUTOR_API_KEYS": "must be set as apiKeys, which keeps it secret",
    "EXECUTOR_HOST": "must stay as the image sets it",
    "EXECUTOR_PORT": "must stay as it is: ingress and probes go to port 8000",
}

_SOUND_SIZES: Mapping[str, str] = {"minReplicas": "0", "maxReplicas": "1000", "cpu": "0.5", "memory": "1.0Gi"}

HOSTINGS = ("app", "sessions", "local")
_MODES = ("existing", "create")


# Bounds below that name no source are this project's own: wide enough for every use that was thought of, and narrow
# enough to catch a slip. Azure's published types bound none of them but revisionTransitionThreshold, at 100.


def parse_settings(
    values: Mapping[str, str], *, now: datetime | None = None, secret_keys: frozenset[str] | None = None
) -> Settings:
    """Checks a whole configuration.

    Args:
        values: Each setting as Pulumi hands it over, a string, by its key as in `KEYS`.
        now: The time, which decides what contests are over; the present if not given.
        secret_keys: The settings that the stack keeps encrypted, or None where that is not known.

    Raises:
        SettingsError: With every problem at once.
    """
    reader = ConfigReader(values)
    warnings: list[str] = []
    hosting = reader.choice("hosting", HOSTINGS)
    production = reader.switch("production")
    apps = _apps(reader)
    variables = _environment_variables(reader, apps, production, warnings)
    settings = Settings(
        location=reader.text(LOCATION_KEY, _RULES[LOCATION_KEY]),
        hosting=hosting,
        app_name=reader.raw("appName"),
        production=production,
        tags=_tags(reader),
        foundation=_foundation(reader),
        apps=apps,
        build_args=reader.mapping("buildArgs", _BUILD_ARG, _ANY),
        registry_admin=reader.choice("registryCredentials", ("login", "admin")) == "admin",
        scaling=_scaling(reader, apps, now or datetime.now(UTC), warnings),
        access=_access(reader, secret_keys),
        environment_variables=variables,
        revisions=_revisions(reader, variables),
        sessions=SessionSettings(
            cooldown_seconds=reader.integer("sessionCooldownSeconds", 300, 3600),
            callers=reader.texts("sessionCallers", _RULES["sessionCallers"]),
        ),
        local_port=reader.integer("localPort", 1, 65535),
        guardrails=_guardrails(reader, apps),
        warnings=(),
    )
    _check_hosting(reader, settings)
    _check_public(reader, settings, warnings)
    _check_quota(reader, settings, warnings)
    if hosting != "local" and not settings.guardrails.emails:
        warnings.append("Nobody watches what this costs: set alertEmails to have a budget and an alert on replicas.")
    reader.refuse_unknown(values, KEYS, "this project")
    if reader.problems:
        order = {key: place for place, key in enumerate(KEYS)}
        raise SettingsError(sorted(reader.problems, key=lambda problem: order.get(problem.setting, len(order))))
    return Settings(**{**vars(settings), "warnings": tuple(warnings)})


def _apps(reader: ConfigReader) -> tuple[AppSettings, ...]:
    name = reader.text("appName", _RULES["appName"])
    image_name = reader.text("imageName", _RULES["imageName"])
    target = reader.optional_text("imageTarget", _RULES["imageTarget"])
    prebuilt = reader.optional_text("image", _RULES["image"])
    sizes = ("minReplicas", "maxReplicas", "cpu", "memory")
    default = _app(reader, key="default", name=name, image_name=image_name, target=target, prebuilt=prebuilt)
    if not reader.given("apps"):
        return (default,)
    for key in ("image", "imageTarget", "customDomain"):
        if reader.given(key):
            reader.refuse(key, "must be empty where apps is set: it can only be one app's")
    # Sizes that are wrong themselves are reported once, where they stand, and not again for every app.
    inherited = {key: reader.raw(key) for key in sizes} if reader.sound(*sizes) else _SOUND_SIZES
    apps: list[AppSettings] = []
    for each in reader.objects("apps", ("imageTarget",), ("appName", "image", *sizes), inherited):
        key = each.text("imageTarget", _RULES["imageTarget"])
        own = each.text("appName", _RULES["appName"]) if each.given("appName") else f"{name}-{key}"
        if not each.given("appName") and reader.sound("appName") and len(own) > 32:
            each.refuse_hidden("appName", f"must be set: {own!r} would be longer than 32 characters")
        image = each.optional_text("image", _RULES["image"])
        apps.append(_app(each, key=key, name=own, image_name=f"{image_name}-{key}", target=key, prebuilt=image))
        for field in ("key", "name"):
            if [getattr(app, field) for app in apps].count(getattr(apps[-1], field)) > 1:
                each.refuse_hidden("imageTarget" if field == "key" else "appName", "must differ from the other apps'")
    return tuple(apps) or (default,)


def image_targets() -> tuple[str, ...]:
    """Gives the stages of the Dockerfile that are an executor: those that end as its user. The others are parts of them."""
    stages = re.split(r"^FROM ", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    names = (re.match(r".* AS (\S+)\n(?s:.*)^USER executor$", stage, re.MULTILINE) for stage in stages)
    return tuple(name[1] for name in names if name)


def _app(
    reader: ConfigReader, *, key: str, name: str, image_name: str, target: str | None, prebuilt: str | None
) -> AppSettings:
    # A build would only find out after minutes.
    if target is not None and prebuilt is None and reader.sound("imageTarget") and target not in image_targets():
        reader.refuse("imageTarget", f"must be a stage of runtime/Dockerfile: {', '.join(image_targets())}")
    min_replicas = reader.integer("minReplicas", 0, MAX_REPLICAS)
    max_replicas = reader.integer("maxReplicas", 1, MAX_REPLICAS)
    if reader.sound("minReplicas", "maxReplicas") and min_replicas > max_replicas:
        reader.refuse("minReplicas", f"must not be above maxReplicas, which is {max_replicas}")
    cpu = reader.decimal("cpu", _RULES["cpu"], tuple(MEMORY_FOR_CPU))
    memory = reader.decimal("memory", _RULES["memory"], tuple(MEMORY_FOR_CPU.values()))
    if reader.sound("cpu", "memory") and memory != MEMORY_FOR_CPU[cpu]:
        reader.refuse("memory", f"must be {MEMORY_FOR_CPU[cpu]:.1f}Gi where cpu is {cpu} (2 GiB for each core)")
    return AppSettings(
        key=key,
        name=name,
        image_name=image_name,
        image_target=target,
        prebuilt_image=prebuilt,
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        cpu=float(cpu),
        memory=f"{memory:.1f}Gi",
    )


def _tags(reader: ConfigReader) -> dict[str, str]:
    tags = reader.mapping("tags", _TAG_NAME, _TAG_VALUE)
    if len(tags) > MAX_TAGS - 2:
        reader.refuse_hidden("tags", f"must be at most {MAX_TAGS - 2} tags")
    return tags


def _foundation(reader: ConfigReader) -> FoundationSettings:
    group = _shared(reader, "resourceGroup")
    registry = _shared(reader, "registry")
    environment = _shared(reader, "environment")
    for key, shared in (("registry", registry), ("environment", environment)):
        if group.create and not shared.create and reader.sound("resourceGroup", key):
            reader.refuse(key, "must be create where resourceGroup is create: a new group holds nothing to look up")
    logs = None
    mode = reader.choice("logWorkspace", ("none", *_MODES))
    workspace = reader.text("logWorkspaceName", _RULES["logWorkspaceName"])
    if mode != "none":
        logs = SharedResource(workspace, create=mode == "create")
        if not environment.create:
            reader.refuse("logWorkspace", "must be none where environment is existing: that one has its logs already")
        elif group.create and not logs.create:
            reader.refuse("logWorkspace", "must be create or none where resourceGroup is create")
    subnet = reader.optional_text("environmentSubnetId", _RULES["environmentSubnetId"])
    internal = reader.switch("environmentInternal")
    if subnet and not environment.create:
        reader.refuse("environmentSubnetId", "must be empty where environment is existing: its network is set already")
    if internal and not subnet:
        reader.refuse("environmentInternal", "must be false without environmentSubnetId: it needs a network to be in")
    cap = reader.integer("logDailyCapGb", 0, 1000)
    return FoundationSettings(
        resource_group=group,
        registry=registry,
        registry_sku=reader.choice("registrySku", ("Basic", "Standard", "Premium")),
        environment=environment,
        subnet_id=subnet,
        internal=internal,
        logs=logs,
        log_retention_days=reader.integer("logRetentionDays", 30, 730),
        log_daily_cap_gb=cap or None,
        workload_profile=_workload_profile(reader, environment),
        pull_identity_id=reader.optional_text("pullIdentityId", _RULES["pullIdentityId"]),
    )


def _shared(reader: ConfigReader, key: str) -> SharedResource:
    name = reader.text(f"{key}Name", _RULES[f"{key}Name"])
    return SharedResource(name, create=reader.choice(key, _MODES) == "create")


def _workload_profile(reader: ConfigReader, environment: SharedResource) -> WorkloadProfile | None:
    name = reader.optional_text("workloadProfile", _RULES["workloadProfile"])
    kind = reader.optional_text("workloadProfileType", _RULES["workloadProfileType"])
    nodes = reader.integer("workloadProfileMaxNodes", 1, 100)
    created = environment.create and name not in {None, "Consumption"}
    if created and kind is None:
        reader.refuse("workloadProfileType", _RULES["workloadProfileType"].expected)
    if kind is not None and not created:
        reader.refuse("workloadProfileType", "must be empty unless environment is create and workloadProfile names a new one")
    return None if name is None else WorkloadProfile(name, kind, nodes)


def _scaling(reader: ConfigReader, apps: tuple[AppSettings, ...], now: datetime, warnings: list[str]) -> ScalingSettings:
    contests: list[Contest] = []
    for each in reader.objects("contests", ("name", "start", "end", "timezone", "replicas")):
        contest = _contest(each, min(app.max_replicas for app in apps), now)
        if contest is None:
            continue
        if contest.name in {other.name for other in contests}:
            each.refuse("name", "must differ from the other contests' names")
        contests.append(contest)
        if contest.over(now):
            warnings.append(f"The contest {contest.name} is over: no replicas are kept for it. Take it out of contests.")
    return ScalingSettings(
        concurrent_requests=reader.integer("concurrentRequests", 1, 100),
        cooldown_seconds=reader.integer("cooldownSeconds", 10, 3600),
        polling_seconds=reader.integer("pollingSeconds", 5, 600),
        contests=tuple(contest for contest in contests if not contest.over(now)),
        prewarm=timedelta(minutes=reader.integer("prewarmMinutes", 0, 240)),
    )


def _contest(reader: ConfigReader, max_replicas: int, now: datetime) -> Contest | None:
    name = reader.text("name", _CONTEST_NAME)
    replicas = reader.integer("replicas", 1, max_replicas)
    zone = _zone(reader)
    start, end = (_moment(reader, key, zone) for key in ("start", "end"))
    if zone is None or start is None or end is None:
        return None
    if end <= start:
        reader.refuse("end", "must be after start")
    elif end - start > windows.LONGEST:
        reader.refuse("end", f"must be at most {windows.LONGEST.days} days after start")
    if start - now > windows.HORIZON:
        reader.refuse(
            "start", f"must be within {windows.HORIZON.days} days: a cron rule has no year, and would open too soon"
        )
    return Contest(name, start, end, zone.key, replicas)


def _zone(reader: ConfigReader) -> ZoneInfo | None:
    try:
        return ZoneInfo(reader.raw("timezone"))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        reader.refuse("timezone", "must be a name of the IANA time zone database, such as America/New_York")
        return None


def _moment(reader: ConfigReader, key: str, zone: ZoneInfo | None) -> datetime | None:
    text = reader.text(key, _MOMENT)
    if not reader.sound(key) or zone is None:
        return None
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=zone)
    except ValueError:
        reader.refuse(key, _MOMENT.expected)
        return None
    if moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment.replace(tzinfo=None):
        reader.refuse(key, f"does not exist in {zone.key}: clocks are put forward over it")
        return None
    return moment


def _access(reader: ConfigReader, secret_keys: frozenset[str] | None) -> AccessSettings:
    ranges: list[str] = []
    for index, text in enumerate(reader.texts("allowedIps", _RULES["allowedIps"])):
        try:
            ranges.append(str(ipaddress.IPv4Network(text)))
        except ValueError:
            if reader.sound(f"allowedIps[{index}]"):
                reader.problems.append(Problem(f"allowedIps[{index}]", text, _RULES["allowedIps"].expected))
    domain = reader.optional_text("customDomain", _RULES["customDomain"])
    certificate = reader.optional_text("certificateId", _RULES["certificateId"])
    if certificate and not domain:
        reader.refuse("certificateId", "must be empty without customDomain")
    keys = reader.raw("apiKeys")
    if keys and not _RULES["apiKeys"].pattern.fullmatch(keys):
        reader.refuse_hidden("apiKeys", _RULES["apiKeys"].expected)
    elif len({entry.partition(":")[0] for entry in keys.split(",")}) < len(keys.split(",")):
        reader.refuse_hidden("apiKeys", "must give each key a name of its own")
    elif keys and secret_keys is not None and "apiKeys" not in secret_keys:
        reader.refuse_hidden("apiKeys", "must be kept encrypted: set it with `pulumi config set --secret apiKeys ...`")
    return AccessSettings(
        external=reader.choice("ingress", ("external", "internal")) == "external",
        allowed_ips=tuple(ranges),
        cors_origins=reader.texts("corsOrigins", _RULES["corsOrigins"]),
        custom_domain=domain,
        certificate_id=certificate,
        api_keys=keys or None,
    )


def _environment_variables(
    reader: ConfigReader, apps: tuple[AppSettings, ...], production: bool, warnings: list[str]
) -> dict[str, str]:
    variables = reader.mapping("environmentVariables", _VARIABLE, _ANY)
    for name, expected in _RESERVED_VARIABLES.items():
        if name in variables:
            reader.refuse_hidden(f"environmentVariables.{name}", expected)
    for name, value in variables.items() if production else ():
        if name.startswith("EXECUTOR_TEST_") or (name == "EXECUTOR_ALLOW_WEAK_ISOLATION" and value == "1"):
            reader.refuse_hidden(f"environmentVariables.{name}", f"must not be {value} where production is true")
    try:
        runtime_settings.read_settings({name: value for name, value in variables.items() if name not in _RESERVED_VARIABLES})
    except runtime_settings.SettingsError as error:
        # A wrong variable makes every new replica end at its start, which shows after minutes and as a failed probe.
        for problem in error.problems:
            if any(app.prebuilt_image is None for app in apps):
                reader.refuse_hidden("environmentVariables", f"the executor would not start: {problem}")
            else:
                warnings.append(f"environmentVariables: this checkout's executor would not start, the image's may: {problem}")
    return variables


def _revisions(reader: ConfigReader, variables: Mapping[str, str]) -> RevisionSettings:
    grace = reader.integer("terminationGraceSeconds", 1, 600)
    drain = variables.get("EXECUTOR_DRAIN_SECONDS", f"{runtime_settings.Settings().drain_seconds:g}")
    if reader.sound("terminationGraceSeconds") and re.fullmatch(r"[0-9]+(\.[0-9]+)?", drain) and grace <= float(drain):
        reader.refuse(
            "terminationGraceSeconds",
            f"must be above {drain}, the seconds for which a replica finishes running work (EXECUTOR_DRAIN_SECONDS)",
        )
    return RevisionSettings(
        mode=reader.choice("revisionMode", ("single", "multiple")),
        transition_threshold=reader.integer("revisionTransitionThreshold", 1, 100),
        max_inactive=reader.integer("maxInactiveRevisions", 0, 100),
        termination_grace_seconds=grace,
    )


def _guardrails(reader: ConfigReader, apps: tuple[AppSettings, ...]) -> GuardrailSettings:
    return GuardrailSettings(
        emails=reader.texts("alertEmails", _RULES["alertEmails"]),
        budget_amount=reader.integer("budgetAmount", 1, 1_000_000),
        budget_start=reader.optional_text("budgetStart", _RULES["budgetStart"]),
        replica_alert=reader.integer("replicaAlert", 0, max(app.max_replicas for app in apps)) or None,
    )


def _check_hosting(reader: ConfigReader, settings: Settings) -> None:
    if settings.hosting == "app":
        return
    for key, usual in APP_ONLY.items():
        if reader.given(key) and reader.raw(key) != usual:
            reader.refuse(key, f"must be {usual or 'empty'} where hosting is {settings.hosting}: it would have no effect")
    if settings.hosting == "local" and len(settings.apps) > 1:
        reader.refuse("apps", "must be empty where hosting is local: there is one port")
    if settings.hosting == "sessions":
        for app in settings.apps:
            if len(pool_name(app.name)) < 3:
                reader.refuse("appName", "must have at least 3 letters and digits where hosting is sessions")


def pool_name(app_name: str) -> str:
    """Gives the name of an app's session pool, which may have no hyphens. Source: Azure's published type."""
    return app_name.replace("-", "")


def _check_public(reader: ConfigReader, settings: Settings, warnings: list[str]) -> None:
    access = settings.access
    public = settings.hosting == "app" and access.external and not settings.foundation.internal
    if public and access.api_keys is None and not access.allowed_ips and reader.sound("apiKeys", "allowedIps"):
        if settings.production:
            reader.refuse_hidden(
                "apiKeys",
                "must be set, or allowedIps, where production is true: everybody on the internet could run programs",
            )
        else:
            warnings.append(
                "Everybody on the internet can run programs at this stack's expense: set apiKeys (with --secret) or "
                "allowedIps. With production: true this is refused."
            )


def _check_quota(reader: ConfigReader, settings: Settings, warnings: list[str]) -> None:
    quota = reader.integer("coreQuota", 1, 100_000)
    strict = reader.switch("strictQuota")
    need = cores_needed(Demand(app.max_replicas, app.cpu) for app in settings.apps)
    if settings.hosting != "app" or not reader.sound("coreQuota", "maxReplicas", "cpu", "apps") or need.fits(quota):
        return
    if strict:
        reader.refuse(
            "coreQuota",
            f"must be at least {need.swap:g} where strictQuota is true: {need.steady:g} cores at full scale, "
            "twice that while a revision is replaced",
        )
        return
    foundation = settings.foundation
    warnings.append(
        quota_warning(need, quota, foundation.resource_group.name, foundation.environment.name, settings.location)
    )


def read_settings() -> Settings:
    """Reads and checks the configuration of the stack that the running program belongs to.

    Raises:
        SettingsError: With every problem at once.
    """
    project = pulumi.get_project()
    values: dict[str, str] = {}
    for key in KEYS:
        namespace, _, name = key.rpartition(":")
        if (value := pulumi.Config(namespace or project).get(name)) is not None:
            values[key] = value
    # pulumi.Config can only be asked for names one knows. A misspelt one would go unnoticed, and its default deployed.
    for full_key in {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}:
        namespace, _, name = full_key.partition(":")
        if namespace == project:
            values.setdefault(name, "")
    marked = runtime_config.get_config_secret_keys_env()
    secret = frozenset(
        key for key in KEYS if runtime_config.is_config_secret(f"{project}:{key}") or f"{project}:{key}" in marked
    )
    return parse_settings(values, secret_keys=secret)
