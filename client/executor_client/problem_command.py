"""The command `executor-client problem`: verifies a problem package, puts it, and judges a file by one."""

import argparse
import math
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from executor_client.errors import InvalidRequestError
from executor_client.models import Execution, Judgement, ProblemPackage, Submission
from executor_client.polygon import import_package
from executor_client.problem_folder import (
    ACCEPTED,
    Expected,
    FolderError,
    Program,
    described,
    difference,
    input_validators,
    inputs,
    program_at,
    submissions,
    validator_flags,
    zipped,
)
from executor_client.sync import ExecutorClient

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_VALID_INPUT = 42
# Seconds. Of a shorter time a tenth would be noise.
_LEAST_LIMIT = 0.5
# How far beyond the limit one looks how long a submission takes that shall exceed it.
_BEYOND = 2.0
# Of the time limit: what exceeds it by computing has used all of it.
_COMPUTING_SHARE = 0.9
_LETTERS = {
    "accepted": "A", "wrong_answer": "W", "time_limit_exceeded": "T", "runtime_error": "R", "memory_limit_exceeded": "M",
    "output_limit_exceeded": "O", "skipped": "-", "compile_error": "C", "judge_error": "!",
}  # fmt: skip


def add_to(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", client: Callable[[argparse.Namespace], ExecutorClient]
) -> None:
    """Adds the command with its parts, which speak with the executor through the `client` of their options."""
    problem = actions.add_parser("problem", help="problem packages of Kattis, DOMjudge and the ICPC")
    parts = problem.add_subparsers(required=True, metavar="verify | push | judge | import-polygon")
    verify = parts.add_parser("verify", help="put a package and judge its own submissions as their author expects")
    verify.add_argument("folder", type=Path, help="the package's folder")
    verify.set_defaults(action=partial(_with, client, _verify))
    push = parts.add_parser("push", help="put a package, and print its name")
    push.add_argument("package", type=Path, help="its folder, or a zip")
    push.set_defaults(action=partial(_with, client, _push))
    judge = parts.add_parser("judge", help="judge a file by a package")
    judge.add_argument("problem", help="the package's name, or its folder or zip, which is put first")
    judge.add_argument("file", type=Path, help="the program, or a folder with its files")
    judge.add_argument("--language", help="its language; the file's ending unless told")
    judge.set_defaults(action=partial(_with, client, _judge))
    polygon = parts.add_parser("import-polygon", help="write a package of Polygon as a folder of the format legacy")
    polygon.add_argument("package", type=Path, help="Polygon's standard package: a zip, or its folder")
    polygon.add_argument("folder", type=Path, help="the new folder")
    polygon.set_defaults(action=_import_polygon)


def _with(
    client: Callable[[argparse.Namespace], ExecutorClient],
    action: Callable[[ExecutorClient, argparse.Namespace], int],
    options: argparse.Namespace,
) -> int:
    with client(options) as opened:
        return action(opened, options)


def _put(client: ExecutorClient, path: Path) -> ProblemPackage:
    try:
        content = zipped(path) if path.is_dir() else path.read_bytes()
    except OSError as error:
        raise FolderError(f"{path} cannot be read: {error}") from error
    try:
        package = client.put_problem(content)
    except InvalidRequestError as error:
        if error.code != "invalid_problem":
            raise
        table = Table("file", "what is wrong", title=f"{path} is no package that can be judged by")
        for fault in error.errors:
            table.add_row(fault.field, fault.message)
        Console().print(table)
        raise FolderError(f"{path} has {len(error.errors)} faults") from error
    for warning in package.warnings:
        Console(stderr=True).print(f"{warning.path}: {warning.message}", style="yellow", markup=False, soft_wrap=True)
    return package


def _push(client: ExecutorClient, options: argparse.Namespace) -> int:
    print(_put(client, options.package).problem)
    return 0


def _import_polygon(options: argparse.Namespace) -> int:
    lost = import_package(options.package, options.folder)
    for line in lost:
        Console(stderr=True).print(line, style="yellow", markup=False, soft_wrap=True)
    print(options.folder)
    return 0


def _judge(client: ExecutorClient, options: argparse.Namespace) -> int:
    name = options.problem
    if not _DIGEST.fullmatch(name):
        name = _put(client, Path(name)).problem
    program = program_at(options.file, options.file.name) if options.file.exists() else None
    if program is None:
        raise FolderError(f"{options.file} is no program: a file with an ending, or a folder with one, is needed")
    language = options.language or program.language
    answer = _judged(client, msgspec.structs.replace(program, language=language), name)
    table = Table("test case", "status", "ms", "points")
    for case in answer.test_results:
        points = "" if case.score is None else f"{case.score:g}"
        style = "green" if case.passed else "red"
        table.add_row(case.id, case.status, f"{case.cpu_time:.0f}", points, style=style)
    Console().print(table, f"{answer.status}: {answer.passed} of {answer.total} passed{_points(answer)}", highlight=False)
    if answer.status == "compile_error" and answer.compile is not None:
        Console(stderr=True).print(answer.compile.stderr or answer.compile.stdout, markup=False)
    return 0 if answer.status == "accepted" else 1


def _judged(client: ExecutorClient, program: Program, problem: str, time_limit: float | None = None) -> Judgement:
    submission = Submission(
        language=program.language, files=program.files, problem=problem, time_limit=time_limit, user_id="executor-client"
    )
    answer = client.submit(submission)
    if isinstance(answer, Execution):
        raise FolderError("the executor does not judge by problems: it is too old")
    return answer


