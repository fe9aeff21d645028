"""Runs the whole Pulumi program for a stack file, against the doubles of the engine and of Azure."""

import runpy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devtools import azure_double, stack_files
from devtools.azure_double import REGISTRY_SERVER, AzureDouble
from devtools.engine_double import Declared, EngineDouble

APP = azure_double.APP
POOL = "azure-native:app:ContainerAppsSessionPool"
ENVIRONMENT = "azure-native:app:ManagedEnvironment"
GROUP = "azure-native:resources:ResourceGroup"
REGISTRY = "azure-native:containerregistry:Registry"
WORKSPACE = "azure-native:operationalinsights:Workspace"
IDENTITY = "azure-native:managedidentity:UserAssignedIdentity"
ROLE = "azure-native:authorization:RoleAssignment"
LOCK = "azure-native:authorization:ManagementLockByScope"
BUDGET = "azure-native:consumption:Budget"
ALERT = "azure-native:monitor:MetricAlert"
PEOPLE = "azure-native:monitor:ActionGroup"
LOG_ALERT = "azure-native:monitor:ScheduledQueryRule"
METRICS_COPY = "azure-native:monitor:DiagnosticSetting"
INSIGHTS = "azure-native:applicationinsights:Component"
WORKBOOK = "azure-native:applicationinsights:Workbook"
ACCOUNT = "azure-native:storage:StorageAccount"
BLOBS = "azure-native:storage:BlobContainer"
LIFETIMES = "azure-native:storage:ManagementPolicy"
SCALE = azure_double.SCALE
IMAGE = "docker:index/image:Image"
CONTAINER = "docker:index/container:Container"

STACKS = {
    "dev": ("ai-ta-ra-code-executor2-dev", 2, 200),
    "contest": ("ai-ta-ra-code-executor2", 10, 1000),
}
"""The stacks that own an app in Azure: the app, and its replicas."""

SCALING = {"idle": ("ai-ta-ra-code-executor2", 0, 1000)}
"""The stacks that scale an app which another one owns, likewise."""

PREBUILT = f"{REGISTRY_SERVER}/executor-image@sha256:" + "ab" * 32

API_KEYS = "backend:" + "0123456789abcdef" * 4


@dataclass(frozen=True)
class Run:
    """One run of the program."""

    stack: str
    preview: bool
    engine: EngineDouble

    @property
    def app(self) -> Declared:
        """The Container App that the run declared."""
        return self.engine.only(APP)


def deploy(stack: str, engine: EngineDouble, **changes: str | None) -> EngineDouble:
    """Runs the program as the Pulumi command would, with `changes` to the stack's settings and the API keys encrypted."""
    return _deploy(stack, engine, changes, secret_keys=["code-executor:apiKeys"])


def deploy_unencrypted(stack: str, engine: EngineDouble, **changes: str | None) -> EngineDouble:
    """Does the same with every setting in clear text."""
    return _deploy(stack, engine, changes, secret_keys=[])


def _deploy(stack: str, engine: EngineDouble, changes: Mapping[str, str | None], secret_keys: Sequence[str]) -> EngineDouble:
    engine.run(
        lambda: runpy.run_path(str(stack_files.ROOT), run_name="__main__"),
        project=stack_files.project()["name"],
        stack=stack,
        config=stack_files.stack_config(stack, **changes),
        secret_keys=secret_keys,
    )
    return engine


def preview() -> EngineDouble:
    """An engine that only previews."""
    return EngineDouble(AzureDouble(), preview=True)


def update() -> EngineDouble:
    """An engine that deploys."""
    return EngineDouble(AzureDouble(), preview=False)
