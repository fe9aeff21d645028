"""Traces and metrics at a real receiver: what arrives there, what does not, and that nothing is loaded where it is off."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from devtools.executor import ROOT, Executor, environment, running, until
from devtools.receiver import Receiver, receiving
from runtime.execution.procfs import read

_SOON = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_METRIC_EXPORT_INTERVAL": "300"}
_TRACE, _PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
_CASES = [{"id": "one", "input": "", "expected_output": "1"}, {"id": "two", "input": "", "expected_output": "2"}]


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture(scope="module")
def traced(receiver: Receiver) -> Iterator[Executor]:
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=se%20cret",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=midterm",
        **_SOON,
    }
    with running(settings) as executor:
        yield executor


def attributes(span: Span) -> dict[str, Any]:
    """The attributes as Python has them."""
    return {item.key: getattr(item.value, str(item.value.WhichOneof("value"))) for item in span.attributes}


def post(executor: Executor, body: dict[str, Any], **headers: str) -> str:
    """The trace of a request, as its answer names it."""
    response = executor.http.post(
        "/execute", json=body, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )
    traceparent: str = response.headers["traceparent"]
    return traceparent


def test_a_request_is_a_trace_with_a_span_for_each_step(traced: Executor, receiver: Receiver) -> None:
    checker = {"language": "python", "code": "import sys; sys.exit(42)"}
    body = {
        "language": "python", "code": "print(1)", "test_cases": _CASES, "checker": checker, "question_id": "q7",
        "user_id": "somebody",
    }  # fmt: skip
    found = receiver.trace(post(traced, body, X_Request_ID="mine"), "checker")
    submission, request = found["submission"], found["POST /execute"]
    spans = [span for span in receiver.spans if span.trace_id == request.trace_id]
    assert sorted(span.name for span in spans) == [
        "POST /execute", "checker", "checker", "queue", "run", "run", "submission",
    ]  # fmt: skip
    assert submission.parent_span_id == request.span_id
    steps = [span for span in spans if span.name in ("queue", "run", "checker")]
    assert {span.parent_span_id for span in steps} == {submission.span_id}
    assert attributes(request) == {
        "http.request.method": "POST", "http.route": "/execute", "http.response.status_code": 200,
        "executor.request_id": "mine",
    }  # fmt: skip
    assert attributes(submission)["executor.status"] == "accepted"
    assert attributes(submission)["executor.question_id"] == "q7"
    assert [attributes(span)["executor.case"] for span in steps if span.name == "run"] == ["one", "two"]
    assert "somebody" not in str(spans), "a user's id is personal data"
    inside = [submission, *steps]
    assert all(request.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano for span in inside)
    assert all(span.end_time_unix_nano <= request.end_time_unix_nano for span in inside)
    runs = [span for span in steps if span.name == "run"]
    assert runs[0].end_time_unix_nano <= runs[1].start_time_unix_nano
    assert receiver.headers[-1]["api-key"] == "se cret"
    resource = receiver.traces[-1].resource_spans[0].resource
    told = {item.key: item.value.string_value for item in resource.attributes}
    assert told["service.name"] == "code-executor"
    assert told["deployment.environment.name"] == "midterm"
    assert told["service.instance.id"] == traced.health()["replica"]


@pytest.mark.parametrize("language", ["c"], indirect=True)
def test_a_compile_step_has_a_span(traced: Executor, receiver: Receiver, language: str) -> None:
    code = f"int main(void) {{ return 0; }} // {os.getpid()}"
    found = receiver.trace(post(traced, {"language": language, "code": code}), "run")
    assert found["compile"].end_time_unix_nano <= found["run"].start_time_unix_nano


def test_a_caller_s_trace_is_taken_up_and_given_back(traced: Executor, receiver: Receiver) -> None:
    traceparent = post(traced, {"language": "python", "code": "1"}, traceparent=f"00-{_TRACE}-{_PARENT}-01")
    version, trace, span, flags = traceparent.split("-")
    assert (version, trace, flags) == ("00", _TRACE, "01")
    found = receiver.trace(traceparent, "POST /execute")["POST /execute"]
    assert (found.trace_id.hex(), found.parent_span_id.hex(), found.span_id.hex()) == (_TRACE, _PARENT, span)
    assert until(lambda: any(record.get("trace_id") == _TRACE for record in traced.records))
    record = next(record for record in traced.records if record.get("trace_id") == _TRACE)
    assert record["span_id"] == span


def test_a_trace_that_its_caller_does_not_keep_is_not_sent(traced: Executor, receiver: Receiver) -> None:
    given = post(traced, {"language": "python", "code": "1"}, traceparent=f"00-{'1' * 32}-{_PARENT}-00")
    assert given.startswith(f"00-{'1' * 32}-")
    assert given.endswith("-00")
    receiver.trace(post(traced, {"language": "python", "code": "2"}), "submission")
    assert not [span for span in receiver.spans if span.trace_id.hex() == "1" * 32]


@pytest.mark.parametrize(
    "header",
    ["", "00", f"00-{'0' * 32}-{_PARENT}-01", f"00-{_TRACE}-{'0' * 16}-01", f"ff-{_TRACE}-{_PARENT}-01",
     f"00-{_TRACE.upper()}-{_PARENT}-01", f"00-{_TRACE}-{_PARENT}-01-more", "x" * 5000],
)  # fmt: skip
def test_a_header_that_is_no_trace_begins_a_new_one(traced: Executor, header: str) -> None:
    response = traced.http.post("/execute", json={"language": "python", "code": "1"}, headers={"traceparent": header})
    assert response.status_code == 200
    assert response.headers["traceparent"].split("-")[1] not in (_TRACE, "0" * 32)


def test_a_refusal_is_a_span_and_a_probe_is_none(traced: Executor, receiver: Receiver) -> None:
    assert "traceparent" not in traced.http.get("/health").headers
    refused = receiver.trace(post(traced, {"language": "cobol", "code": "1"}), "POST /execute")
    assert list(refused) == ["POST /execute"]
    assert attributes(refused["POST /execute"])["http.response.status_code"] == 422
    missing = receiver.trace(traced.http.get("/nothing-here/token").headers["traceparent"], "GET")
    assert attributes(missing["GET"])["http.response.status_code"] == 404
    names = {span.name for span in receiver.spans}
    assert not [name for name in names if "health" in name or "token" in name]


def test_a_wrong_answer_is_no_fault_and_a_broken_checker_is_one(traced: Executor, receiver: Receiver) -> None:
    body: dict[str, Any] = {"language": "python", "code": "print(5)", "test_cases": _CASES}
    assert receiver.trace(post(traced, body), "submission")["submission"].status.code == 0
    body["checker"] = {"language": "python", "code": "raise ValueError"}
    assert receiver.trace(post(traced, body), "submission")["submission"].status.message == "judge_error"


def test_metrics_have_the_names_and_values_of_the_metrics_page(traced: Executor, receiver: Receiver) -> None:
    traced.execute("python", "print(1)")
    labels = 'language="python",status="ok"'
    value = traced.metrics()[f"executor_executions_total{{{labels}}}"]

    def has_value() -> bool:
        receiver.metrics.clear()
        points = receiver.metric("executor_executions_total").sum.data_points
        return any(
            {item.key: item.value.string_value for item in point.attributes} == {"language": "python", "status": "ok"}
            and point.as_double == value
            for point in points
        )

    assert until(has_value)
    page = {name.partition("{")[0] for name in traced.metrics()}
    sent = {
        metric.name
        for message in receiver.metrics[-1:]
        for resource in message.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    histograms = {name for name in sent if f"{name}_bucket" in page}
    assert {"executor_execution_seconds", "executor_queue_seconds"} <= histograms
    assert page == (sent - histograms) | {f"{name}_{end}" for name in histograms for end in ("bucket", "count", "sum")}
    histogram = receiver.metric("executor_queue_seconds").histogram.data_points[0]
    count = traced.metrics()["executor_queue_seconds_count"]
    assert histogram.count == sum(histogram.bucket_counts) == count, "no execution has come since"
    assert len(histogram.bucket_counts) == len(histogram.explicit_bounds) + 1


def test_a_receiver_that_is_away_costs_no_request_and_no_span_that_there_is_room_for() -> None:
    with receiving() as receiver, running({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, **_SOON}) as executor:
        receiver.refuses_with = 503
        executor.execute("python", "1")
        before = len(receiver.headers)
        assert until(lambda: len(receiver.headers) >= before + 3)
        assert executor.execute("python", "1")["status"] == "ok"
        receiver.refuses_with = 0
        assert until(lambda: [span.name for span in receiver.spans].count("submission") == 2)
        assert executor.metrics()["executor_spans_lost_total"] == 0
        receiver.refuses_with = 400
        executor.execute("python", "1")
        assert until(lambda: executor.metrics()["executor_spans_lost_total"] > 0), "what is refused for good is counted"


def test_the_last_spans_are_sent_at_the_end() -> None:
    with receiving() as receiver:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_METRICS_EXPORTER": "none"}
        with running({**endpoint, "OTEL_BSP_SCHEDULE_DELAY": "3600000"}) as executor:
            executor.execute("python", "1")
            assert receiver.traces == []
        assert "submission" in {span.name for span in receiver.spans}
        assert receiver.metrics == []


def test_it_is_sent_with_grpc_as_the_platform_s_own_agent_takes_it() -> None:
    with receiving() as receiver:
        agent = {
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "CONTAINERAPP_OTEL_TRACING_GRPC_ENDPOINT": f"{receiver.grpc}/v1/traces/",
            "CONTAINERAPP_OTEL_METRIC_GRPC_ENDPOINT": f"{receiver.grpc}/v1/metrics/",
        }
        with running({**agent, **_SOON}) as executor:
            receiver.trace(post(executor, {"language": "python", "code": "1"}), "submission")
            receiver.metric("executor_ready")
        with running({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.grpc, **_SOON}) as other:
            receiver.trace(post(other, {"language": "python", "code": "1"}), "submission")


def test_application_insights_gets_requests_dependencies_and_metrics() -> None:
    with receiving() as receiver:
        text = f"InstrumentationKey=00000000-0000-0000-0000-000000000001;IngestionEndpoint={receiver.url}/"
        with running({"APPLICATIONINSIGHTS_CONNECTION_STRING": text, **_SOON}) as executor:
            headers = {"traceparent": f"00-{_TRACE}-{_PARENT}-01"}
            executor.http.post("/execute", json={"language": "python", "code": "1"}, headers=headers)

            def of(kind: str) -> list[dict[str, Any]]:
                return [item for item in list(receiver.envelopes) if item["data"]["baseType"] == kind]

            assert until(lambda: of("RequestData") and len(of("RemoteDependencyData")) >= 3 and of("MetricData"))
            request, data = of("RequestData")[0], of("RequestData")[0]["data"]["baseData"]
            assert request["iKey"].endswith("1")
            assert request["tags"]["ai.operation.id"] == _TRACE
            assert request["tags"]["ai.operation.parentId"] == _PARENT
            assert (data["name"], data["responseCode"], data["success"]) == ("POST /execute", "200", True)
            names = {item["data"]["baseData"]["name"] for item in of("RemoteDependencyData")}
            assert names == {"submission", "queue", "run"}
            assert {item["tags"]["ai.operation.id"] for item in of("RemoteDependencyData")} == {_TRACE}

            def executions() -> list[float]:
                metrics = [(m, item) for item in of("MetricData") for m in item["data"]["baseData"]["metrics"]]
                return [m["value"] for m, _ in metrics if m["name"] == "executor_executions_total"]

            assert until(executions)
            executor.execute("python", "2")
            # Each is what was added since the one before, so that their sum is the count.
            assert until(lambda: sum(executions()) == 2)


def test_a_program_sees_no_variable_of_telemetry_and_reaches_no_receiver(traced: Executor, receiver: Receiver) -> None:
    port = receiver.url.rpartition(":")[2]
    code = f"""
