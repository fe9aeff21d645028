"""What a contest has cost: the command, its figures from a stand-in for Azure's API or from a file, and what is wrong."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from devtools.executor import ROOT
from devtools.local_http import Handler, serving
from infra.cost.figures import Figures
from infra.resource_manager import ENDPOINT_VARIABLE

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
APP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/ai-ta-2/providers/Microsoft.App/containerApps/executor"

CONTEST = {
    "name": "midterm",
    "start": "2026-03-14T09:00",
    "end": "2026-03-14T11:00",
    "timezone": "America/New_York",
    "replicas": 100,
}
BEGIN = datetime(2026, 3, 14, 12, 40, tzinfo=UTC)
"""Twenty minutes before the contest, in UTC."""

STACK = {"appName": "executor", "minReplicas": 10, "maxReplicas": 1000, "contests": [CONTEST]}


def recorded(counts: Mapping[datetime, int | None], revision: str = "executor--0000001") -> dict[str, Any]:
    """Gives figures in the form of Azure's answer."""
    points = [
        {"timeStamp": f"{moment:%Y-%m-%dT%H:%M:%SZ}", **({} if count is None else {"maximum": float(count)})}
        for moment, count in counts.items()
    ]
    return {
        "metadatavalues": [{"name": {"value": "revisionname", "localizedValue": "revisionname"}, "value": revision}],
        "data": points,
    }


def answer(*series: dict[str, Any]) -> dict[str, Any]:
    metric = {
        "id": f"{APP}/providers/Microsoft.Insights/metrics/Replicas",
        "type": "Microsoft.Insights/metrics",
        "name": {"value": "Replicas", "localizedValue": "Replica Count"},
        "unit": "Count",
        "timeseries": list(series),
        "errorCode": "Success",
    }
    return {"cost": 0, "interval": "PT1M", "namespace": "microsoft.app/containerapps", "value": [metric]}


def contest_figures() -> dict[datetime, int | None]:
    """A hundred replicas for the contest and its prewarming, ten before and after, and a minute without a figure."""
    first = BEGIN - timedelta(minutes=30)
    counts: dict[datetime, int | None] = {}
    for minute in range(240):
        moment = first + timedelta(minutes=minute)
        counts[moment] = 100 if BEGIN <= moment < BEGIN + timedelta(minutes=140) else 10
    counts[BEGIN + timedelta(minutes=3)] = None
    return counts


@dataclass
class Azure:
    """The stand-in: its answers, and what it was asked."""

    metrics: dict[str, Any] = field(default_factory=lambda: answer(recorded(contest_figures())))
    status: int = 200
    subscriptions: tuple[str, ...] = (SUBSCRIPTION,)
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def azure() -> Iterator[Azure]:
    with _azure() as stand_in:
        yield stand_in


@contextmanager
def _azure() -> Iterator[Azure]:
    stand_in = Azure()

    class Endpoint(Handler):
        def respond(self) -> None:
            url = urlsplit(self.path)
            if url.path == "/token":
                self._answer(200, {"access_token": "t", "expires_on": str(int(time.time()) + 3600), "token_type": "Bearer"})
                return
            assert self.headers["Authorization"] == "Bearer t"
            stand_in.asked.append((url.path, parse_qs(url.query)))
            if url.path == "/subscriptions":
                self._answer(200, {"value": [{"subscriptionId": each} for each in stand_in.subscriptions]})
            elif stand_in.status != 200:
                code = {404: "ResourceNotFound", 403: "AuthorizationFailed"}[stand_in.status]
                self._answer(stand_in.status, {"error": {"code": code, "message": "as recorded"}})
            else:
                self._answer(200, stand_in.metrics)

        def _answer(self, status: int, body: object) -> None:
            self.answer(status, json.dumps(body).encode())

    with serving(Endpoint) as port:
        url = f"http://127.0.0.1:{port}"
        stand_in.variables = {
            ENDPOINT_VARIABLE: url,
            "ARM_USE_MSI": "true",
            "IDENTITY_ENDPOINT": f"{url}/token",
            "IDENTITY_HEADER": "stand-in",
        }
        yield stand_in


