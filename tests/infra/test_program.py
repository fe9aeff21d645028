"""The whole Pulumi program, run for every stack file as a preview and as an update against the engine double."""

import ast
import re
import runpy
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from devtools import stack_files
from devtools.azure_double import (
    ENVIRONMENT_DOMAIN,
    ENVIRONMENT_ID,
    EXISTING,
    GET_APP,
    REGISTRY_ID,
    REGISTRY_SERVER,
    SUBSCRIPTION,
    AzureDouble,
)
from devtools.engine_double import Declared, EngineDouble, Secret, Unknown
from tests.infra import arm_types
from tests.infra.program import API_KEYS, APP, IDENTITY, IMAGE, PREBUILT, ROLE, SCALING, STACKS, Run, deploy, preview, update

INGRESS_TIMEOUT_SECONDS = 240
"""After this Azure's ingress gives up on a request. Source: Microsoft's page on ingress in Azure Container Apps."""


@pytest.fixture(scope="module", params=[f"{stack}-{kind}" for stack in STACKS for kind in ("preview", "update")])
def run(request: pytest.FixtureRequest) -> Run:
    stack, _, kind = request.param.partition("-")
    return Run(stack, kind == "preview", deploy(stack, preview() if kind == "preview" else update()))


def secrets_in(value: object) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from secrets_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from secrets_in(inner)


def probe(app: Declared, kind: str) -> Any:
    (found,) = (probe for probe in app.inputs["template"]["containers"][0]["probes"] if probe["type"] == kind)
    return found


def test_every_stack_file_is_among_those_that_are_tested() -> None:
    assert sorted([*STACKS, *SCALING, "local"]) == stack_files.stacks()


def test_no_two_stacks_own_the_same_app() -> None:
    names = [stack_files.stack_config(stack)["code-executor:appName"] for stack in STACKS]
    assert len(set(names)) == len(names)


def test_a_stack_file_sets_only_what_the_project_file_declares() -> None:
    known = {key if ":" in key else f"code-executor:{key}" for key in stack_files.project()["config"]}
    for stack in stack_files.stacks():
        assert set(stack_files.stack_config(stack)) <= known


def test_a_stack_has_its_own_app_and_its_own_number_of_replicas(run: Run) -> None:
    name, low, high = STACKS[run.stack]
    scale = run.app.inputs["template"]["scale"]
    assert (run.app.inputs["containerAppName"], scale["minReplicas"], scale["maxReplicas"]) == (name, low, high)


def test_the_outputs_tell_where_the_executor_is_what_it_runs_and_how_far_it_scales(run: Run) -> None:
    name, low, high = STACKS[run.stack]
    outputs = dict(run.engine.outputs)
    url = f"https://{name}.{ENVIRONMENT_DOMAIN}"
    digest, cost, revision = outputs.pop("imageDigest"), outputs.pop("estimatedCost"), outputs.pop("revision")
    replicas = outputs.pop("minReplicas"), outputs.pop("maxReplicas")
    assert outputs == {
        "hosting": "app",
        "executorUrl": url,
        "executorUrls": {"default": url},
        "fqdn": url.removeprefix("https://"),
        "appName": name,
        "imageDigests": {"default": digest},
    }
    assert set(cost) == {"currency", "idleDay", "busyDay", "contest", "contests", "month", "ratesOf"}
    if run.preview:
        assert (digest, revision, replicas) == (Unknown(), Unknown(), (Unknown(), Unknown()))
    else:
        assert digest.startswith(f"{REGISTRY_SERVER}/executor-image@sha256:")
        assert revision == f"{name}--0000001"
        assert replicas == (low, high)


@pytest.mark.parametrize("resource_type", sorted(arm_types.RESOURCES))
def test_azures_type_is_there_to_check_each_resource_with(resource_type: str) -> None:
    """Skips, by its name, each type whose bodies no test can check on this machine."""
    resource = arm_types.RESOURCES[resource_type]
    if not arm_types.published(resource_type):
        pytest.skip(f"bodies of {resource.name} are not checked: {resource.file} is not in {arm_types.FOLDER}")
    assert f'"name":"{resource.name}@' in (arm_types.FOLDER / resource.file).read_text("utf-8").replace('": "', '":"')


