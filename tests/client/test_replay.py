"""`executor-client replay`: the same request with the recorded seed, and whether the verdict holds."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from devtools.executor import Executor
from tests.client.misbehaving import http, misbehaving, says

_RECORD = {
    "source": "sha256:1", "problem": None, "image": "1.0.0+abc", "language": {"name": "python", "version": "3.13.5"},
    "limits": {"cpu_time": 1000}, "walls": ["landlock 7"], "seed": 42,
}  # fmt: skip
_REQUEST = {"language": "python", "code": "print(1)", "test_cases": [{"id": "a", "input": "", "expected_output": "1"}]}


def _answer(status: str = "accepted", **record: object) -> dict[str, Any]:
    case = {"id": "a", "status": status}
    passed = int(status == "accepted")
    return {
        "language": "python", "status": status, "passed": passed, "total": 1, "test_results": [case],
        "record": _RECORD | record,
    }  # fmt: skip


def _replay(folder: Path, kept: object, now: bytes, bodies: list[dict[str, Any]] | None = None) -> tuple[int, str]:
    (folder / "kept.json").write_text(json.dumps(kept))
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "200"}
    with misbehaving(says(now), bodies) as server:
        command = (sys.executable, "-m", "executor_client.command", "replay", "--url", server.url, "kept.json")
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def _says(answer: dict[str, Any]) -> bytes:
    return http("200 OK", "application/json", json.dumps(answer).encode())


def test_the_same_verdict_under_the_same_circumstances_holds_and_the_seed_was_sent(tmp_path: Path) -> None:
    bodies: list[dict[str, Any]] = []
    code, said = _replay(tmp_path, {"request": _REQUEST, "answer": _answer()}, _says(_answer()), bodies)
    assert code == 0, said
    assert "The verdict accepted holds, under the same circumstances" in said
    assert bodies == [{**_REQUEST, "seed": 42}]


def test_another_verdict_is_named_with_its_test_case(tmp_path: Path) -> None:
    code, said = _replay(tmp_path, {"request": _REQUEST, "answer": _answer()}, _says(_answer("wrong_answer")))
    assert code == 1
    assert "The verdict accepted does not hold" in said
    assert "test case a" in said


def test_another_image_is_named_beside_a_verdict_that_holds(tmp_path: Path) -> None:
    code, said = _replay(tmp_path, {"request": _REQUEST, "answer": _answer()}, _says(_answer(image="1.1.0")))
    assert code == 0
    assert "under other circumstances" in said
    assert "1.0.0+abc" in said
    assert "1.1.0" in said


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        ([], "is not {request, answer}"),
        ({"request": _REQUEST}, "is not {request, answer}"),
        ({"request": _REQUEST, "answer": {"run": {}}}, "is not a judged one"),
        ({"request": _REQUEST, "answer": _answer(seed=None)}, "answer.record has no seed"),
    ],
)
def test_what_is_no_record_is_refused_with_its_reason(tmp_path: Path, kept: object, why: str) -> None:
    code, said = _replay(tmp_path, kept, _says(_answer()))
    assert code == 2
    assert why in said


def test_an_executor_that_takes_no_seed_is_too_old(tmp_path: Path) -> None:
    problem = {
        "type": "about:blank", "title": "x", "status": 422, "detail": "x", "code": "invalid_request",
        "errors": [{"field": "seed", "message": "is not a field"}],
    }  # fmt: skip
    refusal = http("422 Unprocessable Entity", "application/problem+json", json.dumps(problem).encode())
    code, said = _replay(tmp_path, {"request": _REQUEST, "answer": _answer()}, refusal)
    assert code == 2
    assert "older than the record" in said


def test_an_executor_s_own_answer_is_judged_again_with_the_same_seed(executor: Executor, tmp_path: Path) -> None:
    # The order of a set of strings is the hash seed's: another seed gives another output, sooner or later.
    code = "print(*{chr(97 + number) * 3 for number in range(20)})"
    cases = [{"id": "a", "input": "", "expected_output": ""}]
    first = executor.judge("python", code, cases)
    request = {"language": "python", "code": code, "test_cases": [cases[0] | {"expected_output": _printed(first)}]}
    kept = {"request": request, "answer": executor.post({**request, "seed": first["record"]["seed"]}).json()}
    assert kept["answer"]["status"] == "accepted"
    (tmp_path / "kept.json").write_text(json.dumps(kept))
    command = (sys.executable, "-m", "executor_client.command", "replay", "--url", executor.url, "kept.json")
    done = subprocess.run(
        command, cwd=tmp_path, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The verdict accepted holds, under the same circumstances" in done.stdout


def _printed(answer: dict[str, Any]) -> str:
    printed: str = answer["test_results"][0]["stdout"]
    return printed


def test_a_program_that_does_not_compile_any_more_is_another_verdict(tmp_path: Path) -> None:
    before = _answer("wrong_answer") | {"test_results": []}
    code, said = _replay(tmp_path, {"request": _REQUEST, "answer": before}, _says(before | {"status": "compile_error"}))
    assert code == 1
    assert "The verdict wrong_answer does not hold" in said
