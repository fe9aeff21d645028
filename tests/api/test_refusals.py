"""Bad requests: each is refused with the field named, and the service is as before."""

from typing import Any

import httpx
import pytest

from devtools.executor import Executor

_GOOD: dict[str, Any] = {"language": "python", "code": "print(1)"}


def _cases(count: int) -> list[dict[str, str]]:
    return [{"id": str(number), "input": "", "expected_output": ""} for number in range(count)]


_INVALID = [
    ({"language": 5}, "language"),
    ({"language": None}, "language"),
    ({"code": ""}, "code"),
    ({"code": ["print(1)"]}, "code"),
    ({"code": None}, "code"),
    ({"timeout": -1}, "timeout"),
    ({"timeout": 0}, "timeout"),
    ({"timeout": 1e9}, "timeout"),
    ({"timeout": 1e400}, "timeout"),
    ({"timeout": "5"}, "timeout"),
    ({"timeout": True}, "timeout"),
    ({"memory_limit_mb": 0}, "memory_limit_mb"),
    ({"memory_limit_mb": 100_000}, "memory_limit_mb"),
    ({"memory_limit_mb": 10**30}, "memory_limit_mb"),
    ({"memory_limit_mb": 1.5}, "memory_limit_mb"),
    ({"memory_limit_mb": True}, "memory_limit_mb"),
    ({"stdin": 5}, "stdin"),
    ({"args": "a"}, "args"),
    ({"args": ["a\0b"]}, "args[0]"),
    ({"args": ["x"] * 1000}, "args"),
    ({"args": ["x" * 100_000]}, "args"),
    ({"comparator": "fuzzy"}, "comparator"),
    ({"test_cases": []}, "test_cases"),
    ({"test_cases": _cases(10_000)}, "test_cases"),
    ({"test_cases": [{"input": "", "expected_output": ""}]}, "test_cases[0].id"),
    ({"test_cases": [{"id": 1}]}, "test_cases[0].id"),
    ({"test_cases": [{"id": "1", "timeout": 0}]}, "test_cases[0].timeout"),
    ({"test_cases": [{"id": "1"}, {"id": "2", "memory_limit_mb": 100_000}]}, "test_cases[1].memory_limit_mb"),
    ({"test_cases": [{"id": "1", "hidden": "yes"}]}, "test_cases[0].hidden"),
    ({"return_files": "plot.png"}, "return_files"),
    ({"return_files": ["a"] * 100}, "return_files"),
    ({"return_files": ["a", "../a"]}, "return_files[1]"),
    ({"return_files": ["a"], "test_cases": _cases(1)}, "return_files"),
    ({"user_id": "x" * 1000}, "user_id"),
    ({"files": []}, "files"),
    ({"code": None, "files": []}, "files"),
    *(
        ({"code": None, "files": [{"name": name, "content": "print(1)"}]}, "files[0].name")
        for name in (
            "../x", "a/../../x", "/etc/x", "a//b", "a/./b", "x\0y", "a\nb", "-o", "x" * 300, "a/" * 20 + "b", "..", "a/",
        )
    ),
    ({"code": None, "files": [{"name": "a", "content": "1"}, {"name": "a", "content": "2"}]}, "files[1].name"),
    ({"code": None, "files": [{"name": "a", "content": "1"}, {"name": "a/b", "content": "2"}]}, "files[1].name"),
    *(
        ({"code": None, "files": [{"name": "a", "content": content, "encoding": encoding}]}, "files[0].content")
        for content, encoding in (
            ("%%", "base64"), ("QQ", "base64"), ("QUI==", "base64"), ("QQ==\n", "base64"), ("QQ==QQ==", "base64"),
            ("", "utf8"), ("", "hex"), (" ", "hex"), ("0", "hex"), ("0 0", "hex"),
        )
    ),
    ({"code": None, "files": [{"name": "a", "content": "xyz", "encoding": "hex"}]}, "files[0].content"),
    ({"code": None, "files": [{"name": "a", "content": "1", "encoding": "rot13"}]}, "files[0].encoding"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "field"), _INVALID, ids=[f"{field} {str(change)[:40]}" for change, field in _INVALID])
def test_a_wrong_field_is_named(executor: Executor, change: dict[str, Any], field: str) -> None:
    body = {name: value for name, value in (_GOOD | change).items() if value is not None or name != "code"}
    text = httpx.Request("POST", "http://x", json=body) if 1e400 not in body.values() else None
    content = text.content if text else b'{"language": "python", "code": "1", "timeout": 1e400}'
    response = executor.http.post("/execute", content=content, headers={"Content-Type": "application/json"})
    problem = response.json()
    if problem["code"] == "invalid_json":
        assert b"1e400" in content
        assert response.status_code == 400
        return
    assert response.status_code == 422, problem
    assert problem["code"] == "invalid_request"
    assert field in [error["field"] for error in problem["errors"]], problem
    assert response.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize("change", [{"memory_limit_mb": 64.0}, {"timeout": 1}, {"timeout": 1e-300}])
def test_a_number_may_be_written_in_any_way(executor: Executor, change: dict[str, Any]) -> None:
    assert executor.post({**_GOOD, **change}).status_code == 200


