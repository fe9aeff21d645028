"""`hosting: scale`: the stack that sets the replicas of an app which another stack owns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from devtools import stack_files
from devtools.azure_double import ENVIRONMENT_DOMAIN, GROUP_ID, AzureDouble, live_app
from devtools.cloud_file import CloudFile
from devtools.engine_double import EngineDouble
from devtools.resource_manager_double import resource_manager
from infra.live_apps import look_up, named_apps
from tests.infra.program import IMAGE, SCALE, SCALING, STACKS, deploy, update

NAME, LOW, HIGH = SCALING["idle"]
DEV = STACKS["dev"][0]


@pytest.fixture(autouse=True)
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudFile]:
    """The Resource Manager, which is asked what the caller may do."""
    cloud = CloudFile(tmp_path / "cloud.json")
    with resource_manager(cloud) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield cloud


def engine(*apps: dict[str, Any], preview: bool = False) -> EngineDouble:
    """Gives an engine whose cloud has these apps; without any, the contest's."""
    return EngineDouble(AzureDouble(apps={app["name"]: app for app in apps or [live_app()]}), preview=preview)


@pytest.mark.parametrize("preview", [True, False])
def test_one_resource_is_declared_and_it_holds_two_numbers_of_the_owner_s_app(preview: bool) -> None:
    run = deploy("idle", engine(preview=preview))
    assert run.types() == [SCALE]
    declared = run.only(SCALE).inputs
    app_id = f"{GROUP_ID}/providers/Microsoft.App/containerApps/{NAME}"
    assert {key: value for key, value in declared.items() if key != "__provider"} == {
        "appId": app_id,
        "minReplicas": LOW,
        "maxReplicas": HIGH,
    }


def test_the_url_is_the_owner_s_and_the_outputs_are_what_the_app_has() -> None:
    owner = deploy("contest", update()).outputs
    outputs = deploy("idle", engine()).outputs
    assert outputs["executorUrl"] == owner["executorUrl"] == f"https://{NAME}.{ENVIRONMENT_DOMAIN}"
    assert outputs["hosting"] == "app"
    assert (outputs["fqdn"], outputs["executorUrls"]) == (owner["fqdn"], owner["executorUrls"])
    assert (outputs["minReplicas"], outputs["maxReplicas"]) == (0, 1000)
    assert outputs["imageDigest"] == live_app()["template"]["containers"][0]["image"]
    assert outputs["estimatedCost"]["idleDay"] == 0


def test_a_domain_of_the_app_s_own_is_the_url_as_it_is_for_the_owner() -> None:
    app = live_app()
    app["configuration"]["ingress"]["customDomains"] = [
        {"name": "unverified.example.org", "bindingType": "Disabled"},
        {"name": "executor.example.org", "bindingType": "SniEnabled", "certificateId": "a certificate"},
    ]
    assert deploy("idle", engine(app)).outputs["executorUrl"] == "https://executor.example.org"


@pytest.mark.parametrize("preview", [True, False])
def test_without_the_owner_s_app_the_command_that_makes_it_is_said(preview: bool) -> None:
    run = engine(live_app(DEV), preview=preview)
    with pytest.raises(pulumi.RunError, match=f"no app {NAME} in ai-ta-2 to scale: `pulumi up --stack contest` makes it"):
        deploy("idle", run)
    assert run.resources == []


@pytest.mark.parametrize("tags", [None, {}, {"project": "another"}])
def test_an_app_that_is_not_this_project_s_is_left_alone(tags: dict[str, str] | None) -> None:
    run = engine({**live_app(), "tags": tags})
    with pytest.raises(pulumi.RunError, match=r"is not one that this project deployed .* nothing was changed.*infra.adopt"):
        deploy("idle", run)
    assert run.resources == []


def test_who_may_not_change_the_app_is_told_before_anything_is_declared(cloud: CloudFile) -> None:
    cloud.permit("*/read")
    run = engine(preview=True)
    with pytest.raises(pulumi.RunError, match=r"Nothing was changed: you may not change .*containerApps/write"):
        deploy("idle", run)
    assert run.resources == []
    # Where there is nothing to change, nobody has to be asked.
    assert deploy("idle", engine(live_app(minReplicas=0))).types() == [SCALE]


def test_what_azure_says_of_a_lookup_that_failed_is_passed_on() -> None:
    closed = AzureDouble()
    closed.refusal = "Status=403 AuthorizationFailed"
    with pytest.raises(pulumi.RunError, match=f"{NAME} cannot be looked up in Azure: .*AuthorizationFailed"):
        deploy("idle", EngineDouble(closed, preview=True))


def test_another_stack_s_app_that_the_caller_may_not_see_stops_nothing() -> None:
    closed = AzureDouble(apps={NAME: live_app()})
    closed.refusal = "Status=403 AuthorizationFailed"
    run = deploy("idle", EngineDouble(closed, preview=False))
    assert run.types() == [SCALE]
    (said,) = run.messages
    assert said.startswith(f"Whether the stack dev keeps replicas is not known: {DEV} cannot be looked up in Azure")


def test_an_app_of_its_own_is_still_to_be_had() -> None:
    run = deploy("idle", engine(), hosting="app", appName="an-app-of-its-own")
    assert IMAGE in run.types()
    assert run.outputs["executorUrl"] == f"https://an-app-of-its-own.{ENVIRONMENT_DOMAIN}"
    assert any(text.startswith(f"Stack contest: {NAME} keeps 10 replicas") for text in run.messages)


def test_each_deployment_says_what_the_other_stacks_keep_running() -> None:
    dev = live_app(DEV, minReplicas=1)
    said = deploy("idle", engine(live_app(), dev)).messages
    assert said == [f"Stack dev: {DEV} keeps 1 replica, about 0.39 to 1.30 USD a day, until its minReplicas is 0."]
    assert deploy("idle", engine(live_app(), live_app(DEV, minReplicas=0))).messages == []
    said = deploy("dev", engine()).messages
    assert f"Stack contest: {NAME} keeps 10 replicas, about 3.89 to 12.96 USD a day, until its minReplicas is 0." in said


def test_the_local_stack_asks_azure_nothing() -> None:
    run = deploy("local", engine())
    assert (run.lookups, run.messages) == ([], [])


def test_the_apps_of_the_stack_files_are_those_that_stacks_own(tmp_path: Path) -> None:
    assert {(app.stack, app.name) for app in named_apps(stack_files.ROOT, "code-executor")} == {
        (stack, name) for stack, (name, _, _) in STACKS.items()
    }
    several = {"appName": "base", "resourceGroupName": "other", "apps": [{"imageTarget": "node"}, {"appName": "own"}]}
    config = {f"code-executor:{key}": value for key, value in several.items()}
    (tmp_path / "Pulumi.several.yaml").write_text(yaml.safe_dump({"config": config}))
    (tmp_path / "Pulumi.empty.yaml").write_text("")
    found = [(app.stack, app.group, app.name) for app in named_apps(tmp_path, "code-executor")]
    assert found == [("several", "other", "base-node"), ("several", "other", "own")]


def test_an_app_that_says_nothing_of_its_scale_has_azure_s_defaults() -> None:
    found: list[Any] = []
    app = {**live_app(), "template": {"containers": None, "scale": None}}
    EngineDouble(AzureDouble(apps={NAME: app}), preview=False).run(
        lambda: found.append(look_up("ai-ta-2", NAME)), project="code-executor", stack="idle", config={}
    )
    assert (found[0].size.min_replicas, found[0].size.max_replicas, found[0].image) == (0, 10, "")
