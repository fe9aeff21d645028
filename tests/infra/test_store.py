"""The store that a stack declares: who may read and write it, and who not."""

import re
from collections.abc import Callable

import pulumi
import pytest

from devtools.azure_double import GROUP_ID, STORE_CONTAINER_ID, STORE_IDENTITY_ID, SUBSCRIPTION
from devtools.engine_double import EngineDouble, Unknown
from infra.store import CONTRIBUTOR_ROLE, RESULT_PREFIXES
from runtime.store.blobs import check_url
from runtime.store.pending import PARTS
from tests.infra import arm_types
from tests.infra.program import ACCOUNT, API_KEYS, APP, BLOBS, IDENTITY, LIFETIMES, ROLE, deploy, preview, update

CREATED = {"store": "create", "storeAccountName": "aitastore"}
EXISTING = {"store": "existing", "storeAccountName": "aitarastore"}
BOTH = pytest.mark.parametrize("new_engine", [preview, update], ids=["preview", "update"])


def variables(engine: EngineDouble) -> dict[str, object]:
    (container,) = engine.only(APP).inputs["template"]["containers"]
    return {each["name"]: each.get("value") for each in container["env"]}


def of_the_store(engine: EngineDouble, kind: str) -> list[str]:
    return [each.name for each in engine.resources if each.type == kind and each.name.startswith("store-")]


@BOTH
def test_a_store_is_an_account_without_keys_without_public_blobs_and_with_tls_only(
    new_engine: Callable[[], EngineDouble], subtests: pytest.Subtests
) -> None:
    engine = deploy("dev", new_engine(), **CREATED)
    account = engine.only(ACCOUNT)
    assert account.inputs["allowBlobPublicAccess"] is False
    assert account.inputs["allowSharedKeyAccess"] is False
    assert account.inputs["enableHttpsTrafficOnly"] is True
    assert account.inputs["minimumTlsVersion"] == "TLS1_2"
    assert account.inputs["isLocalUserEnabled"] is account.inputs["allowCrossTenantReplication"] is False
    assert engine.only(BLOBS).inputs["publicAccess"] == "None"
    for kept in (account, engine.only(BLOBS)):
        assert kept.protect
        assert kept.retain_on_delete
    arm_types.check(engine.resources, subtests)


def test_the_store_s_identity_may_do_nothing_but_read_and_write_its_container() -> None:
    engine = deploy("dev", update(), **CREATED)
    (role,) = [each for each in engine.resources if each.type == ROLE and each.name == "store-role"]
    container = f"{GROUP_ID}/providers/Microsoft.Storage/storageAccounts/aitastore/blobServices/default/containers/executor"
    assert role.inputs["scope"] == container
    assert role.inputs["roleDefinitionId"].endswith(CONTRIBUTOR_ROLE)
    assert role.delete_before_replace
    assert role.urn in engine.only(APP).dependencies
    assert sorted(each.inputs["resourceName"] for each in engine.resources if each.type == IDENTITY) == [
        "ai-ta-ra-code-executor2-dev-pull",
        "ai-ta-ra-code-executor2-dev-store",
    ]


@BOTH
def test_only_a_running_server_gets_tokens_and_only_the_store_s(new_engine: Callable[[], EngineDouble]) -> None:
    engine = deploy("dev", new_engine(), **CREATED)
    app = engine.only(APP).inputs
    lifecycles = [each["lifecycle"] for each in app["configuration"]["identitySettings"]]
    assert lifecycles == ["None", "Main"]
    identities = [each["identity"] for each in app["configuration"]["identitySettings"]]
    assert identities == app["identity"]["userAssignedIdentities"]
    for identity, use in zip(identities, ("pull", "store"), strict=True):
        assert isinstance(identity, Unknown) or identity.endswith(f"/ai-ta-ra-code-executor2-dev-{use}")


def test_the_executor_is_told_the_store_in_a_form_that_it_takes() -> None:
    engine = deploy("dev", update(), **CREATED)
    url = variables(engine)["EXECUTOR_STORE"]
    assert isinstance(url, str)
    assert re.fullmatch(r"az://aitastore/executor\?client_id=[0-9a-f-]{36}", url)
    check_url(url)
    assert engine.outputs["storeUrl"] == url
    assert isinstance(variables(deploy("dev", preview(), **CREATED))["EXECUTOR_STORE"], Unknown)


