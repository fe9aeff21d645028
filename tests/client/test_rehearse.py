"""`executor-client rehearse` against an executor that really runs: its report, and how an evening goes wrong."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from executor_client.rehearsal.programs import built_in, printed

from devtools.executor import Executor, running, until
from tests.client.ingress import ingress
from tests.problems.packages import FOLDER

_QUICK = ("--users", "8", "--questions", "2", "--languages", "python,bash", "--work", "0.1", "--arrival", "burst")


def _command(url: str, *words: str | Path) -> tuple[str, ...]:
    return (sys.executable, "-m", "executor_client.command", "rehearse", "--url", url, *map(str, words))


def rehearse(url: str, folder: Path, *words: str | Path, key: str = "") -> tuple[int, str, dict[str, Any]]:
    """Exit code, what was printed, and the report's JSON, or an empty one where there is none."""
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "200"} | ({"EXECUTOR_API_KEY": key} if key else {})
    done = subprocess.run(
        _command(url, *words), cwd=folder, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    report = folder / "rehearsal.json"
    return done.returncode, done.stdout + done.stderr, json.loads(report.read_bytes()) if report.exists() else {}


def test_an_evening_that_holds_is_reported_as_one(executor: Executor, tmp_path: Path) -> None:
    code, said, report = rehearse(executor.url, tmp_path, *_QUICK, "--within", "200", "--deadline", "250")
    findings = report["findings"]
    assert code == 0, said
    assert report["verdict"]["kind"] == "holds"
    assert (findings["answers"], findings["lost"], findings["wrong"], findings["planned"]) == (16, 0, 0, 16)
    assert findings["differences"] == []
    assert [replica["replica"] for replica in findings["replicas"]] == [executor.health()["replica"]]
    assert findings["requests"] == 16 + findings["retries"]
    assert report["documented"]["waits"]["p95"] > 0
    assert report["costs"]["rehearsal"] > 0
    assert "Holds: 16 answers" in said
    assert "service_seconds = " in (tmp_path / "capacity.toml").read_text()


def test_the_page_loads_nothing_and_has_every_chart(executor: Executor, tmp_path: Path) -> None:
    rehearse(executor.url, tmp_path, *_QUICK, "--within", "200", "--deadline", "250")
    page = (tmp_path / "rehearsal.html").read_text()
    assert page.count("<svg") == 4
    assert "<script" not in page
    assert "http" not in page.replace(executor.url, "")


def test_an_evening_that_is_too_slow_is_reported_with_what_to_change(executor: Executor, tmp_path: Path) -> None:
    words = ("--pace", "0.5", "--within", "0.5", "--deadline", "250", "--warm", "1")
    code, said, report = rehearse(executor.url, tmp_path, *_QUICK, *words, "--max", "40")
    assert code == 1
    assert report["findings"]["lost"] == 0
    assert report["verdict"]["kind"] in ("does not hold", "holds with more warm replicas"), said
    assert "Replicas" in report["verdict"]["setting"]


def test_a_package_s_own_submissions_are_what_is_played(executor: Executor, tmp_path: Path) -> None:
    words = ("--users", "6", "--questions", "1", "--arrival", "burst", "--within", "200", "--deadline", "250")
    code, said, report = rehearse(executor.url, tmp_path, *words, "--package", FOLDER / "mean")
    assert code == 0, said
    assert report["findings"]["answers"] == 6
    assert all(margin["program"].startswith("mean: accepted/") for margin in report["findings"]["margins"])


def test_a_package_that_is_broken_is_the_verdict(executor: Executor, tmp_path: Path) -> None:
    package = Path(shutil.copytree(FOLDER / "mean", tmp_path / "mean"))
    (package / "problem.yaml").write_text("name: [")
    code, said, report = rehearse(executor.url, tmp_path, *_QUICK, "--package", package)
    assert code == 1
    assert "a package is broken" in report["verdict"]["sentence"]
    assert "problem verify" in report["verdict"]["setting"], said


def test_a_submission_that_its_author_expects_otherwise_is_seen_before_the_load(executor: Executor, tmp_path: Path) -> None:
    package = Path(shutil.copytree(FOLDER / "mean", tmp_path / "mean"))
    accepted = next((package / "submissions" / "accepted").glob("*.py"))
    accepted.write_text("print('nonsense')\n")
    code, _, report = rehearse(executor.url, tmp_path, *_QUICK, "--package", package)
    assert code == 1
    assert "even without load" in report["verdict"]["sentence"]
    assert report["findings"]["submissions"] == 0


@pytest.mark.parametrize("key", ["", "another key"])
def test_a_key_that_is_missing_or_wrong_is_the_verdict(tmp_path: Path, key: str) -> None:
    with running({"EXECUTOR_API_KEYS": f"backend:{hashlib.sha256(b'the key').hexdigest()}"}) as guarded:
        code, _, report = rehearse(guarded.url, tmp_path, *_QUICK, key=key)
    assert code == 1
    assert "the key is refused" in report["verdict"]["sentence"]
    assert "EXECUTOR_API_KEY" in report["verdict"]["setting"]


def test_without_a_url_nothing_is_sent_and_the_message_says_what_to_give(tmp_path: Path) -> None:
    code, said, report = rehearse("", tmp_path, *_QUICK)
    assert (code, report) == (2, {})
    assert "give --url, or set EXECUTOR_URL" in said


def test_a_url_where_nobody_answers_is_the_verdict(tmp_path: Path) -> None:
    code, _, report = rehearse("http://127.0.0.1:9", tmp_path, *_QUICK, "--deadline", "2")
    assert code == 1
    assert "ConnectionFailedError" in report["verdict"]["sentence"]


def test_clocks_that_differ_are_named_and_spoil_no_figure(executor: Executor, tmp_path: Path) -> None:
    with ingress(executor.url, clock_ahead=3600) as there:
        code, said, report = rehearse(there.url, tmp_path, *_QUICK, "--within", "200", "--deadline", "250")
    assert code == 0, said
    assert "The replica's clock is 3600 s ahead of this machine's" in said
    assert all(replica["up"] < 0 for replica in report["findings"]["replicas"])


def test_an_ingress_that_cuts_long_requests_is_named(executor: Executor, tmp_path: Path) -> None:
    words = ("--users", "6", "--questions", "1", "--languages", "python", "--arrival", "burst", "--work", "0.1")
    with ingress(executor.url, cut_seconds=3) as there:
        # Alone each ends before the cut; six at one replica, at a second each, do not.
        code, said, report = rehearse(there.url, tmp_path, *words, "--pace", "0.4", "--deadline", "25", "--warm", "1")
        assert there.marks[report["findings"]["name"]] == sum(there.marks.values())
    if report["findings"]["cut_after"] is None:
        pytest.skip("this machine was quick enough for no request to be cut")
    assert "Requests were cut off after 3." in said
    assert code in (0, 1)


def test_ctrl_c_stops_at_once_and_keeps_what_was_measured(executor: Executor, tmp_path: Path) -> None:
    words = ("--users", "100", "--questions", "1", "--languages", "bash", "--work", "0.1", "--minutes", "60")
    (tmp_path / "arrivals").write_text("\n".join(["0", "0", *["3000"] * 98]))
    command = _command(executor.url, *words, "--arrival", "arrivals")
    accepted = 'executor_executions_total{language="bash",status="accepted"}'
    before = executor.metrics().get(accepted, 0)
    environment = {"PATH": os.environ["PATH"]}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        # Two alone, and then at least one of the two that are due at once.
        assert until(
            lambda: executor.metrics().get('executor_executions_total{language="bash",status="accepted"}', 0) >= before + 3,
            120,
        )
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        said = process.communicate(timeout=60)[0].decode()
    assert time.monotonic() - began < 30
    assert process.returncode == 1
    report = json.loads((tmp_path / "rehearsal.json").read_bytes())
    assert report["verdict"]["kind"] == "not known", said
    assert 1 <= report["findings"]["answers"] <= 2
    assert report["findings"]["stopped"] == "interrupted"


def test_a_cost_above_the_bound_is_not_spent_unless_agreed(executor: Executor, tmp_path: Path) -> None:
    code, _, report = rehearse(executor.url, tmp_path, *_QUICK, "--ask-above", "0")
    assert code == 1
    assert "not agreed to a cost" in report["findings"]["stopped"]
    assert report["findings"]["submissions"] == 0


def test_a_rehearsal_s_executions_are_marked_in_the_log(tmp_path: Path) -> None:
    with running() as own:
        _, said, report = rehearse(own.url, tmp_path, *_QUICK, "--within", "200", "--deadline", "250")
        own.execute("bash", "echo stranger")
        assert until(lambda: any("rehearsal" not in record for record in own.records)), said
        marked = [record["rehearsal"] for record in own.records if "rehearsal" in record]
    assert set(marked) == {report["findings"]["name"]}
    assert len(marked) == 16 + 16  # every program twice alone, and the contest


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--users", "0"), "must be at least 1"),
        (("--users", "20000"), "must be from 1 to 20,000"),
        (("--minutes", "0"), "--minutes is 0.0: must be above 0"),
        (("--arrival", "no-such-file"), "no-such-file cannot be read"),
        (("--report", "no/such/folder"), "no/such is no folder"),
        (("--warm", "-1"), "must be at least 0"),
    ],
)
def test_what_makes_no_rehearsal_is_refused_before_anything_is_sent(tmp_path: Path, words: tuple[str, ...], why: str) -> None:
    code, said, report = rehearse("http://127.0.0.1:9", tmp_path, *words)
    assert (code, report) == (2, {})
    assert why in said


