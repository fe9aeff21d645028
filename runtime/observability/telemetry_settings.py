"""Where telemetry goes: OpenTelemetry's own environment variables, and Application Insights' connection string.

https://opentelemetry.io/docs/specs/otel/protocol/exporter and .../configuration/sdk-environment-variables name them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

ENDPOINT, PROTOCOL = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL"
CONNECTION_STRING = "APPLICATIONINSIGHTS_CONNECTION_STRING"
#: Where Container Apps' own agent listens, which speaks gRPC alone.
AGENT_TRACES, AGENT_METRICS = "CONTAINERAPP_OTEL_TRACING_GRPC_ENDPOINT", "CONTAINERAPP_OTEL_METRIC_GRPC_ENDPOINT"
_SAMPLERS = ("always_on", "always_off", "traceidratio")
_PARENT_BASED = "parentbased_"

Protocol = Literal["http/protobuf", "grpc", "application insights"]


class TelemetrySettingsError(Exception):
    """The settings are wrong; the message has a line for each, with the variable's name."""


@dataclass(frozen=True)
class TelemetrySettings:
    """What is sent where. An empty address is for what is not sent."""

    protocol: Protocol
    traces: str
    metrics: str
    headers: tuple[tuple[str, str], ...]
    timeout_seconds: float
    traces_every_seconds: float
    metrics_every_seconds: float
    service: str
    #: Further attributes of the resource.
    resource: tuple[tuple[str, str], ...]
    #: The share of traces that is kept, and whether a caller's own decision comes first.
    share: float
    follows_parent: bool
    #: Of Application Insights; empty elsewhere.
    instrumentation_key: str = ""


def read_telemetry(environment: Mapping[str, str]) -> TelemetrySettings | None:
    """None where nothing is sent; raises TelemetrySettingsError that names every wrong variable."""
    # An empty variable is one that is not set, says the specification.
    given = {name: text for name, text in environment.items() if text}
    if given.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    problems: list[str] = []
    place = _place(given, problems)
    if place is None and not problems:
        return None
    sampler = given.get("OTEL_TRACES_SAMPLER", "parentbased_always_on")
    kind = sampler.removeprefix(_PARENT_BASED)
    if kind not in _SAMPLERS:
        words = ", ".join((*_SAMPLERS, *(f"{_PARENT_BASED}{name}" for name in _SAMPLERS)))
        problems.append(f"OTEL_TRACES_SAMPLER is {sampler!r}: must be one of {words}")
    share = _number(given, "OTEL_TRACES_SAMPLER_ARG", 1.0, (0.0, 1.0), problems) if kind == "traceidratio" else 1.0
    resource = _pairs(given, "OTEL_RESOURCE_ATTRIBUTES", problems)
    milliseconds = (1.0, 3_600_000.0)
    protocol, traces, metrics, key = place or ("http/protobuf", "", "", "")
    settings = TelemetrySettings(
        protocol=protocol,
        traces="" if given.get("OTEL_TRACES_EXPORTER") == "none" else traces,
        metrics="" if given.get("OTEL_METRICS_EXPORTER") == "none" else metrics,
        headers=_pairs(given, "OTEL_EXPORTER_OTLP_HEADERS", problems),
        timeout_seconds=_number(given, "OTEL_EXPORTER_OTLP_TIMEOUT", 10_000, milliseconds, problems) / 1000,
        traces_every_seconds=_number(given, "OTEL_BSP_SCHEDULE_DELAY", 5000, milliseconds, problems) / 1000,
        metrics_every_seconds=_number(given, "OTEL_METRIC_EXPORT_INTERVAL", 60_000, milliseconds, problems) / 1000,
        service=given.get("OTEL_SERVICE_NAME") or dict(resource).get("service.name", "code-executor"),
        resource=tuple(pair for pair in resource if pair[0] != "service.name"),
        share=0.0 if kind == "always_off" else share,
        follows_parent=sampler.startswith(_PARENT_BASED),
        instrumentation_key=key,
    )
    problems += [
        f"{name} is {given[name]!r}: must be otlp or none"
        for name in ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER")
        if given.get(name, "otlp") not in ("otlp", "none")
    ]
    if problems:
        raise TelemetrySettingsError("\n".join(problems))
    return settings if settings.traces or settings.metrics else None


_Place = tuple[Protocol, str, str, str]


def _place(given: Mapping[str, str], problems: list[str]) -> _Place | None:
    """Protocol, the addresses of traces and metrics, and Application Insights' key; None where nothing is sent."""
    protocol, endpoint = given.get(PROTOCOL, "http/protobuf"), given.get(ENDPOINT, "")
    if protocol not in ("http/protobuf", "grpc"):
        problems.append(f"{PROTOCOL} is {protocol!r}: must be http/protobuf or grpc")
        return None
    if fault := _url_fault(endpoint) if endpoint else "":
        problems.append(f"{ENDPOINT} is {endpoint!r}: {fault}")
    elif endpoint and protocol == "grpc":
        return "grpc", endpoint, endpoint, ""
    elif endpoint:
        base = endpoint.rstrip("/")
        return "http/protobuf", f"{base}/v1/traces", f"{base}/v1/metrics", ""
    elif given.get(PROTOCOL) == "grpc" and AGENT_TRACES in given:
        return "grpc", given[AGENT_TRACES], given.get(AGENT_METRICS, ""), ""
    elif CONNECTION_STRING in given:
        return _application_insights(given[CONNECTION_STRING], problems)
    return None


def _application_insights(text: str, problems: list[str]) -> _Place | None:
    """https://learn.microsoft.com/azure/azure-monitor/app/connection-strings."""
    parts = dict(part.strip().partition("=")[::2] for part in text.split(";") if part.strip())
    fields = {name.lower(): value.strip() for name, value in parts.items()}
    key = fields.get("instrumentationkey", "")
    suffix = fields.get("endpointsuffix", "")
    base = fields.get("ingestionendpoint") or (f"https://dc.{suffix}" if suffix else "https://dc.services.visualstudio.com")
    if not key or _url_fault(base):
        # It is a secret as a whole, which no log shall have.
        problems.append(f"{CONNECTION_STRING} must have an InstrumentationKey and an IngestionEndpoint")
        return None
    url = f"{base.rstrip('/')}/v2.1/track"
    return "application insights", url, url, key


def _url_fault(url: str) -> str:
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is none
        right = False
    return "" if right else "must be a URL such as http://collector:4318"


def _pairs(given: Mapping[str, str], name: str, problems: list[str]) -> tuple[tuple[str, str], ...]:
    """Pairs as in `key=value,key=value`, percent-encoded."""
    found = []
    for item in filter(str.strip, given.get(name, "").split(",")):
        key, equals, value = item.partition("=")
        if not equals or not key.strip():
            # A header can hold a key.
            problems.append(f"{name} must be key=value pairs, separated by commas")
            break
        found.append((unquote(key.strip()), unquote(value.strip())))
    return tuple(found)


def _number(
    given: Mapping[str, str], name: str, usual: float, bounds: tuple[float, float], problems: list[str]
) -> float:  # fmt: skip
    text = given.get(name)
    if text is None:
        return usual
    try:
        value = float(text)
    except ValueError:
        value = bounds[0] - 1
    if not bounds[0] <= value <= bounds[1]:
        problems.append(f"{name} is {text!r}: must be a number from {bounds[0]:g} to {bounds[1]:g}")
        return usual
    return value
