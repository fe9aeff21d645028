"""The OpenAPI 3.1 document: its paths are here, meanings in meanings.toml, schemas from the types that routes use."""

import copy
import tomllib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from runtime import __version__
from runtime.http import bounds, problems
from runtime.http.answers import (
    ExecutionAnswer,
    HealthAnswer,
    HostAnswer,
    JudgeAnswer,
    LanguageAnswer,
    ProblemAnswer,
    ReadyAnswer,
    RunAnswer,
)
from runtime.http.doors.door import Door
from runtime.http.problems import Problem, Refusal
from runtime.http.requests import ExecuteBody
from runtime.judging.comparators import PARAMETERS
from runtime.languages.registry import MOST_SEED, Registry
from runtime.settings import Settings

_MEANINGS = Path(__file__).with_name("meanings.toml")
_TYPES = (
    ExecuteBody, RunAnswer, JudgeAnswer, ExecutionAnswer, ProblemAnswer, LanguageAnswer, HealthAnswer, HostAnswer,
    ReadyAnswer, Problem,
)  # fmt: skip
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
    "function": {
        "language": "python",
        "code": "def total(numbers):\n    return sum(numbers)",
        "function": {"name": "total", "cases": [{"args": [[1, 2, 3]], "expected": 6}]},
    },
}
# Not among the parameters: which bodies are valid would depend on it, and no schema can say so.
_STRICT = (
    "With `?strict=1` a field that is not known here is refused with 422, which names it; without, it is ignored and named "
    "in the answer's `warnings`. With the header `Prefer: respond-async` the answer is a 202 at once, and the result is at "
    "its `Location`."
)
#: What a path that takes submissions can answer instead of results.
SUBMISSION_REFUSALS = (
    problems.InvalidJsonError, problems.UnauthorizedError, problems.RequestTimeoutError, problems.PayloadTooLargeError,
    problems.UnsupportedMediaTypeError, problems.InvalidRequestError, problems.BusyError, problems.DrainingError,
    problems.NoRoomError,
)  # fmt: skip
#: What `POST /execute` can answer besides, because of problems.
PROBLEM_USE_REFUSALS = (problems.ForbiddenError,)
#: What `PUT /problems` can answer instead of the problem.
PROBLEM_REFUSALS = (
    problems.UnauthorizedError, problems.ForbiddenError, problems.RequestTimeoutError, problems.PayloadTooLargeError,
    problems.UnsupportedMediaTypeError, problems.InvalidProblemError, problems.BusyError,
    problems.StoreUnavailableRefusal,
)  # fmt: skip
#: What `GET /problems/{digest}` can answer instead of the problem.
LOOK_UP_REFUSALS = (problems.UnauthorizedError, problems.NotFoundError, problems.StoreUnavailableRefusal)
#: What a path that lists the languages can answer instead.
LIST_REFUSALS = (problems.UnauthorizedError, problems.BusyError)


def document(settings: Settings, registry: Registry, doors: Sequence[Door]) -> dict[str, Any]:
    """The whole document, with this server's limits and languages in it."""
    types = (*_TYPES, *(kind for door in doors for kind in door.types))
    (*_, schemas) = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    _bound(schemas, settings, registry)
    for door in doors:
        door.bound(schemas, settings, registry)
    _explain(schemas, types, settings, registry)
    security: list[dict[str, list[str]]] = [{"bearer": []}, {"header": []}] if settings.api_keys else []
    paths = _paths(security)
    for door in doors:
        paths |= door.described(security)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Code executor",
            "version": __version__,
            "description": "Compiles, runs and judges programs. Times are milliseconds and memory is bytes, unless a name "
            "says otherwise.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _paths(security: list[dict[str, list[str]]]) -> dict[str, Any]:
    """The executor's own paths."""
    [accepted] = answered("Where it is", ExecutionAnswer).values()
    health, ready = answered("It is so", HealthAnswer), answered("It is so", ReadyAnswer)
    return {
        "/execute": {
            "post": {
                "operationId": "execute",
                "summary": "Run a program, or judge it with test cases",
                "description": _STRICT,
                "requestBody": content(ExecuteBody, examples={name: {"value": value} for name, value in _EXAMPLES.items()}),
                "responses": answered("The results", RunAnswer, JudgeAnswer)
                | {"202": {**accepted, "description": "It was accepted"}}
                | refused(*SUBMISSION_REFUSALS, *PROBLEM_USE_REFUSALS),
                "security": security,
            }
        },
        "/problems": {
            "put": {
                "operationId": "put_problem",
                "summary": "Put a problem package, by whose digest submissions are judged then",
                "requestBody": {
                    "required": True,
                    "content": {"application/zip": {}},
                },
                "responses": answered("The problem", ProblemAnswer) | refused(*PROBLEM_REFUSALS),
                "security": security,
            }
        },
        "/problems/{digest}": get(
            "problem",
            "What is in a problem package",
            answered("The problem", ProblemAnswer) | refused(*LOOK_UP_REFUSALS),
            security,
            parameters=[
                in_path("digest", "The problem's name, as PUT /problems has given it.", "^sha256:[0-9a-f]{64}$"),
            ],
        ),
        "/languages": get(
            "languages",
            "The languages that work on this host",
            answered("The languages", [LanguageAnswer]) | refused(*LIST_REFUSALS),
            security,
        ),
        "/health": get("health", "Whether code can be run, and how it is isolated", health | _or_not(health), []),
        "/ready": get("ready", "Whether this replica takes work", ready | _or_not(ready), []),
        "/host": get(
            "host",
            "What the replica runs on, and its settings",
            answered("The replica", HostAnswer) | refused(problems.UnauthorizedError),
            security,
        ),
        "/metrics": get(
            "metrics",
            "Metrics for Prometheus",
            {"200": {"description": "Text format", "content": {"text/plain": {}}}},
            security,
        ),
    }


