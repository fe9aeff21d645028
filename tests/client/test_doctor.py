"""`executor-client doctor` with an executor that really runs: what it finds, its remedies, and the report to share."""

import hashlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from executor_client.doctor import host_checks
from executor_client.doctor.command import shared
from executor_client.doctor.findings import FAILED, OK, WARNING, Finding

from devtools.executor import Executor, running
from runtime.languages.registry import load
from tests.client.misbehaving import http, misbehaving, says

_KEY = "the key that nobody may read"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Executor]:
    with running({"EXECUTOR_API_KEYS": f"backend:{hashlib.sha256(_KEY.encode()).hexdigest()}"}) as executor:
        yield executor


def doctor(url: str, *words: str, key: str = "") -> tuple[int, str]:
    """Exit code, and what was printed."""
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "300"} | ({"EXECUTOR_API_KEY": key} if key else {})
    command = (sys.executable, "-m", "executor_client.command", "doctor", "--url", url, *words)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def test_a_report_to_share_has_every_finding_and_nothing_that_names_the_app(guarded: Executor) -> None:
    code, said = doctor(guarded.url, "--share", key=_KEY)
    assert code == 0, said
    for name in (
        "GET /health", "floor", "Landlock", "kernel", "throttling", "clock", "without a key", "the key", "body size",
        "WebSocket", "HTTP/2", "longest request", "replicas that answer", "Python loop", "languages: python",
    ):  # fmt: skip
        assert name in said, name
    assert "hello in" in said
    assert "| x |" not in said
    for secret in (_KEY, "127.0.0.1", guarded.health()["replica"]):
        assert secret not in said


@pytest.mark.parametrize(("key", "words"), [("", "none was given"), ("another", "answers 401")])
def test_a_key_that_is_missing_or_wrong_is_named_with_what_to_do(guarded: Executor, key: str, words: str) -> None:
    code, said = doctor(guarded.url, "--share", key=key)
    assert code == 1
    assert words in said
    assert "whose hash is in the stack's `apiKeys`" in said


def test_an_executor_that_everybody_may_call_is_warned_of(executor: Executor) -> None:
    _, said = doctor(executor.url, "--share")
    assert "everybody may call" in said


def test_something_else_under_the_url_and_nobody_there_are_told_apart() -> None:
    with misbehaving(says(http("200 OK", "text/html", b"<h1>hello</h1>"))) as elsewhere:
        code, said = doctor(elsewhere.url, "--share")
    assert code == 1
    assert "no executor answers" in said
    code, said = doctor("http://127.0.0.1:9", "--share")
    assert code == 1
    assert "Look at the URL" in said


def _host(**changes: Any) -> dict[str, Any]:
    host = {
        "clock": 1_000_000, "kernel": "5.15", "machine": "x86_64", "processors": 1, "cgroup": "v2", "cpu_quota": 0.5,
        "memory_limit": 1 << 30, "steal_ms": 0.0, "throttling": {"periods": 100, "throttled_periods": 1, "throttled_ms": 5.0},
    }  # fmt: skip
    return {"uptime": 10_000, "host": host | changes}


@pytest.mark.parametrize(
    ("changes", "name", "status"),
    [
        ({}, "clock", OK),
        ({"clock": 1_000_000 + 60_000}, "clock", WARNING),
        ({}, "throttling", OK),
        ({"throttling": {"periods": 100, "throttled_periods": 50, "throttled_ms": 900.0}}, "throttling", WARNING),
        ({"throttling": None}, "throttling", "unknown"),
    ],
)
def test_what_a_host_says_is_judged(changes: dict[str, Any], name: str, status: str) -> None:
    (found,) = [each for each in host_checks.host(_host(**changes), 999.9, 1000.1) if each.name == name]
    assert found.status == status
    assert bool(found.remedy) == (status == WARNING)


def test_a_judging_time_beyond_azure_s_ingress_is_a_failure() -> None:
    answer = {"concurrency": 1, "queue_length": 16, "queue_seconds": 2.0, "max_judging_seconds": 300.0}
    (found,) = [each for each in host_checks.settings(answer) if each.name == "longest request"]
    assert (found.status, "240" in found.remedy) == (FAILED, True)


def test_there_is_a_hello_for_every_language_of_the_executor() -> None:
    file = Path(host_checks.__file__).with_name("hellos.toml")
    assert {language.name for language in load()} <= set(tomllib.loads(file.read_text()))


def test_names_and_keys_are_hidden_wherever_they_stand() -> None:
    found = [Finding("ingress", "connection", FAILED, "https://app.example.org:8443/ at 10.0.0.7: app--0001-abc | bad", _KEY)]
    said = shared(found, "https://app.example.org:8443", _KEY)
    for secret in ("app.example.org", "10.0.0.7", "app--0001-abc", _KEY):
        assert secret not in said
    assert said.count("\n") == 2
    assert "\\| bad" in said
