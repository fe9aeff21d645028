"""Puts the components of a stack together, as its hosting wants them.

Each hosting imports what it needs when it is asked for: the parts of azure-native alone take most of a program's time.
"""

from pathlib import Path

import pulumi

from infra.deployed import DeployedApp
from infra.live_apps import NamedApp, look_up, named_apps, running_cost
from infra.pricing import Size
from infra.settings import Settings


def deploy(settings: Settings) -> tuple[DeployedApp, ...]:
    """Declares everything that `settings` ask for."""
    tags = {"project": pulumi.get_project(), "stack": pulumi.get_stack(), **settings.tags}
    if settings.hosting == "local":
        from infra.local_deployment import deploy_locally  # noqa: PLC0415

        return (deploy_locally(settings, tags),)
    if settings.hosting == "scale":
        deployed: tuple[DeployedApp, ...] = (_scale(settings),)
    else:
        from infra.azure_deployment import deploy_to_azure  # noqa: PLC0415

        deployed = deploy_to_azure(settings, tags)
    _say_what_keeps_costing(settings)
    return deployed


def _scale(settings: Settings) -> DeployedApp:
    """Scales the app that another stack of this project owns.

    Raises:
        pulumi.RunError: There is no such app, it is not this project's, or the caller may not change it.
    """
    from infra.app_scale import AppScale, refusal  # noqa: PLC0415

    (wanted,) = settings.apps
    group = settings.foundation.resource_group_name
    live = look_up(group, wanted.name)
    owner = next((app.stack for app in _others() if app.name == wanted.name), "NAME")
    if live is None:
        raise pulumi.RunError(
            f"There is no app {wanted.name} in {group} to scale: `pulumi up --stack {owner}` makes it. "
            "Where this stack is to have an app of its own, set hosting to app."
        )
    if live.tags.get("project") != pulumi.get_project():
        raise pulumi.RunError(
            f"The app {wanted.name} in {group} is not one that this project deployed (its tag project is "
            f"{live.tags.get('project') or 'not set'}), so nothing was changed: `pulumi up --stack {owner}` first, after "
            "`python -m infra.adopt` where somebody else made the app (docs/migrating.md)."
        )
    there = (live.size.min_replicas, live.size.max_replicas)
    # The provider would find out as well, but Pulumi shows what a provider refuses in the middle of a traceback.
    if there != (wanted.min_replicas, wanted.max_replicas) and (refused := refusal(live.id)):
        raise pulumi.RunError(f"Nothing was changed: {refused}.")
    scale = AppScale("executor-scale", live.id, (wanted.min_replicas, wanted.max_replicas))
    return DeployedApp(
        wanted.key,
        wanted.name,
        url=pulumi.Output.from_input(f"https://{live.host}"),
        image=pulumi.Output.from_input(live.image),
        min_replicas=scale.min_replicas,
        max_replicas=scale.max_replicas,
        host=pulumi.Output.from_input(live.host),
        revision=scale.revision,
        size=Size(wanted.min_replicas, wanted.max_replicas, live.size.cpu, live.size.memory_gib),
    )


def _others() -> list[NamedApp]:
    """Gives the apps that the files of other stacks name."""
    named = named_apps(Path.cwd(), pulumi.get_project())
    return [app for app in named if app.stack != pulumi.get_stack()]


def _say_what_keeps_costing(settings: Settings) -> None:
    own = {app.name: app for app in settings.apps}
    for app in settings.apps if settings.hosting == "app" else ():
        if said := running_cost(app.name, app.priced):
            pulumi.log.info(said)
    for other in _others():
        if other.name in own:
            continue
        try:
            live = look_up(other.group or settings.foundation.resource_group_name, other.name)
        except pulumi.RunError as error:
            # Whoever may deploy this stack need not see every other one's app.
            pulumi.log.info(f"Whether the stack {other.stack} keeps replicas is not known: {error}")
            continue
        if live is not None and (said := running_cost(live.name, live.size)):
            pulumi.log.info(f"Stack {other.stack}: {said}")
