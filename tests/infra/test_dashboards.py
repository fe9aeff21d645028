"""The workbook, Grafana's dashboard, the alerts and the runbook's queries, against what the executor counts and logs."""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from devtools import stack_files
from devtools.executor import running, until
from infra.log_queries import internal_errors, waits
from infra.pricing import load_rates, replica_hour
from infra.workbook import FILE as WORKBOOK_FILE
from infra.workbook import filled
from runtime.judging.submission import Status
from runtime.observability.records import ExecutionRecord
from tests.infra.kusto import problems
from tests.infra.test_settings import parsed

WORKBOOK = json.loads(WORKBOOK_FILE.read_text(encoding="utf-8"))
GRAFANA_FILE = WORKBOOK_FILE.with_name("grafana.json")
GRAFANA = json.loads(GRAFANA_FILE.read_text(encoding="utf-8"))
RUNBOOK = (stack_files.ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def workbook_queries() -> Iterator[str]:
    for item in WORKBOOK["items"]:
        if item["type"] == 3:
            yield item["content"]["query"]


def targets() -> Iterator[dict[str, Any]]:
    for panel in GRAFANA["panels"]:
        yield from panel["targets"]


def grafana_queries() -> list[str]:
    return [target["azureLogAnalytics"]["query"] for target in targets() if "azureLogAnalytics" in target]


def expressions() -> list[str]:
    return [target["expr"] for target in targets() if "expr" in target]


LOG_QUERIES = [*workbook_queries(), *grafana_queries(), internal_errors(["one", "two"]), waits(["one"])]


def test_no_query_asks_for_a_field_that_records_do_not_have() -> None:
    fields = {field.encode_name for field in msgspec.structs.fields(ExecutionRecord)} | {"event"}
    asked = set(re.findall(r"\brun\.(\w+)", "\n".join([*LOG_QUERIES, RUNBOOK])))
    assert len(asked) >= 8
    assert asked - fields == set()


def test_no_query_asks_for_a_status_that_there_is_not() -> None:
    asked = set(re.findall(r"run\.status\) == ['\"](\w+)['\"]", "\n".join([*LOG_QUERIES, RUNBOOK])))
    asked |= set(re.findall(r'status="(\w+)"', "\n".join(expressions())))
    assert asked
    assert asked <= {status.value for status in Status}


def test_rehearsals_are_left_out_of_every_query_that_people_look_at() -> None:
    assert all("where isempty(run.rehearsal)" in query for query in LOG_QUERIES if "parse_json" in query)


def test_no_panel_asks_for_a_metric_or_a_label_that_there_is_not() -> None:
    with running() as executor:
        executor.execute("bash", "echo hello")
        executor.post({"language": "cobol", "code": ""})
        assert until(lambda: "executor_executions_total" in executor.http.get("/metrics").text)
        text = executor.http.get("/metrics").text
    families = list(text_string_to_metric_families(text))
    names = {sample.name for family in families for sample in family.samples}
    labels = {label for family in families for sample in family.samples for label in sample.labels}
    asked = set(re.findall(r"\bexecutor_\w+", "\n".join(expressions())))
    assert len(asked) >= 7
    assert asked - names == set()
    by = {label.strip() for group in re.findall(r"by \(([^)]*)\)", "\n".join(expressions())) for label in group.split(",")}
    shown = set(re.findall(r"{{(\w+)}}", json.dumps(GRAFANA)))
    assert (by | shown) - labels == set()


def test_every_query_is_one_that_microsoft_s_own_parser_takes() -> None:
    filled_in = [
        re.sub(r"\{Rehearsals\}", "shown", query).replace("{App}", "'one', 'two'").replace("{ReplicaHour}", "0.054")
        for query in LOG_QUERIES
    ]
    filled_in = [query.replace("$__timeFilter(TimeGenerated)", "TimeGenerated > ago(1h)") for query in filled_in]
    block = RUNBOOK.partition("    ContainerAppConsoleLogs_CL\n")[2].partition("\n\n")[0]
    filled_in.append("ContainerAppConsoleLogs_CL\n" + block)
    assert problems(filled_in) == [[] for _ in filled_in]
    ((wrong,), _) = problems(["AzureMetrics | where Replica > 1", "AzureMetrics"])
    assert "Replica" in wrong


def test_every_subject_that_people_ask_about_is_on_both_pages() -> None:
    def subjects(titles: list[str]) -> set[str]:
        words = ("replicas", "wait", "verdicts by question", "slowest submissions", "refusals", "cost so far")
        return {word for word in words if any(word in title.lower() for title in titles)}

    workbook = [item["content"]["title"] for item in WORKBOOK["items"] if "title" in item["content"]]
    grafana = [panel["title"] for panel in GRAFANA["panels"]]
    assert len(subjects(workbook)) == len(subjects(grafana)) == 6


def test_the_workbook_is_deployed_with_the_stack_s_own_apps_and_their_price() -> None:
    sizes = parsed(
        apps='[{"imageTarget": "node"}, {"imageTarget": "judge", "appName": "judge", "cpu": "1", "memory": "2Gi"}]'
    ).apps
    workbook = filled("a workspace", ["one app", "another"], sizes)
    assert workbook["fallbackResourceIds"] == ["a workspace"]
    metrics = [item["content"]["resourceIds"] for item in workbook["items"] if item["type"] == 10]
    assert metrics == [["one app", "another"]] * 2
    values = {each["name"]: each["value"] for each in workbook["items"][0]["content"]["parameters"]}
    assert values["App"] == ["code-executor-node", "judge"]
    assert float(values["ReplicaHour"]) == pytest.approx(replica_hour(1, 2, load_rates(), active=True))


def test_grafana_s_price_is_that_of_the_usual_replica() -> None:
    values = {each["name"]: each.get("query") for each in GRAFANA["templating"]["list"]}
    assert float(values["replica_hour"]) == pytest.approx(replica_hour(0.5, 1.0, load_rates(), active=True))


def test_grafana_s_panels_have_each_their_own_place() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in GRAFANA["panels"]:
        place = panel["gridPos"]
        own = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert max(x for x, _ in own) < 24
        assert not own & taken
        taken |= own
    variables = {each["name"] for each in GRAFANA["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(GRAFANA)))
    assert used - variables == set()