@arm_types.NEEDED
def test_each_declared_body_is_one_that_azure_s_published_types_allow(run: Run) -> None:
    azure_native = [resource for resource in run.engine.resources if resource.type.startswith("azure-native:")]
    assert len(azure_native) == 3
    assert [problem for resource in azure_native for problem in arm_types.problems(resource)] == []


def test_only_the_app_its_identity_its_role_and_the_image_are_created_and_what_is_shared_is_looked_up(run: Run) -> None:
    assert run.engine.types() == sorted([APP, IDENTITY, ROLE, IMAGE])
    shared = {lookup.token: lookup.arguments for lookup in run.engine.lookups if lookup.token != GET_APP}
    assert shared == {token: arguments for token, (arguments, _) in EXISTING.items()}


def test_every_resource_belongs_to_a_component_of_the_stack(run: Run) -> None:
    components = {resource.urn for resource in run.engine.resources if not resource.custom}
    for resource in run.engine.resources:
        if resource.custom:
            assert resource.parent in components
        else:
            assert resource.parent.endswith(f"pulumi:pulumi:Stack::code-executor-{run.stack}")


def test_the_app_runs_the_image_by_its_digest_and_never_by_its_tag(run: Run) -> None:
    (container,) = run.app.inputs["template"]["containers"]
    assert container["image"] == run.engine.outputs["imageDigest"]
    assert run.app.property_dependencies["template"] == {run.engine.only(IMAGE).urn}


def test_the_image_is_built_from_the_runtime_folder_for_the_one_platform_that_azure_runs_and_pushed(run: Run) -> None:
    image = run.engine.only(IMAGE).inputs
    build = image["build"]
    assert re.fullmatch(rf"{re.escape(REGISTRY_SERVER)}/executor-image:v1-[0-9a-f]{{12}}", image["imageName"])
    assert (build["context"], build["dockerfile"]) == ("./runtime", "./runtime/Dockerfile")
    assert (build["platform"], build["builderVersion"]) == ("linux/amd64", "BuilderBuildKit")
    assert image["skipPush"] is False
    assert image["buildOnPreview"] is False


def test_no_credential_enters_the_program(run: Run) -> None:
    assert run.engine.only(IMAGE).inputs["registry"] == {"server": REGISTRY_SERVER}
    assert not any("Credentials" in lookup.token for lookup in run.engine.lookups)
    assert [secret for resource in run.engine.resources for secret in secrets_in(dict(resource.inputs))] == []
    assert list(secrets_in(run.engine.outputs)) == []


def test_the_app_pulls_with_an_identity_that_may_do_nothing_but_pull_from_this_registry(run: Run) -> None:
    role = run.engine.only(ROLE)
    identity = run.engine.only(IDENTITY)
    assert role.inputs["scope"] == REGISTRY_ID
    assert role.inputs["roleDefinitionId"] == (
        f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization"
        "/roleDefinitions/7f951dda-4ed3-4680-a7ca-43fe172d538d"
    )
    assert role.inputs["principalType"] == "ServicePrincipal"
    assert role.property_dependencies["principalId"] == {identity.urn}
    assert isinstance(role.inputs["principalId"], Unknown) is run.preview
    (registry,) = run.app.inputs["configuration"]["registries"]
    (identity_id,) = run.app.inputs["identity"]["userAssignedIdentities"]
    assert run.app.inputs["identity"]["type"] == "UserAssigned"
    assert registry == {"server": REGISTRY_SERVER, "identity": identity_id}


def test_the_program_that_a_student_sends_gets_no_token_of_the_pull_identity(run: Run) -> None:
    (setting,) = run.app.inputs["configuration"]["identitySettings"]
    assert setting["lifecycle"] == "None"
    assert [setting["identity"]] == run.app.inputs["identity"]["userAssignedIdentities"]


