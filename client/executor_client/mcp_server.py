"""The command `executor-client mcp`: an executor as tools for assistants, over standard input and output.

It needs the extra `mcp`: the protocol's official package.
"""

import json
from collections.abc import Callable
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import msgspec
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import BlobResourceContents, CallToolResult, ContentBlock, EmbeddedResource, TextContent, ToolAnnotations
from pydantic import BaseModel, Field

from executor_client.aio import AsyncExecutorClient
from executor_client.errors import BusyError, ExecutorError, InvalidRequestError, UnauthorizedError, UnavailableError
from executor_client.models import Execution, File, Judgement, TestCase

Answer = TypeVar("Answer")

_INSTRUCTIONS = (
    "Runs programs in a sandbox without network. Programs see only the files of their call, and nothing is kept between "
    "calls. A failed program is no failed call: read status, message, stderr and the compile step."
)
_READS_ONLY = ToolAnnotations(read_only_hint=True, open_world_hint=False)

Language = Annotated[str, Field(description="Name or alias of the language; list_languages has them.")]
Code = Annotated[str, Field(description="The program's text, or empty where files has it.")]
Args = Annotated[list[str] | None, Field(description="Command-line arguments.")]
Timeout = Annotated[float | None, Field(description="Seconds of wall time for each run, above 0.")]
ReturnFiles = Annotated[list[str] | None, Field(description="Files that the program writes and that come back.")]
Memory = Annotated[int | None, Field(description="Memory of each run in MiB.")]


class ToolFile(BaseModel):
    """One file of a program."""

    name: str = Field(description="Path inside the working directory; the first file is the main one.")
    content: str = Field(description="Its content, in the given encoding.")
    encoding: str = Field(default="utf8", description="utf8, base64 or hex.")


class ToolCase(BaseModel):
    """One test case."""

    id: str = Field(description="Its name in the results.")
    input: str = Field(default="", description="Standard input.")
    expected_output: str = Field(description="What standard output must be, by the comparator.")


class ToolStep(BaseModel):
    """A compile or run step; times in milliseconds, memory in bytes."""

    status: str
    stdout: str = ""
    stderr: str = ""
    code: int | None = None
    signal: str | None = None
    message: str = ""
    cpu_time: float = 0.0
    wall_time: float = 0.0
    memory: int = 0
    stdout_truncated: bool = False
    stderr_truncated: bool = False


class RunOutput(BaseModel):
    """What a program did."""

    language: str
    version: str
    run: ToolStep
    compile: ToolStep | None = None


class CaseOutput(BaseModel):
    """What came of one test case."""

    id: str
    status: str
    stdout: str = ""
    stderr: str = ""
    expected_output: str = ""
    message: str = ""
    cpu_time: float = 0.0
    wall_time: float = 0.0
    memory: int = 0


class JudgeOutput(BaseModel):
    """A verdict: `accepted`, or the status of the first test case that did not pass."""

    language: str
    version: str
    status: str
    passed: int
    total: int
    test_results: list[CaseOutput]
    compile: ToolStep | None = None


class LanguageOutput(BaseModel):
    """One language."""

    language: str
    version: str
    aliases: list[str]
    compiled: bool


class LanguagesOutput(BaseModel):
    """The languages of the executor."""

    languages: list[LanguageOutput]


def serve(client: Callable[[], AsyncExecutorClient]) -> None:
    """Serves over standard input and output until the input ends."""
    server(client).run("stdio")