def run(folder: Path, *arguments: str, variables: Mapping[str, str] | None = None, **changes: Any) -> tuple[int, str, str]:
    """Runs the command in a folder with a stack file; gives its code, and what it printed."""
    config = {f"code-executor:{key}": value for key, value in {**STACK, **changes}.items()}
    (folder / "Pulumi.contest.yaml").write_text(json.dumps({"config": config}))
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ARM_", "AZURE_", "IDENTITY_"))}
    environment = {**clean, "PYTHONPATH": str(ROOT), "TZ": "Asia/Tokyo", **(variables or {})}
    done = subprocess.run(
        (sys.executable, "-m", "infra.cost", *arguments),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def test_a_contest_is_counted_from_azure_s_figures_beside_the_estimate_before(tmp_path: Path, azure: Azure) -> None:
    code, said, wrong = run(tmp_path, "--contest", "midterm", variables=azure.variables)
    assert code == 0, wrong
    # 139 minutes of a hundred replicas and five of ten: 232.5 hours, at 0.054 USD an hour where they work.
    assert "From 2026-03-14 12:40 to 2026-03-14 15:05 UTC, in USD" in said
    assert "232.5" in said
    assert "144/145" in said
    assert f"{232.5 * 0.054:.1f}" in said
    assert "Estimated before: 12.60 USD, for 100 replicas of each app over 2.3 hours, prewarming included" in said
    # Ten replicas idle for 144 minutes cost 0.0162 an hour instead.
    assert f"Cost: {12.555 - 24 * (0.054 - 0.0162):.2f} to 12.5" in said
    assert "Minutes without a figure count as none" in said
    (_, query) = azure.asked[-1]
    assert azure.asked[-1][0] == f"{APP}/providers/Microsoft.Insights/metrics"
    assert query["timespan"] == ["2026-03-14T12:40:00Z/2026-03-14T15:05:00Z"]
    assert (query["metricnames"], query["interval"], query["aggregation"]) == (["Replicas"], ["PT1M"], ["Maximum"])


def test_two_revisions_at_the_same_time_both_cost(tmp_path: Path, azure: Azure) -> None:
    minutes = {BEGIN + timedelta(minutes=minute): 30 for minute in range(60)}
    azure.metrics = answer(recorded(minutes), recorded(minutes, "executor--0000002"))
    code, said, _ = run(tmp_path, "--contest", "midterm", variables=azure.variables)
    assert code == 0
    assert "60.0       60   60/145" in said


def test_every_app_of_a_stack_is_counted(tmp_path: Path, azure: Azure) -> None:
    apps = [{"imageTarget": "node"}, {"imageTarget": "judge", "appName": "judge", "cpu": "1", "memory": "2Gi"}]
    code, said, wrong = run(tmp_path, "--contest", "midterm", variables=azure.variables, apps=apps)
    assert code == 0, wrong
    asked = [path.split("/")[8] for path, _ in azure.asked if "metrics" in path]
    assert asked == ["executor-node", "judge"]
    assert "25.11" in said  # a replica of twice the size, at twice the price


def test_a_long_time_is_asked_for_a_day_at_a_time(tmp_path: Path, azure: Azure) -> None:
    times = ("--from", "2026-03-14T00:00Z", "--to", "2026-03-16T12:00Z")
    code, said, _ = run(tmp_path, *times, variables=azure.variables)
    assert code == 0
    spans = [query["timespan"][0] for path, query in azure.asked if "metrics" in path]
    assert spans == [
        "2026-03-14T00:00:00Z/2026-03-15T00:00:00Z",
        "2026-03-15T00:00:00Z/2026-03-16T00:00:00Z",
        "2026-03-16T00:00:00Z/2026-03-16T12:00:00Z",
    ]
    assert "Estimated before" not in said


def test_a_file_of_figures_needs_no_azure_and_may_have_another_time_zone(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    file.write_text(json.dumps(answer(recorded(contest_figures()))).replace(":00Z", ":00+00:00"))
    code, said, wrong = run(tmp_path, "--contest", "midterm", "--file", str(file))
    assert code == 0, wrong
    assert "232.5" in said
    begun = ("--from", "2026-03-14T10:00-04:00", "--to", "2026-03-14T11:00-04:00")
    code, said, _ = run(tmp_path, *begun, "--file", str(file))
    assert code == 0
    assert "From 2026-03-14 14:00 to 2026-03-14 15:00 UTC" in said
    assert "100.0" in said


def test_the_subscription_is_the_one_that_is_named_where_there_are_several(tmp_path: Path, azure: Azure) -> None:
    azure.subscriptions = ("one", "two")
    code, _, said = run(tmp_path, "--contest", "midterm", variables=azure.variables)
    assert (code, said) == (1, "cost: you see 2 subscriptions: name the app's in ARM_SUBSCRIPTION_ID\n")
    code, _, _ = run(tmp_path, "--contest", "midterm", variables={**azure.variables, "ARM_SUBSCRIPTION_ID": SUBSCRIPTION})
    assert code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "name --contest, or both --from and --to"),
        (("--from", "2026-03-14T08:40Z"), 2, "name --contest, or both --from and --to"),
        (("--contest", "final"), 1, "cost: the stack contest has no contest final: it knows midterm. Where it was taken out"),
        (("--contest", "midterm", "--stack", "nobody"), 1, "cost: the stack nobody has no settings that can be read"),
        (("--from", "yesterday", "--to", "2026-03-14T08:40Z"), 2, "yesterday must be a time such as 2026-03-14T08:40-04:00"),
        (("--contest", "midterm", "--from", "2026-03-14T08:40"), 2, "2026-03-14T08:40 has no time zone: write its offset"),
        (
            ("--from", "2026-03-14T08:40Z", "--to", "2026-03-14T08:00Z"),
            1,
            "cost: it ends at 2026-03-14 08:00 UTC, before it begins at 2026-03-14 08:40 UTC",
        ),
        (("--contest", "midterm", "--from", "2126-01-01T00:00Z", "--to", "2126-01-02T00:00Z"), 1, "nothing has cost yet"),
        (("--contest", "midterm", "--file", "absent.json"), 1, "cost: absent.json cannot be read: No such file"),
        (("--contest", "midterm", "--file", "Pulumi.contest.yaml"), 1, "Pulumi.contest.yaml is not what `az monitor metrics"),
        (("--contest", "midterm", "--file", "empty.json"), 1, "cost: there are no figures from 2026-03-14T12:40:00Z to"),
        (("--contest", "midterm", "--file", "text.json"), 1, "cost: text.json is no JSON"),
    ],
)
def test_what_is_wrong_is_said_in_one_message(arguments: tuple[str, ...], code: int, words: str, tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text(json.dumps(answer()))
    (tmp_path / "text.json").write_text("replicas: many")
    found, _, said = run(tmp_path, *arguments)
    assert found == code
    assert words in said


def test_without_a_login_it_says_so(tmp_path: Path, azure: Azure) -> None:
    variables = {ENDPOINT_VARIABLE: azure.variables[ENDPOINT_VARIABLE], "PATH": "/nowhere"}
    code, _, said = run(tmp_path, "--contest", "midterm", variables=variables)
    assert code == 1
    assert said.startswith("cost: no login to Azure: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(("status", "word"), [(404, "ResourceNotFound"), (403, "AuthorizationFailed")])
def test_an_app_that_is_not_there_or_not_yours_is_named(status: int, word: str, tmp_path: Path, azure: Azure) -> None:
    azure.status = status
    code, _, said = run(tmp_path, "--contest", "midterm", variables=azure.variables)
    assert code == 1
    assert said == f"cost: Azure gives no figures of executor: {status} {word} as recorded\n"


def test_azure_without_figures_is_said_with_how_long_it_keeps_them(tmp_path: Path, azure: Azure) -> None:
    azure.metrics = answer(recorded({BEGIN + timedelta(minutes=1): None}))
    code, _, said = run(tmp_path, "--contest", "midterm", variables=azure.variables)
    assert code == 1
    assert "Azure has none of executor, and keeps them for 93 days" in said


def test_a_contest_that_is_wrong_in_the_settings_is_refused_by_its_key(tmp_path: Path) -> None:
    code, _, said = run(tmp_path, "--contest", "midterm", contests=[{**CONTEST, "timezone": "Boston"}])
    assert code == 1
    assert "contests[0].timezone is 'Boston': must be a name of the IANA time zone database" in said


def test_hours_below_a_number_are_those_of_the_replicas_that_are_always_there() -> None:
    figures = Figures({BEGIN: 5, BEGIN + timedelta(minutes=1): 30}, 2)
    assert figures.hours_below(10) * 60 == 15
    assert (figures.hours * 60, figures.most) == (35, 30)
