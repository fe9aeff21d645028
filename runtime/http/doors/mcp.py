"""The Model Context Protocol over HTTP (modelcontextprotocol.io, "Streamable HTTP"): tools for assistants.

Every message has its answer in the same response, and nothing is kept between them, so that any replica can answer. The
protocol's own package would bring another web server into the image; its client is what the tests speak with.
"""

from collections.abc import Iterator
from functools import cached_property, partial
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
from aiohttp import web

from runtime import __version__
from runtime.http.answers import JudgeAnswer, LanguageAnswer, RunAnswer, answer, json_response
from runtime.http.openapi import document
from runtime.http.origins import require_own_page
from runtime.http.problems import BusyError, DrainingError, Refusal
from runtime.http.requests import decode
from runtime.http.submissions import Submissions, sender_of
from runtime.languages.registry import Registry
from runtime.settings import Settings

_VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26")
_VERSION_HEADER, _NAMED_VERSIONS = "MCP-Protocol-Version", ", ".join(_VERSIONS)
_INSTRUCTIONS = (
    "Runs programs in a sandbox without network. Programs see only the files of their call, and nothing is kept between "
    "calls. A failed program is no failed call: read status, message, stderr and the compile step."
)
_PARSE_ERROR, _INVALID_REQUEST, _NO_METHOD, _INVALID_PARAMS = -32700, -32600, -32601, -32602
_COMMON = ("language", "code", "files", "args", "timeout", "time_limit", "memory_limit_mb")


class _Tool(NamedTuple):
    """A tool: which of the fields of `POST /execute` it takes, and the type of its answer there."""

    description: str
    fields: tuple[str, ...]
    required: tuple[str, ...]
    answer: type


_TOOLS = {
    "run_code": _Tool(
        "Compile and run a program once, and get its output, exit code, times and memory.",
        (*_COMMON, "stdin", "return_files"),
        ("language",),
        RunAnswer,
    ),
    "judge_code": _Tool(
        "Run a program once for each test case and compare its output with the expected one.",
        (*_COMMON, "test_cases", "comparator", "stop_on_failure"),
        ("language", "test_cases"),
        JudgeAnswer,
    ),
    "list_languages": _Tool("The languages that programs can be in, with their versions.", (), (), LanguageAnswer),
}


