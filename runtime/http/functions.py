"""The field `function` of `POST /execute`: its types, and the checks that make test cases of its calls."""

from typing import Annotated

import msgspec

from runtime.http import bounds
from runtime.http.checks import Checks
from runtime.judging import json_comparator
from runtime.judging.json_comparator import NotJsonError
from runtime.languages.registry import Language
from runtime.problems.programs import RESERVED_FOLDER


class FunctionCaseBody(msgspec.Struct, frozen=True):
    """One call of a function: its arguments and what it has to return, both as JSON values."""

    args: Annotated[list[msgspec.Raw], bounds.ARGUMENTS]
    expected: msgspec.Raw
    id: str | None = None
    timeout: float | None = None
    time_limit: float | None = None
    memory_limit_mb: float | None = None
    hidden: bool = False
    max_score: Annotated[float, bounds.POINTS] | None = None


class EqualityBody(msgspec.Struct, frozen=True):
    """When two JSON values are the same; as the parameters of the comparator `json`."""

    absolute: Annotated[float, bounds.FROM_ZERO] | None = None
    relative: Annotated[float, bounds.FROM_ZERO] | None = None
    unordered: bool | None = None


class FunctionBody(msgspec.Struct, frozen=True):
    """A function of the program that is called in each case, and judged by what it returns."""

    name: Annotated[str, bounds.FUNCTION]
    cases: list[FunctionCaseBody]
    comparator: EqualityBody = EqualityBody()


def check_function(body: FunctionBody, language: Language, file_names: list[str], checks: Checks) -> None:
    """Notes what is wrong with the function, beside limits and points of its cases."""
    if language.function is None:
        checks.refuse("function", f"goes without {language.name}, of which this executor calls no functions")
    if not bounds.FUNCTION_NAME.fullmatch(body.name):
        checks.refuse("function.name", "must be a name in ASCII, or a class and its method with a point between")
    if any(name.partition("/")[0] == RESERVED_FOLDER for name in file_names):
        checks.refuse("files", f"must not have {RESERVED_FOLDER}, where the call is")
    for position, case in enumerate(body.cases):
        place = f"function.cases[{position}]"
        if len(case.args) > bounds.MOST_ARGUMENTS:
            checks.refuse(f"{place}.args", f"must have at most {bounds.MOST_ARGUMENTS} items")
        values = {f"{place}.args[{number}]": argument for number, argument in enumerate(case.args)}
        for field, value in (*values.items(), (f"{place}.expected", case.expected)):
            try:
                json_comparator.check(json_comparator.parse(text_of(value)))
            except NotJsonError as error:
                checks.refuse(field, str(error))


def text_of(value: msgspec.Raw) -> str:
    """The JSON of a value, as it was sent: no number changes on its way."""
    return bytes(value).decode()


def arguments_of(case: FunctionCaseBody) -> str:
    """The arguments as a JSON list."""
    return f"[{','.join(map(text_of, case.args))}]"
