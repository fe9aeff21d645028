"""What the site has from elsewhere: pages from the code, and those that stand beside `docs/`. mkdocs calls `on_files`."""

import re
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any, cast

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from devtools.executor import ROOT
from runtime.http import openapi, problems
from runtime.http.doors.piston import PistonDoor
from runtime.http.problems import Refusal
from runtime.http.submissions import Submissions
from runtime.languages.registry import Registry, load
from runtime.settings import Settings

#: Pages of the site that are files elsewhere.
ELSEWHERE = {
    "how-to/backend.md": "client/README.md",
    "how-to/contributing.md": "CONTRIBUTING.md",
    "reference/changes.md": "CHANGELOG.md",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are not in `docs/`."""
    for page, source in ELSEWHERE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    for page, lines in {
        "reference/api.md": _api(),
        "reference/errors.md": _errors(),
        "reference/settings.md": _settings(),
    }.items():
        files.append(File.generated(config, page, content="\n".join(lines) + "\n"))
    return files


def _document() -> dict[str, Any]:
    settings = Settings()

    class Everything(Registry):
        """Every language, wherever it is: what the site describes is no host."""

        def find(self, command: str) -> str:
            return command

    registry = Everything(load(), settings.path, can_execute_files=True)
    # It describes itself, and serves nothing.
    piston = PistonDoor(cast(Submissions, None), settings, lambda _refusal: None)
    return openapi.document(settings, registry, (piston,))


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items') or next(iter(schema.get('prefixItems', [{}]))) or {})}"
    return str(schema.get("type", "any"))


def _fields(schema: dict[str, Any]) -> Iterator[str]:
    yield "| field | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in schema["properties"].items():
        needed = name in schema.get("required", ())
        default = "required" if needed else f"`{field['default']!r}`" if "default" in field else ""
        yield f"| `{name}` | {_cell(_type(field))} | {_cell(default)} | {_cell(field.get('description', ''))} |"
    yield ""


def _api() -> Iterator[str]:
    document = _document()
    yield "# API"
    yield ""
    yield document["info"]["description"]
    yield "Each executor shows its own limits, and a form that sends, at `/docs`; programs read `/openapi.json`."
    yield "The figures here are the defaults."
    yield ""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"## {method.upper()} {path}"
            yield ""
            yield f"{operation['summary']}."
            yield ""
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            if body:
                yield f"Body: {_type(body)}."
                yield ""
            yield "| status | when | body |"
            yield "|---|---|---|"
            for status, answer in operation["responses"].items():
                media: dict[str, Any] = next(iter(answer.get("content", {}).values()), {})
                yield f"| {status} | {_cell(answer['description'])} | {_cell(_type(media.get('schema', {'type': 'text'})))} |"
            yield ""
    yield "## Types"
    yield ""
    for name, schema in document["components"]["schemas"].items():
        yield f"### {name}"
        yield ""
        if "description" in schema:
            yield schema["description"]
            yield ""
        if "properties" in schema:
            yield from _fields(schema)
        else:
            yield f"{_type(schema)}."
            yield ""


def advice() -> dict[str, str]:
    """What a person can do about each refusal, by its code, as the pages for browsers say it."""
    source = (ROOT / "web/src/shared/executor.ts").read_text("utf-8")
    [table] = re.findall(r"ADVICE.*? = \{\n(.*?)\n\};", source, re.DOTALL)
    return dict(re.findall(r'^  (\w+): "(.*)",$', table, re.MULTILINE))


def _errors() -> Iterator[str]:
    yield "# Errors"
    yield ""
    yield "Every answer that is not the one asked for is `application/problem+json` (RFC 9457). Its `code` is for programs,"
    yield "its `detail` for people, and `errors` name the fields that are wrong. `Retry-After` says how many seconds to wait."
    yield ""
    yield "| status | code | it means | what to do |"
    yield "|---|---|---|---|"
    kinds = {kind for kind in vars(problems).values() if isinstance(kind, type) and issubclass(kind, Refusal)}
    said = advice()
    for kind in sorted(kinds, key=lambda kind: (kind.status, kind.code)):
        meaning = _cell((kind.__doc__ or "").partition("\n")[0])
        yield f"| {kind.status} | `{kind.code}` | {meaning} | {_cell(said[kind.code])} |"
    yield ""
    yield "A program that fails is no error: see [Verdicts](../verdicts.md)."


def _settings() -> Iterator[str]:
    yield "# Settings of the executor"
    yield ""
    yield "Each is an environment variable. A wrong one, or one that does not exist, stops the start and is named."
    yield "The settings of a stack are in [Operate it](../operations.md)."
    yield ""
    yield "| variable | default | meaning |"
    yield "|---|---|---|"
    defaults = asdict(Settings())
    for field in fields(Settings):
        value = defaults[field.name]
        shown = int(value) if isinstance(value, bool) else ",".join(map(str, value)) if isinstance(value, tuple) else value
        text = f"`{shown:g}`" if isinstance(shown, float) else f"`{shown}`" if shown != "" else "–"
        yield f"| `EXECUTOR_{field.name.upper()}` | {_cell(text)} | {_cell(field.metadata['meaning'])} |"