import os, socket
print([name for name in os.environ if "OTEL" in name or "INSIGHTS" in name])
for pid in ("self", os.getppid(), {traced.pid}):
    try:
        if b"OTEL" in open(f"/proc/{{pid}}/environ", "rb").read():
            print("seen in", pid)
    except OSError:
        pass
try:
    socket.create_connection(("127.0.0.1", {port}), 2)
    print("reached")
except OSError as error:
    print("refused")
"""
    assert traced.execute("python", code)["stdout"] == "[]\nrefused\n"


_MODULES = """
import sys, threading, time, os, signal
def told():
    sys.stderr.write("MODULES " + " ".join(sys.modules) + "\\n")
    sys.stderr.flush()
signal.signal(signal.SIGUSR1, lambda *_: told())
sys.argv = ["runtime"]
import runpy
runpy.run_module("runtime", run_name="__main__")
"""


@pytest.mark.parametrize("on", [False, True], ids=["off", "on"])
def test_nothing_of_it_is_loaded_where_it_is_off(receiver: Receiver, on: bool) -> None:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url} if on else {}
    process = subprocess.Popen(
        (sys.executable, "-c", _MODULES), cwd=ROOT, env=environment(settings), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    assert process.stderr
    assert "Listening on" in process.stdout.readline()
    process.send_signal(signal.SIGUSR1)
    line = next(line for line in process.stderr if line.startswith("MODULES "))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    loaded = {name for name in line.split() if name.startswith(("opentelemetry", "google", "grpclib", "h2"))}
    assert bool(loaded) == on
    assert ("runtime.observability.telemetry" in line.split()) == on
    assert not {name for name in loaded if name.startswith(("opentelemetry.sdk", "grpclib"))}


def test_no_thread_is_started_for_it(traced: Executor) -> None:
    # A thread in the server would be one that a fork leaves behind, and a stack.
    assert traced.pid
    with running() as plain:
        assert plain.pid

        def threads(pid: int) -> bytes:
            return read(f"/proc/{pid}/status").partition(b"Threads:\t")[2].split()[0]

        assert threads(traced.pid) == threads(plain.pid)
