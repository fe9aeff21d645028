"""The stand-in itself, as the engine would use it: its executable, over gRPC. No Pulumi command is needed for this."""

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime import rpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from devtools.azure_double import ENVIRONMENT_DOMAIN, AzureDouble, live_app
from devtools.cloud_file import CloudFile, Fault
from devtools.engine_double import Declared, EngineDouble, NotFoundError, Secret, Unknown, decode
from tests.engine.stand_in import CLOUD_VARIABLE, write_plugin
from tests.infra import arm_types
from tests.infra.program import API_KEYS, APP, GROUP, IMAGE, STACKS, deploy, update
from tests.infra.test_snapshots import GUARDED


@pytest.fixture
def cloud(tmp_path: Path) -> CloudFile:
    return CloudFile(tmp_path / "cloud.json")


@pytest.fixture
def provider(tmp_path: Path, cloud: CloudFile) -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    assert cloud.resources() == {}
    plugin = write_plugin(tmp_path / "bin", "azure-native")
    process = subprocess.Popen(
        [str(plugin), "127.0.0.1:1"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, CLOUD_VARIABLE: str(tmp_path / "cloud.json")},
    )
    assert process.stdout is not None
    port = int(process.stdout.readline())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    process.terminate()
    process.wait(timeout=10)


def urn_of(kind: str, name: str = "thing") -> str:
    return f"urn:pulumi:dev::code-executor::code-executor:infra:Parent${kind}::{name}"


def struct(content: Mapping[str, Any]) -> struct_pb2.Struct:
    message = struct_pb2.Struct()
    message.update(_marked(content))
    return message


def _marked(value: Any) -> Any:
    """Writes the marks of the protocol again, as the engine sends them."""
    match value:
        case Unknown():
            return rpc.UNKNOWN
        case Secret():
            signature, mark = rpc._special_sig_key, rpc._special_secret_sig  # noqa: SLF001 the SDK gives them no public name
            return {signature: mark, "value": _marked(value.value)}
        case dict():
            return {key: _marked(inner) for key, inner in value.items()}
        case list():
            return [_marked(inner) for inner in value]
        case _:
            return value


GROUP_INPUTS = {"resourceGroupName": "a-group", "location": "eastus2", "tags": {"a": "b"}}


def create(provider: provider_pb2_grpc.ResourceProviderStub, inputs: Mapping[str, Any], kind: str = GROUP) -> str:
    made = provider.Create(provider_pb2.CreateRequest(urn=urn_of(kind), properties=struct(inputs)))
    return str(made.id)


