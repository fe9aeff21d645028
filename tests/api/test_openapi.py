"""The description of the API is valid, and what the server really answers is what it describes."""

import tomllib
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from devtools.executor import ROOT, Executor


@pytest.fixture(scope="module")
def document(executor: Executor) -> dict[str, Any]:
    found: dict[str, Any] = executor.http.get("/openapi.json").json()
    return found


def test_it_is_valid_openapi(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")


def test_every_field_is_explained_and_nothing_else(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    unexplained = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, described in schema.get("properties", {}).items()
        if len(described.get("description", "")) < len("A name.")
    ]
    assert unexplained == []
    assert "at most 512" in schemas["ExecuteBody"]["properties"]["memory_limit_mb"]["description"]
    meanings = tomllib.loads((ROOT / "runtime/http/meanings.toml").read_text())
    shared = meanings.pop("any")
    assert [name for name, fields in meanings.items() if not fields.keys() <= schemas[name]["properties"].keys()] == []
    fields = {(name, field) for name, schema in schemas.items() for field in schema.get("properties", {})}
    own = {(name, field) for name, of in meanings.items() for field in of}
    assert shared.keys() <= {field for _, field in fields - own}


def _examples(document: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            examples = [each["value"] for each in content.get("examples", {}).values()]
            for body in examples or [content.get("example")]:
                yield method, path, body


def test_every_path_answers_what_is_described(executor: Executor, document: dict[str, Any]) -> None:
    seen = set()
    for method, path, body in _examples(document):
        bodies: tuple[Any, ...] = (body, {}) if body else (None,)
        for sent in bodies:
            response = executor.http.request(method, path, json=sent)
            described = document["paths"][path][method]["responses"][str(response.status_code)].get("content", {})
            media = response.headers.get("content-type", "").partition(";")[0]
            assert media in described or not response.content, (path, response.text)
            if "json" in media and described:
                schema = {**described[media]["schema"], "components": document["components"]}
                jsonschema.validate(response.json(), schema)
            seen.add((path, response.status_code))
    assert {path for path, _ in seen} == set(document["paths"])
    assert {("/execute", 200), ("/execute", 422), ("/api/v2/execute", 200), ("/api/v2/execute", 400)} <= seen
