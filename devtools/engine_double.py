"""Stands in for Pulumi's engine over gRPC, so that a program runs whole and everything that it sends can be looked at.

pulumi.runtime.set_mocks would be shorter, but hands its mocks no resource options: whether something is protected,
waits for something else or is deleted first cannot be seen there.
"""

# gRPC prescribes the names of a service's methods, and that each takes a request and a context.
# ruff: noqa: N802, ARG002

import asyncio
import contextvars
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import pulumi
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime import rpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, resource_pb2, resource_pb2_grpc
from pulumi.runtime.settings import reset_options

STACK_TYPE = "pulumi:pulumi:Stack"


@dataclass(frozen=True)
class Unknown:
    """A value that a preview cannot know."""


@dataclass(frozen=True)
class Secret:
    """A value that the engine would encrypt."""

    value: Any


@dataclass(frozen=True)
class Declared:
    """A resource as the engine was asked for it. `inputs` holds `Unknown` and `Secret` where the program sent them."""

    type: str
    name: str
    urn: str
    parent: str
    custom: bool
    inputs: Mapping[str, Any]
    protect: bool
    retain_on_delete: bool
    delete_before_replace: bool
    dependencies: frozenset[str]
    property_dependencies: Mapping[str, frozenset[str]]
    ignore_changes: tuple[str, ...]
    timeouts: Mapping[str, str]
    provider_version: str


@dataclass(frozen=True)
class LookedUp:
    """A function of a provider that the program called."""

    token: str
    arguments: Mapping[str, Any]


class NotFoundError(Exception):
    """The cloud has no such thing."""


class RefusedError(Exception):
    """The cloud does not answer this caller."""


class Cloud(Protocol):
    """What the providers would answer."""

    @property
    def reshaped(self) -> Mapping[str, frozenset[str]]:
        """For each type, the inputs that come back in another shape. A preview gives the others back as they are."""
        ...

    def look_up(self, token: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answers a provider function.

        Raises:
            NotFoundError: There is no such thing, which fails the program as it does with a real provider.
            RefusedError: The caller may not look.
        """
        ...

    def create(self, resource: Declared) -> tuple[str, Mapping[str, Any]]:
        """Gives the id of a new resource and all its outputs."""
        ...


class EngineDouble:
    """Runs one program as a preview (`preview=True`: nothing new gets an id) or as an update, and remembers it.

    Attributes:
        resources: What the program declared, without the stack itself.
        lookups: The provider functions that it called.
        outputs: What it exported.
        messages: What it logged, debugging apart.
        warnings: Those of them that are warnings.
    """

    def __init__(self, cloud: Cloud, *, preview: bool) -> None:
        self.resources: list[Declared] = []
        self.lookups: list[LookedUp] = []
        self.outputs: dict[str, Any] = {}
        self.messages: list[str] = []
        self.warnings: list[str] = []
        self.preview = preview
        self._cloud = cloud

    def run(
        self,
        program: Callable[[], object],
        *,
        project: str,
        stack: str,
        config: Mapping[str, str],
        secret_keys: Collection[str] = (),
    ) -> None:
        """Runs `program` to its end, and raises whatever it raised."""
        with self.serving() as address:
            # The SDK keeps its state in context variables: a context of its own keeps runs apart.
            contextvars.copy_context().run(
                run_program, program, Target(address, project, stack, preview=self.preview), config, secret_keys
            )

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Gives the address of the engine, for a program in this process or in another."""
        server = grpc.server(ThreadPoolExecutor(max_workers=8))
        monitor = _Monitor(self, self._cloud)
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
        engine_pb2_grpc.add_EngineServicer_to_server(_Engine(self), server)
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        try:
            yield address
        finally:
            server.stop(grace=5).wait()

    def only(self, resource_type: str) -> Declared:
        """Gives the one resource of this type."""
        (resource,) = (resource for resource in self.resources if resource.type == resource_type)
        return resource

    def all_of(self, resource_type: str) -> list[Declared]:
        """Gives the resources of this type in the order of their names: they are declared at the same time."""
        found = [resource for resource in self.resources if resource.type == resource_type]
        return sorted(found, key=lambda resource: resource.name)

    def types(self) -> list[str]:
        """Gives the types of everything that a provider would create, in alphabetical order."""
        return sorted(resource.type for resource in self.resources if resource.custom)


@dataclass(frozen=True)
class Target:
    """The engine that a program runs against, and what it is told of itself."""

    address: str
    project: str
    stack: str
    preview: bool


def run_program(
    program: Callable[[], object], target: Target, config: Mapping[str, str], secret_keys: Collection[str]
) -> None:
    """Runs `program` as the Pulumi command's language host does."""
    reset_options(
        project=target.project,
        stack=target.stack,
        organization="organization",
        root_directory=".",
        parallel=8,
        monitor_address=target.address,
        engine_address=target.address,
        preview=target.preview,
    )
    pulumi.runtime.set_all_config(dict(config), list(secret_keys))

    def run() -> None:
        program()

    loop = asyncio.new_event_loop()
    # A program that fails leaves futures behind that nobody looks at, which asyncio would report at length.
    loop.set_exception_handler(lambda _loop, _context: None)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(run))
    finally:
        loop.close()


