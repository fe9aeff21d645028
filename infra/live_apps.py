"""What runs in Azure already: the apps that this project's stacks name, as Azure has them."""

import importlib.metadata
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.runtime import invoke

from infra.pricing import Size, estimate, load_rates

AZURE_DEFAULT_MAX_REPLICAS = 10
"""Where an app says nothing of its scale. Source: Microsoft's page on scaling in Azure Container Apps."""


ATTEMPT_VARIABLE = "REVISION_ATTEMPT"
"""Counts the revisions that were made only because the one before had failed."""


@dataclass(frozen=True)
class LiveApp:
    """An app as Azure has it.

    Attributes:
        id: Resource id.
        name: Name.
        tags: Tags, of which `project` and `stack` tell the owner.
        host: Host name that it is called by: a domain of its own with a certificate, or Azure's.
        image: Image of its first container.
        revision: Its latest revision.
        size: Replicas, and what each has.
        domains: Its own host names, each as Azure writes it.
        failed: Whether its last change failed.
        attempt: What the variable `ATTEMPT_VARIABLE` of its container says, or 0.
    """

    id: str
    name: str
    tags: Mapping[str, str]
    host: str
    image: str
    revision: str
    size: Size
    domains: tuple[Mapping[str, Any], ...]
    failed: bool
    attempt: int


def look_up(group: str, name: str) -> LiveApp | None:
    """Gives an app, or None where Azure has none of that name in that resource group."""
    options = pulumi.InvokeOptions(version=importlib.metadata.version("pulumi-azure-native"))
    try:
        found = invoke(
            "azure-native:app:getContainerApp", {"resourceGroupName": group, "containerAppName": name}, options
        ).value
    except Exception as error:  # the SDK raises nothing more exact for what a provider answers
        if re.search(r"Status=404|NotFound", str(error)):
            return None
        raise pulumi.RunError(f"{name} cannot be looked up in Azure: {error}") from error
    return live_app(found)


def live_app(found: Mapping[str, Any]) -> LiveApp:
    """Reads what azure-native's function answers, whose names are those of Azure without the level `properties`."""
    template = found.get("template") or {}
    scale = template.get("scale") or {}
    (container, *_) = template.get("containers") or [{}]
    resources = container.get("resources") or {}
    most = scale.get("maxReplicas")
    return LiveApp(
        id=found["id"],
        name=found["name"],
        tags=found.get("tags") or {},
        host=_host((found.get("configuration") or {}).get("ingress") or {}),
        image=container.get("image", ""),
        revision=found.get("latestRevisionName") or "",
        size=Size(
            min_replicas=int(scale.get("minReplicas") or 0),
            max_replicas=int(AZURE_DEFAULT_MAX_REPLICAS if most is None else most),
            cpu=float(resources.get("cpu") or 0),
            memory_gib=float(str(resources.get("memory") or "0").removesuffix("Gi")),
        ),
        domains=tuple(((found.get("configuration") or {}).get("ingress") or {}).get("customDomains") or ()),
        failed=found.get("provisioningState") == "Failed",
        attempt=_attempt(container),
    )


def _attempt(container: Mapping[str, Any]) -> int:
    values = (each.get("value") or "" for each in container.get("env") or [] if each.get("name") == ATTEMPT_VARIABLE)
    return next((int(value) for value in values if value.isdecimal()), 0)


def _host(ingress: Mapping[str, Any]) -> str:
    for domain in ingress.get("customDomains") or []:
        if domain.get("certificateId"):
            return str(domain["name"])
    return str(ingress.get("fqdn") or "")


ADOPTING_VARIABLE = "CODE_EXECUTOR_ADOPTING"
"""Set by `infra.adopt`, which previews the stack as it will be once the app is in its state."""


def own_apps(group: str, resources: Mapping[str, str]) -> dict[str, LiveApp]:
    """Gives those of the stack's apps that exist, and stops before anything is declared where one is not in its state.

    azure-native would refuse to create it as well, but after everything else was made.

    Args:
        group: The resource group.
        resources: Each app's name in Azure, with its name in the stack.

    Raises:
        pulumi.RunError: There is such an app.
    """
    live = {name: app for name in resources if (app := look_up(group, name))}
    if os.environ.get(ADOPTING_VARIABLE):
        return live
    held = _resources_in_state() if live else frozenset()
    for name, app in live.items():
        if resources[name] in held:
            continue
        stack = app.tags.get("stack") if app.tags.get("project") == pulumi.get_project() else None
        if stack not in {None, pulumi.get_stack()}:
            raise pulumi.RunError(
                f"The app {name} in {group} is the stack {stack}'s, so nothing was touched: two stacks never own one app. "
                "Give this one an appName of its own, or hosting: scale where it is only to change the number of replicas."
            )
        raise pulumi.RunError(
            f"The app {name} exists in {group}, and is not in this stack's state, so nothing was touched. To take it over as "
            f"it is: `python -m infra.adopt --stack {pulumi.get_stack()}` (docs/migrating.md)."
        )
    return live


def _resources_in_state() -> frozenset[str]:
    """Gives the names of the apps in the stack's own state, which the engine itself reads."""
    stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    found = invoke("pulumi:pulumi:readStackResourceOutputs", {"stackName": stack}).value["outputs"]
    parts = (urn.split("::") for urn in found)
    return frozenset(name for *_, kind, name in parts if kind.endswith("azure-native:app:ContainerApp"))


@dataclass(frozen=True)
class NamedApp:
    """An app that a stack file names: the stack, the resource group, or None for the project's, and the app."""

    stack: str
    group: str | None
    name: str


def named_apps(folder: Path, project: str) -> Iterable[NamedApp]:
    """Gives the apps that the stack files in `folder` name as their own, in the order of the stacks."""
    for file in sorted(folder.glob("Pulumi.*.yaml")):
        config = (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("config") or {}
        own = {key.partition(":")[2]: value for key, value in config.items() if key.startswith(f"{project}:")}
        if own.get("hosting", "app") != "app" or not isinstance(own.get("appName"), str):
            continue
        several = own.get("apps") or [{"appName": own["appName"]}]
        for app in several:
            name = app.get("appName") or f"{own['appName']}-{app.get('imageTarget')}"
            yield NamedApp(file.name.split(".")[1], own.get("resourceGroupName"), name)


def running_cost(name: str, size: Size) -> str | None:
    """Says what an app keeps running and what that costs, or None where it keeps nothing."""
    if not size.min_replicas:
        return None
    cost = estimate([size], load_rates())
    replicas = "1 replica" if size.min_replicas == 1 else f"{size.min_replicas} replicas"
    return (
        f"{name} keeps {replicas}, about {cost.idle_day:.2f} to {cost.busy_day:.2f} {cost.currency} a day, "
        "until its minReplicas is 0."
    )
