"""Checks a declared azure-native resource against Azure's published types, which the SDK itself does not."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devtools.engine_double import Declared, Secret, Unknown

FOLDER = Path(os.environ.get("ARM_TYPES") or Path(__file__).parents[3] / "shared" / "arm-types")
"""They are not part of the project: where neither the variable nor the folder beside the checkout leads to them, whatever
checks them skips and says so."""

MISSING = f"Azure's published types are not there: no folder {FOLDER} (the variable ARM_TYPES names another)"
NEEDED = pytest.mark.skipif(not FOLDER.is_dir(), reason=MISSING)
"""For a test that checks nothing else."""

REQUIRED, READ_ONLY = 1, 2
"""Flags of a property. Source: TypeBase.ts of the repository Azure/bicep-types."""

ENVELOPE = frozenset({"id", "name", "type", "apiVersion", "systemData", "properties"})
"""What azure-native takes out of a body: it knows type and version itself, and lifts `properties` to the top."""

KEYS_AS_LIST = frozenset({"userAssignedIdentities"})
"""Maps with nothing in their values, which azure-native lets a program write as the list of their keys."""

RENAMED: Mapping[str, str] = {
    "odata.type": "odataType",
    "supportsHttpsTrafficOnly": "enableHttpsTrafficOnly",
    "Application_Type": "applicationType",
    "Flow_Type": "flowType",
    "Request_Source": "requestSource",
    "IngestionMode": "ingestionMode",
    "WorkspaceResourceId": "workspaceResourceId",
}
"""Properties of Azure's that azure-native calls otherwise, and what it calls them."""

FRACTIONS = frozenset({"cpu", "gpu"})
"""Numbers of Azure's that the published types call integers, because Bicep has no fractions."""


@dataclass(frozen=True)
class ArmResource:
    """Where a resource's type stands, and the inputs that go into the URL instead of into the body."""

    file: str
    name: str
    in_url: frozenset[str]


RESOURCES: Mapping[str, ArmResource] = {
    "azure-native:app:ContainerApp": ArmResource(
        "microsoft.app@2025-02-02-preview.json",
        "Microsoft.App/containerApps",
        frozenset({"resourceGroupName", "containerAppName"}),
    ),
    "azure-native:app:ContainerAppsSessionPool": ArmResource(
        "microsoft.app@2025-02-02-preview.json",
        "Microsoft.App/sessionPools",
        frozenset({"resourceGroupName", "sessionPoolName"}),
    ),
    "azure-native:app:ManagedEnvironment": ArmResource(
        "microsoft.app@2025-02-02-preview.json",
        "Microsoft.App/managedEnvironments",
        frozenset({"resourceGroupName", "environmentName"}),
    ),
    "azure-native:app:ManagedCertificate": ArmResource(
        "microsoft.app@2025-02-02-preview.json",
        "Microsoft.App/managedEnvironments/managedCertificates",
        frozenset({"resourceGroupName", "environmentName", "managedCertificateName"}),
    ),
    "azure-native:authorization:RoleAssignment": ArmResource(
        "microsoft.authorization@2022-04-01.json",
        "Microsoft.Authorization/roleAssignments",
        frozenset({"scope", "roleAssignmentName"}),
    ),
    "azure-native:consumption:Budget": ArmResource(
        "microsoft.consumption@2024-08-01.json",
        "Microsoft.Consumption/budgets",
        frozenset({"scope", "budgetName"}),
    ),
    "azure-native:containerregistry:Registry": ArmResource(
        "microsoft.containerregistry@2023-01-01-preview.json",
        "Microsoft.ContainerRegistry/registries",
        frozenset({"resourceGroupName", "registryName"}),
    ),
    "azure-native:managedidentity:UserAssignedIdentity": ArmResource(
        "microsoft.managedidentity@2023-01-31.json",
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        frozenset({"resourceGroupName", "resourceName"}),
    ),
    "azure-native:applicationinsights:Component": ArmResource(
        "microsoft.insights@2020-02-02.json",
        "Microsoft.Insights/components",
        frozenset({"resourceGroupName", "resourceName"}),
    ),
    "azure-native:applicationinsights:Workbook": ArmResource(
        "microsoft.insights@2023-06-01.json",
        "Microsoft.Insights/workbooks",
        frozenset({"resourceGroupName", "resourceName"}),
    ),
    "azure-native:monitor:ScheduledQueryRule": ArmResource(
        "microsoft.insights@2025-01-01-preview.json",
        "Microsoft.Insights/scheduledQueryRules",
        frozenset({"resourceGroupName", "ruleName"}),
    ),
    "azure-native:monitor:DiagnosticSetting": ArmResource(
        "microsoft.insights@2021-05-01-preview.json",
        "Microsoft.Insights/diagnosticSettings",
        frozenset({"resourceUri", "name"}),
    ),
    "azure-native:monitor:ActionGroup": ArmResource(
        "microsoft.insights@2024-10-01-preview.json",
        "Microsoft.Insights/actionGroups",
        frozenset({"resourceGroupName", "actionGroupName"}),
    ),
    "azure-native:monitor:MetricAlert": ArmResource(
        "microsoft.insights@2018-03-01.json",
        "Microsoft.Insights/metricAlerts",
        frozenset({"resourceGroupName", "ruleName"}),
    ),
    "azure-native:operationalinsights:Workspace": ArmResource(
        "microsoft.operationalinsights@2023-09-01.json",
        "Microsoft.OperationalInsights/workspaces",
        frozenset({"resourceGroupName", "workspaceName"}),
    ),
    "azure-native:storage:StorageAccount": ArmResource(
        "microsoft.storage@2024-01-01.json",
        "Microsoft.Storage/storageAccounts",
        frozenset({"resourceGroupName", "accountName"}),
    ),
    "azure-native:storage:BlobContainer": ArmResource(
        "microsoft.storage@2024-01-01.json",
        "Microsoft.Storage/storageAccounts/blobServices/containers",
        frozenset({"resourceGroupName", "accountName", "containerName"}),
    ),
    "azure-native:storage:ManagementPolicy": ArmResource(
        "microsoft.storage@2024-01-01.json",
        "Microsoft.Storage/storageAccounts/managementPolicies",
        frozenset({"resourceGroupName", "accountName", "managementPolicyName"}),
    ),
}
"""Every azure-native resource that the program may declare. One that is missing here fails the check."""

