"""Checks of the fields that say how a submission is judged, and of what does not go together."""

import math
from typing import TYPE_CHECKING, Any

import msgspec

from runtime.execution.protocol import File
from runtime.http import bounds
from runtime.judging.checkers import FOLDER as CASE_FOLDER
from runtime.judging.comparators import PARAMETERS, Comparator, ExpectedOutputError
from runtime.judging.submission import Checker, Style, Submission
from runtime.languages.registry import Language
from runtime.settings import Settings
from runtime.store.digests import is_digest

if TYPE_CHECKING:
    from runtime.http.requests import CheckerBody, Checks, ComparatorBody, ExecuteBody, TestCaseBody


def comparator(given: "str | ComparatorBody", checks: "Checks") -> Comparator | None:
    """The comparator with its parameters; None where it is refused."""
    body: dict[str, Any] = {"name": given} if isinstance(given, str) else msgspec.structs.asdict(given)
    name = body.pop("name")
    if name not in PARAMETERS:
        field = "comparator" if isinstance(given, str) else "comparator.name"
        checks.refuse(field, f"must be one of {', '.join(PARAMETERS)}")
        return None
    parameters = {parameter: value for parameter, value in body.items() if value is not None}
    for parameter, value in parameters.items():
        if parameter not in PARAMETERS[name]:
            takes = ", ".join(PARAMETERS[name]) or "no parameter"
            checks.refuse(f"comparator.{parameter}", f"goes without {name}, which takes {takes}")
        elif parameter in ("absolute", "relative") and not 0 <= value < math.inf:
            checks.refuse(f"comparator.{parameter}", "must be a number from 0")
    return Comparator(name, **{parameter: parameters[parameter] for parameter in PARAMETERS[name] if parameter in parameters})


def checker(
    body: "CheckerBody", language: Language, files: tuple[File, ...], settings: Settings, checks: "Checks"
) -> Checker | None:
    """The checker, whose language and files have been checked; None where it is refused."""
    if any(file.name.partition("/")[0] == CASE_FOLDER for file in files):
        checks.refuse("checker.files", f"must not have {CASE_FOLDER}, where the checker finds the case")
    if body.style not in tuple(Style):
        checks.refuse("checker.style", f"must be one of {', '.join(Style)}")
        return None
    seconds = settings.checker_seconds if body.time_limit is None else body.time_limit
    if not 0 < seconds <= settings.checker_seconds:
        checks.refuse("checker.time_limit", f"must be above 0 and at most {settings.checker_seconds:g} seconds")
    usual_mb = min(settings.default_memory_mb, settings.checker_memory_mb)
    memory_mb = usual_mb if body.memory_limit_mb is None else body.memory_limit_mb
    if not (1 <= memory_mb <= settings.checker_memory_mb and memory_mb == int(memory_mb)):
        checks.refuse("checker.memory_limit_mb", f"must be a whole number from 1 to {settings.checker_memory_mb}")
        return None
    return Checker(
        Submission(
            language=language,
            files=files,
            stdin=b"",
            arguments=tuple(body.args),
            timeout_seconds=None,
            time_limit_seconds=seconds,
            memory_bytes=int(memory_mb) << 20,
            test_cases=None,
            comparator=Comparator(),
            stop_on_failure=False,
        ),
        Style(body.style),
    )


def check_points(place: str, case: "TestCaseBody", checks: "Checks") -> None:
    """Checks the points of the test case at `place`."""
    if case.max_score is not None and not 0 <= case.max_score <= bounds.MOST_POINTS:
        checks.refuse(f"{place}max_score", f"must be from 0 to {bounds.MOST_POINTS}")


def check_together(body: "ExecuteBody", compared: Comparator | None, checks: "Checks") -> None:
    """Refuses what does not go together, and expected outputs that nothing could be compared with."""
    if body.checker is not None:
        if body.test_cases is None:
            checks.refuse("checker", "goes with test_cases")
        if body.comparator != "lines":
            checks.refuse("comparator", "goes without checker, which judges instead of it")
    elif compared is not None:
        _check_expected(body, compared, checks)
    if body.problem is not None:
        _check_problem(body, checks)
    elif body.judge_details:
        checks.refuse("judge_details", "goes with problem")


def _check_problem(body: "ExecuteBody", checks: "Checks") -> None:
    if not is_digest(body.problem or ""):
        checks.refuse("problem", "must be sha256: and 64 hexadecimal digits in lower case, as PUT /problems has given them")
    others = {
        "test_cases": body.test_cases is not None, "checker": body.checker is not None,
        "comparator": body.comparator != "lines", "stdin": body.stdin != "", "args": body.args != [],
        "return_files": body.return_files != [], "stop_on_failure": body.stop_on_failure,
    }  # fmt: skip
    for field, there in others.items():
        if there:
            checks.refuse(field, "goes without problem, whose package says all of it")


def _check_expected(body: "ExecuteBody", compared: Comparator, checks: "Checks") -> None:
    for position, case in enumerate(body.test_cases or ()):
        try:
            compared.check(case.expected_output)
        except ExpectedOutputError as error:
            checks.refuse(f"test_cases[{position}].expected_output", str(error))