def _points(answer: Judgement) -> str:
    if answer.score is None:
        return ""
    return f", {answer.score:g} points" + (f" of {answer.max_score:g}" if answer.max_score is not None else "")


def _verify(client: ExecutorClient, options: argparse.Namespace) -> int:
    package = _put(client, options.folder)
    spoken = {name: found.language for found in client.languages() for name in (found.language, *found.aliases)}
    valid = _inputs_are_valid(client, options.folder, spoken)
    table = Table(
        "submission", "expected", "actual", "cases", "slowest ms", "points", title=f"{package.name} {package.problem}"
    )
    slowest, fastest = 0.0, math.inf
    right, count = True, 0
    for program, given in submissions(options.folder):
        expected = _in_format(given, package.format)
        if reason := _reason_against(program, package, spoken):
            table.add_row(program.name, described(expected), f"not judged: {reason}", style="yellow")
            continue
        answer = _judged(client, program, package.problem)
        differs = difference(expected, answer)
        right, count = right and not differs, count + 1
        times = [case.cpu_time / 1000 for case in answer.test_results]
        if expected.statuses == ACCEPTED and not differs:
            slowest = max(slowest, *times)
        elif answer.status == "time_limit_exceeded" and not differs and not _waits(answer, package):
            fastest = min(fastest, _time_needed(client, program, package, answer))
        letters = "".join(_LETTERS.get(case.status, "?") for case in answer.test_results)
        points = "" if answer.score is None else f"{answer.score:g}"
        words = answer.status + (f": {differs}" if differs else "")
        table.add_row(
            program.name, described(expected), words, letters, f"{1000 * max(times, default=0):.0f}", points,
            style="red" if differs else "green",
        )  # fmt: skip
    console = Console()
    console.print(table)
    console.print("A accepted, W wrong answer, T time limit, R runtime error, M memory, O output, - skipped", style="dim")
    for line in _times(package, slowest, fastest):
        console.print(line, highlight=False)
    if not count:
        console.print("the package has no submissions: nothing shows that its data and limits are right", style="yellow")
    return 0 if right and valid else 1


def _in_format(expected: Expected, package_format: str) -> Expected:
    """The same without a verdict where the format has none beside points that are not all."""
    if expected.partial and not package_format.startswith("legacy") and expected.statuses == ACCEPTED:
        return msgspec.structs.replace(expected, statuses=frozenset())
    return expected


def _reason_against(program: Program, package: ProblemPackage, spoken: dict[str, str]) -> str:
    """Why the executor cannot judge a submission; empty where it can."""
    if program.language not in spoken:
        return f"the executor has no {program.language}"
    if package.languages is not None and spoken[program.language] not in package.languages:
        return f"the package does not allow {program.language}"
    return ""


def _waits(answer: Judgement, package: ProblemPackage) -> bool:
    """Whether the limit that it exceeds is that of wall time: it waits, and would with any limit."""
    least = _COMPUTING_SHARE * min(package.time_limit or _LEAST_LIMIT, _LEAST_LIMIT)
    return all(case.cpu_time / 1000 < least for case in answer.test_results if case.status == "time_limit_exceeded")


def _time_needed(client: ExecutorClient, program: Program, package: ProblemPackage, seen: Judgement) -> float:
    """Seconds of CPU time of the case that exceeds the limit first, as far as one looks beyond the limit."""
    limit, answer = package.time_limit, seen
    try:
        answer = _judged(client, program, package.problem, None if limit is None else limit * _BEYOND)
    except InvalidRequestError as error:
        # The executor allows no more, and what was seen within the limit is the answer.
        if "time_limit" not in {wrong.field for wrong in error.errors}:
            raise
    return max((case.cpu_time / 1000 for case in answer.test_results), default=math.inf)


def _times(package: ProblemPackage, slowest: float, fastest: float) -> list[str]:
    lines = []
    if slowest:
        proposed = max(_LEAST_LIMIT, math.ceil(slowest * package.time_multiplier * 10) / 10)
        limit = "none" if package.time_limit is None else f"{package.time_limit:g} s"
        lines.append(
            f"slowest accepted: {slowest:.3f} s; times {package.time_multiplier:g} a limit of {proposed:g} s is proposed; "
            f"the package's is {limit}"
        )
    if math.isfinite(fastest):
        lines.append(f"fastest over the time limit: at least {fastest:.3f} s")
    return lines


def _inputs_are_valid(client: ExecutorClient, folder: Path, spoken: dict[str, str]) -> bool:
    """Whether every input validator accepts every input; what one says of an input that it does not is printed."""
    validators = input_validators(folder)
    for validator in validators:
        if validator.language not in spoken:
            words = f"input validator {validator.name} was not run: the executor has no {validator.language}"
            Console().print(words, style="yellow", markup=False, soft_wrap=True)
    checks = [
        (validator, case, Submission(
            language=validator.language, files=validator.files, stdin=case.read_text("utf-8"),
            args=validator_flags(folder, case), user_id="executor-client",
        ))
        for validator in validators
        if validator.language in spoken
        for case in inputs(folder)
    ]  # fmt: skip
    answers = client.execute_many([submission for _, _, submission in checks], concurrency=4)
    console, valid = Console(), True
    for (validator, case, _), answer in zip(checks, answers, strict=True):
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Judgement) or answer.run.code != _VALID_INPUT:
            valid = False
            run = answer.run if isinstance(answer, Execution) else None
            said = "" if run is None else f"exit code {run.code} ({run.status}) {run.stderr or run.stdout}".strip()
            words = f"input validator {validator.name} refuses {case.relative_to(folder)}: {said}"
            console.print(words, style="red", markup=False, soft_wrap=True)
    return valid
