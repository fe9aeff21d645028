"""The provider that scales a live app, against the stand-in's Resource Manager."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools.azure_double import live_app
from devtools.cloud_file import CloudFile, Fault
from devtools.resource_manager_double import resource_manager
from infra import resource_manager as arm
from infra.app_scale import AppScaleProvider, ScaleError, refusal
from tests.infra.program import APP

APP_ID: str = live_app()["id"]
IDLE = {"appId": APP_ID, "minReplicas": 0, "maxReplicas": 1000}


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudFile]:
    """A cloud with the app, which this process speaks to."""
    monkeypatch.delenv("ARM_CLIENT_ID", raising=False)
    # An error of the provider's shortens the tracebacks of its process, which is none of its own here.
    monkeypatch.setattr(sys, "tracebacklimit", 1000, raising=False)
    cloud = CloudFile(tmp_path / "cloud.json")
    app = {key: value for key, value in live_app().items() if key != "id"}
    app["template"]["scale"]["rules"] = [{"name": "contest-finals", "custom": {"type": "cron"}}]
    cloud.put(APP_ID, APP, app)
    with resource_manager(cloud) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield cloud


def app_of(cloud: CloudFile) -> Any:
    return cloud.resources()[APP_ID]["outputs"]


def test_two_numbers_are_changed_and_nothing_else_but_the_revision(cloud: CloudFile) -> None:
    before = app_of(cloud)
    made = AppScaleProvider().create(dict(IDLE))
    assert (made.id, made.outs) == (APP_ID, {**IDLE, "revision": f"{before['name']}--0000002"})
    after = app_of(cloud)
    assert after["template"]["scale"] == {**before["template"]["scale"], "minReplicas": 0}
    assert {**after, "template": before["template"], "latestRevisionName": before["latestRevisionName"]} == before


def test_a_difference_is_one_from_what_azure_has_at_this_moment(cloud: CloudFile) -> None:
    provider = AppScaleProvider()
    assert provider.diff(APP_ID, IDLE, IDLE).changes
    provider.update(APP_ID, IDLE, IDLE)
    assert not provider.diff(APP_ID, {**IDLE, "minReplicas": 10}, IDLE).changes
    cloud.scale(APP_ID, 10, 1000)
    assert provider.diff(APP_ID, IDLE, IDLE).changes
    assert provider.diff(APP_ID, IDLE, {**IDLE, "appId": "another"}).replaces == ["appId"]


def test_what_is_read_is_what_azure_has_and_an_app_that_is_gone_is_gone(cloud: CloudFile) -> None:
    read = AppScaleProvider().read(APP_ID, {**IDLE, "__provider": "x"})
    assert read.outs is not None
    assert (read.outs["minReplicas"], read.outs["__provider"]) == (10, "x")
    assert read.inputs == {"appId": APP_ID, "minReplicas": 10, "maxReplicas": 1000}
    cloud.remove(APP_ID)
    assert AppScaleProvider().read(APP_ID, {}).id == ""


def test_the_end_of_the_stack_leaves_the_app_as_it_is(cloud: CloudFile) -> None:
    before = cloud.resources()
    AppScaleProvider().delete(APP_ID, IDLE)
    assert (cloud.resources(), cloud.calls()) == (before, [])


def test_who_may_not_change_the_app_is_found_out_before(cloud: CloudFile) -> None:
    assert refusal(APP_ID) is None
    for actions in (("*/read",), ("Microsoft.App/managedEnvironments/*",), ()):
        cloud.permit(*actions)
        assert refusal(APP_ID) == (
            f"you may not change {APP_ID}: ask for Microsoft.App/containerApps/write, which the role Contributor has"
        )
    for actions in (("Microsoft.App/*",), ("microsoft.app/containerapps/write",), ("*/write",)):
        cloud.permit(*actions)
        assert refusal(APP_ID) is None


@pytest.mark.usefixtures("cloud")
def test_without_an_answer_or_a_login_that_is_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(arm.ENDPOINT_VARIABLE, "http://127.0.0.1:1")
    assert "no answer from http://127.0.0.1:1" in str(refusal(APP_ID))
    for name in ("ARM_USE_MSI", "IDENTITY_ENDPOINT"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", "")  # no Azure CLI
    assert "no login to Azure: Azure CLI not found on path" in str(refusal(APP_ID))


def test_a_change_waits_while_another_one_is_under_way(cloud: CloudFile) -> None:
    busy = "ContainerAppOperationInProgress: There is an active provisioning operation in progress"
    for _ in range(3):
        cloud.add_fault(Fault("Patch", APP, "refuse", busy))
    AppScaleProvider().update(APP_ID, {}, IDLE)
    assert app_of(cloud)["template"]["scale"]["minReplicas"] == 0
    assert cloud.calls() == [f"Patch {APP}"] * 4


def test_another_change_that_does_not_end_is_given_up(cloud: CloudFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arm, "LONGEST_OPERATION_SECONDS", -1.0)
    cloud.add_fault(Fault("Patch", APP, "refuse", "ContainerAppOperationInProgress: an active operation"))
    with pytest.raises(ScaleError, match="409 ContainerAppOperationInProgress another operation has not ended"):
        AppScaleProvider().update(APP_ID, {}, IDLE)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("Patch", APP, "fail", "RevisionProvisioningFailed: the image cannot be pulled"), "the image cannot be pulled"),
        (Fault("Patch", APP, "ignore"), "answers .*10.* where .*0.* was set"),
        (Fault("Patch", APP, "refuse", "QuotaExceeded: no cores"), "400 QuotaExceeded no cores"),
    ],
    ids=["accepted and failed", "accepted and not done", "refused"],
)
def test_what_azure_did_not_do_is_an_error_of_one_line(cloud: CloudFile, fault: Fault, said: str) -> None:
    cloud.add_fault(fault)
    with pytest.raises(ScaleError, match=said) as refused:
        AppScaleProvider().update(APP_ID, {}, IDLE)
    assert "\n" not in str(refused.value)
    assert app_of(cloud)["template"]["scale"]["minReplicas"] == 10
