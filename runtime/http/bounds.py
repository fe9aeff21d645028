r"""The bounds of a request's fields that no setting changes: what the checks enforce and the OpenAPI document says.

Patterns are in the language that Python and ECMA-262 share. `(?!\n)$` is the end in both: Python's `$` alone also stands
before a last line feed.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Meta

from runtime.execution import command_line

MOST_FILES = 100
MOST_ARGUMENTS = 100
MOST_RETURNED = 20
NAME_BYTES, NAME_PART_BYTES, NAME_DEPTH = 1024, 255, 16
ID_LENGTH = 256
MOST_POINTS = 1e9
ENCODINGS = ("utf8", "base64", "hex")
#: The values of the query's `strict`, and what they mean.
STRICT = {"0": False, "1": True, "false": False, "true": True}

_ANY = r"[^\x00-\x1f\x7f/]"
_PART = (
    rf"(?:[^\x00-\x1f\x7f/.@-]{_ANY}{{0,{NAME_PART_BYTES - 1}}}"
    rf"|\.[^\x00-\x1f\x7f/.]{_ANY}{{0,{NAME_PART_BYTES - 2}}}"
    rf"|\.\.{_ANY}{{1,{NAME_PART_BYTES - 2}}})"
)
_NAME = rf"{_PART}(?:/{_PART}){{0,{NAME_DEPTH - 1}}}"
_SIX_BITS = "[A-Za-z0-9+/]"
_SPACE = r"[ \t\n\r\f\v]*"
_CONTENT = {
    "base64": rf"^(?:{_SIX_BITS}{{4}})*(?:{_SIX_BITS}{{2}}==|{_SIX_BITS}{{3}}=)?(?!\n)$",
    "hex": rf"^(?:{_SPACE}(?:[0-9A-Fa-f]{{2}}{_SPACE})+)?(?!\n)$",
}


def _described(**keywords: object) -> Meta:
    return Meta(extra_json_schema=keywords)


#: A file's name; its length in bytes, which JSON Schema cannot count, is checked besides.
NAME = _described(pattern=rf"^{_NAME}(?!\n)$", maxLength=NAME_BYTES)
#: The same, or nothing: then the file gets a name.
NAME_OR_NOTHING = _described(pattern=rf"^(?:{_NAME})?(?!\n)$", maxLength=NAME_BYTES)
#: A version that every language has, for those who ask for one or for none.
FITS_ALWAYS_OR_NOTHING = {"pattern": r"^[*xX]?(?!\n)$"}
NAMES = _described(maxItems=MOST_RETURNED)
ID = _described(maxLength=ID_LENGTH)
CODE = _described(minLength=1)
ENCODING = _described(enum=list(ENCODINGS))
ARGUMENT = _described(pattern=r"^[^\x00]*$", maxLength=command_line.MOST_BYTES - 1)
ARGUMENTS = _described(maxItems=MOST_ARGUMENTS)
FROM_ZERO = _described(minimum=0)
POINTS = _described(minimum=0, maximum=MOST_POINTS)
#: A function's name, or those of a class and of its method.
FUNCTION_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,127}(?:\.[A-Za-z_$][A-Za-z0-9_$]{0,127})?")
FUNCTION = _described(pattern=rf"^{FUNCTION_NAME.pattern}(?!\n)$")
DIGEST = _described(pattern=r"^sha256:[0-9a-f]{64}(?!\n)$")
FILES = _described(minItems=1, maxItems=MOST_FILES)

#: What a file's content must be in each encoding, as keywords of the file's schema.
FILE_CONTENT: dict[str, Any] = {
    "anyOf": [
        {"properties": {"encoding": {"const": "utf8"}}},
        *(
            {"properties": {"encoding": {"const": name}, "content": {"pattern": pattern}}, "required": ["encoding"]}
            for name, pattern in _CONTENT.items()
        ),
    ]
}


def any_case(names: Iterable[str]) -> dict[str, str]:
    """One of `names` in any letter case."""
    words = ("".join(_letter(letter) for letter in name) for name in sorted(names))
    return {"pattern": rf"^(?:{'|'.join(words)})(?!\n)$"}


def _letter(letter: str) -> str:
    return f"[{letter.upper()}{letter.lower()}]" if letter.upper() != letter.lower() else re.escape(letter)


#: A program is one text or several files.
PROGRAM: dict[str, Any] = {
    "anyOf": [
        {"properties": {"code": {"type": "string"}, "files": {"type": "null"}}, "required": ["code"]},
        {"properties": {"code": {"type": "null"}, "files": {"type": "array"}}, "required": ["files"]},
    ]
}
_NOTHING: dict[str, Any] = {"type": "null"}
#: What `POST /execute` takes beside what its fields are by themselves.
EXECUTE: dict[str, Any] = {
    "allOf": [
        PROGRAM,
        {"anyOf": [{"properties": {"test_cases": _NOTHING}}, {"properties": {"return_files": {"maxItems": 0}}}]},
        *(
            {
                "anyOf": [
                    {"properties": {program: _NOTHING}},
                    {
                        "properties": {
                            program: {"type": "object"},
                            "test_cases": {"type": "array"},
                            "comparator": {"const": "lines"},
                        },
                        "required": [program, "test_cases"],
                    },
                ]
            }
            for program in ("checker", "interactor")
        ),
        {
            "anyOf": [
                {"properties": {"checker": _NOTHING}},
                {"properties": {"interactor": _NOTHING}},
                {
                    "properties": {
                        "interactor": {"type": "object", "properties": {"style": {"const": "testlib"}}, "required": ["style"]}
                    },
                    "required": ["interactor"],
                },
            ]
        },
        {
            "anyOf": [
                {"properties": {"transcript": {"const": False}}},
                {"properties": {"interactor": {"type": "object"}}, "required": ["interactor"]},
                {
                    "properties": {"problem": {"type": "string"}, "judge_details": {"const": True}},
                    "required": ["problem", "judge_details"],
                },
            ]
        },
        {
            "anyOf": [
                {"properties": {"function": _NOTHING}},
                {
                    "properties": {
                        "function": {"type": "object"},
                        "test_cases": _NOTHING,
                        "checker": _NOTHING,
                        "interactor": _NOTHING,
                        "problem": _NOTHING,
                        "comparator": {"const": "lines"},
                        "stdin": {"const": ""},
                        "args": {"maxItems": 0},
                        "return_files": {"maxItems": 0},
                    },
                    "required": ["function"],
                },
            ]
        },
        {
            "anyOf": [
                {"properties": {"problem": _NOTHING, "judge_details": {"const": False}}},
                {
                    "properties": {
                        "problem": {"type": "string"},
                        "test_cases": _NOTHING,
                        "checker": _NOTHING,
                        "interactor": _NOTHING,
                        "comparator": {"const": "lines"},
                        "stdin": {"const": ""},
                        "args": {"maxItems": 0},
                        "return_files": {"maxItems": 0},
                        "stop_on_failure": {"const": False},
                    },
                    "required": ["problem"],
                },
            ]
        },
    ]
}


def parameters(known: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """An object with a `name`, which has only the parameters that are known for it."""
    every = sorted({parameter for names in known.values() for parameter in names})
    return {
        "anyOf": [
            {"properties": {"name": {"const": name}, **{other: _NOTHING for other in every if other not in takes}}}
            for name, takes in known.items()
        ]
    }
