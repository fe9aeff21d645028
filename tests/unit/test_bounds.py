"""What the OpenAPI document says of a field and what the checks refuse are the same, whatever a client sends."""

from typing import Annotated, Any

import jsonschema
import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runtime.http import bounds
from runtime.http.checks import Checks, files_of, name_problem
from runtime.http.requests import ExecuteBody, FileBody
from runtime.languages.registry import Language

_LANGUAGE = Language(name="python", file="main.py", run=("python3",), version=("python3",))
_names = st.text(st.sampled_from("ab.-@/ \n\t\x7f\x00é語~"), max_size=12)
_base64 = st.text(st.sampled_from("AQz+/= \n-"), max_size=9)
_hex = st.text(st.sampled_from("09afAFg \n\t\f\v\x1cé"), max_size=9)


def _schema(kind: object) -> dict[str, Any]:
    return msgspec.json.schema(kind)


def _holds(value: object, schema: dict[str, Any]) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(value)


@settings(deadline=None)
@given(_names)
def test_a_name_is_taken_if_its_schema_takes_it(name: str) -> None:
    schema = _schema(Annotated[str, bounds.NAME])
    assert _holds(name, schema) == (name_problem(name) == "")


@settings(deadline=None)
@given(_names.filter(lambda name: name != ""), st.sampled_from(["base64", "hex"]), _base64 | _hex)
@example("a", "hex", " ")
@example("a", "base64", "QUI==")
def test_a_file_is_taken_if_its_schema_takes_it(name: str, encoding: str, content: str) -> None:
    file = {"name": name, "encoding": encoding, "content": content}
    checks = Checks()
    files_of(ExecuteBody("python", files=[FileBody("1"), msgspec.convert(file, FileBody)]), _LANGUAGE, checks)
    reference = _schema(FileBody)["$defs"]["FileBody"] | bounds.FILE_CONTENT
    assert _holds(file, reference) == (not checks.errors), checks.errors


@settings(deadline=None)
@given(st.sampled_from(["Python", "c++", "C#", "PY", "python\n", "pythonx", "", "c+", "node.js"]))
def test_a_language_is_known_in_any_letter_case_and_nothing_else(name: str) -> None:
    known = ("python", "py", "c++", "c#", "node.js")
    assert _holds(name, bounds.any_case(known)) == (name.casefold() in known)