def server(make_client: Callable[[], AsyncExecutorClient]) -> MCPServer:
    """The tools, for any transport; `make_client` is called with the first use of one."""
    found = MCPServer("executor", instructions=_INSTRUCTIONS, log_level="WARNING")
    clients: list[AsyncExecutorClient] = []

    def client() -> AsyncExecutorClient:
        if not clients:  # in the event loop
            clients.append(make_client())
        return clients[0]

    @found.tool(annotations=_READS_ONLY)
    async def run_code(
        *,
        language: Language,
        code: Code = "",
        files: Annotated[list[ToolFile] | None, Field(description="Several files instead of code.")] = None,
        stdin: Annotated[str, Field(description="Standard input.")] = "",
        args: Args = None,
        timeout: Timeout = None,
        memory_limit_mb: Memory = None,
        return_files: Annotated[
            list[str] | None, Field(description="Files that the program writes and that come back.")
        ] = None,
    ) -> Annotated[CallToolResult, RunOutput]:
        """Compile and run a program once, and get its output, exit code, times and memory."""
        request = _request(language, code, files, args, timeout, memory_limit_mb)
        answer = await _sent(client(), request | {"stdin": stdin, "return_files": return_files or []}, Execution)
        content: list[ContentBlock] = []
        for file in answer.files:
            if file.content is None:
                content.append(TextContent(text=f"{file.name}: {file.message}"))
            else:
                content.append(
                    EmbeddedResource(resource=BlobResourceContents(uri=f"file:///{quote(file.name)}", blob=file.content))
                )
        return _result(msgspec.structs.replace(answer, files=()), content)

    @found.tool(annotations=_READS_ONLY)
    async def judge_code(
        *,
        language: Language,
        test_cases: Annotated[list[ToolCase], Field(description="One run for each.", min_length=1)],
        code: Code = "",
        files: Annotated[list[ToolFile] | None, Field(description="Several files instead of code.")] = None,
        args: Args = None,
        comparator: Annotated[str, Field(description="How outputs are compared: lines, exact, tokens or float.")] = "lines",
        timeout: Timeout = None,
        memory_limit_mb: Memory = None,
    ) -> Annotated[CallToolResult, JudgeOutput]:
        """Run a program once for each test case and compare its output with the expected one."""
        request = _request(language, code, files, args, timeout, memory_limit_mb)
        cases = [TestCase(case.id, case.input, case.expected_output) for case in test_cases]
        answer = await _sent(client(), request | {"test_cases": cases, "comparator": comparator}, Judgement)
        return _result(answer, [])

    @found.tool(annotations=_READS_ONLY)
    async def list_languages() -> LanguagesOutput:
        """The languages that programs can be in, with their versions."""
        try:
            languages = await client().languages()
        except ExecutorError as error:
            raise ToolError(_advice(error)) from error
        return LanguagesOutput(languages=[LanguageOutput(**msgspec.to_builtins(language)) for language in languages])

    return found


def _request(  # noqa: PLR0917 - what both tools have in common
    language: str,
    code: str,
    files: list[ToolFile] | None,
    args: list[str] | None,
    timeout: float | None,
    memory_limit_mb: int | None,
) -> dict[str, Any]:
    request: dict[str, Any] = {"language": language, "args": args or []}
    if files:
        request["files"] = [File(file.name, file.content, file.encoding) for file in files]
    if code or not files:
        request["code"] = code
    if timeout is not None:
        request["timeout"] = timeout
    if memory_limit_mb is not None:
        request["memory_limit_mb"] = memory_limit_mb
    return request


async def _sent(client: AsyncExecutorClient, request: dict[str, Any], shape: type[Answer]) -> Answer:
    try:
        return msgspec.convert(await client.send(msgspec.to_builtins(request)), shape)
    except ExecutorError as error:
        raise ToolError(_advice(error)) from error


def _advice(error: ExecutorError) -> str:
    """What went wrong, and what can be done about it, for a model."""
    match error:
        case InvalidRequestError():
            return f"The request is not valid; change it as the message says and call again. {error}"
        case UnauthorizedError():
            return f"The executor does not accept this client's key; calling again does not help. {error}"
        case BusyError():
            return f"The executor is busy; call again in {max(1, round(error.retry_after))} s. {error}"
        case UnavailableError():
            return f"The executor gave no answer; calling again later may help. {error}"
        case _:
            return f"The executor cannot be used as this client is set up; calling again does not help. {error}"


def _result(answer: Execution | Judgement, content: list[ContentBlock]) -> CallToolResult:
    structured = {name: value for name, value in msgspec.to_builtins(answer).items() if value is not None}
    text = TextContent(text=json.dumps(structured, ensure_ascii=False))
    return CallToolResult(content=[text, *content], structured_content=structured)