def test_the_app_is_not_created_before_it_may_pull(run: Run) -> None:
    assert run.engine.only(ROLE).urn in run.app.dependencies


def test_a_role_assignment_is_removed_before_another_takes_its_name(run: Run) -> None:
    assert run.engine.only(ROLE).delete_before_replace


def test_a_role_assignment_keeps_its_name_from_run_to_run_and_shares_it_with_no_other_stack() -> None:
    names = [deploy(stack, preview()).only(ROLE).inputs["roleAssignmentName"] for stack in STACKS for _ in range(2)]
    assert names[0::2] == names[1::2]
    assert len(set(names)) == len(STACKS)


def test_the_whole_internet_reaches_port_8000_and_only_through_tls(run: Run) -> None:
    assert run.app.inputs["configuration"]["ingress"] == {
        "external": True,
        "targetPort": 8000,
        "transport": "http",
        "allowInsecure": False,
    }
    assert run.app.inputs["configuration"]["activeRevisionsMode"] == "Single"
    assert run.app.inputs["environmentId"] == ENVIRONMENT_ID


def test_a_replica_is_half_a_core_and_a_gibibyte_and_one_request_at_a_time_asks_for_the_next(run: Run) -> None:
    (container,) = run.app.inputs["template"]["containers"]
    assert container["resources"] == {"cpu": 0.5, "memory": "1.0Gi"}
    (rule,) = run.app.inputs["template"]["scale"]["rules"]
    assert rule["http"] == {"metadata": {"concurrentRequests": "1"}}


def test_start_life_and_readiness_are_each_probed_where_the_executor_tells_of_them(run: Run) -> None:
    assert probe(run.app, "Startup")["httpGet"] == {"path": "/health", "port": 8000}
    assert probe(run.app, "Liveness")["httpGet"] == {"path": "/health", "port": 8000}
    assert probe(run.app, "Readiness")["httpGet"] == {"path": "/ready", "port": 8000}
    assert len(run.app.inputs["template"]["containers"][0]["probes"]) == 3


@pytest.mark.parametrize("kind", ["Startup", "Liveness", "Readiness"])
def test_a_probe_s_numbers_are_within_azure_s_bounds(run: Run, kind: str) -> None:
    # Source: the descriptions of ContainerAppProbe in azure-native.
    bounds = {"initialDelaySeconds": 60, "periodSeconds": 240, "timeoutSeconds": 240, "failureThreshold": 10}
    numbers = {key: value for key, value in probe(run.app, kind).items() if key not in {"type", "httpGet"}}
    assert set(numbers) <= set(bounds)
    assert all(1 <= value <= bounds[key] for key, value in numbers.items())


def test_a_replica_that_is_scaled_away_has_time_to_finish_the_longest_request(run: Run) -> None:
    assert run.app.inputs["template"]["terminationGracePeriodSeconds"] > INGRESS_TIMEOUT_SECONDS


def test_a_deployment_that_hangs_is_given_up_long_before_the_provider_s_own_hour(run: Run) -> None:
    assert run.app.timeouts == {"create": "15m", "update": "15m"}


def test_everything_is_created_in_the_region_of_the_environment(run: Run) -> None:
    assert {run.engine.only(kind).inputs["location"] for kind in (APP, IDENTITY)} == {"eastus2"}


def test_a_stack_as_it_is_handed_out_warns_of_its_three_gaps_and_says_nothing_else(run: Run) -> None:
    name, low, _ = STACKS[run.stack]
    (cost,) = (text for text in run.engine.messages if text not in run.engine.warnings)
    assert cost.startswith(f"{name} keeps {low} replicas, about ")
    cost, public, quota = sorted(run.engine.warnings, key=lambda text: ("At full" in text, "Everybody" in text))
    assert "set alertEmails" in cost
    assert "set apiKeys" in public
    assert "az containerapp env list-usages --resource-group ai-ta-2 --name ai-ta-RA-env" in quota


