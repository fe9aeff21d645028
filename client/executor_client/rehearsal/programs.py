"""What a rehearsal sends: a package's own submissions, or built-in programs in the languages that the executor has.

A built-in program works with its submission's number, so that no two right answers are alike, and an answer that belongs to
another submission is seen.
"""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from executor_client import problem_folder
from executor_client.models import Execution, Judgement, Submission, TestCase
from executor_client.problem_folder import Expected, FolderError, difference, submissions

_FILE = Path(__file__).with_name("programs.toml")
_MODULUS = 1_000_003
_TIME_LIMIT, _SLOW_LIMIT = 5.0, 1.0
_EXPECTED = {"right": "accepted", "wrong": "wrong_answer", "crash": "runtime_error", "slow": "time_limit_exceeded"}
#: How often each kind comes in twenty submissions.
_SHARES = {"right": 11, "wrong": 5, "crash": 3, "slow": 1}


@dataclass(frozen=True)
class Program:
    """One program that is sent many times.

    Attributes:
        name: Such as `python, right`, or a package's `pairs: accepted/counts.py`.
        make: The submission for a number; whose it is comes later.
        fault: What is wrong with the answer for a number; empty where nothing is.
        time_limit: Seconds of CPU time of each run, where it is known; margins are counted from it.
        share: How often it comes, beside the shares of the others.
    """

    name: str
    make: Callable[[int], Submission]
    fault: Callable[[int, Execution | Judgement], str]
    time_limit: float | None
    share: int = 1


class Language(msgspec.Struct, frozen=True):
    """An entry of programs.toml."""

    turns: int
    work: str
    right: str
    wrong: str
    crash: str
    slow: str


def built_in(languages: Sequence[str], work: float, pace: float) -> list[Program]:
    """The built-in programs in these languages, as far as there are any. `work` scales the CPU time, `pace` is in seconds."""
    known = msgspec.convert(tomllib.loads(_FILE.read_text("utf-8")), dict[str, Language])
    return [
        _program(name, known[name], kind, round(known[name].turns * work), pace)
        for name in languages
        if name in known
        for kind in _EXPECTED
    ]


def _program(language: str, entry: Language, kind: str, turns: int, pace: float) -> Program:
    code = (entry.work.lstrip("\n") + getattr(entry, kind)).replace("TURNS", str(turns)).replace("PACE", f"{pace:g}")
    limit = _SLOW_LIMIT + pace if kind == "slow" else _TIME_LIMIT

    def make(number: int) -> Submission:
        cases = tuple(TestCase(f"{case}", f"{case}\n", printed(case, turns)) for case in (number, number + 1))
        return Submission(
            language=language,
            code=f"{code}\n",
            test_cases=cases,
            time_limit=limit,
            timeout=limit + pace,
            stop_on_failure=True,
        )

    def fault(number: int, answer: Execution | Judgement) -> str:
        return _fault(kind, number, turns, answer)

    return Program(f"{language}, {kind}", make, fault, limit, _SHARES[kind])


def _fault(kind: str, number: int, turns: int, answer: Execution | Judgement) -> str:
    if isinstance(answer, Execution):
        return "it is of the other form"
    ids = [case.id for case in answer.test_results]
    if ids != [str(number), str(number + 1)]:
        return f"its test cases are {ids}"
    if answer.status != _EXPECTED[kind]:
        return f"its status is {answer.status}, not {_EXPECTED[kind]}"
    said = answer.test_results[0].stdout.rstrip()
    if kind == "right" and said != printed(number, turns):
        return f"it printed {said!r}, not {printed(number, turns)!r}"
    return ""


def printed(number: int, turns: int) -> str:
    """What a right program prints."""
    factor, summand = _line(turns)
    return f"{number} {(factor * number + summand) % _MODULUS}"


@cache
def _line(turns: int) -> tuple[int, int]:
    """The work is a linear map of the number, the same for every program of a language."""
    factor, summand = 1, 0
    for turn in range(turns):
        factor, summand = factor * 31 % _MODULUS, (summand * 31 + turn) % _MODULUS
    return factor, summand


def of_package(folder: Path, digest: str, time_limit: float | None, languages: Sequence[str]) -> list[Program]:
    """The submissions of the package in languages that the executor has; raises FolderError where there is none."""
    name = folder.resolve().name
    found = [
        _package_program(f"{name}: {program.name}", program, digest, expected, time_limit)
        for program, expected in submissions(folder)
        if program.language in languages
    ]
    if not found:
        raise FolderError(f"{folder} has no submission in a language of this executor: nothing of it can be rehearsed")
    return found


def _package_program(
    name: str, program: problem_folder.Program, digest: str, expected: Expected, time_limit: float | None
) -> Program:
    submission = Submission(language=program.language, files=program.files, problem=digest)

    def fault(_number: int, answer: Execution | Judgement) -> str:
        return "it is of the other form" if isinstance(answer, Execution) else difference(expected, answer)

    return Program(name, lambda _number: submission, fault, time_limit)