def test_all_wrong_fields_are_named_at_once(executor: Executor) -> None:
    problem = executor.post({**_GOOD, "timeout": -1, "memory_limit_mb": 0, "comparator": "x"}).json()
    assert [error["field"] for error in problem["errors"]] == ["timeout", "memory_limit_mb", "comparator"]


@pytest.mark.parametrize(
    "change",
    [
        {"return_files": [""] * 400_000}, {"args": ["\0"] * 400_000}, {"language": "x" * 3_000_000},
        {"files": [{"name": "a/../b", "content": ""}] * 100},
        {"test_cases": [{"id": "a", "timeout": -1, "memory_limit_mb": -1}] * 200},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_refusal_is_no_larger_for_all_that_is_wrong(executor: Executor, change: dict[str, Any]) -> None:
    response = executor.post({"language": "python", "code": "1"} | change)
    assert response.status_code == 422
    assert 100 < len(response.content) < 10_000


@pytest.mark.parametrize("missing", ["language", "code"])
def test_a_missing_field_is_named(executor: Executor, missing: str) -> None:
    response = executor.post({name: value for name, value in _GOOD.items() if name != missing})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == missing


@pytest.mark.parametrize(
    "content",
    [
        b"", b"not json", b"{", b'{"language": "python", "code": "1", "timeout": NaN}',
        b'{"language": "python", "code": "\xff\xfe"}', b'{"language": "python", "code": "\\ud800"}',
        b'{"x": ' + b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused(executor: Executor, content: bytes) -> None:
    response = executor.http.post("/execute", content=content, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("path", ["/execute", "/api/v2/execute"])
@pytest.mark.parametrize(
    "content",
    [
        b'{"language": "python", "code": "1", "note": "\xff"}', b'{"language": "python", "code": "1", "\xe9t\xe9": 1}',
        b'{"language": 5, "code": "\xc3("}', b'{"code": "1", "files": [{"name": "\xed\xa0\x80"}]}',
        b'{"language": "python", "code": "1", "test_cases": [{"id": "1", "note": "\xe8\xaa"}]}',
        b'{"language": "python", "code": "1", "note": "\xf5\x80\x80\x80"}', b'{"x": "\xc0\x80"}', b"\xff",
        '{"language": "python", "code": "1"}'.encode("utf-16"), '{"language": "python", "code": "\u00e9"}'.encode("latin-1"),
    ],
)  # fmt: skip
def test_a_body_that_is_not_utf8_is_no_json_whatever_its_fields(executor: Executor, path: str, content: bytes) -> None:
    response = executor.http.post(path, content=content, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (400, "invalid_json")


def test_json_that_is_no_object_is_refused(executor: Executor) -> None:
    response = executor.http.post("/execute", content=b"[1]", headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


def test_an_unknown_language_is_refused_with_the_known_ones_and_the_nearest(executor: Executor) -> None:
    response = executor.post({"language": "pyton", "code": "1"})
    assert (response.status_code, response.json()["code"]) == (422, "unknown_language")
    assert "did you mean 'python'" in response.json()["detail"]
    assert "javascript" in response.json()["detail"]


def test_a_large_body_is_refused(executor: Executor) -> None:
    response = executor.post({**_GOOD, "stdin": "x" * (5 << 20)})
    assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize("path", ["/execute", "/api/v2/execute"])
@pytest.mark.parametrize(
    "media",
    ["text/xml", "xxxx", "json", "", ";", "application", "application/", "application/jsonx", "application/json, text/plain",
     "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "charset=utf-8"],
)  # fmt: skip
def test_another_media_type_is_refused(executor: Executor, path: str, media: str) -> None:
    response = executor.http.post(path, content=b'{"language": "python", "code": "1"}', headers={"Content-Type": media})
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "media",
    [None, "application/json", "Application/JSON", "application/json;charset=UTF-8", "application/json ; charset=utf-8",
     "application/octet-stream"],
)  # fmt: skip
def test_json_is_taken_under_its_type_under_none_and_as_bytes(executor: Executor, media: str | None) -> None:
    request = httpx.Request(
        "POST", f"{executor.url}/execute", content=b'{"language": "python", "code": "print(1)"}',
        headers={} if media is None else {"Content-Type": media},
    )  # fmt: skip
    assert executor.http.send(request).json()["run"]["stdout"] == "1\n"


def test_other_paths_and_methods_are_refused(executor: Executor) -> None:
    assert executor.http.get("/nothing").json()["code"] == "not_found"
    response = executor.http.get("/execute")
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


def test_the_service_is_unharmed_after_all_of_it(executor: Executor) -> None:
    assert executor.execute("python", "print('fine')")["stdout"] == "fine\n"


def test_half_of_a_surrogate_pair_is_named(executor: Executor) -> None:
    for text in ("\\ud800", "\\uD83Dx", "\\ud83d\\ud83d\\ude00"):
        content = f'{{"language": "python", "code": "1", "stdin": "{text}"}}'
        problem = executor.http.post("/execute", content=content, headers={"Content-Type": "application/json"}).json()
        assert (problem["code"], problem["detail"]) == ("invalid_json", "a text has half of a surrogate pair")
