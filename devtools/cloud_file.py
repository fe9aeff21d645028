"""A cloud in a file: what a stand-in for Azure holds, which calls it got, and what is to go wrong."""

import copy
import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Fault:
    """What goes wrong, once.

    Attributes:
        call: The method, such as `Create`.
        type: The resource type.
        kind: `refuse` answers with an error; `hang` waits until the engine cancels; `die` makes the resource and ends the
            process before the answer, as a lost connection does; `linger` makes it and does not answer until the engine
            cancels; `partial` makes it, and says that it failed all the same, as Azure does where a revision does not
            start. A `Patch` knows `fail`, accepted and failed, and `ignore`, accepted and not done.
        message: What Azure says.
    """

    call: str
    type: str
    kind: str
    message: str = "ResourceGroupQuotaExceeded: a fault of the test's"


EMPTY: Mapping[str, Any] = {
    "resources": {},
    "secrets": {},
    "faults": [],
    "calls": [],
    "permissions": [{"actions": ["*"]}],
}
"""A cloud at the beginning."""


class CloudFile:
    """What the cloud holds, from one run of the command to the next, for all processes and threads that use it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def changed(self) -> Iterator[dict[str, Any]]:
        """Gives the content, and writes it back."""
        with self._path.open("a+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            text = file.read()
            content: dict[str, Any] = json.loads(text) if text else copy.deepcopy(dict(EMPTY))
            yield content
            file.truncate(0)
            file.write(json.dumps(content, indent=1))

    def resources(self) -> dict[str, Any]:
        """Gives what exists, by its id."""
        with self.changed() as content:
            return dict(content["resources"])

    def calls(self) -> list[str]:
        """Gives the changes that were asked for, as `Create azure-native:app:ContainerApp`."""
        with self.changed() as content:
            return list(content["calls"])

    def remove(self, resource_id: str) -> None:
        """Takes something away behind Pulumi's back."""
        with self.changed() as content:
            del content["resources"][resource_id]

    def put(self, resource_id: str, resource_type: str, outputs: Mapping[str, Any]) -> None:
        """Makes something behind Pulumi's back, as a person with the Azure CLI does."""
        with self.changed() as content:
            content["resources"][resource_id] = {"type": resource_type, "outputs": dict(outputs)}

    def scale(self, resource_id: str, low: int, high: int) -> None:
        """Changes an app behind Pulumi's back, as `az containerapp update --min-replicas --max-replicas` does."""
        with self.changed() as content:
            resource = content["resources"][resource_id]
            outputs = resource["outputs"]
            scale = {**outputs["template"].get("scale", {}), "minReplicas": low, "maxReplicas": high}
            template = {**outputs["template"], "scale": scale}
            resource["outputs"] = changed_app(outputs, {**outputs, "template": template})

    def secrets(self) -> dict[str, str]:
        """Gives the secrets that apps were given, by name: Azure keeps them, and never gives them back."""
        with self.changed() as content:
            return dict(content["secrets"])

    def permissions(self) -> list[Any]:
        """Gives what the caller may do, as Azure lists it."""
        with self.changed() as content:
            return list(content["permissions"])

    def permit(self, *actions: str) -> None:
        """Leaves the caller these actions and no other."""
        with self.changed() as content:
            content["permissions"] = [{"actions": list(actions), "notActions": []}]

    def add_fault(self, fault: Fault) -> None:
        """Lets something go wrong once."""
        with self.changed() as content:
            content["faults"].append(vars(fault))

    def take_fault(self, call: str, resource_type: str) -> Fault | None:
        """Gives the fault that is due, and forgets it."""
        with self.changed() as content:
            content["calls"].append(f"{call} {resource_type}")
            for fault in content["faults"]:
                if (fault["call"], fault["type"]) == (call, resource_type):
                    content["faults"].remove(fault)
                    return Fault(**fault)
        return None


def changed_app(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Gives an app after a change: another template is another revision."""
    name, _, number = old["latestRevisionName"].rpartition("--")
    changed = old["template"] != new["template"]
    return {**new, "latestRevisionName": f"{name}--{int(number) + 1:07}" if changed else old["latestRevisionName"]}