class _RpcError(Exception):
    """An error of the protocol."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class McpDoor:
    """The handler of `/mcp`."""

    def __init__(self, submissions: Submissions, settings: Settings, registry: Registry) -> None:
        self._submissions = submissions
        self._settings = settings
        self._registry = registry

    def refused(self, refusal: Refusal) -> web.Response:
        """As everywhere: the protocol leaves that to HTTP."""
        return refusal.response()

    async def message(self, request: web.Request) -> web.Response:
        """`POST /mcp`: one message, and its answer."""
        require_own_page(request)
        identifier: object = None
        try:
            if (version := request.headers.get(_VERSION_HEADER, _VERSIONS[0])) not in _VERSIONS:
                raise _RpcError(_INVALID_REQUEST, f"{_VERSION_HEADER} is {version[:100]!r}: must be one of {_NAMED_VERSIONS}")
            with self._submissions.body(request) as body:
                found = _message(await body.read())
                if "method" not in found or "id" not in found:  # a notification, or the answer to nothing
                    return web.Response(status=HTTPStatus.ACCEPTED)
                identifier = found["id"]
                result = await self._result(found["method"], found.get("params") or {}, request)
        except _RpcError as error:
            wrong = {"code": error.code, "message": str(error)}
            status = HTTPStatus.OK if identifier is not None else HTTPStatus.BAD_REQUEST
            return json_response({"jsonrpc": "2.0", "id": identifier, "error": wrong}, status)
        return json_response({"jsonrpc": "2.0", "id": identifier, "result": result})

    async def _result(self, method: object, params: object, request: web.Request) -> dict[str, Any]:
        if not isinstance(params, dict):
            raise _RpcError(_INVALID_PARAMS, "params must be an object")
        match method:
            case "initialize":
                asked = params.get("protocolVersion")
                return {
                    "protocolVersion": asked if asked in _VERSIONS else _VERSIONS[0],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "executor", "version": __version__},
                    "instructions": _INSTRUCTIONS,
                }
            case "ping":
                return {}
            case "tools/list":
                return {"tools": self._tools}
            case "tools/call":
                return await self._call(params.get("name"), params.get("arguments") or {}, request)
        raise _RpcError(_NO_METHOD, f"there is no method {str(method)[:100]}")

    async def _call(self, name: object, arguments: object, request: web.Request) -> dict[str, Any]:
        tool = _TOOLS.get(name) if isinstance(name, str) else None
        if tool is None:
            raise _RpcError(_INVALID_PARAMS, f"there is no tool {str(name)[:100]}")
        if not isinstance(arguments, dict):
            raise _RpcError(_INVALID_PARAMS, "arguments must be an object")
        try:
            if name == "list_languages":
                return _told({"languages": [_language(each) for each in await self._submissions.versions()]}, ())
            return await self._execute(tool, arguments, request)
        except Refusal as refusal:
            return _refused(_advice(refusal))

    async def _execute(self, tool: _Tool, arguments: dict[str, Any], request: web.Request) -> dict[str, Any]:
        for field in (*arguments, *tool.required):
            if field not in tool.fields or field not in arguments:
                words = "is not known" if field in arguments else "is required"
                return {
                    "content": [_text(f"The call is not valid; change it and call again. {field} {words}.")],
                    "isError": True,
                }
        data = msgspec.json.encode({name: value for name, value in arguments.items() if value is not None})
        call = self._submissions.parsed(data, partial(decode, strict=True))
        found = answer(await self._submissions.execute(call, sender_of(request)))
        if isinstance(found, RunAnswer) and not isinstance(found.files, msgspec.UnsetType):
            files = tuple(_file(file.name, file.content, file.message) for file in found.files)
            return _told(msgspec.to_builtins(msgspec.structs.replace(found, files=msgspec.UNSET)), files)
        return _told(msgspec.to_builtins(found), ())

    @cached_property
    def _tools(self) -> list[dict[str, Any]]:
        """Each tool with schemas that are those of `POST /execute`, meanings and limits included."""
        schemas = document(self._settings, self._registry, ())["components"]["schemas"]
        fields = schemas["ExecuteBody"]["properties"]
        every = {name: _here(schema) for name, schema in schemas.items()}
        found = []
        for name, tool in _TOOLS.items():
            taken = {field: _here(fields[field]) for field in tool.fields}
            given = every[tool.answer.__name__]
            if name == "list_languages":
                given = {"type": "object", "properties": {"languages": {"type": "array", "items": given}}}
            found.append(
                {
                    "name": name,
                    "description": tool.description,
                    "annotations": {"readOnlyHint": True, "openWorldHint": False},
                    "inputSchema": {
                        "type": "object",
                        "properties": taken,
                        "required": list(tool.required),
                        "additionalProperties": False,
                        "$defs": _named(taken, every),
                    },
                    "outputSchema": {**given, "$defs": _named(given, every)},
                }
            )
        return found


def _message(data: bytes) -> dict[str, Any]:
    """Raises _RpcError for what is no message."""
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _RpcError(_PARSE_ERROR, f"the message is not JSON: {error}") from error
    if not isinstance(found, dict) or found.get("jsonrpc") != "2.0":
        raise _RpcError(_INVALID_REQUEST, "the body must be one message of JSON-RPC 2.0")
    if isinstance(found.get("id"), bool) or not isinstance(found.get("id", 0), str | int):
        raise _RpcError(_INVALID_REQUEST, "id must be a string or a whole number")
    return found


def _text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def _refused(words: str) -> dict[str, Any]:
    return {"content": [_text(words)], "isError": True}


def _told(structured: dict[str, Any], files: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """A tool's result: as data, and as text for clients that read nothing else."""
    words = msgspec.json.encode(structured).decode()
    return {"content": [_text(words), *files], "structuredContent": structured, "isError": False}


def _file(name: str, content: str | None, message: str) -> dict[str, Any]:
    if content is None:
        return _text(f"{name}: {message}")
    place = f"file:///{quote(name)}"
    return {"type": "resource", "resource": {"uri": place, "mimeType": "application/octet-stream", "blob": content}}


def _language(found: tuple[Any, str]) -> dict[str, Any]:
    language, version = found
    built: dict[str, Any] = msgspec.to_builtins(LanguageAnswer(language.name, version, language.aliases, language.compiled))
    return built


def _advice(refusal: Refusal) -> str:
    """What went wrong, and what can be done about it, for a model."""
    fields = "".join(f" {error.field} {error.message}." for error in refusal.errors)
    if isinstance(refusal, BusyError | DrainingError):
        return f"The executor is busy; call again in a second. {refusal.detail}"
    return f"The call is not valid; change it and call again. {refusal.detail}{fields}"


def _here(schema: Any) -> Any:  # noqa: ANN401 - any JSON
    """The schema with its references to definitions beside it."""
    if isinstance(schema, dict):
        return {
            name: value.replace("#/components/schemas/", "#/$defs/") if name == "$ref" else _here(value)
            for name, value in schema.items()
        }
    return [_here(item) for item in schema] if isinstance(schema, list) else schema


def _named(schema: Any, every: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    """The definitions that a schema names, and those that these name."""
    found: dict[str, Any] = {}
    waiting = list(_references(schema))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = every[name]
            waiting += _references(every[name])
    return found


def _references(schema: Any) -> Iterator[str]:  # noqa: ANN401
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name == "$ref":
                yield value.rpartition("/")[2]
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _references(item)