def test_a_stack_whose_gaps_are_closed_says_only_what_it_keeps_running() -> None:
    engine = deploy("contest", update(), alertEmails='["ta@example.org"]', apiKeys=API_KEYS, coreQuota="1000")
    assert engine.warnings == []
    assert [text.partition(",")[0] for text in engine.messages] == ["ai-ta-ra-code-executor2 keeps 10 replicas"]


@pytest.mark.parametrize("engine", [preview(), update()], ids=["preview", "update"])
def test_a_prebuilt_image_is_run_as_it_is_and_asks_for_no_docker(engine: EngineDouble) -> None:
    deploy("dev", engine, image=PREBUILT)
    assert engine.types() == sorted([APP, IDENTITY, ROLE])
    assert engine.only(APP).inputs["template"]["containers"][0]["image"] == PREBUILT
    assert engine.outputs["imageDigest"] == PREBUILT


def test_the_digest_that_one_deployment_puts_out_is_an_image_that_another_takes() -> None:
    first = deploy("dev", update()).outputs["imageDigest"]
    assert deploy("contest", update(), image=first).outputs["imageDigest"] == first


def test_the_replicas_that_azure_answers_are_put_out_and_a_difference_is_a_warning() -> None:
    class Stubborn(AzureDouble):
        def create(self, resource: Declared) -> tuple[str, Any]:
            made, outputs = super().create(resource)
            if resource.type == APP:
                template = outputs["template"]
                outputs = {**outputs, "template": {**template, "scale": {**template["scale"], "minReplicas": 1}}}
            return made, outputs

    engine = deploy("contest", EngineDouble(Stubborn(), preview=False))
    assert engine.outputs["minReplicas"] == 1
    assert "Azure answers 1 as minReplicas, where 10 was set: `pulumi up` again." in engine.warnings
    assert not any("maxReplicas" in text for text in engine.warnings)


def test_the_stack_s_readme_is_put_out_where_it_is_asked_for_and_names_outputs_that_there_are() -> None:
    assert "readme" not in deploy("contest", update()).outputs
    outputs = deploy("contest", update(), stackReadme="true").outputs
    named = re.findall(r"\$\{outputs\.(\w+)\}", outputs["readme"])
    assert len(named) >= 5
    assert set(named) <= set(outputs)


def test_a_larger_replica_is_declared_as_it_is_set() -> None:
    app = deploy("dev", update(), cpu="2", memory="4Gi").only(APP)
    assert app.inputs["template"]["containers"][0]["resources"] == {"cpu": 2, "memory": "4.0Gi"}


@pytest.mark.parametrize(
    ("key", "value"),
    [("resourceGroupName", "ai-ta-3"), ("registryName", "anotherregistry"), ("environmentName", "another-env")],
)
def test_a_shared_resource_that_does_not_exist_stops_the_preview_before_the_app(key: str, value: str) -> None:
    engine = preview()
    with pytest.raises(Exception, match=f"ResourceNotFound.*{value}"):
        deploy("dev", engine, **{key: value})
    assert APP not in engine.types()


def test_an_image_that_was_not_pushed_is_not_deployed() -> None:
    engine = EngineDouble(AzureDouble(pushes=False), preview=False)
    with pytest.raises(pulumi.RunError, match="the pushed image has no digest"):
        deploy("dev", engine)
    assert APP not in engine.types()


@pytest.mark.parametrize("engine", [preview(), update()], ids=["preview", "update"])
def test_wrong_settings_are_named_all_at_once_and_nothing_is_declared(engine: EngineDouble) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        deploy(
            "contest",
            engine,
            appName="Code_Executor",
            minReplicas="50",
            maxReplicas="10",
            memory="4.0Gi",
            registryName="aitaraacr1763805702.azurecr.io",
        )
    assert str(refused.value).splitlines() == [
        "4 settings are wrong, so nothing was declared:",
        (
            "  appName is 'Code_Executor': must be 2 to 32 small letters, digits and single hyphens, "
            "from a letter to a letter or digit"
        ),
        "  registryName is 'aitaraacr1763805702.azurecr.io': must be 5 to 50 letters and digits, without .azurecr.io",
        "  minReplicas is '50': must not be above maxReplicas, which is 10",
        "  memory is '4.0Gi': must be 1.0Gi where cpu is 0.5 (2 GiB for each core)",
        (
            "Correct with `pulumi config set KEY VALUE` (--path where KEY has a place in it, --secret for keys); what is no "
            "setting goes with `pulumi config rm KEY`."
        ),
    ]
    assert (engine.resources, engine.lookups, engine.outputs) == ([], [], {})


