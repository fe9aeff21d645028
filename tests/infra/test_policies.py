"""The policy pack, evaluated on what the program declares and on what breaks each rule."""

import runpy
from typing import Any

import pulumi_policy
import pytest
from pulumi_policy import (
    PolicyCustomTimeouts,
    PolicyResource,
    PolicyResourceOptions,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from devtools import stack_files
from devtools.azure_double import plain
from devtools.engine_double import EngineDouble
from policy.rules import RULES
from tests.infra.program import ACCOUNT, API_KEYS, APP, BLOBS, IMAGE, POOL, STACKS, deploy, update
from tests.infra.test_snapshots import GUARDED

OPTIONS = PolicyResourceOptions(
    protect=False,
    ignore_changes=[],
    delete_before_replace=None,
    aliases=[],
    custom_timeouts=PolicyCustomTimeouts(0, 0, 0),
    additional_secret_outputs=[],
    parent=None,
)


def violations(resources: list[tuple[str, dict[str, Any]]]) -> set[str]:
    """Gives the names of the rules that `resources`, each a type and its inputs, break."""
    broken: set[str] = set()
    for rule in RULES:

        def report(message: str, urn: str | None = None, rule: Any = rule) -> None:
            assert message
            assert urn is None
            broken.add(rule.name)

        if isinstance(rule, ResourceValidationPolicy):
            for kind, props in resources:
                rule.validate(ResourceValidationArgs(kind, props, "urn", "name", OPTIONS, None), report)
        elif isinstance(rule, StackValidationPolicy):
            stack = [PolicyResource(kind, props, "urn", "name", OPTIONS, None, None, [], {}) for kind, props in resources]
            rule.validate(StackValidationArgs(stack), report)
    return broken


def declared(engine: EngineDouble) -> list[tuple[str, dict[str, Any]]]:
    return [(resource.type, plain(resource.inputs)) for resource in engine.resources if resource.custom]


def app_of(resources: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    return next(props for kind, props in resources if kind == APP)


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_with_keys_and_addresses_keeps_every_rule(stack: str) -> None:
    assert violations(declared(deploy(stack, update(), **GUARDED))) == set()


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_as_it_is_handed_out_breaks_exactly_the_rules_that_its_warnings_are_about(stack: str) -> None:
    assert violations(declared(deploy(stack, update()))) == {"public-ingress-has-a-key", "budget-present"}


def test_a_session_pool_and_a_local_container_keep_every_rule() -> None:
    assert violations(declared(deploy("contest", update(), **{**GUARDED, "hosting": "sessions"}))) == set()
    assert violations(declared(deploy("local", update()))) == set()


@pytest.mark.parametrize("image", ["registry.example.com/executor:latest", "registry.example.com/executor:v1", "executor"])
def test_a_tag_is_refused(image: str) -> None:
    resources = declared(deploy("dev", update(), **GUARDED))
    app_of(resources)["template"]["containers"][0]["image"] = image
    assert violations(resources) == {"image-by-digest"}


def test_passwords_of_the_registry_are_refused_for_the_push_and_for_the_pull() -> None:
    assert violations(declared(deploy("dev", update(), **GUARDED, registryCredentials="admin"))) == {"no-admin-credentials"}
    created = {"registry": "create", "registryName": "anewregistry", "registryCredentials": "admin"}
    resources = declared(deploy("dev", update(), **GUARDED, **created))
    assert violations([each for each in resources if each[0] != IMAGE]) == {"no-admin-credentials"}
    resources = declared(deploy("dev", update(), **GUARDED))
    app_of(resources)["configuration"]["registries"] = [{"server": "x", "username": "u", "passwordSecretRef": "p"}]
    assert violations(resources) == {"no-admin-credentials"}
    resources = declared(deploy("dev", update(), **{**GUARDED, "hosting": "sessions"}))
    pool = next(props for kind, props in resources if kind == POOL)
    pool["customContainerTemplate"]["registryCredentials"]["username"] = "u"
    assert violations(resources) == {"no-admin-credentials"}


@pytest.mark.parametrize("changes", [{"apiKeys": API_KEYS}, {"allowedIps": '["203.0.113.0/24"]'}, {"ingress": "internal"}])
def test_a_key_an_allow_list_or_internal_ingress_will_do(changes: dict[str, str]) -> None:
    assert violations(declared(deploy("dev", update(), alertEmails='["ta@example.org"]', **changes))) == set()


@pytest.mark.parametrize(("low", "high"), [(5, 1), (0, 1001), (-1, 5)])
def test_replicas_out_of_bounds_are_refused(low: int, high: int) -> None:
    resources = declared(deploy("dev", update(), **GUARDED))
    app_of(resources)["template"]["scale"] |= {"minReplicas": low, "maxReplicas": high}
    assert violations(resources) == {"replicas-in-bounds"}


@pytest.mark.parametrize("place", range(3))
def test_a_missing_probe_is_refused(place: int) -> None:
    resources = declared(deploy("dev", update(), **GUARDED))
    del app_of(resources)["template"]["containers"][0]["probes"][place]
    assert violations(resources) == {"all-probes"}


@pytest.mark.parametrize(
    ("kind", "opened"),
    [
        (ACCOUNT, {"allowBlobPublicAccess": True}),
        (ACCOUNT, {"allowSharedKeyAccess": True}),
        (ACCOUNT, {"minimumTlsVersion": "TLS1_1"}),
        (ACCOUNT, {"enableHttpsTrafficOnly": False}),
        (BLOBS, {"publicAccess": "Blob"}),
    ],
)
def test_a_store_that_is_open_is_refused(kind: str, opened: dict[str, object]) -> None:
    resources = declared(deploy("dev", update(), **GUARDED, store="create", storeAccountName="aitastore"))
    assert violations(resources) == set()
    for each, props in resources:
        if each == kind:
            props.update(opened)
    assert violations(resources) == {"store-is-closed"}


def test_the_pack_serves_all_rules_as_mandatory(monkeypatch: pytest.MonkeyPatch) -> None:
    served: dict[str, Any] = {}
    # The real one goes on to serve the rules over gRPC until the command ends it.
    monkeypatch.setattr(pulumi_policy, "PolicyPack", lambda **arguments: served.update(arguments))
    runpy.run_path(str(stack_files.ROOT / "policy"), run_name="__main__")
    assert [rule.name for rule in served["policies"]] == [rule.name for rule in RULES]
    assert served["enforcement_level"] is pulumi_policy.EnforcementLevel.MANDATORY
