"""The rules, each a function that a test can call without the Pulumi command."""

from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_policy import (
    Policy,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

APP = "azure-native:app:ContainerApp"
POOL = "azure-native:app:ContainerAppsSessionPool"
REGISTRY = "azure-native:containerregistry:Registry"
BUDGET = "azure-native:consumption:Budget"
ACCOUNT = "azure-native:storage:StorageAccount"
CONTAINER = "azure-native:storage:BlobContainer"
IMAGE = "docker:index/image:Image"

MAX_REPLICAS = 1000
PROBES = frozenset({"Startup", "Liveness", "Readiness"})
KEYS_VARIABLE = "EXECUTOR_API_KEYS"


def _containers(args: ResourceValidationArgs) -> Iterator[Mapping[str, Any]]:
    template = {APP: "template", POOL: "customContainerTemplate"}.get(args.resource_type)
    if template is not None:
        yield from args.props.get(template, {}).get("containers") or []


def image_by_digest(args: ResourceValidationArgs, report: ReportViolation) -> None:
    """Refuses a tag, `latest` or any other: what it names can change without a deployment."""
    for container in _containers(args):
        if "@sha256:" not in container.get("image", ""):
            report(f"the image {container.get('image')!r} is no digest (repository@sha256:...)", None)


def no_admin_credentials(args: ResourceValidationArgs, report: ReportViolation) -> None:
    """Refuses the registry's admin account, which can do everything and whose password nobody sees expire."""
    if args.resource_type == REGISTRY and args.props.get("adminUserEnabled"):
        report("the registry's admin account is switched on", None)
    if args.resource_type == IMAGE and (args.props.get("registry") or {}).get("password"):
        report("the image is pushed with a password: use `az acr login` (registryCredentials: login)", None)
    if args.resource_type == APP:
        for registry in args.props.get("configuration", {}).get("registries") or []:
            if registry.get("username") or registry.get("passwordSecretRef"):
                report("the image is pulled with a password: use a managed identity", None)
    if args.resource_type == POOL:
        credentials = args.props.get("customContainerTemplate", {}).get("registryCredentials") or {}
        if credentials.get("username") or credentials.get("passwordSecretRef"):
            report("the image is pulled with a password: use a managed identity", None)


def public_ingress_has_a_key(args: ResourceValidationArgs, report: ReportViolation) -> None:
    """Refuses an app that the whole internet can use without a key."""
    if args.resource_type != APP:
        return
    ingress = args.props.get("configuration", {}).get("ingress") or {}
    names = {each.get("name") for container in _containers(args) for each in container.get("env") or []}
    if ingress.get("external") and not ingress.get("ipSecurityRestrictions") and KEYS_VARIABLE not in names:
        report("the app is public and asks for no key: set apiKeys, allowedIps or ingress: internal", None)


def replicas_in_bounds(args: ResourceValidationArgs, report: ReportViolation) -> None:
    """Refuses numbers of replicas that Azure would refuse after minutes."""
    if args.resource_type != APP:
        return
    scale = args.props.get("template", {}).get("scale") or {}
    low, high = scale.get("minReplicas", 0), scale.get("maxReplicas", 10)
    if not 0 <= low <= high <= MAX_REPLICAS:
        report(f"minReplicas {low:g} and maxReplicas {high:g} must be 0 <= min <= max <= {MAX_REPLICAS}", None)


def all_probes(args: ResourceValidationArgs, report: ReportViolation) -> None:
    """Refuses an app without its probes, which Azure does not add everywhere."""
    if args.resource_type != APP:
        return
    for container in _containers(args):
        missing = PROBES - {probe.get("type") for probe in container.get("probes") or []}
        if missing:
            report(f"the container {container.get('name')} has no probe {', '.join(sorted(missing))}", None)


def store_is_closed(args: ResourceValidationArgs, report: ReportViolation) -> None:
    """Refuses a store that somebody reaches without a role, or in clear text."""
    props = args.props
    if args.resource_type == ACCOUNT:
        if props.get("allowBlobPublicAccess") is not False:
            report("the storage account allows public blobs", None)
        if props.get("allowSharedKeyAccess") is not False:
            report("the storage account has keys, which do everything: allow identities only", None)
        if props.get("minimumTlsVersion") not in {"TLS1_2", "TLS1_3"} or props.get("enableHttpsTrafficOnly") is not True:
            report("the storage account takes connections without TLS, or with an old one", None)
    if args.resource_type == CONTAINER and props.get("publicAccess") != "None":
        report("the container is public", None)


def budget_present(args: StackValidationArgs, report: ReportViolation) -> None:
    """Refuses a stack in Azure that nobody watches the cost of."""
    types = {resource.resource_type for resource in args.resources}
    if types & {APP, POOL} and BUDGET not in types:
        report("there is no budget: set alertEmails", None)


RULES: tuple[Policy, ...] = (
    ResourceValidationPolicy(
        name="image-by-digest", description="Containers run an image by its digest.", validate=image_by_digest
    ),
    ResourceValidationPolicy(
        name="no-admin-credentials",
        description="Nothing is pushed or pulled with a password.",
        validate=no_admin_credentials,
    ),
    ResourceValidationPolicy(
        name="public-ingress-has-a-key",
        description="A public app asks for a key or has an allow-list.",
        validate=public_ingress_has_a_key,
    ),
    ResourceValidationPolicy(
        name="replicas-in-bounds", description="0 <= minReplicas <= maxReplicas <= 1000.", validate=replicas_in_bounds
    ),
    ResourceValidationPolicy(
        name="all-probes", description="Startup, liveness and readiness are probed.", validate=all_probes
    ),
    ResourceValidationPolicy(
        name="store-is-closed",
        description="A store has no public blobs, no keys, and TLS only.",
        validate=store_is_closed,
    ),
    StackValidationPolicy(name="budget-present", description="Whatever runs in Azure has a budget.", validate=budget_present),
)
"""Every rule of the pack."""
