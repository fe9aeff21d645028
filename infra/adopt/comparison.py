"""What a live app has beside what the stack would make of it, in words."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What Pulumi writes for a value that a preview cannot know. Source: its SDK, `pulumi.runtime.rpc.UNKNOWN`."""

App = Mapping[str, Any]
"""An app as azure-native writes it: Azure's own names, without the level `properties`."""


@dataclass(frozen=True)
class Row:
    """One thing that both have, or one of them.

    Attributes:
        what: What it is.
        live: What Azure has now.
        planned: What a deployment makes of it.
        fixed: Whether Azure cannot change it in place.
    """

    what: str
    live: str
    planned: str
    fixed: bool = False

    @property
    def differs(self) -> bool:
        """Whether a deployment changes it."""
        return self.live != self.planned


def flattened(body: App) -> dict[str, Any]:
    """Gives a resource of Azure's API as azure-native writes it."""
    return {**{key: value for key, value in body.items() if key != "properties"}, **body["properties"]}


def compare(live: App, planned: App) -> list[Row]:
    """Gives a row for each fact, in the order in which a person would ask for them."""
    return [
        *(Row(what, read(live), read(planned), fixed=True) for what, read in _FIXED.items()),
        *(Row(what, read(live), read(planned)) for what, read in _CHANGEABLE.items()),
    ]


def table(rows: list[Row]) -> Iterator[str]:
    """Gives the lines of a table; a tilde marks what changes in place, an exclamation mark what cannot."""
    shown = [("", "", "now", "after `pulumi up`")]
    for row in rows:
        mark = "" if not row.differs else "!" if row.fixed else "~"
        shown.append((mark, row.what, row.live, row.planned if row.differs else "the same"))
    wide, middle = (max(len(line[column]) for line in shown) for column in (1, 2))
    for mark, what, now, then in shown:
        yield f"{mark:1} {what:{wide}}  {now:{middle}}  {then}".rstrip()


def _container(app: App) -> Mapping[str, Any]:
    (first, *_) = _template(app).get("containers") or [{}]
    assert isinstance(first, Mapping)  # noqa: S101 - Azure's type
    return first


def _template(app: App) -> Mapping[str, Any]:
    return app.get("template") or {}


def _configuration(app: App) -> Mapping[str, Any]:
    configuration = app.get("configuration")
    # Pulumi shows the whole of it as one word where it holds a secret.
    return configuration if isinstance(configuration, Mapping) else {}


def _ingress(app: App) -> Mapping[str, Any]:
    return _configuration(app).get("ingress") or {}


def _region(app: App) -> str:
    return re.sub(r"\s", "", str(app.get("location", ""))).lower()


def _environment(app: App) -> str:
    return str(app.get("environmentId") or app.get("managedEnvironmentId") or "").lower().rpartition("/")[2]


def _image(app: App) -> str:
    image = str(_container(app).get("image", ""))
    return "what `pulumi up` builds" if image == UNKNOWN else image


def _size(app: App) -> str:
    resources = _container(app).get("resources") or {}
    memory = str(resources.get("memory") or "0Gi").removesuffix("Gi")
    return f"{float(resources.get('cpu') or 0):g} cores, {float(memory):g} GiB"


def _replicas(app: App) -> str:
    scale = _template(app).get("scale") or {}
    most = scale.get("maxReplicas")
    return f"{scale.get('minReplicas') or 0} to {10 if most is None else most}"


def _rules(app: App) -> str:
    def described(rule: Mapping[str, Any]) -> str:
        kind = next((key for key in ("http", "tcp", "custom", "azureQueue") if rule.get(key)), "?")
        metadata = (rule.get(kind) or {}).get("metadata") or {}
        return " ".join([rule.get("name", ""), kind, *(f"{key}={value}" for key, value in sorted(metadata.items()))])

    return _listed(described(rule) for rule in (_template(app).get("scale") or {}).get("rules") or [])


def _entry(app: App) -> str:
    ingress = _ingress(app)
    if not ingress:
        return "none"
    where = "external" if ingress.get("external") else "internal"
    plain = ", also without TLS" if ingress.get("allowInsecure") else ""
    return f"{where}, port {ingress.get('targetPort')}, {str(ingress.get('transport', 'auto')).lower()}{plain}"


def _domains(app: App) -> str:
    return _listed(domain["name"] for domain in _ingress(app).get("customDomains") or [])


def _allowed(app: App) -> str:
    return _listed(rule["ipAddressRange"] for rule in _ingress(app).get("ipSecurityRestrictions") or [])


def _registries(app: App) -> str:
    def described(registry: Mapping[str, Any]) -> str:
        if registry.get("passwordSecretRef"):
            return f"{registry['server']} by the password {registry['passwordSecretRef']}"
        return f"{registry['server']} by identity"

    return _listed(described(registry) for registry in _configuration(app).get("registries") or [])


def _secrets(app: App) -> str:
    secrets = _configuration(app).get("secrets")
    return _listed(secret["name"] for secret in secrets or [] if isinstance(secret, Mapping))


def _identity(app: App) -> str:
    identity = app.get("identity") or {}
    named = identity.get("userAssignedIdentities") or ()
    names = ("the stack's own" if name == UNKNOWN else str(name).rpartition("/")[2] for name in named)
    return _listed(["system" for _ in [0] if "SystemAssigned" in str(identity.get("type"))] + sorted(names))


def _probes(app: App) -> str:
    def described(probe: Mapping[str, Any]) -> str:
        request = probe.get("httpGet") or probe.get("tcpSocket") or {}
        return f"{probe.get('type')} {request.get('path', '')}:{request.get('port', '')}"

    return _listed(sorted(described(probe) for probe in _container(app).get("probes") or []))


def _variables(app: App) -> str:
    return _listed(sorted(variable["name"] for variable in _container(app).get("env") or []))


def _containers(app: App) -> str:
    return _listed(container.get("name", "") for container in _template(app).get("containers") or [])


def _volumes(app: App) -> str:
    return _listed(volume.get("name", "") for volume in _template(app).get("volumes") or [])


def _tags(app: App) -> str:
    return _listed(f"{key}={value}" for key, value in sorted((app.get("tags") or {}).items()))


def _listed(parts: Any) -> str:  # noqa: ANN401 - any iterable of texts
    return ", ".join(part for part in parts if part) or "none"


_FIXED: Mapping[str, Callable[[App], str]] = {"region": _region, "environment": _environment}

_CHANGEABLE: Mapping[str, Callable[[App], str]] = {
    "image": _image,
    "containers": _containers,
    "size": _size,
    "replicas": _replicas,
    "scale rules": _rules,
    "ingress": _entry,
    "allowed addresses": _allowed,
    "custom domains": _domains,
    "registry": _registries,
    "secrets": _secrets,
    "identity": _identity,
    "probes": _probes,
    "variables": _variables,
    "volumes": _volumes,
    "revisions": lambda app: str(_configuration(app).get("activeRevisionsMode") or "Single").lower(),
    "grace period": lambda app: f"{_template(app).get('terminationGracePeriodSeconds') or 30} s",
    "workload profile": lambda app: str(app.get("workloadProfileName") or "Consumption"),
    "tags": _tags,
}
