"""Where telemetry goes: what the variables of OpenTelemetry and of Application Insights mean, and which are refused."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from devtools.executor import refused_start
from runtime.observability.telemetry_settings import TelemetrySettingsError, read_telemetry
from runtime.observability.tracing import Span, Tracer

_ROWS = tomllib.loads(Path(__file__).with_name("wrong_settings.toml").read_text("utf-8"))["row"]
_ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/"}


@pytest.mark.parametrize("row", _ROWS, ids=lambda row: row["words"][:50])
def test_a_wrong_variable_is_named(row: dict[str, Any]) -> None:
    with pytest.raises(TelemetrySettingsError) as found:
        read_telemetry(row["variables"])
    assert row["words"] in str(found.value)
    assert row.get("hidden", "\0") not in str(found.value)


def test_a_wrong_variable_ends_the_start() -> None:
    code, words = refused_start(_ROWS[0]["variables"])
    assert code == 2
    assert _ROWS[0]["words"] in words


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_SERVICE_NAME": "x"},
        {**_ENDPOINT, "OTEL_SDK_DISABLED": "true"},
        {**_ENDPOINT, "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"},
        # The environment has an agent, and nobody has asked this app to use it.
        {"CONTAINERAPP_OTEL_TRACING_GRPC_ENDPOINT": "http://agent:4317/v1/traces"},
    ],
)
def test_nothing_is_sent_where_nobody_asked_for_it(variables: dict[str, str]) -> None:
    assert read_telemetry(variables) is None


def test_an_endpoint_counts_before_a_connection_string() -> None:
    settings = read_telemetry({**_ENDPOINT, "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=1"})
    assert settings
    assert (settings.protocol, settings.traces) == ("http/protobuf", "http://collector:4318/v1/traces")


def test_a_connection_string_without_an_endpoint_has_the_usual_one() -> None:
    settings = read_telemetry({"APPLICATIONINSIGHTS_CONNECTION_STRING": "instrumentationkey=1"})
    assert settings
    assert settings.traces == "https://dc.services.visualstudio.com/v2.1/track"


@pytest.mark.parametrize(
    ("sampler", "new", "kept", "dropped"),
    [
        ("parentbased_always_on", True, True, False),
        ("parentbased_always_off", False, True, False),
        ("always_on", True, True, True),
        ("always_off", False, False, False),
    ],
)
def test_samplers_decide_as_their_names_say(sampler: str, *, new: bool, kept: bool, dropped: bool) -> None:
    settings = read_telemetry({**_ENDPOINT, "OTEL_TRACES_SAMPLER": sampler})
    assert settings
    tracer = Tracer(settings.share, follows_parent=settings.follows_parent)
    ids = f"{'a' * 32}-{'b' * 16}"
    assert tracer.begin("").sampled == new
    assert tracer.begin(f"00-{ids}-01").sampled == kept
    assert tracer.begin(f"00-{ids}-00").sampled == dropped


def test_a_share_of_traces_is_kept() -> None:
    settings = read_telemetry({**_ENDPOINT, "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"})
    assert settings
    tracer = Tracer(settings.share, follows_parent=settings.follows_parent)
    kept = sum(tracer.begin("").sampled for _ in range(4000))
    assert 800 < kept < 1200


def test_spans_that_nobody_takes_are_counted_and_bounded() -> None:
    tracer = Tracer()
    span = Span("x", b"t" * 16, b"s" * 8, b"", 0, 1, {})
    for _ in range(5000):
        tracer.add(span)
    taken = tracer.take(10_000)
    assert len(taken) + tracer.lost == 5000
    assert len(taken) == 4096
    tracer.add(span)
    tracer.put_back(taken)
    assert tracer.lost == 5000 - 4096 + 1
    assert len(tracer.take(10_000)) == 4096
