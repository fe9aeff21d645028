"""A provider that stands in for azure-native and docker, and speaks Pulumi's ResourceProvider protocol.

It checks bodies against Azure's published types, keeps what it made in a file, and fails where a test wants it to.
`python -m tests.engine.stand_in NAME ENGINE_ADDRESS` prints the port that it listens on, as the engine expects of a
plugin. There is one process for each of the two, and both work on the same cloud.
"""

# gRPC prescribes the names of a service's methods, and that each takes a request and a context.
# ruff: noqa: N802, ARG002

import contextlib
import json
import os
import stat
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from devtools import stack_files
from devtools.azure_double import AzureDouble, create_in_azure, create_in_docker, look_up_in_azure, plain
from devtools.cloud_file import CloudFile, Fault, changed_app
from devtools.engine_double import NotFoundError, decode
from tests.infra import arm_types
from tests.infra.program import APP

CLOUD_VARIABLE = "STAND_IN_CLOUD"
"""Names the file that holds the cloud: what was made, and the faults to come."""

VERSIONS: Mapping[str, str] = {"azure-native": "3.29.0", "docker": "5.2.0"}
"""The providers that it stands in for, each with the version that `requirements.txt` has its package of."""

IMMUTABLE: Mapping[str, frozenset[str]] = {kind: arm.in_url | {"location"} for kind, arm in arm_types.RESOURCES.items()} | {
    "azure-native:resources:ResourceGroup": frozenset({"resourceGroupName", "location"})
}
"""Inputs that no update changes: another value is another resource."""


READ_ONLY = frozenset({"id", "name", "type", "latestRevisionName", "provisioningState", "systemData"})
"""What of an app only Azure writes."""


