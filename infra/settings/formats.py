"""What names, ids and other texts have to look like, each as a pattern and in words.

Names of resources: Microsoft's "Naming rules and restrictions for Azure resources"; images: the reference grammar of the
OCI distribution specification.
"""

import re
from collections.abc import Mapping
from decimal import Decimal

from infra.settings.reader import TextRule

MEMORY_FOR_CPU: Mapping[Decimal, Decimal] = {Decimal(n) / 4: Decimal(n) / 2 for n in range(1, 17)}
"""The sizes a replica can have on the Consumption profile: cores, and the GiB that go with them.

Source: Microsoft's page on containers in Azure Container Apps ("Allocations").
"""


def _rule(pattern: str, expected: str) -> TextRule:
    return TextRule(re.compile(pattern), expected)


_REPOSITORY = r"[a-z0-9]+([._/-]+[a-z0-9]+)*"
_GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_IN_GROUP = rf"/subscriptions/{_GUID}/resourceGroups/[^/]+/providers/"
_HOST = r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"

REGION = _rule(r"[a-z]+[a-z0-9]*", "must be an Azure region in its short form, such as eastus2")
APP_NAME = _rule(
    r"(?!.*--)[a-z][a-z0-9-]{0,30}[a-z0-9]",
    "must be 2 to 32 small letters, digits and single hyphens, from a letter to a letter or digit",
)
GROUP_NAME = _rule(r"[\w().-]{0,89}[\w()-]", "must be 1 to 90 letters, digits, _ - . ( ) and not end in a dot")
REGISTRY_NAME = _rule(r"[A-Za-z0-9]{5,50}", "must be 5 to 50 letters and digits, without .azurecr.io")
# Wider than Microsoft's page, which knows only small letters: the environment that this project starts from has capitals.
ENVIRONMENT_NAME = _rule(
    r"(?!.*--)[A-Za-z][A-Za-z0-9-]{0,58}[A-Za-z0-9]",
    "must be 2 to 60 letters, digits and single hyphens, from a letter to a letter or digit",
)
SUBNET_ID = _rule(
    rf"{_IN_GROUP}Microsoft\.Network/virtualNetworks/[^/]+/subnets/[^/]+",
    "must be a subnet's resource id, /subscriptions/.../virtualNetworks/NAME/subnets/NAME, or empty",
)
WORKSPACE_NAME = _rule(r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]", "must be 4 to 63 letters, digits and hyphens")
PROFILE_NAME = _rule(
    r"[A-Za-z][A-Za-z0-9-]{0,13}[A-Za-z0-9]",
    "must be a workload profile's name of 2 to 15 letters, digits and hyphens, such as Consumption, or empty",
)
PROFILE_TYPE = _rule(
    r"[A-Z][A-Za-z0-9-]{1,30}", "must be a profile type, such as D4 or E16, where a profile is to be created"
)
IDENTITY_ID = _rule(
    rf"{_IN_GROUP}Microsoft\.ManagedIdentity/userAssignedIdentities/[^/]+",
    "must be a user-assigned identity's resource id that may pull already, or empty to create one",
)
STORE_IDENTITY_ID = _rule(
    IDENTITY_ID.pattern.pattern,
    "must be a user-assigned identity's resource id that may use the store already, or empty to create one",
)
STORAGE_NAME = _rule(r"[a-z0-9]{3,24}", "must be 3 to 24 small letters and digits where store is not none")
STORAGE_CONTAINER = _rule(
    r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", "must be 3 to 63 small letters, digits and single hyphens"
)
INSIGHTS_NAME = _rule(r"[\w().-]{0,254}[\w()-]", "must be 1 to 255 letters, digits, _ - . ( ) and not end in a dot")
IMAGE_NAME = _rule(
    _REPOSITORY + r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}",
    "must be repository:tag without a registry, such as executor-image:v1",
)
IMAGE_DIGEST = _rule(
    r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?/" + _REPOSITORY + r"@sha256:[0-9a-f]{64}",
    "must be registry/repository@sha256: and 64 hexadecimal digits, or empty to build ./runtime",
)
IMAGE_TARGET = _rule(r"[a-z][a-z0-9-]{0,19}", "must be a stage of runtime/Dockerfile, or empty for its last one")
BUILD_ARGUMENT = _rule(r"[A-Za-z_][A-Za-z0-9_]*", "is no name of a build argument")
IP_RANGE = _rule(r"[0-9./]+", "must be an IPv4 address or range without host bits, such as 203.0.113.0/24")
ORIGIN = _rule(
    rf"\*|https?://(localhost|{_HOST})(:[0-9]{{1,5}})?",
    "must be an origin without a path, such as https://ta.example.org, or *",
)
HOST = _rule(_HOST, "must be a host name in small letters, such as executor.example.org, or empty")
CERTIFICATE_ID = _rule(
    rf"managed|{_IN_GROUP}Microsoft\.App/managedEnvironments/[^/]+/(certificates|managedCertificates)/[^/]+",
    "must be the resource id of a certificate of the environment, or managed, or empty while customDomain is being verified",
)
API_KEYS = _rule(
    r"[A-Za-z0-9_.-]{1,64}:[0-9a-f]{64}(,[A-Za-z0-9_.-]{1,64}:[0-9a-f]{64})*",
    "must be name:sha256 of each key, separated by commas, the hash in 64 small hexadecimal digits",
)
VAULT_SECRET = _rule(
    r"https://[a-z][a-z0-9-]{1,22}[a-z0-9]\.vault\.azure\.net/secrets/[A-Za-z0-9-]{1,127}(/[0-9a-f]{32})?",
    "must be a secret's address in a key vault, such as https://NAME.vault.azure.net/secrets/NAME, or empty",
)
PRINCIPAL = _rule(
    rf"((user|group):)?{_GUID}", "must be an object id (a GUID), with user: or group: before a person's or a group's"
)
EMAIL = _rule(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;.]+", "must be an e-mail address")
MONTH = _rule(r"20[0-9]{2}-(0[1-9]|1[0-2])-01", "must be the first of a month as YYYY-MM-01, or empty for this month")
CPU = _rule(r"[0-9]{1,2}(\.[0-9]{1,3})?", "must be 0.25 to 4 in steps of 0.25")
MEMORY = _rule(r"[0-9]{1,2}(\.[0-9]{1,3})?Gi", "must be 0.5Gi to 8.0Gi in steps of 0.5Gi")
TAG_NAME = _rule(
    r"(?!(project|stack)$)[^<>%&\\?/]{1,512}",
    "is no tag name: must be 1 to 512 characters without < > % & \\ ? / and neither project nor stack, which are set",
)
TAG_VALUE = _rule(r".{0,256}", "must be a text of at most 256 characters")
VARIABLE = _rule(r"[A-Za-z_][A-Za-z0-9_]*", "is no name of an environment variable")
ANY = _rule(r"[^\x00]*", "must be a text")
CONTEST_NAME = _rule(r"[a-z][a-z0-9-]{0,29}", "must be 1 to 30 small letters, digits and hyphens, from a letter")
MOMENT = _rule(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}", "must be a local time such as 2026-03-14T09:00")