def _bound(schemas: dict[str, Any], settings: Settings, registry: Registry) -> None:
    """Adds what the checks refuse and the types do not say, with this server's limits."""
    memory = {"type": "integer", "minimum": 1, "maximum": settings.max_memory_mb}
    file = schemas["FileBody"] = schemas["FileBody"] | bounds.FILE_CONTENT
    main, named = (schemas.setdefault(name, copy.deepcopy(file) | {"title": name}) for name in ("MainFile", "NamedFile"))
    main["properties"]["content"]["minLength"] = 1
    del named["properties"]["name"]["default"]
    named["properties"]["name"]["minLength"] = 1
    named["required"].append("name")
    schemas["ExecuteBody"] |= bounds.EXECUTE
    schemas["CheckerBody"] |= bounds.PROGRAM
    schemas["ComparatorBody"] |= bounds.parameters(PARAMETERS)
    files = {"prefixItems": [_reference("MainFile")], "items": _reference("NamedFile"), "uniqueItems": True}
    for name in ("ExecuteBody", "CheckerBody"):
        limit_field(schemas, name, "language", bounds.any_case(registry.names))
        limit_field(schemas, name, "files", files)
    limit_field(schemas, "CheckerBody", "time_limit", {"exclusiveMinimum": 0, "maximum": settings.checker_seconds})
    limit_field(schemas, "CheckerBody", "memory_limit_mb", memory | {"maximum": settings.checker_memory_mb})
    limit_field(schemas, "ExecuteBody", "test_cases", {"minItems": 1, "maxItems": settings.max_test_cases})
    limit_field(schemas, "FunctionBody", "cases", {"minItems": 1, "maxItems": settings.max_test_cases})
    limit_field(schemas, "ExecuteBody", "seed", {"type": "integer", "minimum": 0, "maximum": MOST_SEED})
    for name in ("ExecuteBody", "TestCaseBody", "FunctionCaseBody"):
        limit_field(schemas, name, "timeout", {"exclusiveMinimum": 0, "maximum": settings.max_timeout_seconds})
        limit_field(schemas, name, "time_limit", {"exclusiveMinimum": 0, "maximum": settings.max_time_limit_seconds})
        limit_field(schemas, name, "memory_limit_mb", memory)


def limit_field(schemas: dict[str, Any], name: str, field: str, keywords: dict[str, Any]) -> None:
    """Adds keywords to the schema of a field; to its first choice, where null is the other one."""
    schema = schemas[name]["properties"][field]
    schema.get("anyOf", [schema])[0].update(keywords)


def _explain(schemas: dict[str, Any], types: Sequence[type], settings: Settings, registry: Registry) -> None:
    """Adds what is not in the types: meanings, with this server's limits."""
    meanings = tomllib.loads(_MEANINGS.read_text())
    shared = meanings["any"]
    places = {**asdict(settings), "languages": ", ".join(registry.languages)}
    # A type that extends another one has the meanings of both.
    bases = {kind.__name__: [base.__name__ for base in kind.__mro__] for kind in types}
    bases |= {name: ["FileBody"] for name in ("MainFile", "NamedFile")}
    for name, schema in schemas.items():
        for field, described in schema.get("properties", {}).items():
            if "description" in described:
                continue
            own = [meanings[base][field] for base in bases.get(name, [name]) if field in meanings.get(base, {})]
            described["description"] = (own[0] if own else shared[field]).format_map(places)


def _schema(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - a type, or a list of one
    if isinstance(kind, list):
        return {"type": "array", "items": _schema(kind[0])}
    return _reference(kind.__name__)


def _reference(name: str) -> dict[str, str]:
    """A reference to the schema with this name."""
    return {"$ref": f"#/components/schemas/{name}"}


def content(kind: type, **examples: object) -> dict[str, Any]:
    """A body of JSON that every request must have."""
    return {"required": True, "content": {"application/json": {"schema": _schema(kind), **examples}}}


def in_path(name: str, words: str, pattern: str) -> dict[str, Any]:
    """A part of a path that stands for something."""
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "path", "required": True, "description": words, "schema": schema}


def answered(words: str, *kinds: Any) -> dict[str, Any]:  # noqa: ANN401 - types, or lists of one
    """A 200 with one of these types."""
    schemas = [_schema(kind) for kind in kinds]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {"200": {"description": words, "content": {"application/json": {"schema": schema}}}}


def refused(*kinds: type[Refusal], problem: type[Problem] = Problem) -> dict[str, Any]:
    """These refusals, with `problem` as the type of their bodies."""
    body = {"application/problem+json": {"schema": _schema(problem)}}
    return {str(kind.status): {"description": kind.title, "content": body} for kind in kinds}


def get(
    name: str, summary: str, responses: dict[str, Any], security: list[dict[str, list[str]]], **more: object
) -> dict[str, Any]:
    """A path with nothing but a GET."""
    return {"get": {"operationId": name, "summary": summary, "responses": responses, "security": security, **more}}


def _or_not(responses: dict[str, Any]) -> dict[str, Any]:
    return {"503": {**responses["200"], "description": "It is not so"}}
