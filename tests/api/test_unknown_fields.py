"""Fields that the executor does not know: named in the answer, or refused where the client asks for that."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from devtools.executor import Executor

_CASES = tomllib.loads(Path(__file__).with_name("unknown_fields.toml").read_text("utf-8"))["case"]
_PLAIN = {"language": "python", "code": "print(1)"}


def _body(request: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (_PLAIN | request).items() if name != "code" or "files" not in request}


def _said(entries: list[dict[str, str]]) -> dict[str, str]:
    """Each field with the nearest name that the message offers, empty where it offers none."""
    assert all(entry["message"].startswith("is not a field") for entry in entries)
    return {entry["field"]: entry["message"].partition("did you mean ")[2].rstrip("?") for entry in entries}


@pytest.mark.parametrize("case", _CASES, ids=[case["name"] for case in _CASES])
def test_unknown_fields_are_named_with_the_nearest_name_and_ignored(executor: Executor, case: dict[str, Any]) -> None:
    answer = executor.post(_body(case["request"]))
    assert answer.status_code == 200, answer.text
    assert _said(answer.json()["warnings"]) == case["unknown"]
    assert case.get("answers", "run") in answer.json()


@pytest.mark.parametrize("case", _CASES, ids=[case["name"] for case in _CASES])
@pytest.mark.parametrize("query", ["strict=1", "strict=true"])
def test_a_strict_request_with_unknown_fields_is_refused(executor: Executor, case: dict[str, Any], query: str) -> None:
    answer = executor.http.post(f"/execute?{query}", json=_body(case["request"]))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert _said(answer.json()["errors"]) == case["unknown"]


def test_a_strict_request_tells_unknown_and_wrong_fields_together(executor: Executor) -> None:
    answer = executor.http.post("/execute?strict=1", json={"language": "python", "kode": "1", "timeout": -1})
    assert [error["field"] for error in answer.json()["errors"]] == ["kode", "code", "timeout"]


@pytest.mark.parametrize("query", ["", "?strict=0", "?strict=false", "?other=1"])
def test_an_answer_to_known_fields_has_no_warnings(executor: Executor, query: str) -> None:
    for body in (_PLAIN, _PLAIN | {"test_cases": [{"id": "1", "expected_output": "1"}]}):
        answer = executor.http.post(f"/execute{query}", json=body)
        assert answer.status_code == 200
        assert "warnings" not in answer.json()
    assert executor.http.post("/execute?strict=1", json=_PLAIN).status_code == 200


@pytest.mark.parametrize("value", ["", "2", "yes", "TRUE"])
def test_another_value_of_strict_is_refused(executor: Executor, value: str) -> None:
    answer = executor.http.post(f"/execute?strict={value}", json=_PLAIN)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "strict", "message": "must be one of 0, 1, false, true"}]


def test_many_unknown_fields_make_no_large_answer(executor: Executor) -> None:
    body = _PLAIN | {f"field {number} {'x' * 100}": 1 for number in range(20_000)}
    for query in ("", "?strict=1"):
        answer = executor.http.post(f"/execute{query}", json=body)
        assert answer.status_code == (422 if query else 200)
        assert len(answer.content) < 20_000


def test_piston_ignores_unknown_fields_without_a_word(executor: Executor) -> None:
    call = {"language": "python", "version": "*", "files": [{"content": "print(1)", "mode": 0}], "log": 1}
    answer = executor.http.post("/api/v2/execute?strict=1", json=call)
    assert answer.status_code == 200
    assert set(answer.json()) == {"run", "language", "version"}
