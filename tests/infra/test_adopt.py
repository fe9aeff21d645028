"""What the adoption shows of a live app beside the stack's, and what it refuses."""

import copy
from typing import Any

import pytest

from devtools.azure_double import ENVIRONMENT_ID, live_app
from devtools.engine_double import Secret, Unknown
from infra.adopt import __main__ as adopt
from infra.adopt.comparison import UNKNOWN, Row, compare, flattened, table
from tests.infra.program import API_KEYS, APP, deploy, preview


def planned(**changes: str) -> dict[str, Any]:
    """Gives what the contest stack declares, as `pulumi preview --json` writes it."""
    inputs: dict[str, Any] = _written(dict(deploy("contest", preview(), **changes).only(APP).inputs))
    return inputs


def _written(value: Any) -> Any:
    match value:
        case Unknown():
            return UNKNOWN
        case Secret():
            return "[secret]"
        case dict():
            return {key: _written(inner) for key, inner in value.items()}
        case list():
            return [_written(inner) for inner in value]
        case _:
            return value


def rows(live: dict[str, Any], **changes: str) -> dict[str, Row]:
    return {row.what: row for row in compare(live, planned(**changes))}


def test_what_both_have_is_the_same_however_azure_writes_it() -> None:
    found = rows(live_app())
    alike = {"region", "environment", "size", "replicas", "custom domains", "variables", "volumes", "revisions"}
    assert {what for what, row in found.items() if not row.differs} >= alike | {
        "allowed addresses",
        "workload profile",
        "tags",
    }
    assert found["image"].planned == "what `pulumi up` builds"
    assert found["identity"].planned == "the stack's own"


def test_what_an_old_app_has_is_named_before_it_goes() -> None:
    live = copy.deepcopy(live_app())
    live["configuration"] |= {
        "activeRevisionsMode": "Multiple",
        "secrets": [{"name": "reg-pswd"}, {"name": "db"}],
        "registries": [{"server": "r.azurecr.io", "username": "admin", "passwordSecretRef": "reg-pswd"}],
    }
    live["configuration"]["ingress"] |= {
        "allowInsecure": True,
        "customDomains": [{"name": "executor.example.org"}],
        "ipSecurityRestrictions": [{"ipAddressRange": "203.0.113.0/24"}],
    }
    live["identity"] = {"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": {"/x/y/puller": {}}}
    live["template"]["containers"][0] |= {
        "env": [{"name": "B"}, {"name": "A"}],
        "probes": [{"type": "Liveness", "httpGet": {"path": "/", "port": 80}}],
    }
    live["template"]["containers"].append({"name": "sidecar"})
    live["template"] |= {"volumes": [{"name": "scratch"}], "terminationGracePeriodSeconds": 60}
    live["template"]["scale"]["rules"] = [{"name": "http", "http": {"metadata": {"concurrentRequests": "50"}}}]
    shown = {what: row.live for what, row in rows(live).items() if row.differs}
    assert shown == {
        "image": live["template"]["containers"][0]["image"],
        "containers": "executor, sidecar",
        "scale rules": "http http concurrentRequests=50",
        "ingress": "external, port 8000, auto, also without TLS",
        "allowed addresses": "203.0.113.0/24",
        "custom domains": "executor.example.org",
        "registry": "r.azurecr.io by the password reg-pswd",
        "secrets": "reg-pswd, db",
        "identity": "system, puller",
        "probes": "Liveness /:80",
        "variables": "A, B",
        "volumes": "scratch",
        "revisions": "multiple",
        "grace period": "60 s",
    }


def test_no_secret_s_value_is_shown() -> None:
    found = rows(live_app(), apiKeys=API_KEYS)
    assert "EXECUTOR_API_KEYS" in found["variables"].planned
    assert not any(API_KEYS in text for line in table(list(found.values())) for text in [line])


def test_an_app_without_ingress_or_containers_can_be_looked_at() -> None:
    bare = {"location": "East US 2", "environmentId": ENVIRONMENT_ID.upper(), "configuration": None, "template": None}
    found = rows(bare)
    assert (found["ingress"].live, found["containers"].live, found["replicas"].live) == ("none", "none", "0 to 10")
    assert not found["environment"].differs


def test_region_and_environment_are_what_cannot_be_changed_in_place() -> None:
    found = rows({**live_app(), "location": "West Europe", "environmentId": "/subscriptions/x/environments/other"})
    assert {what for what, row in found.items() if row.fixed and row.differs} == {"region", "environment"}
    marks = {line.split()[1]: line[0] for line in table(list(found.values())) if line[0] != " "}
    assert marks["region"] == "!"
    assert marks["image"] == "~"


def test_an_answer_of_azure_s_api_reads_like_one_of_azure_native_s() -> None:
    app = live_app()
    body = {"id": app["id"], "properties": {key: app[key] for key in ("template", "configuration", "environmentId")}}
    assert flattened(body) == {key: app[key] for key in ("id", "template", "configuration", "environmentId")}


STEP = {
    "op": "create",
    "urn": f"urn:pulumi:contest::code-executor::code-executor:infra:ExecutorApp${APP}::executor-app",
    "newState": {
        "type": APP,
        "parent": "urn:pulumi:contest::code-executor::code-executor:infra:ExecutorApp::executor",
        "inputs": {"environmentId": ENVIRONMENT_ID, "resourceGroupName": "ai-ta-2", "containerAppName": "an-app"},
    },
}


def test_the_file_puts_the_app_below_its_component_where_the_program_has_it() -> None:
    apps = adopt._planned([STEP, {"op": "create", "newState": {"type": "other"}}, {**STEP, "op": "update"}])  # noqa: SLF001
    component, app = adopt.import_file(apps)["resources"]
    assert component == {"type": "code-executor:infra:ExecutorApp", "name": "executor", "component": True}
    assert (app["type"], app["name"], app["parent"], app["version"]) == (APP, "executor-app", "executor", "3.29.0")
    assert app["id"] == ENVIRONMENT_ID.rpartition("/providers/")[0] + "/providers/Microsoft.App/containerApps/an-app"


def test_an_environment_that_is_yet_to_be_made_holds_no_app() -> None:
    inputs = {**STEP["newState"]["inputs"], "environmentId": UNKNOWN}  # type: ignore[index] # a literal above
    with pytest.raises(adopt.AdoptionError, match="set environment to existing"):
        _ = adopt.PlannedApp("executor-app", ("type", "executor"), inputs).id


@pytest.mark.parametrize("op", ["replace", "create-replacement", "delete", "delete-replaced", "create"])
def test_an_import_after_which_something_would_be_replaced_is_said_to_be_none(op: str) -> None:
    with pytest.raises(
        adopt.AdoptionError, match=f"{op} urn:.*`pulumi state delete URN --stack contest` takes the import back"
    ):
        adopt._check([{**STEP, "op": op}], "contest")  # noqa: SLF001
    adopt._check([{**STEP, "op": "update"}], "contest")  # noqa: SLF001


def test_without_the_pulumi_command_that_is_what_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert adopt.main(["--stack", "contest"]) == 1
    assert capsys.readouterr().err == "adopt: the command pulumi is not on PATH\n"