class _Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    def __init__(self, engine: EngineDouble, cloud: Cloud) -> None:
        self._engine = engine
        self._cloud = cloud
        self._urn_prefix = ""
        self._pending: set[str] = set()

    def GetDeploymentInfo(self, request: object, context: object) -> resource_pb2.DeploymentInfo:
        return resource_pb2.DeploymentInfo(
            supportedFeatures=[
                resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
                resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
                resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
                resource_pb2.RESOURCE_MONITOR_FEATURE_INVOKE_DEPENDS_ON,
            ]
        )

    def Invoke(
        self, request: resource_pb2.ResourceInvokeRequest, context: grpc.ServicerContext
    ) -> resource_pb2.ResourceInvokeResponse:
        if self._pending.intersection(request.dependsOn):
            return resource_pb2.ResourceInvokeResponse(unknown=True)
        arguments = decode(request.args)
        self._engine.lookups.append(LookedUp(request.tok, arguments))
        try:
            found = self._cloud.look_up(request.tok, arguments)
        except (NotFoundError, RefusedError) as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        response = resource_pb2.ResourceInvokeResponse()
        getattr(response, "return").update(found)  # a field that Python has a keyword for
        return response

    def RegisterResource(
        self, request: resource_pb2.RegisterResourceRequest, context: object
    ) -> resource_pb2.RegisterResourceResponse:
        if request.type == STACK_TYPE:
            project, _, stack = request.name.rpartition("-")
            self._urn_prefix = f"urn:pulumi:{stack}::{project}"
        parent_type = request.parent.split("::")[2] if request.parent else ""
        family = "" if parent_type in {"", STACK_TYPE} else f"{parent_type}$"
        resource = Declared(
            type=request.type,
            name=request.name,
            urn=f"{self._urn_prefix}::{family}{request.type}::{request.name}",
            parent=request.parent,
            custom=request.custom,
            inputs=decode(request.object),
            protect=request.protect,
            retain_on_delete=request.retainOnDelete,
            delete_before_replace=request.deleteBeforeReplace,
            dependencies=frozenset(request.dependencies),
            property_dependencies={k: frozenset(v.urns) for k, v in request.propertyDependencies.items()},
            ignore_changes=tuple(request.ignoreChanges),
            timeouts={field.name: value for field, value in request.customTimeouts.ListFields()},
            provider_version=request.version,
        )
        response = resource_pb2.RegisterResourceResponse(urn=resource.urn, object=request.object)
        if resource.type != STACK_TYPE:
            self._engine.resources.append(resource)
        if resource.custom and self._engine.preview:
            self._pending.add(resource.urn)
            for name in self._cloud.reshaped.get(resource.type, frozenset()) & set(resource.inputs):
                del response.object[name]
        elif resource.custom:
            response.id, outputs = self._cloud.create(resource)
            response.object.Clear()
            response.object.update(outputs)
        return response

    def RegisterResourceOutputs(
        self, request: resource_pb2.RegisterResourceOutputsRequest, context: object
    ) -> empty_pb2.Empty:
        if request.urn.split("::")[2] == STACK_TYPE:
            self._engine.outputs = decode(request.outputs)
        return empty_pb2.Empty()

    def SignalAndWaitForShutdown(self, request: object, context: object) -> empty_pb2.Empty:
        return empty_pb2.Empty()


class _Engine(engine_pb2_grpc.EngineServicer):
    def __init__(self, engine: EngineDouble) -> None:
        self._engine = engine
        self._root = ""

    def Log(self, request: engine_pb2.LogRequest, context: object) -> empty_pb2.Empty:
        if request.severity != engine_pb2.DEBUG:
            self._engine.messages.append(request.message)
        if request.severity == engine_pb2.WARNING:
            self._engine.warnings.append(request.message)
        return empty_pb2.Empty()

    def SetRootResource(
        self, request: engine_pb2.SetRootResourceRequest, context: object
    ) -> engine_pb2.SetRootResourceResponse:
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()

    def GetRootResource(self, request: object, context: object) -> engine_pb2.GetRootResourceResponse:
        return engine_pb2.GetRootResourceResponse(urn=self._root)


def decode(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Turns a message into plain Python, with `Unknown` and `Secret` for Pulumi's marks and int for whole numbers."""
    return {key: _decoded(value) for key, value in json_format.MessageToDict(struct).items()}


def _decoded(value: object) -> object:
    if isinstance(value, dict):
        if value.get(rpc._special_sig_key) == rpc._special_secret_sig:  # noqa: SLF001 the SDK gives the mark no public name
            return Secret(_decoded(value["value"]))
        return {key: _decoded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_decoded(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return Unknown() if value == rpc.UNKNOWN else value
