"""The scale of an app that another stack owns: how many replicas it has at least and at most, and nothing else."""

import sys
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import dynamic

from infra.resource_manager import AzureError, ResourceManager

API_VERSION = "2025-01-01"
"""Of Microsoft.App; a stable one."""

PERMISSIONS_VERSION = "2022-04-01"
"""Of Microsoft.Authorization."""

WRITE = "Microsoft.App/containerApps/write"


class ScaleError(Exception):
    """The scale could not be set; the message says why and what to do."""

    def __init__(self, message: str) -> None:
        """Keeps the message, and the Python frames out of what Pulumi shows beside it."""
        # The SDK's provider answers with traceback.format_exc(), which keeps to this.
        sys.tracebacklimit = 0
        super().__init__(message)


class AppScaleProvider(dynamic.ResourceProvider):
    """Sets `template.scale` of a live app through Azure Resource Manager.

    It runs in a process of the Pulumi command's, which finds this class by the name that stands in the states: module and
    class keep their names.
    """

    serialize_as_secret_always = False

    def diff(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        """Compares what is wanted with what Azure has at this moment, whoever changed it last."""
        replaces = ["appId"] if news["appId"] != _id else []
        live = _numbers(_get(ResourceManager(), _id))
        return dynamic.DiffResult(changes=bool(replaces) or live != _numbers_wanted(news), replaces=replaces)

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Sets the scale of the app that is there."""
        return dynamic.CreateResult(props["appId"], _set(props))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        """Does the same again."""
        return dynamic.UpdateResult(_set(news))

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Gives what Azure has."""
        try:
            outs = _outputs(_get(ResourceManager(), id_))
        except AzureError as error:
            if error.status == 404:
                return dynamic.ReadResult("", {})
            raise ScaleError(str(error)) from None
        inputs = {"appId": id_, "minReplicas": outs["minReplicas"], "maxReplicas": outs["maxReplicas"]}
        return dynamic.ReadResult(id_, {**props, **outs}, inputs)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Leaves the app as it is: it is not this stack's."""


class AppScale(dynamic.Resource, module="code-executor", name="AppScale"):
    """The replicas of a live app.

    Attributes:
        min_replicas: Replicas at least, as Azure answers.
        max_replicas: Replicas at most, likewise.
        revision: The revision that has them.
    """

    min_replicas: pulumi.Output[int]
    max_replicas: pulumi.Output[int]
    revision: pulumi.Output[str]

    def __init__(self, name: str, app_id: str, replicas: tuple[int, int], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declares it, with `replicas` at least and at most."""
        low, high = replicas
        props = {"appId": app_id, "minReplicas": low, "maxReplicas": high, "revision": None}
        super().__init__(AppScaleProvider(), name, props, opts)
        self.min_replicas, self.max_replicas = vars(self)["minReplicas"], vars(self)["maxReplicas"]


def refusal(app_id: str) -> str | None:
    """Says why the caller may not change an app, or gives None.

    Source: "Permissions - List For Resource" of Azure's REST reference.
    """
    try:
        path = f"{app_id}/providers/Microsoft.Authorization/permissions"
        listed = list(ResourceManager().pages(path, PERMISSIONS_VERSION))
    except AzureError as error:
        return f"what you may do with {app_id} cannot be looked up: {error}"
    for each in listed:
        allowed = any(_covers(action, WRITE) for action in each.get("actions") or [])
        if allowed and not any(_covers(action, WRITE) for action in each.get("notActions") or []):
            return None
    return f"you may not change {app_id}: ask for {WRITE}, which the role Contributor has"


def _set(props: Mapping[str, Any]) -> dict[str, Any]:
    manager = ResourceManager()
    wanted = _numbers_wanted(props)
    path = props["appId"]
    try:
        manager.patch(path, API_VERSION, {"properties": {"template": {"scale": wanted}}})
        app = _get(manager, path)
    except AzureError as error:
        raise ScaleError(f"the scale of {path} was not set: {error}") from None
    if _numbers(app) != wanted:
        raise ScaleError(f"Azure took the change of {path} and answers {_numbers(app)} where {wanted} was set")
    return {"appId": path, **_outputs(app)}


def _get(manager: ResourceManager, path: str) -> dict[str, Any]:
    app = manager.get(path, API_VERSION)
    assert isinstance(app, dict)  # noqa: S101 - one resource is one object
    return app


def _covers(pattern: str, action: str) -> bool:
    pattern, action = pattern.lower(), action.lower()
    before, star, after = pattern.partition("*")
    return action == pattern if not star else action.startswith(before) and action.endswith(after)


def _numbers(app: Mapping[str, Any]) -> dict[str, int]:
    scale = app["properties"]["template"].get("scale") or {}
    return {"minReplicas": int(scale.get("minReplicas") or 0), "maxReplicas": int(scale.get("maxReplicas") or 10)}


def _numbers_wanted(props: Mapping[str, Any]) -> dict[str, int]:
    return {"minReplicas": int(props["minReplicas"]), "maxReplicas": int(props["maxReplicas"])}


def _outputs(app: Mapping[str, Any]) -> dict[str, Any]:
    return {**_numbers(app), "revision": app["properties"].get("latestRevisionName") or ""}