class StandInCloud:
    """The stand-in as the engine double's cloud, so that the whole program runs against it."""

    def __init__(self, provider: provider_pb2_grpc.ResourceProviderStub) -> None:
        self._provider = provider

    @property
    def reshaped(self) -> Mapping[str, frozenset[str]]:
        return AzureDouble().reshaped

    def look_up(self, token: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = self._provider.Invoke(provider_pb2.InvokeRequest(tok=token, args=struct(arguments)))
        if answer.failures:
            raise NotFoundError(answer.failures[0].reason)
        return decode(getattr(answer, "return"))

    def create(self, resource: Declared) -> tuple[str, Mapping[str, Any]]:
        news = struct(dict(resource.inputs))
        checked = self._provider.Check(provider_pb2.CheckRequest(urn=resource.urn, news=news))
        assert [failure.reason for failure in checked.failures] == []
        made = self._provider.Create(provider_pb2.CreateRequest(urn=resource.urn, properties=checked.inputs))
        outputs: Mapping[str, Any] = _marked(decode(made.properties))
        return made.id, outputs


@pytest.mark.parametrize("stack", STACKS)
def test_the_whole_program_of_each_stack_deploys_to_it(
    provider: provider_pb2_grpc.ResourceProviderStub, cloud: CloudFile, stack: str
) -> None:
    name, low, high = STACKS[stack]
    engine = deploy(stack, EngineDouble(StandInCloud(provider), preview=False), **GUARDED)
    assert engine.outputs["executorUrl"] == f"https://{name}.{ENVIRONMENT_DOMAIN}"
    made = {each["type"]: each["outputs"] for each in cloud.resources().values()}
    assert sorted(made) == sorted(set(engine.types()))
    scale = made[APP]["template"]["scale"]
    assert (scale["minReplicas"], scale["maxReplicas"]) == (low, high)
    assert made[APP]["template"]["containers"][0]["image"] == made[IMAGE]["repoDigest"]


def test_a_resource_is_made_read_changed_and_deleted(
    provider: provider_pb2_grpc.ResourceProviderStub, cloud: CloudFile
) -> None:
    made = create(provider, GROUP_INPUTS)
    assert made.endswith("/resourceGroups/a-group")
    read = provider.Read(provider_pb2.ReadRequest(id=made, urn=urn_of(GROUP), properties=struct(GROUP_INPUTS)))
    assert read.id == made
    news = struct({**GROUP_INPUTS, "tags": {"a": "c"}})
    provider.Update(provider_pb2.UpdateRequest(id=made, urn=urn_of(GROUP), news=news))
    assert cloud.resources()[made]["outputs"]["tags"] == {"a": "c"}
    provider.Delete(provider_pb2.DeleteRequest(id=made, urn=urn_of(GROUP)))
    assert cloud.resources() == {}
    assert provider.Read(provider_pb2.ReadRequest(id=made, urn=urn_of(GROUP))).id == ""
    assert cloud.calls() == [f"{call} {GROUP}" for call in ("Create", "Update", "Delete")]


def test_a_preview_makes_nothing(provider: provider_pb2_grpc.ResourceProviderStub, cloud: CloudFile) -> None:
    properties = struct({**GROUP_INPUTS, "location": Unknown()})
    answer = provider.Create(provider_pb2.CreateRequest(urn=urn_of(GROUP), properties=properties, preview=True))
    assert (answer.id, cloud.resources()) == ("", {})
    assert decode(answer.properties)["location"] == Unknown()


@pytest.mark.parametrize(
    ("news", "changes", "replaces"),
    [
        (GROUP_INPUTS, "DIFF_NONE", []),
        ({**GROUP_INPUTS, "tags": {"a": "c"}}, "DIFF_SOME", []),
        ({**GROUP_INPUTS, "resourceGroupName": "other"}, "DIFF_SOME", ["resourceGroupName"]),
    ],
)
def test_a_difference_is_a_change_in_place_unless_it_is_in_the_resource_s_identity(
    provider: provider_pb2_grpc.ResourceProviderStub, news: Mapping[str, Any], changes: str, replaces: list[str]
) -> None:
    request = provider_pb2.DiffRequest(urn=urn_of(GROUP), old_inputs=struct(GROUP_INPUTS), news=struct(news))
    answer = provider.Diff(request)
    assert provider_pb2.DiffResponse.DiffChanges.Name(answer.changes) == changes
    assert list(answer.replaces) == replaces


@arm_types.NEEDED
def test_a_body_that_azure_would_not_take_fails_its_check(provider: provider_pb2_grpc.ResourceProviderStub) -> None:
    news = struct({"location": "eastus2", "template": {"scale": {"minReplicas": "two"}}})
    (failure,) = provider.Check(provider_pb2.CheckRequest(urn=urn_of(APP), news=news)).failures
    assert failure.reason == "body.template.scale.minReplicas: 'two' is no number of the right kind"


def test_a_secret_comes_back_marked(provider: provider_pb2_grpc.ResourceProviderStub) -> None:
    properties = struct({**GROUP_INPUTS, "tags": Secret({"a": "b"})})
    made = provider.Create(provider_pb2.CreateRequest(urn=urn_of(GROUP), properties=properties))
    assert decode(made.properties)["tags"] == Secret({"a": "b"})


def test_what_exists_is_not_made_again(provider: provider_pb2_grpc.ResourceProviderStub) -> None:
    create(provider, GROUP_INPUTS)
    with pytest.raises(grpc.RpcError, match="cannot create already existing resource"):
        create(provider, GROUP_INPUTS)


def test_what_is_looked_up_and_is_not_there_is_a_failure(provider: provider_pb2_grpc.ResourceProviderStub) -> None:
    request = provider_pb2.InvokeRequest(
        tok="azure-native:resources:getResourceGroup", args=struct({"resourceGroupName": "elsewhere"})
    )
    (failure,) = provider.Invoke(request).failures
    assert "ResourceNotFound" in failure.reason


def test_a_fault_happens_once(provider: provider_pb2_grpc.ResourceProviderStub, cloud: CloudFile) -> None:
    cloud.add_fault(Fault("Create", GROUP, "refuse", "SubscriptionNotRegistered"))
    with pytest.raises(grpc.RpcError, match="SubscriptionNotRegistered"):
        create(provider, GROUP_INPUTS)
    assert cloud.resources() == {}
    assert create(provider, GROUP_INPUTS)


def test_a_call_that_hangs_ends_when_the_engine_cancels(
    provider: provider_pb2_grpc.ResourceProviderStub, cloud: CloudFile
) -> None:
    cloud.add_fault(Fault("Create", GROUP, "hang"))
    timer = threading.Timer(0.3, lambda: provider.Cancel(empty_pb2.Empty()))
    timer.start()
    with pytest.raises(grpc.RpcError, match="cancelled"):
        create(provider, GROUP_INPUTS)
    assert cloud.resources() == {}


def test_a_provider_that_dies_has_made_what_nobody_knows_of(
    provider: provider_pb2_grpc.ResourceProviderStub, cloud: CloudFile
) -> None:
    cloud.add_fault(Fault("Create", GROUP, "die"))
    with pytest.raises(grpc.RpcError):
        create(provider, GROUP_INPUTS)
    assert len(cloud.resources()) == 1


def test_what_newer_engines_ask_for_first_is_declined_in_the_way_that_they_accept(
    provider: provider_pb2_grpc.ResourceProviderStub,
) -> None:
    # The engine goes on without a handshake where the answer is UNIMPLEMENTED (pkg/resource/plugin/provider_plugin.go).
    for call, request in (
        (provider.Handshake, provider_pb2.ProviderHandshakeRequest()),
        (provider.Parameterize, provider_pb2.ParameterizeRequest()),
    ):
        with pytest.raises(grpc.RpcError) as declined:
            call(request)
        assert declined.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_it_is_configured_as_the_engine_configures_it(provider: provider_pb2_grpc.ResourceProviderStub) -> None:
    assert provider.GetPluginInfo(empty_pb2.Empty()).version == "3.29.0"
    news = struct({"location": "eastus2"})
    assert provider.CheckConfig(provider_pb2.CheckRequest(urn="urn", news=news)).inputs == news
    answer = provider.Configure(provider_pb2.ConfigureRequest(args=news, acceptSecrets=True))
    assert (answer.acceptSecrets, answer.supportsPreview) == (True, True)
    none = provider_pb2.DiffResponse.DIFF_NONE
    assert provider.DiffConfig(provider_pb2.DiffRequest(news=news)).changes == none


def test_what_was_changed_outside_is_read_in_outputs_and_inputs_and_the_rest_keeps_its_marks(
    provider: provider_pb2_grpc.ResourceProviderStub, cloud: CloudFile
) -> None:
    inputs = {**dict(deploy("contest", update(), apiKeys=API_KEYS).only(APP).inputs)}
    made = provider.Create(provider_pb2.CreateRequest(urn=urn_of(APP), properties=struct(inputs)))
    request = provider_pb2.ReadRequest(id=made.id, urn=urn_of(APP), properties=made.properties, inputs=struct(inputs))
    read = provider.Read(request)
    assert (decode(read.inputs), decode(read.properties)) == (decode(struct(inputs)), decode(made.properties))

    cloud.scale(made.id, 3, 50)
    read = provider.Read(request)
    for found in (decode(read.inputs), decode(read.properties)):
        scale = found["template"]["scale"]
        assert (scale["minReplicas"], scale["maxReplicas"]) == (3, 50)
    (secret,) = decode(read.inputs)["configuration"]["secrets"]
    assert secret["value"] == Secret(API_KEYS)
    assert "value" not in decode(read.properties)["configuration"]["secrets"][0]


def test_what_is_imported_is_read_without_what_only_azure_writes(
    provider: provider_pb2_grpc.ResourceProviderStub, cloud: CloudFile
) -> None:
    app = live_app()
    cloud.put(app["id"], APP, {key: value for key, value in app.items() if key != "id"})
    inputs = decode(provider.Read(provider_pb2.ReadRequest(id=app["id"], urn=urn_of(APP))).inputs)
    assert inputs["containerAppName"] == app["name"]
    assert not {"name", "latestRevisionName", "provisioningState"} & set(inputs)
    assert "fqdn" not in inputs["configuration"]["ingress"]