def test_a_setting_that_is_misspelt_in_a_stack_file_does_not_silently_deploy_the_default() -> None:
    engine = preview()
    with pytest.raises(pulumi.RunError, match="minReplica: is no setting of this project; minReplicas is"):
        deploy("contest", engine, minReplicas=None, minReplica="10")
    assert engine.resources == []


def test_a_missing_app_name_and_region_are_asked_for() -> None:
    engine = preview()
    config = stack_files.stack_config("dev", appName=None)
    del config["azure-native:location"]
    with pytest.raises(pulumi.RunError) as refused:
        engine.run(
            lambda: runpy.run_path(str(stack_files.ROOT), run_name="__main__"),
            project="code-executor",
            stack="dev",
            config=config,
        )
    assert "azure-native:location: is not set" in str(refused.value)
    assert "appName: is not set" in str(refused.value)


MISTAKES = [
    ("an unknown name", {"environmentIdd": "x"}, "environmentIdd: is no property that Azure knows"),
    ("a missing name", {"location": None}, "location: is required"),
    ("a name that only Azure writes", {"latestRevisionName": "x"}, "latestRevisionName: is read-only"),
    ("a wrong type", {"tags": {"team": 5}}, "tags.team: 5 is no string"),
    ("a scalar for a list", {"configuration": {"registries": "x"}}, "registries: 'x' is no list"),
    ("a list for an object", {"template": ["x"]}, "template: ['x'] is no object"),
    ("a list for a map", {"tags": ["x"]}, "tags: ['x'] is no object"),
    (
        "a value outside an enumeration",
        {"identity": {"type": "UserAsigned"}},
        "identity.type: 'UserAsigned' is none of",
    ),
    ("a required name within", {"identity": {}}, "identity.type: is required"),
    ("a fraction of a replica", {"template": {"scale": {"minReplicas": 0.5}}}, "minReplicas: 0.5 is no number"),
    (
        "a number out of range",
        {"configuration": {"revisionTransitionThreshold": 101}},
        "revisionTransitionThreshold: 101 is out of range",
    ),
    (
        "a secret of a wrong type",
        {"configuration": {"secrets": [{"name": "key", "value": Secret(5)}]}},
        "secrets[0].value: 5 is no string",
    ),
]


@arm_types.NEEDED
@pytest.mark.parametrize(("inputs", "complaint"), [case[1:] for case in MISTAKES], ids=[case[0] for case in MISTAKES])
def test_the_check_of_azure_s_types_finds(inputs: dict[str, Any], complaint: str) -> None:
    good = deploy("dev", preview()).only(APP)
    changed = {key: value for key, value in {**good.inputs, **inputs}.items() if value is not None}
    (problem,) = arm_types.problems(replace(good, inputs=changed))
    assert complaint in problem


def test_the_program_imports_nothing_that_its_own_requirements_do_not_install() -> None:
    named = (stack_files.ROOT / "requirements.txt").read_text(encoding="utf-8")
    modules = {"azure-identity": "azure", "PyYAML": "yaml"}
    packages = {line.partition("==")[0] for line in named.splitlines() if "==" in line}
    wanted = {modules.get(package, package.replace("-", "_")) for package in packages}
    files = [stack_files.ROOT / "__main__.py", *(stack_files.ROOT / "infra").rglob("*.py")]
    assert len(files) > 20
    for file in files:
        if file.name == "state.py" or file.parent.name == "capacity":  # commands with requirements of their own
            continue
        imported: set[str] = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
        assert imported <= {*wanted, *sys.stdlib_module_names, "infra", "runtime"}, file.name
