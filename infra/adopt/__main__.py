"""`python -m infra.adopt`: takes over a live app, so that `pulumi up` changes it in place instead of failing on it."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from infra.adopt.comparison import UNKNOWN, compare, flattened, table
from infra.app_scale import API_VERSION
from infra.live_apps import ADOPTING_VARIABLE
from infra.resource_manager import AzureError, ResourceManager

APP = "azure-native:app:ContainerApp"
HARMLESS = frozenset({"same", "create", "update", "read", "refresh"})
"""What a preview may want to do with a resource, without taking anything away."""


IMPORT_OPTIONS = ("--generate-code=false", "--protect=false", "--yes")
"""The program is there already, and says itself what is protected."""


class AdoptionError(Exception):
    """The app was not taken over; the message says why and what to do."""


@dataclass(frozen=True)
class PlannedApp:
    """An app that the stack would make.

    Attributes:
        name: Its name in the stack.
        component: The type and the name of the component that it belongs to.
        inputs: What the program declares.
    """

    name: str
    component: tuple[str, str]
    inputs: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Its resource id: in the subscription of its environment.

        Raises:
            AdoptionError: This stack makes the environment, so no app can be in it yet.
        """
        environment = str(self.inputs.get("environmentId", ""))
        if not environment.startswith("/subscriptions/"):
            raise AdoptionError("the environment does not exist yet, so the app cannot be in it: set environment to existing")
        subscription = environment.split("/")[2]
        group, app = self.inputs["resourceGroupName"], self.inputs["containerAppName"]
        return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.App/containerApps/{app}"


def main(arguments: Sequence[str]) -> int:
    """Returns 0, or 1 where nothing was taken over."""
    parser = argparse.ArgumentParser(prog="python -m infra.adopt", description=__doc__)
    parser.add_argument("--stack", default="contest", help="the stack that is to own the app (contest)")
    parser.add_argument("--file", type=Path, help="where the file for `pulumi import` is written (adopt-STACK.json)")
    parser.add_argument("--yes", action="store_true", help="also import it, and check that nothing would be replaced")
    options = parser.parse_args(arguments)
    file = options.file or Path(f"adopt-{options.stack}.json")
    try:
        apps = [app for app in _planned(_preview(options.stack)) if _show(app, options.stack)]
        if not apps:
            print(f"Nothing to adopt: `pulumi up --stack {options.stack}`.")
            return 0
        file.write_text(json.dumps(import_file(apps), indent=2) + "\n", encoding="utf-8")
        command = [
            "import",
            "--stack",
            options.stack,
            "--file",
            str(file),
            "--generate-code=false",
            "--protect=false",
            "--yes",
        ]
        if not options.yes:
            print(f"\nNothing was changed yet. Next, or all of it with --yes:\n    pulumi {' '.join(command)}")
        else:
            _pulumi(*command)
            _check(_preview(options.stack), options.stack)
            print("\nThe state holds the app now, and nothing was changed in Azure. Next:")
        print(f"    pulumi up --stack {options.stack}")
        for app in apps:
            print(f"    terraform state rm ADDRESS    # where Terraform made {app.inputs['containerAppName']}; not destroy")
    except (AdoptionError, AzureError) as error:
        print(f"adopt: {error}", file=sys.stderr)
        return 1
    return 0


def import_file(apps: Sequence[PlannedApp]) -> dict[str, Any]:
    """Gives the content of the file: each app, below its component, as the program declares it.

    Source: Pulumi's page on bulk import operations.
    """
    return {
        "nameTable": {},
        "resources": [
            *({"type": kind, "name": name, "component": True} for kind, name in (app.component for app in apps)),
            *(
                {
                    "type": APP,
                    "name": app.name,
                    "id": app.id,
                    "parent": app.component[1],
                    "version": version("pulumi-azure-native"),
                }
                for app in apps
            ),
        ],
    }


def _planned(steps: Sequence[Mapping[str, Any]]) -> list[PlannedApp]:
    apps: list[PlannedApp] = []
    for step in steps:
        state = step.get("newState") or {}
        if state.get("type") == APP and step["op"] == "create":
            *_, parents, name = state["parent"].split("::")
            apps.append(PlannedApp(step["urn"].rpartition("::")[2], (parents.rpartition("$")[2], name), state["inputs"]))
    return apps


def _show(app: PlannedApp, stack: str) -> bool:
    """Prints what there is and what becomes of it, or that there is nothing to take over.

    Raises:
        AdoptionError: It cannot be taken over.
    """
    name = app.inputs["containerAppName"]
    try:
        live = flattened(ResourceManager().get(app.id, API_VERSION))
    except AzureError as error:
        if error.status != 404:
            raise
        print(f"There is no app {name} in {app.inputs['resourceGroupName']}.")
        return False
    tags = live.get("tags") or {}
    if tags.get("project") == (app.inputs.get("tags") or {}).get("project") and tags.get("stack") not in {None, stack}:
        raise AdoptionError(f"{name} is the stack {tags['stack']}'s: two stacks never own one app")
    rows = compare(live, app.inputs)
    print(f"{name}, {app.id}\n")
    for line in table(rows):
        print(f"  {line}")
    fixed = [row for row in rows if row.fixed and row.differs and row.planned != UNKNOWN.lower()]
    if fixed:
        said = " and ".join(f"{row.what} {row.planned} (the app is in {row.live})" for row in fixed)
        raise AdoptionError(f"Azure cannot move an app, and this stack wants {said}: correct the setting")
    passwords = [each for each in (live.get("configuration") or {}).get("registries") or [] if each.get("passwordSecretRef")]
    for each in passwords:
        print(
            f"\n  The app pulls with a password, in its secret {each['passwordSecretRef']}. `pulumi up` lets it pull with an"
            "\n  identity, and takes the secret away. Where nothing else uses the registry's admin account, switch that off:"
            f"\n  az acr update --name {str(each['server']).partition('.')[0]} --admin-enabled false"
        )
    return True


def _check(steps: Sequence[Mapping[str, Any]], stack: str) -> None:
    harmful = [f"{step['op']} {step['urn']}" for step in steps if step["op"] not in HARMLESS]
    apps = [step["urn"] for step in steps if (step.get("newState") or {}).get("type") == APP and step["op"] == "create"]
    if harmful or apps:
        told = "; ".join([*harmful, *(f"create {urn}" for urn in apps)])
        raise AdoptionError(
            f"the import is done, but `pulumi up` would not keep everything: {told}. Do not deploy; "
            f"`pulumi state delete URN --stack {stack}` takes the import back, and changes nothing in Azure"
        )


def _preview(stack: str) -> list[Mapping[str, Any]]:
    content = json.loads(_pulumi("preview", "--stack", stack, "--json"))
    return list(content.get("steps") or [])


def _pulumi(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["pulumi", "--non-interactive", *arguments],  # noqa: S607 - as whoever types it does
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, ADOPTING_VARIABLE: "1"},
        )
    except FileNotFoundError:
        raise AdoptionError("the command pulumi is not on PATH") from None
    if done.returncode != 0:
        raise AdoptionError(
            f"pulumi {' '.join(arguments)} failed:\n{_diagnostics(done.stdout) or done.stderr or done.stdout}"
        )
    return done.stdout


def _diagnostics(printed: str) -> str:
    try:
        found = json.loads(printed).get("diagnostics") or []
    except ValueError:
        return ""
    return "\n".join(each["message"].strip() for each in found if each.get("severity") == "error")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