class StandIn(provider_pb2_grpc.ResourceProviderServicer):
    """The provider.

    Attributes:
        cancelled: Set once the engine has said that it comes to its end.
    """

    def __init__(self, name: str, cloud: CloudFile) -> None:
        self._name = name
        self._cloud = cloud
        self.cancelled = threading.Event()

    def GetPluginInfo(self, request: object, context: object) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=VERSIONS[self._name])

    def GetSchema(self, request: object, context: object) -> provider_pb2.GetSchemaResponse:
        return provider_pb2.GetSchemaResponse(schema=json.dumps({"name": self._name, "version": VERSIONS[self._name]}))

    def GetMapping(self, request: object, context: object) -> provider_pb2.GetMappingResponse:
        return provider_pb2.GetMappingResponse()

    def CheckConfig(self, request: provider_pb2.CheckRequest, context: object) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: object, context: object) -> provider_pb2.DiffResponse:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: object, context: object) -> provider_pb2.ConfigureResponse:
        return provider_pb2.ConfigureResponse(acceptSecrets=True, acceptResources=True, supportsPreview=True)

    def Cancel(self, request: object, context: object) -> empty_pb2.Empty:
        self.cancelled.set()
        return empty_pb2.Empty()

    def Invoke(self, request: provider_pb2.InvokeRequest, context: object) -> provider_pb2.InvokeResponse:
        response = provider_pb2.InvokeResponse()
        try:
            getattr(response, "return").update(look_up_in_azure(request.tok, decode(request.args), self._apps()))
        except NotFoundError as error:
            response.failures.append(provider_pb2.CheckFailure(reason=str(error)))
        return response

    def _apps(self) -> dict[str, Any]:
        resources = self._cloud.resources().items()
        return {each["outputs"]["name"]: {"id": key, **each["outputs"]} for key, each in resources if each["type"] == APP}

    def Check(self, request: provider_pb2.CheckRequest, context: object) -> provider_pb2.CheckResponse:
        response = provider_pb2.CheckResponse(inputs=request.news)
        kind = _type_of(request.urn)
        if arm_types.published(kind):
            for problem in arm_types.body_problems(kind, decode(request.news), "body"):
                response.failures.append(provider_pb2.CheckFailure(reason=problem))
        return response

    def Diff(self, request: provider_pb2.DiffRequest, context: object) -> provider_pb2.DiffResponse:
        old, new = decode(request.old_inputs), decode(request.news)
        differing = sorted(key for key in old.keys() | new.keys() if not _alike(key, old.get(key), new.get(key)))
        replacing = [key for key in differing if key in IMMUTABLE.get(_type_of(request.urn), frozenset())]
        changes = provider_pb2.DiffResponse.DIFF_SOME if differing else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=changes, diffs=differing, replaces=replacing)

    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        if request.preview:
            return provider_pb2.CreateResponse(properties=_foreseen(request.urn, request.properties))
        kind, fault = self._begin("Create", request.urn, context)
        made_id, outputs = _made(kind, plain(decode(request.properties)))
        with self._cloud.changed() as content:
            # A tag that another stack has pushed is simply pushed again.
            if made_id in content["resources"] and not kind.startswith("docker:"):
                context.abort(grpc.StatusCode.ALREADY_EXISTS, f"cannot create already existing resource {made_id!r}")
            content["resources"][made_id] = {"type": kind, "outputs": outputs}
            content["secrets"] |= _secrets(request.properties)
        if fault is not None and fault.kind == "die":
            os._exit(1)
        if fault is not None and fault.kind == "linger":
            self.cancelled.wait(timeout=300)
        if fault is not None and fault.kind == "partial":
            self._fail_partially(made_id, request.properties, fault, context)
        return provider_pb2.CreateResponse(id=made_id, properties=_answer(request.properties, outputs))

    def Update(self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:
        if request.preview:
            return provider_pb2.UpdateResponse(properties=_foreseen(request.urn, request.news))
        kind, fault = self._begin("Update", request.urn, context)
        _, outputs = _made(kind, plain(decode(request.news)))
        with self._cloud.changed() as content:
            if request.id not in content["resources"]:
                context.abort(grpc.StatusCode.NOT_FOUND, f"ResourceNotFound: there is no {request.id}")
            if kind == APP:
                outputs = changed_app(content["resources"][request.id]["outputs"], outputs)
            content["resources"][request.id] = {"type": kind, "outputs": outputs}
            content["secrets"] |= _secrets(request.news)
        if fault is not None and fault.kind == "partial":
            self._fail_partially(request.id, request.news, fault, context)
        return provider_pb2.UpdateResponse(properties=_answer(request.news, outputs))

    def Read(self, request: provider_pb2.ReadRequest, context: object) -> provider_pb2.ReadResponse:
        """Answers with what the cloud has now, and with the inputs that the differences make of those that were known."""
        found = self._cloud.resources().get(request.id)
        if found is None:
            return provider_pb2.ReadResponse()  # without an id: it is gone
        live, known = found["outputs"], json_format.MessageToDict(request.properties)
        inputs = json_format.MessageToDict(request.inputs)
        if not known:  # an import
            known, inputs = live, imported_inputs(request.id, live)
        answer = provider_pb2.ReadResponse(id=request.id)
        answer.properties.update(drifted(known, known, live))
        answer.inputs.update(drifted(inputs, known, live))
        return answer

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self._begin("Delete", request.urn, context)
        with self._cloud.changed() as content:
            content["resources"].pop(request.id, None)
        return empty_pb2.Empty()

    def _fail_partially(self, made_id: str, inputs: struct_pb2.Struct, fault: Fault, context: grpc.ServicerContext) -> None:
        """Ends the call as azure-native does: with an error that carries what there is nevertheless."""
        with self._cloud.changed() as content:
            outputs = content["resources"][made_id]["outputs"]
            outputs["provisioningState"] = "Failed"
        detail = provider_pb2.ErrorResourceInitFailed(
            id=made_id, properties=_answer(inputs, outputs), inputs=inputs, reasons=[fault.message]
        )
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=fault.message)
        status.details.add().Pack(detail)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode.UNKNOWN, fault.message)

    def _begin(self, call: str, urn: str, context: grpc.ServicerContext) -> tuple[str, Fault | None]:
        """Lets a fault that is due happen, unless it comes later in the call."""
        kind = _type_of(urn)
        fault = self._cloud.take_fault(call, kind)
        if fault is not None and fault.kind == "refuse":
            context.abort(grpc.StatusCode.UNKNOWN, fault.message)
        if fault is not None and fault.kind == "hang":
            cancelled = self.cancelled.wait(timeout=300)
            context.abort(grpc.StatusCode.CANCELLED, "cancelled" if cancelled else "nobody cancelled in five minutes")
        return kind, fault


def _alike(key: str, old: Any, new: Any) -> bool:
    """Compares as azure-native does, to which a region is the same with spaces and capitals."""
    if key == "location" and isinstance(old, str) and isinstance(new, str):
        return old.replace(" ", "").lower() == new.replace(" ", "").lower()
    return bool(old == new)


