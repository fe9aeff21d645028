"""MCP over HTTP: what the official client does not send."""

import hashlib
import json
from typing import Any

import pytest

from devtools.executor import Executor, running


def _rpc(executor: Executor, method: str, params: Any = None, **options: Any) -> dict[str, Any]:
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    response = executor.http.post("/mcp", json=message, **options)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    assert answer["id"] == 1
    return answer


def test_a_version_that_is_not_known_is_answered_with_one_that_is(executor: Executor) -> None:
    for asked, given in (("2025-06-18", "2025-06-18"), ("1999-01-01", "2025-11-25"), (None, "2025-11-25")):
        answer = _rpc(executor, "initialize", {"protocolVersion": asked, "capabilities": {}})
        assert answer["result"]["protocolVersion"] == given


def test_a_header_with_a_version_that_is_not_known_is_refused(executor: Executor) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    for version, status in (("2025-06-18", 200), ("1999-01-01", 400)):
        assert executor.http.post("/mcp", json=ping, headers={"MCP-Protocol-Version": version}).status_code == status


@pytest.mark.parametrize(
    ("body", "code"),
    [("{", -32700), ("[]", -32600), ("5", -32600), ('{"id": 1, "method": "ping"}', -32600),
     ('{"jsonrpc": "2.0", "id": [], "method": "ping"}', -32600),
     ('{"jsonrpc": "2.0", "id": false, "method": "ping"}', -32600)],
)  # fmt: skip
def test_what_is_no_message_is_an_error_of_the_protocol(executor: Executor, body: str, code: int) -> None:
    response = executor.http.post("/mcp", content=body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, code)


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [("tools/none", {}, -32601), ("ping", [1], -32602), ("tools/call", {"name": "rm"}, -32602), ([], {}, -32601),
     ("tools/call", {"name": "run_code", "arguments": [1]}, -32602), ("tools/call", {"name": {}}, -32602)],
)  # fmt: skip
def test_a_call_of_nothing_is_an_error_of_the_protocol(executor: Executor, method: Any, params: Any, code: int) -> None:
    assert _rpc(executor, method, params)["error"]["code"] == code


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"language": "python", "code": "1", "test_cases": []}, "test_cases is not known"),
     ({"code": "1"}, "language is required"),
     ({"language": "python", "code": "1", "files": [{"content": "1", "colour": 2}]}, "colour")],
)  # fmt: skip
def test_an_argument_that_is_not_known_is_named(executor: Executor, arguments: Any, words: str) -> None:
    result = _rpc(executor, "tools/call", {"name": "run_code", "arguments": arguments})["result"]
    assert result["isError"]
    assert words in result["content"][0]["text"]


def test_notifications_are_taken_and_streams_are_not_there(executor: Executor) -> None:
    notification = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    response = executor.http.post("/mcp", json=notification)
    assert (response.status_code, response.content) == (202, b"")
    assert executor.http.get("/mcp").status_code == 405
    assert executor.http.delete("/mcp").status_code == 405


def test_limits_of_this_server_are_in_the_descriptions() -> None:
    with running({"EXECUTOR_MAX_MEMORY_MB": "777"}) as server:
        assert "777" in json.dumps(_rpc(server, "tools/list")["result"]["tools"][0])


def test_keys_hold_here_too_and_pages_of_other_sites_need_one(executor: Executor) -> None:
    origin = {"Origin": "https://elsewhere.example"}
    assert executor.http.post("/mcp", json={}, headers=origin).status_code == 403
    with running({"EXECUTOR_API_KEYS": f"a:{hashlib.sha256(b'k').hexdigest()}"}) as server:
        assert server.http.post("/mcp", json={}).status_code == 401
        assert _rpc(server, "ping", headers=origin | {"Authorization": "Bearer k"})["result"] == {}