UNCHECKED = frozenset({"azure-native:resources:ResourceGroup", "azure-native:authorization:ManagementLockByScope"})
"""Those whose types were not handed out: of a group name, region and tags are declared, of a lock its level."""


def published(resource_type: str) -> bool:
    """Tells whether the type of that resource is among those that are there."""
    return resource_type in RESOURCES and (FOLDER / RESOURCES[resource_type].file).is_file()


def problems(resource: Declared, folder: Path = FOLDER) -> list[str]:
    """Gives one line for everything in `resource` that Azure would not take, each with its place.

    An enumeration counts as closed even where Azure leaves it open for later versions: here, another value is a slip.
    """
    return body_problems(resource.type, resource.inputs, resource.name, folder)


def check(resources: Iterable[Declared], subtests: pytest.Subtests) -> None:
    """Checks all that is declared for Azure, as a part of a test that skips by itself where the types are not there."""
    with subtests.test("each body is one that Azure's published types allow"):
        if not FOLDER.is_dir():
            pytest.skip(MISSING)
        declared = [each for each in resources if each.type.startswith("azure-native:") and each.type not in UNCHECKED]
        assert {each.type for each in declared} <= RESOURCES.keys()
        # What was handed out has not every file: those that came later are checked where somebody put them.
        checked = [each for each in declared if published(each.type)]
        assert [problem for resource in checked for problem in problems(resource)] == []


def body_problems(resource_type: str, declared: Mapping[str, Any], name: str, folder: Path = FOLDER) -> list[str]:
    """Does the same for a body by itself; `name` begins each line."""
    arm = RESOURCES[resource_type]
    types = json.loads((folder / arm.file).read_text(encoding="utf-8"))
    body = next(t["body"] for t in types if t["$type"] == "ResourceType" and t["name"].partition("@")[0] == arm.name)
    members = _resolved(types, body)["properties"]
    lifted = _resolved(types, members["properties"]["type"]).get("properties", {}) if "properties" in members else {}
    flat = {
        "$type": "ObjectType",
        # A workbook's own `tags` are a list that nobody writes; those that azure-native takes are every resource's.
        "properties": {**lifted, **{key: member for key, member in members.items() if key not in ENVELOPE}},
    }
    inputs = {key: value for key, value in declared.items() if key not in arm.in_url}
    # Of a managed certificate azure-native leaves `properties` where Azure has it.
    inputs |= inputs.pop("properties", {})
    for theirs, ours in RENAMED.items():
        if ours in inputs and theirs in flat["properties"]:
            inputs[theirs] = inputs.pop(ours)
    return list(_check(types, flat, inputs, name))


