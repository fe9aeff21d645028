"""The README's deploy section and the runbook's commands with the real Pulumi command, against the stand-in.

Where the command is missing they skip, and say so.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devtools import stack_files
from devtools.azure_double import CONNECTION_STRING, ENVIRONMENT_DOMAIN, REGISTRY_SERVER, live_app
from devtools.cloud_file import Fault
from devtools.resource_manager_double import resource_manager
from infra.state import main as prepare_state
from tests.engine.cli import Project, copied_project
from tests.engine.stand_in import VERSIONS
from tests.infra.program import (
    ACCOUNT,
    API_KEYS,
    APP,
    BLOBS,
    BUDGET,
    IDENTITY,
    LIFETIMES,
    LOG_ALERT,
    METRICS_COPY,
    ROLE,
    SCALING,
    STACKS,
    WORKBOOK,
)
from tests.s3 import s3_server

pytestmark = [
    pytest.mark.skipif(shutil.which("pulumi") is None, reason="the Pulumi command is not on PATH"),
    pytest.mark.timeout(900),
]

NAME = STACKS["contest"][0]
APP_ID: str = live_app()["id"]
URL = f"https://{NAME}.{ENVIRONMENT_DOMAIN}"


@pytest.fixture(params=["file", "s3"])
def project(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """The project with its state in a folder, and in a bucket that `infra.state` made."""
    if request.param == "file":
        (tmp_path / "state").mkdir()
        made = copied_project(tmp_path / "project", f"file://{tmp_path / 'state'}")
        with resource_manager(made.cloud) as variables:
            yield made.beside(variables)
        return
    with s3_server(monkeypatch) as place:
        url = f"s3://state-{place.rpartition(':')[2]}?region=eu-west-1&endpoint={place}&disableSSL=true&s3ForcePathStyle=true"
        assert prepare_state([url]) == 0
        made = copied_project(tmp_path / "project", url)
        with resource_manager(made.cloud) as variables:
            yield made.beside(variables)


@pytest.fixture
def local_state(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "state").mkdir()
    made = copied_project(tmp_path / "project", f"file://{tmp_path / 'state'}")
    with resource_manager(made.cloud) as variables:
        yield made.beside(variables)


def test_a_stack_lives_from_its_first_preview_to_its_end(project: Project) -> None:
    project.run("stack", "init", "contest")
    preview = project.run("preview", "--stack", "contest")
    assert "az containerapp env list-usages" in preview
    assert project.cloud.resources() == {}

    project.run("up", "--yes", "--stack", "contest")
    outputs = project.outputs()
    assert outputs["executorUrl"] == URL
    assert project.made()[APP]["template"]["scale"]["maxReplicas"] == 1000

    # Again, with nothing to do.
    before = project.cloud.calls()
    project.run("up", "--yes", "--expect-no-changes")
    assert project.cloud.calls() == before

    # A change in place.
    project.run("config", "set", "minReplicas", "20")
    project.run("up", "--yes")
    assert project.made()[APP]["template"]["scale"]["minReplicas"] == 20
    assert project.cloud.calls()[len(before) :] == [f"Update {APP}"]

    project.run("refresh", "--yes", "--expect-no-changes")
    assert "protect" in project.run("destroy", "--yes", fails=True)
    project.run("state", "unprotect", "--all", "--yes")
    project.run("destroy", "--yes")
    assert project.cloud.resources() == {}
    project.run("stack", "rm", "--yes", "contest")


def test_the_readme_s_deploy_section_works_as_it_is_written(local_state: Project) -> None:
    text = (stack_files.ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Deploy\n")[2].partition("\n## ")[0]
    commands = [line.partition("#")[0].split()[1:] for line in section.splitlines() if line.startswith("    pulumi ")]
    assert ["up", "--stack", "contest"] in commands
    for command in commands:
        if command[0] != "login":  # the test has a place of its own for the state
            local_state.run(*command, *(["--yes"] if command[0] in ("up", "destroy") else []))
    assert local_state.outputs()["executorUrl"] == URL
    assert local_state.replicas(NAME) == SCALING["idle"][1:]


def test_one_app_and_one_url_from_contest_to_idle_and_back(local_state: Project) -> None:
    cloud = local_state.cloud
    local_state.run("stack", "init", "contest")
    local_state.run("up", "--yes", "--stack", "contest")
    app_id = next(key for key, each in cloud.resources().items() if each["type"] == APP)
    before = cloud.calls()

    local_state.run("stack", "select", "--create", "idle")
    assert "keeps" not in local_state.run("up", "--yes")
    assert cloud.calls()[len(before) :] == [f"Patch {APP}"]
    assert local_state.replicas(NAME) == (0, 1000)
    outputs = local_state.outputs()
    assert (outputs["executorUrl"], outputs["minReplicas"], outputs["maxReplicas"]) == (URL, 0, 1000)
    assert outputs["revision"] == f"{NAME}--0000002" == local_state.app(NAME)["latestRevisionName"]
    local_state.run("up", "--yes", "--expect-no-changes")

    # Each sees what the other did, and what somebody did by hand.
    assert "10 replicas" in local_state.run("up", "--yes", "--stack", "contest")
    assert local_state.replicas(NAME) == (10, 1000)
    cloud.scale(app_id, 3, 50)
    assert "minReplicas" in local_state.run("preview", "--diff", "--stack", "contest")
    local_state.run("up", "--yes", "--stack", "contest")
    assert local_state.replicas(NAME) == (10, 1000)
    local_state.run("up", "--yes", "--stack", "idle")
    assert local_state.replicas(NAME) == (0, 1000)

    # The end of idle is no end of the app, and the app's own stack does not let it go either.
    there = cloud.resources()
    local_state.run("destroy", "--yes", "--stack", "idle")
    local_state.run("destroy", "--yes", "--stack", "contest", fails=True)
    assert cloud.resources()[app_id] == there[app_id]


def test_an_app_that_was_made_by_hand_is_taken_over_and_changed_in_place(local_state: Project) -> None:
    by_hand = {key: value for key, value in live_app(minReplicas=5).items() if key != "id"}
    by_hand["tags"] = None
    by_hand["configuration"] = {
        **by_hand["configuration"],
        "secrets": [{"name": "reg-pswd"}],
        "registries": [{"server": REGISTRY_SERVER, "username": "admin", "passwordSecretRef": "reg-pswd"}],
    }
    local_state.cloud.put(APP_ID, APP, by_hand)
    local_state.run("stack", "init", "contest")
    refused = local_state.run("up", "--yes", "--skip-preview", fails=True)
    assert f"The app {NAME} exists in ai-ta-2, and is not in this stack's state, so nothing was touched." in refused
    assert "`python -m infra.adopt --stack contest`" in refused
    assert "Traceback" not in refused

    shown = local_state.adopt()
    assert "~ registry" in shown
    assert "reg-pswd" in shown
    assert "Nothing was changed yet" in shown
    assert APP not in {each["type"] for each in local_state.state()}
    assert "terraform state rm" in local_state.adopt("--yes")
    assert APP in {each["type"] for each in local_state.state()}
    assert "Nothing to adopt" in local_state.adopt("--yes")
    assert local_state.cloud.calls() == []

    printed = local_state.run("up", "--yes")
    assert "replace" not in printed
    assert local_state.cloud.calls().count(f"Update {APP}") == 1
    assert not [call for call in local_state.cloud.calls() if call.startswith("Delete") or call == f"Create {APP}"]
    assert local_state.outputs()["executorUrl"] == URL
    app = local_state.app(NAME)
    assert local_state.replicas(NAME) == (10, 1000)
    assert "secrets" not in app["configuration"]
    assert app["tags"]["stack"] == "contest"
    local_state.run("up", "--yes", "--expect-no-changes")
    local_state.run("up", "--yes", "--stack", "contest")


def test_idle_without_the_contest_s_app_says_what_to_type_and_changes_nothing(local_state: Project) -> None:
    local_state.run("stack", "init", "idle")
    printed = local_state.run("up", "--yes", fails=True)
    assert f"There is no app {NAME} in ai-ta-2 to scale: `pulumi up --stack contest` makes it." in printed
    assert "Traceback" not in printed
    local_state.cloud.put(APP_ID, APP, {**live_app(), "tags": {}})
    assert "is not one that this project deployed" in local_state.run("up", "--yes", fails=True)
    local_state.cloud.put(APP_ID, APP, live_app())
    local_state.cloud.permit("*/read")
    printed = local_state.run("preview", fails=True)
    assert "you may not change" in printed
    assert "Traceback" not in printed
    assert local_state.cloud.calls() == []


def test_each_stack_has_an_app_of_its_own(local_state: Project) -> None:
    for stack, (name, low, high) in STACKS.items():
        local_state.run("stack", "init", stack)
        local_state.run("up", "--yes", "--stack", stack)
        outputs = local_state.outputs()
        assert (outputs["appName"], outputs["minReplicas"], outputs["maxReplicas"]) == (name, low, high)
    apps = [resource for resource in local_state.cloud.resources().values() if resource["type"] == APP]
    assert len(apps) == len(STACKS)


def test_wrong_settings_are_all_named_in_one_message_without_a_traceback(local_state: Project) -> None:
    local_state.run("stack", "init", "dev")
    local_state.run("config", "set", "minReplicas", "500")
    local_state.run("config", "set", "memory", "4.0Gi")
    printed = local_state.run("up", "--yes", fails=True)
    assert "2 settings are wrong, so nothing was declared" in printed
    assert "minReplicas is '500': must not be above maxReplicas, which is 200" in printed
    assert "memory is '4.0Gi'" in printed
    assert "Traceback" not in printed
    assert local_state.cloud.resources() == {}


def test_keys_stay_secret_in_the_state_and_on_the_screen(local_state: Project) -> None:
    local_state.run("stack", "init", "dev")
    local_state.run("config", "set", "apiKeys", API_KEYS)
    assert "config set --secret apiKeys" in local_state.run("preview", fails=True)
    local_state.run("config", "set", "--secret", "apiKeys", API_KEYS)
    printed = local_state.run("up", "--yes")
    assert API_KEYS not in printed
    assert API_KEYS not in local_state.run("stack", "export")
    assert API_KEYS not in (local_state.folder / "Pulumi.dev.yaml").read_text(encoding="utf-8")
    assert local_state.read_json("stack", "output", "--json")["executorUrl"].startswith("https://")
    assert local_state.cloud.secrets() == {"api-keys": API_KEYS}


def test_what_azure_refuses_is_said_and_the_next_deployment_goes_on_where_it_stopped(local_state: Project) -> None:
    """Each of these is a row of the runbook, where `pulumi up` again is the command."""
    local_state.run("stack", "init", "contest")
    local_state.run("config", "set", "--path", "alertEmails[0]", "ta@example.org")
    refusals = (
        (
            Fault("Create", ROLE, "refuse", "PrincipalNotFound: Principal does not exist in the directory"),
            Fault("Create", BUDGET, "refuse", "400 BadRequest: the start date of the budget is not valid"),
        ),
        (Fault("Create", APP, "refuse", "MaxNumberOfCoresExceeded: the environment has no cores left"),),
    )
    for together in refusals:
        for refusal in together:
            local_state.cloud.add_fault(refusal)
        printed = local_state.run("up", "--yes", fails=True)
        assert [refusal.message for refusal in together if refusal.message not in printed] == []
    assert IDENTITY in local_state.made()
    local_state.run("up", "--yes")
    assert local_state.outputs()["executorUrl"] == URL
    assert local_state.cloud.calls().count(f"Create {IDENTITY}") == 1

    local_state.run("config", "set", "minReplicas", "20")
    busy = Fault("Update", APP, "refuse", "ContainerAppOperationInProgress: an active provisioning operation in progress")
    local_state.cloud.add_fault(busy)
    assert busy.message in local_state.run("up", "--yes", fails=True)
    local_state.run("up", "--yes")
    assert local_state.replicas(NAME) == (20, 1000)


def test_an_app_that_azure_made_and_that_failed_is_tried_again_as_a_new_revision(local_state: Project) -> None:
    local_state.run("stack", "init", "contest")
    failure = "ContainerAppOperationError: Failed to provision revision: the image cannot be pulled"
    local_state.cloud.add_fault(Fault("Create", APP, "partial", failure))
    assert failure in local_state.run("up", "--yes", fails=True)
    assert local_state.app(NAME)["provisioningState"] == "Failed"
    assert APP in {each["type"] for each in local_state.state()}

    # The refresh sees an app that is there: nothing else would tell that it has to be tried again.
    local_state.cloud.add_fault(Fault("Update", APP, "partial", "ContainerAppOperationError: the startup probe failed"))
    assert "the startup probe failed" in local_state.run("up", "--yes", fails=True)
    printed = local_state.run("up", "--yes")
    assert "failed in Azure, so it is tried again as a new revision" in printed
    app = local_state.app(NAME)
    assert {"name": "REVISION_ATTEMPT", "value": "2"} in app["template"]["containers"][0]["env"]
    assert app["latestRevisionName"] == f"{NAME}--0000003"
    local_state.run("up", "--yes", "--expect-no-changes")


def test_a_deployment_that_was_interrupted_is_resumed(local_state: Project) -> None:
    local_state.run("stack", "init", "contest")
    local_state.cloud.add_fault(Fault("Create", APP, "hang"))
    process = local_state.start("up", "--yes")
    try:
        deadline = time.monotonic() + 180
        while f"Create {APP}" not in local_state.cloud.calls():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode != 0
    assert APP not in local_state.made()
    # The interrupted command gave its lock back; had it been killed, `pulumi cancel --yes` would come first.
    local_state.run("up", "--yes")
    assert local_state.outputs()["executorUrl"] == URL


def test_an_app_that_was_made_while_the_connection_was_lost_is_taken_over(local_state: Project) -> None:
    local_state.run("stack", "init", "contest")
    local_state.cloud.add_fault(Fault("Create", APP, "die"))
    local_state.run("up", "--yes", fails=True)
    assert APP in local_state.made()
    assert APP not in {each["type"] for each in local_state.state()}
    assert "`python -m infra.adopt --stack contest`" in local_state.run("up", "--yes", fails=True)
    local_state.adopt("--yes")
    local_state.run("up", "--yes")
    assert local_state.cloud.calls().count(f"Create {APP}") == 1
    assert local_state.outputs()["executorUrl"] == URL


def test_an_app_that_was_being_made_when_the_command_was_killed_is_taken_over(
    local_state: Project,
) -> None:
    local_state.run("stack", "init", "contest")
    local_state.cloud.add_fault(Fault("Create", APP, "linger"))
    process = local_state.start("up", "--yes", session=True)
    deadline = time.monotonic() + 240
    while APP not in local_state.made():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.5)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    local_state.run("cancel", "--yes", "contest")
    # `refresh --import-pending-creates` would be Pulumi's own way. Its version 3.260 drops the note and imports nothing.
    (pending,) = local_state.read_json("stack", "export")["deployment"]["pending_operations"]
    assert pending["resource"]["type"] == APP
    local_state.adopt("--yes")
    local_state.run("refresh", "--yes", "--clear-pending-creates")
    local_state.run("up", "--yes")
    assert not local_state.read_json("stack", "export")["deployment"].get("pending_operations")
    assert local_state.cloud.calls().count(f"Create {APP}") == 1
    assert local_state.outputs()["executorUrl"] == URL


def test_something_that_was_deleted_by_hand_is_made_again_after_a_refresh(local_state: Project) -> None:
    local_state.run("stack", "init", "contest")
    local_state.run("up", "--yes")
    app_id = next(key for key, value in local_state.cloud.resources().items() if value["type"] == APP)
    local_state.cloud.remove(app_id)
    local_state.run("refresh", "--yes")
    local_state.run("up", "--yes")
    assert app_id in local_state.cloud.resources()


def test_what_is_shared_survives_the_end_of_the_stack_that_made_it(local_state: Project) -> None:
    local_state.run("stack", "init", "dev")
    for setting, value in (("registry", "create"), ("registryName", "anewregistry")):
        local_state.run("config", "set", setting, value)
    local_state.run("up", "--yes")
    assert "protect" in local_state.run("destroy", "--yes", fails=True)
    local_state.run("state", "unprotect", "--all", "--yes")
    local_state.run("destroy", "--yes")
    assert "azure-native:containerregistry:Registry" in local_state.made()


def test_a_store_and_telemetry_come_with_the_app_and_outlive_the_stack(local_state: Project) -> None:
    local_state.run("stack", "init", "dev")
    created = {
        "environment": "create",
        "environmentName": "a-new-env",
        "logWorkspace": "create",
        "store": "create",
        "storeAccountName": "aitastore",
        "applicationInsights": "create",
        "alertEmails": '["ta@example.org"]',
    }
    for key, value in created.items():
        if value.startswith("["):
            local_state.run("config", "set", "--path", f"{key}[0]", json.loads(value)[0])
        else:
            local_state.run("config", "set", key, value)
    local_state.run("up", "--yes", "--stack", "dev")
    local_state.run("up", "--yes", "--expect-no-changes")
    local_state.run("refresh", "--yes", "--expect-no-changes")
    app = local_state.app("ai-ta-ra-code-executor2-dev")
    (container,) = app["template"]["containers"]
    told = {each["name"]: each.get("value") or each["secretRef"] for each in container["env"]}
    assert told["EXECUTOR_STORE"].startswith("az://aitastore/executor?client_id=")
    assert told["APPLICATIONINSIGHTS_CONNECTION_STRING"] == "insights-connection-string"
    assert CONNECTION_STRING not in json.dumps(local_state.read_json("stack", "export"))
    assert {WORKBOOK, LOG_ALERT, METRICS_COPY, LIFETIMES} <= local_state.made().keys()
    local_state.run("config", "set", "store", "none")
    local_state.run("config", "set", "storeAccountName", "")
    refused = local_state.run("up", "--yes", fails=True)
    assert "protect" in refused
    assert {ACCOUNT, BLOBS} <= local_state.made().keys()


def test_the_policy_pack_stops_what_breaks_a_rule(local_state: Project) -> None:
    local_state.run("stack", "init", "dev")
    printed = local_state.run("preview", "--policy-pack", "policy", fails=True)
    assert "public-ingress-has-a-key" in printed
    assert "budget-present" in printed


@pytest.mark.skipif(shutil.which("docker") is None, reason="there is no Docker command")
def test_the_local_stack_answers_on_this_machine(tmp_path: Path) -> None:
    """With the real Docker provider, which the Pulumi command fetches."""
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no Docker engine is reachable")
    (tmp_path / "state").mkdir()
    project = copied_project(tmp_path / "project", f"file://{tmp_path / 'state'}", plugins=("azure-native",))
    fetched = project.start("plugin", "install", "resource", "docker", VERSIONS["docker"])
    printed, _ = fetched.communicate(timeout=240)
    if fetched.returncode != 0:
        pytest.skip(f"the Docker provider could not be fetched: {printed.strip()[-300:]}")
    project.run("stack", "init", "local")
    project.run("config", "set", "appName", "code-executor-engine-test")
    project.run("config", "set", "localPort", "18431")
    try:
        project.run("up", "--yes")
        url = project.outputs()["executorUrl"]
        answer = subprocess.run(["curl", "-sS", f"{url}/health"], capture_output=True, text=True, check=True)
        assert json.loads(answer.stdout)["status"] == "healthy"
    finally:
        project.run("destroy", "--yes")