def test_arrivals_of_a_file_must_be_seconds_within_the_minutes(tmp_path: Path) -> None:
    (tmp_path / "arrivals").write_text("0\n12\n9999\n")
    code, said, _ = rehearse("http://127.0.0.1:9", tmp_path, "--arrival", "arrivals")
    assert code == 2
    assert "arrivals, number 3: '9999' must be seconds from 0 to 600" in said


def test_built_in_programs_of_every_language_do_what_their_kind_says(executor: Executor) -> None:
    languages = sorted(executor.languages())
    for program in built_in(languages, 0.1, 0.0):
        number = 7
        submission = program.make(number)
        cases = [
            {"id": case.id, "input": case.input, "expected_output": case.expected_output}
            for case in submission.test_cases or ()
        ]
        answer = executor.judge(
            submission.language, submission.code, cases, time_limit=submission.time_limit, timeout=submission.timeout,
            stop_on_failure=True,
        )  # fmt: skip
        assert f"{program.name}: {answer['status']}" in {
            f"{submission.language}, right: accepted", f"{submission.language}, wrong: wrong_answer",
            f"{submission.language}, crash: runtime_error", f"{submission.language}, slow: time_limit_exceeded",
        }, answer  # fmt: skip


def test_what_a_right_program_prints_is_a_linear_map_of_its_number() -> None:
    total = 5
    for turn in range(1000):
        total = (total * 31 + turn) % 1000003
    assert printed(5, 1000) == f"5 {total}"
