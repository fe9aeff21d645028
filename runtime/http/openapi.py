"""The OpenAPI 3.1 document: its paths are here, meanings in meanings.toml, schemas from the types that routes use."""

import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from runtime import __version__
from runtime.http import piston, problems
from runtime.http.answers import HealthAnswer, JudgeAnswer, LanguageAnswer, ReadyAnswer, RunAnswer
from runtime.http.problems import Problem, Refusal
from runtime.http.requests import ExecuteBody
from runtime.judging.comparators import COMPARATORS
from runtime.languages.registry import Registry
from runtime.settings import Settings

_MEANINGS = Path(__file__).with_name("meanings.toml")
_BODIES = (ExecuteBody, piston.PistonBody)
_ANSWERS = (RunAnswer, JudgeAnswer, LanguageAnswer, HealthAnswer, ReadyAnswer, piston.PistonAnswer, piston.Runtime, Problem)
_EXAMPLES = {
    "run": {"language": "python", "code": "print(input()[::-1])", "stdin": "drawer", "timeout": 5},
    "judge": {
        "language": "python",
        "code": "print(sum(map(int, input().split())))",
        "test_cases": [
            {"id": "small", "input": "1 2", "expected_output": "3"},
            {"id": "negative", "input": "-5 2", "expected_output": "-3"},
        ],
        "user_id": "student-7",
        "question_id": "sum",
    },
}
_PISTON_EXAMPLE = {"language": "python", "version": "3.x", "files": [{"content": "print(42)"}], "run_timeout": 3000}
_REFUSALS = (
    problems.InvalidJsonError, problems.UnauthorizedError, problems.RequestTimeoutError, problems.PayloadTooLargeError,
    problems.UnsupportedMediaTypeError, problems.InvalidRequestError, problems.BusyError, problems.DrainingError,
)  # fmt: skip


def document(settings: Settings, registry: Registry) -> dict[str, Any]:
    """The whole document, with this server's limits and languages in it."""
    (*_, schemas) = msgspec.json.schema_components((*_BODIES, *_ANSWERS), ref_template="#/components/schemas/{name}")
    _explain(schemas, settings, registry)
    keys: list[dict[str, list[str]]] = [{"bearer": []}, {"header": []}] if settings.api_keys else []
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Code executor",
            "version": __version__,
            "description": "Compiles, runs and judges programs. Times are milliseconds and memory is bytes, unless a name "
            "says otherwise.",
        },
        "paths": {
            "/execute": {
                "post": {
                    "operationId": "execute",
                    "summary": "Run a program, or judge it with test cases",
                    "requestBody": _content(
                        ExecuteBody, examples={name: {"value": value} for name, value in _EXAMPLES.items()}
                    ),
                    "responses": _answered("The results", RunAnswer, JudgeAnswer) | _refused(*_REFUSALS),
                    "security": keys,
                }
            },
            "/languages": _get("languages", "The languages that work on this host", keys, [LanguageAnswer], busy=True),
            "/health": _get("health", "Whether code can be run, and how it is isolated", [], HealthAnswer, down=True),
            "/ready": _get("ready", "Whether this replica takes work", [], ReadyAnswer, down=True),
            "/metrics": {
                "get": {
                    "operationId": "metrics",
                    "summary": "Metrics for Prometheus",
                    "responses": {"200": {"description": "Text format", "content": {"text/plain": {}}}},
                    "security": keys,
                }
            },
            f"{piston.PREFIX}/execute": {
                "post": {
                    "operationId": "pistonExecute",
                    "summary": "Run a program, as Piston's clients ask for it",
                    "requestBody": _content(piston.PistonBody, example=_PISTON_EXAMPLE),
                    "responses": _answered("The results", piston.PistonAnswer)
                    | _refused(*(each for each in _REFUSALS if each is not problems.InvalidRequestError)),
                    "security": keys,
                }
            },
            f"{piston.PREFIX}/runtimes": _get(
                "pistonRuntimes", "The languages, as Piston's clients ask for them", keys, [piston.Runtime], busy=True
            ),
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _explain(schemas: dict[str, Any], settings: Settings, registry: Registry) -> None:
    """Adds what is not in the types: meanings, with this server's limits."""
    meanings = tomllib.loads(_MEANINGS.read_text())
    shared = meanings["any"]
    places = {**asdict(settings), "languages": ", ".join(registry.languages)}
    for name, schema in schemas.items():
        for field, described in schema.get("properties", {}).items():
            described["description"] = (meanings.get(name, {}).get(field) or shared[field]).format_map(places)
    schemas["ExecuteBody"]["properties"]["comparator"]["enum"] = list(COMPARATORS)


def _schema(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - a type, or a list of one
    if isinstance(kind, list):
        return {"type": "array", "items": _schema(kind[0])}
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _content(kind: type, **examples: object) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": _schema(kind), **examples}}}


def _answered(words: str, *kinds: Any) -> dict[str, Any]:  # noqa: ANN401 - types, or lists of them
    schemas = [_schema(kind) for kind in kinds]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {"200": {"description": words, "content": {"application/json": {"schema": schema}}}}


def _refused(*kinds: type[Refusal]) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": _schema(Problem)}}
    return {str(kind.status): {"description": kind.title, "content": content} for kind in kinds}


def _get(
    name: str,
    summary: str,
    keys: list[dict[str, list[str]]],
    kind: Any,  # noqa: ANN401 - a type, or a list of one
    *,
    busy: bool = False,
    down: bool = False,
) -> dict[str, Any]:
    responses = _answered(summary, kind)
    if busy:
        responses |= _refused(problems.UnauthorizedError, problems.BusyError)
    if down:
        responses["503"] = {**responses["200"], "description": "It is not"}
    return {"get": {"operationId": name, "summary": summary, "responses": responses, "security": keys}}