def test_results_of_accepted_work_go_after_their_days_and_nothing_else_does() -> None:
    engine = deploy("dev", update(), **CREATED, storeResultDays="3", storeContainerName="midterm")
    (rule,) = engine.only(LIFETIMES).inputs["policy"]["rules"]
    assert rule["definition"]["actions"] == {"baseBlob": {"delete": {"daysAfterModificationGreaterThan": 3}}}
    assert rule["definition"]["filters"] == {
        "blobTypes": ["blockBlob"],
        "prefixMatch": [f"midterm/named/{part}/" for part in ("accepted", "claims", "replicas", "results", "sweeps")],
    }


def test_the_prefixes_are_those_under_which_the_executor_keeps_results() -> None:
    assert tuple(f"named/{part}/" for part in sorted(PARTS)) == RESULT_PREFIXES


def test_a_store_that_exists_is_looked_up_and_only_the_identity_and_its_role_are_made(subtests: pytest.Subtests) -> None:
    engine = deploy("dev", update(), **EXISTING)
    assert not {ACCOUNT, BLOBS, LIFETIMES} & set(engine.types())
    assert of_the_store(engine, IDENTITY) == ["store-identity"]
    (role,) = [each for each in engine.resources if each.name == "store-role"]
    assert role.inputs["scope"] == STORE_CONTAINER_ID
    arm_types.check(engine.resources, subtests)


def test_a_store_that_does_not_exist_stops_the_preview_before_the_app() -> None:
    engine = preview()
    with pytest.raises(Exception, match=r"ResourceNotFound.*another"):
        deploy("dev", engine, store="existing", storeAccountName="another")
    assert APP not in engine.types()


def test_an_identity_that_may_use_the_store_already_is_used_as_it_is_and_no_role_is_assigned() -> None:
    engine = deploy("dev", update(), **EXISTING, storeIdentityId=STORE_IDENTITY_ID)
    assert not of_the_store(engine, IDENTITY) + of_the_store(engine, ROLE)
    assert STORE_IDENTITY_ID in engine.only(APP).inputs["identity"]["userAssignedIdentities"]
    assert variables(engine)["EXECUTOR_STORE"] == ("az://aitarastore/executor?client_id=99999999-8888-7777-6666-555555555555")


def test_several_apps_share_one_store() -> None:
    apps = '[{"imageTarget": "node"}, {"imageTarget": "judge", "appName": "judge"}]'
    engine = deploy("dev", update(), **CREATED, apps=apps)
    urls = {
        each["value"]
        for app in engine.resources
        if app.type == APP
        for each in app.inputs["template"]["containers"][0]["env"]
        if each["name"] == "EXECUTOR_STORE"
    }
    assert len(urls) == len(of_the_store(engine, ACCOUNT)) == 1


def test_a_stack_without_a_store_declares_nothing_of_it() -> None:
    engine = deploy("contest", update(), apiKeys=API_KEYS)
    assert not {ACCOUNT, BLOBS, LIFETIMES} & set(engine.types())
    assert "EXECUTOR_STORE" not in variables(engine)
    assert [each["lifecycle"] for each in engine.only(APP).inputs["configuration"]["identitySettings"]] == ["None"]


PULLER = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/puller"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"store": "create"}, "storeAccountName is '': must be 3 to 24 small letters"),
        ({**CREATED, "storeGroupName": "another"}, "storeGroupName is 'another': must be empty where store is create"),
        (
            {**CREATED, "environmentVariables": '{"EXECUTOR_STORE": "file:///tmp/x"}'},
            "environmentVariables.EXECUTOR_STORE: must not be set where store is create",
        ),
        (
            {**CREATED, "environmentVariables": '{"EXECUTOR_ACCEPTED_SECONDS": "864000"}'},
            "storeResultDays is '7': must not be below EXECUTOR_ACCEPTED_SECONDS, which is 10 days",
        ),
        (
            {**EXISTING, "pullIdentityId": PULLER, "storeIdentityId": PULLER},
            "must differ from pullIdentityId",
        ),
        (
            {
                **EXISTING,
                "resourceGroup": "create",
                "registry": "create",
                "environment": "create",
            },
            "store is 'existing': must be create where resourceGroup is create",
        ),
        ({**CREATED, "hosting": "sessions"}, "store is 'create': must be none where hosting is sessions"),
        ({**CREATED, "hosting": "local"}, "store is 'create': must be none where hosting is local"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_store_that_cannot_be_is_refused_by_its_key(changes: dict[str, str], words: str) -> None:
    engine = preview()
    with pytest.raises(pulumi.RunError) as refused:
        deploy("dev", engine, **changes)
    assert words in str(refused.value)
    assert engine.resources == []


def test_a_stack_that_only_scales_has_no_store_of_its_own() -> None:
    with pytest.raises(pulumi.RunError, match=r"store is 'create': must be none where hosting is scale"):
        deploy("idle", preview(), **CREATED)