def _resolved(types: list[Any], reference: Mapping[str, str]) -> dict[str, Any]:
    found = types[int(reference["$ref"].removeprefix("#/"))]
    assert isinstance(found, dict)
    return found


def _check(types: list[Any], expected: Mapping[str, Any], value: object, place: str) -> Iterator[str]:
    if isinstance(value, Secret):
        yield from _check(types, expected, value.value, place)
        return
    if isinstance(value, Unknown):
        return
    match expected["$type"]:
        case "ObjectType":
            yield from _check_object(types, expected, value, place)
        case "ArrayType":
            if not isinstance(value, list):
                yield f"{place}: {value!r} is no list"
                return
            for index, item in enumerate(value):
                yield from _check(types, _resolved(types, expected["itemType"]), item, f"{place}[{index}]")
        case "UnionType":
            yield from _check_union(types, expected, value, place)
        case "DiscriminatedObjectType":
            yield from _check_variant(types, expected, value, place)
        case "AnyType":
            pass
        case _:
            yield from _check_scalar(expected, value, place)


def _check_object(types: list[Any], expected: Mapping[str, Any], value: object, place: str) -> Iterator[str]:
    members, others = expected.get("properties", {}), expected.get("additionalProperties")
    if isinstance(value, list) and place.rpartition(".")[2] in KEYS_AS_LIST:
        yield from (f"{place}: {key!r} is no string" for key in value if not isinstance(key, str | Unknown))
        return
    if not isinstance(value, dict):
        yield f"{place}: {value!r} is no object"
        return
    for name, member in members.items():
        if name not in value and member["flags"] & REQUIRED and not member["flags"] & READ_ONLY:
            yield f"{place}.{name}: is required"
    for name, inner in value.items():
        if name in members and members[name]["flags"] & READ_ONLY:
            yield f"{place}.{name}: is read-only"
        elif name in members:
            yield from _check(types, _resolved(types, members[name]["type"]), inner, f"{place}.{name}")
        elif others:
            yield from _check(types, _resolved(types, others), inner, f"{place}.{name}")
        else:
            yield f"{place}.{name}: is no property that Azure knows"


def _check_variant(types: list[Any], expected: Mapping[str, Any], value: object, place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place}: {value!r} is no object"
        return
    key, variants = expected["discriminator"], expected["elements"]
    if key in RENAMED and RENAMED[key] in value:
        value = {key if name == RENAMED[key] else name: inner for name, inner in value.items()}
    if value.get(key) not in variants:
        yield f"{place}.{key}: {value.get(key)!r} is none of {sorted(variants)}"
        return
    variant = _resolved(types, variants[value[key]])
    merged = {**expected["baseProperties"], **variant.get("properties", {})}
    yield from _check_object(types, {**variant, "properties": merged}, value, place)


def _check_union(types: list[Any], expected: Mapping[str, Any], value: object, place: str) -> Iterator[str]:
    elements = [_resolved(types, element) for element in expected["elements"]]
    literals = [element["value"] for element in elements if element["$type"] == "StringLiteralType"]
    if literals and value not in literals:
        yield f"{place}: {value!r} is none of {literals}"
    elif not literals and all(list(_check(types, element, value, place)) for element in elements):
        yield f"{place}: {value!r} fits no variant"


def _check_scalar(expected: Mapping[str, Any], value: object, place: str) -> Iterator[str]:
    match expected["$type"]:
        case "StringType":
            if not isinstance(value, str):
                yield f"{place}: {value!r} is no string"
        case "StringLiteralType":
            if value != expected["value"]:
                yield f"{place}: {value!r} is not {expected['value']!r}"
        case "BooleanType":
            if not isinstance(value, bool):
                yield f"{place}: {value!r} is no boolean"
        case "IntegerType":
            numbers = int | float if place.rpartition(".")[2] in FRACTIONS else int
            if isinstance(value, bool) or not isinstance(value, numbers):
                yield f"{place}: {value!r} is no number of the right kind"
            elif not expected.get("minValue", value) <= value <= expected.get("maxValue", value):
                yield f"{place}: {value!r} is out of range"
        case unexpected:
            raise AssertionError(unexpected)
