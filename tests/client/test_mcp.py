"""The executor as tools for assistants, by the protocol's official client."""

import base64
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.types import BlobResourceContents, CallToolResult, EmbeddedResource, TextContent

from devtools.executor import Executor


def _command(executor: Executor, *options: str) -> StdioServerParameters:
    arguments = ["-c", "import sys; from executor_client.command import main; sys.exit(main())", "--url", executor.url]
    return StdioServerParameters(command=sys.executable, args=[*arguments, *options, "mcp"], env=dict(os.environ))


def _talk(server: Any, talk: Callable[[Client], Awaitable[Any]]) -> Any:
    async def connect() -> Any:
        with anyio.fail_after(60):
            async with Client(server) as client:
                return await talk(client)

    return anyio.run(connect)


@pytest.fixture(scope="module", params=["stdio", "http"])
def server(executor: Executor, request: pytest.FixtureRequest) -> Any:
    """Both ways to the same tools: the client's command, and the executor itself."""
    return _command(executor) if request.param == "stdio" else f"{executor.url}/mcp"


def _call(server: Any, tool: str, **arguments: Any) -> CallToolResult:
    result = _talk(server, lambda client: client.call_tool(tool, arguments))
    assert isinstance(result, CallToolResult)
    return result


def test_the_tools_say_what_they_take_and_give(server: Any) -> None:
    tools = {tool.name: tool for tool in _talk(server, lambda client: client.list_tools()).tools}
    assert set(tools) == {"run_code", "judge_code", "list_languages"}
    for tool in tools.values():
        assert tool.description
        assert tool.output_schema
        for name, field in tool.input_schema.get("properties", {}).items():
            assert field.get("description"), (tool.name, name)


def test_a_program_is_run_with_structured_results(server: Any) -> None:
    result = _call(server, "run_code", language="python", code="print(input())\n1 / 0", stdin="hé")
    assert not result.is_error
    assert result.structured_content
    run = result.structured_content["run"]
    assert (run["stdout"], run["status"], run["code"]) == ("hé\n", "runtime_error", 1)
    assert "ZeroDivisionError" in run["stderr"]
    # For clients that read text alone.
    assert isinstance(result.content[0], TextContent)
    assert "ZeroDivisionError" in result.content[0].text


def test_files_come_back_as_resources(server: Any) -> None:
    code = "open('a.bin', 'wb').write(bytes(3))"
    result = _call(server, "run_code", language="python", code=code, return_files=["a.bin", "b"])
    (resource,) = [block.resource for block in result.content if isinstance(block, EmbeddedResource)]
    assert isinstance(resource, BlobResourceContents)
    assert base64.b64decode(resource.blob) == bytes(3)
    assert str(resource.uri).endswith("a.bin")
    assert any(isinstance(block, TextContent) and block.text.startswith("b: ") for block in result.content)


def test_a_program_is_judged(server: Any) -> None:
    cases = [{"id": "one", "input": "1", "expected_output": "2"}, {"id": "two", "input": "2", "expected_output": "5"}]
    result = _call(server, "judge_code", language="python", code="print(int(input()) * 2)", test_cases=cases)
    assert result.structured_content
    assert result.structured_content["status"] == "wrong_answer"
    assert [case["status"] for case in result.structured_content["test_results"]] == ["accepted", "wrong_answer"]


def test_the_languages_are_listed(server: Any, executor: Executor) -> None:
    found = _call(server, "list_languages").structured_content
    assert found
    assert {language["language"] for language in found["languages"]} == executor.languages()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"language": "cobol", "code": "1"}, "unknown language"),
        ({"language": "python", "code": "1", "timeout": 1e6}, "timeout"),
        ({"language": "python", "code": "1", "return_files": ["../x"]}, "return_files"),
        ({"language": "python"}, "code"),
    ],
)
def test_a_wrong_call_is_told_so_that_it_can_be_mended(server: Any, arguments: dict[str, Any], words: str) -> None:
    result = _call(server, "run_code", **arguments)
    assert result.is_error
    assert isinstance(result.content[0], TextContent)
    assert words in result.content[0].text
    assert "call again" in result.content[0].text


def test_an_executor_that_is_not_there_is_told_of() -> None:
    gone = Executor("http://127.0.0.1:9")
    result = _call(_command(gone, "--deadline", "1"), "run_code", language="python", code="1")
    assert result.is_error
    assert isinstance(result.content[0], TextContent)
    assert "calling again later may help" in result.content[0].text