def _type_of(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]


def _made(kind: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return create_in_docker(kind, inputs) if kind.startswith("docker:") else create_in_azure(kind, inputs)


def _secrets(inputs: struct_pb2.Struct) -> dict[str, str]:
    configuration = plain(decode(inputs)).get("configuration")
    listed = configuration.get("secrets") if isinstance(configuration, dict) else None
    return {each["name"]: each["value"] for each in listed or [] if "value" in each}


def drifted(value: Any, known: Any, live: Any) -> Any:
    """Applies to `value` the difference between what was known of a resource and what the cloud has.

    What did not change keeps its marks of secrecy. azure-native does the same to a resource's inputs when it reads it.
    """
    if plain(_unmarked(known)) == live or (value is known is None):
        return value
    if isinstance(known, dict) and isinstance(live, dict) and isinstance(value, dict):
        kept = {key: inner for key, inner in value.items() if key not in known or key in live}
        for key, inner in live.items():
            if key not in known or (key not in value and plain(_unmarked(known[key])) != inner):
                kept[key] = inner
            elif key in value:
                kept[key] = drifted(value[key], known[key], inner)
        return kept
    if (
        isinstance(known, list)
        and isinstance(live, list)
        and isinstance(value, list)
        and len(known) == len(live) == len(value)
    ):
        return [drifted(*each) for each in zip(value, known, live, strict=True)]
    return live


def _unmarked(value: Any) -> Any:
    message = struct_pb2.Struct()
    message.update({"value": value})
    return decode(message)["value"]


def imported_inputs(resource_id: str, live: Mapping[str, Any]) -> dict[str, Any]:
    """Gives the inputs of a resource that is imported: what Azure has, without what only Azure writes."""
    inputs = {key: value for key, value in live.items() if key not in READ_ONLY}
    if "ingress" in inputs.get("configuration", {}):
        ingress = {key: value for key, value in inputs["configuration"]["ingress"].items() if key != "fqdn"}
        inputs["configuration"] = {**inputs["configuration"], "ingress": ingress}
    parts = resource_id.split("/")
    return {**inputs, "resourceGroupName": parts[4], "containerAppName": parts[-1]}


def _foreseen(urn: str, inputs: struct_pb2.Struct) -> struct_pb2.Struct:
    """Gives what a preview knows of the outputs: the inputs, without those that come back in another shape."""
    foreseen = struct_pb2.Struct()
    foreseen.CopyFrom(inputs)
    for name in AzureDouble().reshaped.get(_type_of(urn), frozenset()) & set(foreseen):
        del foreseen[name]
    return foreseen


def _answer(inputs: struct_pb2.Struct, outputs: Mapping[str, Any]) -> struct_pb2.Struct:
    """Gives the outputs; those that were inputs come back as they were sent, secret ones still marked."""
    answer = struct_pb2.Struct()
    sent = json_format.MessageToDict(inputs)
    answer.update(drifted(sent, sent, outputs))
    return answer


def serve(provider: StandIn) -> tuple[grpc.Server, int]:
    """Starts the provider, and gives the port that it listens on."""
    server = grpc.server(ThreadPoolExecutor(max_workers=16))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def write_plugin(folder: Path, name: str) -> Path:
    """Writes an executable `pulumi-resource-NAME` that runs this module, for the engine to find."""
    folder.mkdir(parents=True, exist_ok=True)
    plugin = folder / f"pulumi-resource-{name}"
    plugin.write_text(
        f"#!/bin/sh\nPYTHONPATH='{stack_files.ROOT}' exec '{sys.executable}' -m tests.engine.stand_in {name} \"$@\"\n",
        encoding="utf-8",
    )
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    return plugin


def main() -> None:
    """Runs as a plugin until the engine ends it: with Cancel, and then an interrupt."""
    provider = StandIn(sys.argv[1], CloudFile(Path(os.environ[CLOUD_VARIABLE])))
    server, port = serve(provider)
    print(port, flush=True)
    try:
        server.wait_for_termination()
    except KeyboardInterrupt:
        # The terminal's Ctrl-C reaches the plugin too, before the engine has asked it for anything.
        if not provider.cancelled.is_set():
            with contextlib.suppress(KeyboardInterrupt):
                time.sleep(30)
    server.stop(grace=None)


if __name__ == "__main__":
    main()
