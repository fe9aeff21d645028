"""The command `executor-client`: run or judge a file, or see how an executor stands a burst."""

import argparse
import math
import os
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from executor_client import prewarm, problem_command, replay
from executor_client.aio import AsyncExecutorClient
from executor_client.doctor import command as doctor_command
from executor_client.errors import ExecutorError
from executor_client.models import Execution, Judgement, Submission, TestCase
from executor_client.problem_folder import FolderError
from executor_client.rehearsal import options as rehearse_options
from executor_client.rehearsal.plan import PlanError
from executor_client.sync import ExecutorClient

_MOST_IN_LOAD = 10_000
_MOST_TIMES = 20
# Seconds; a shorter time limit would be decided by the start of an interpreter.
_LEAST_LIMIT = 0.5
_PROGRAMS = {"python": "print({})", "javascript": "console.log({})", "bash": "echo {}"}
_stderr = Console(stderr=True)


class _UsageError(Exception):
    """Something is wrong with what was typed; one line for a person."""


def main() -> int:
    """Returns 0 where everything ran or was accepted, 1 where a program failed, 2 where there was no answer."""
    options = _parser().parse_args()
    try:
        code: int = options.action(options)
    except (ExecutorError, FolderError, PlanError, _UsageError) as error:
        _stderr.print(f"{type(error).__name__.lstrip('_')}: {error}", style="red", markup=False, soft_wrap=True)
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="executor-client", description="Sends programs to a code executor.")
    parser.add_argument("--url", default=os.environ.get("EXECUTOR_URL"), help="its URL; EXECUTOR_URL unless told")
    parser.add_argument("--deadline", type=float, default=120.0, help="seconds for a submission, with its retries")
    parser.add_argument("--hedge-after", type=float, help="send a request again that waits longer than so many seconds")
    parser.add_argument("--sessions", action="store_true", help="the URL is a session pool's")
    parser.epilog = "The key, where one is needed, is taken from EXECUTOR_API_KEY."
    actions = parser.add_subparsers(required=True, metavar="command")

    run = actions.add_parser("run", help="run a file with this command's standard input, if that is no terminal")
    run.set_defaults(action=_run)
    judge = actions.add_parser("judge", help="judge a file by test cases")
    judge.set_defaults(action=_judge)
    timed = actions.add_parser("time", help="how long a reference solution takes, and the time limit to choose")
    timed.set_defaults(action=_time)
    for command in (run, judge, timed):
        command.add_argument("file", type=Path, help="the program")
        command.add_argument("--language", help="its language; the file's ending unless told")
        command.add_argument("--timeout", type=float, help="seconds of wall time for each run")
        command.add_argument("--time-limit", type=float, help="seconds of CPU time for each run")
        command.add_argument("--user", default="executor-client", help="whose it is")
    for command in (judge, timed):
        command.add_argument("cases", type=Path, help="JSON: a list of {id, input, expected_output}")
    timed.add_argument("--times", type=int, default=3, help="how often each test case is run; the slowest counts")
    judge.add_argument("--comparator", default="lines", help="lines, exact, tokens, float or another one by its name")

    mcp = actions.add_parser("mcp", help="serve tools for assistants (MCP) over standard input and output")
    mcp.set_defaults(action=_mcp)

    load = actions.add_parser("load", help="many small programs at one moment, each answer checked")
    load.add_argument("--users", type=int, default=20)
    load.add_argument("--questions", type=int, default=2, help="submissions of each user")
    load.add_argument("--language", choices=sorted(_PROGRAMS), default="python")
    load.set_defaults(action=_load)
    problem_command.add_to(actions, _client)
    rehearse_options.add_to(actions).set_defaults(action=_rehearse)
    doctor_command.add_to(actions).set_defaults(action=_doctor)
    prewarm.add_to(actions).set_defaults(action=_prewarm)
    replay.add_to(actions).set_defaults(action=_replay)
    return parser


def _client(options: argparse.Namespace) -> ExecutorClient:
    if not options.url:
        raise _UsageError("no executor: give --url, or set EXECUTOR_URL")
    return ExecutorClient(
        options.url,
        os.environ.get("EXECUTOR_API_KEY") or None,
        deadline=options.deadline,
        hedge_after=options.hedge_after,
        session_pool=options.sessions,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _UsageError(f"{path} cannot be read: {error}") from error


def _language(options: argparse.Namespace) -> str:
    """As asked for, or what the file's name ends in."""
    language: str = options.language or options.file.suffix.lstrip(".")
    if not language:
        raise _UsageError(f"{options.file} has no ending that tells its language: name it with --language")
    return language


def _run(options: argparse.Namespace) -> int:
    code = _text(options.file)
    stdin = "" if sys.stdin.isatty() else sys.stdin.read()
    with _client(options) as client:
        answer = client.execute(
            _language(options),
            code,
            stdin=stdin,
            timeout=options.timeout,
            time_limit=options.time_limit,
            user_id=options.user,
        )
    run = answer.run
    sys.stdout.write(run.stdout)
    sys.stderr.write(run.stderr)
    ended = run.signal or f"exit code {run.code}"
    _stderr.print(f"{run.status}, {ended}, {run.wall_time:.0f} ms, {run.memory / 2**20:.0f} MiB", style="dim")
    return 0 if run.status == "ok" else 1


def _judge(options: argparse.Namespace) -> int:
    code, cases = _text(options.file), _cases(options.cases)
    with _client(options) as client:
        answer = client.judge(
            _language(options),
            code,
            cases,
            comparator=options.comparator,
            timeout=options.timeout,
            time_limit=options.time_limit,
            user_id=options.user,
        )
    _print_failed_compilation(answer)
    table = Table("test case", "status", "ms", "MiB")
    for case in answer.test_results:
        style = "green" if case.passed else "red"
        table.add_row(case.id, case.status, f"{case.wall_time:.0f}", f"{case.memory / 2**20:.0f}", style=style)
    Console().print(table, f"{answer.status}: {answer.passed} of {answer.total} passed")
    return 0 if answer.status == "accepted" else 1


def _cases(path: Path) -> list[TestCase]:
    try:
        return msgspec.json.decode(_text(path), type=list[TestCase])
    except msgspec.MsgspecError as error:
        raise _UsageError(f"{path} is not a list of {{id, input, expected_output}}: {error}") from error


def _print_failed_compilation(answer: Judgement) -> None:
    if answer.compile is not None and answer.compile.status != "ok":
        sys.stderr.write(answer.compile.stderr + answer.compile.message + "\n")


def _time(options: argparse.Namespace) -> int:
    """The slowest run of each test case by its CPU time; twice the slowest of all is the time limit to choose."""
    code, cases = _text(options.file), _cases(options.cases)
    if not 1 <= options.times <= _MOST_TIMES:
        raise _UsageError(f"--times is {options.times}: must be from 1 to {_MOST_TIMES}")
    with _client(options) as client:
        answers = [
            client.judge(
                _language(options), code, cases, timeout=options.timeout, time_limit=options.time_limit, user_id=options.user
            )
            for _ in range(options.times)
        ]
    for answer in answers:
        if answer.status not in ("accepted", "wrong_answer"):
            _print_failed_compilation(answer)
            case = next((f", test case {case.id}: {case.message}" for case in answer.test_results if not case.passed), "")
            raise _UsageError(
                f"{options.file} is {answer.status}{case}: only a program that ends within its limits can be timed"
            )
    table = Table("test case", "CPU ms", "wall ms")
    slowest = 0.0
    for runs in zip(*(answer.test_results for answer in answers), strict=True):
        worst = max(runs, key=lambda run: run.cpu_time)
        slowest = max(slowest, worst.cpu_time / 1000)
        table.add_row(worst.id, f"{worst.cpu_time:.0f}", f"{worst.wall_time:.0f}")
    # Of so little a tenth would be noise.
    limit = max(_LEAST_LIMIT, math.ceil(2 * slowest * 10) / 10)
    Console().print(table, f"slowest: {slowest:.3f} s of CPU time; time_limit to choose: {limit:g}", highlight=False)
    return 0


def _mcp(options: argparse.Namespace) -> int:
    try:
        from executor_client.mcp_server import serve  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise _UsageError(f"this needs the protocol's package: pip install 'executor-client[mcp]' ({error})") from error
    if not options.url:
        raise _UsageError("no executor: give --url, or set EXECUTOR_URL")
    url, key, deadline = options.url, os.environ.get("EXECUTOR_API_KEY") or None, options.deadline
    serve(lambda: AsyncExecutorClient(url, key, deadline=deadline))
    return 0


def _rehearse(options: argparse.Namespace) -> int:
    try:
        from executor_client.rehearsal.command import main as rehearse  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise _UsageError(f"this needs the model's package: pip install 'executor-client[rehearse]' ({error})") from error
    return rehearse(options, _key(options))


def _key(options: argparse.Namespace) -> str | None:
    """The key for the URL, which must be there."""
    if not options.url:
        raise _UsageError("no executor: give --url, or set EXECUTOR_URL")
    return os.environ.get("EXECUTOR_API_KEY") or None


def _doctor(options: argparse.Namespace) -> int:
    return doctor_command.main(options, _key(options))


def _prewarm(options: argparse.Namespace) -> int:
    _key(options)
    return prewarm.main(options)


def _replay(options: argparse.Namespace) -> int:
    with _client(options) as client:
        return replay.main(options, client)


def _load(options: argparse.Namespace) -> int:
    count = options.users * options.questions
    if not 1 <= count <= _MOST_IN_LOAD:
        raise _UsageError(f"--users times --questions is {count}: must be from 1 to {_MOST_IN_LOAD}")
    submissions = [
        Submission(
            language=options.language,
            code=_PROGRAMS[options.language].format(number),
            user_id=f"load-{number // options.questions}",
            question_id=f"{number % options.questions}",
        )
        for number in range(count)
    ]
    bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=_stderr)
    times: list[float] = []
    started = time.monotonic()
    with _client(options) as client, bar:
        task = bar.add_task("answers", total=count)

        def progress(done: int, _total: int) -> None:
            times.append(time.monotonic() - started)
            bar.update(task, completed=done)

        answers = client.execute_many(submissions, concurrency=count, progress=progress)
    outcomes = Counter(_outcome(number, answer) for number, answer in enumerate(answers))
    table = Table("outcome", "submissions")
    for outcome, found in outcomes.most_common():
        table.add_row(outcome, str(found), style="green" if outcome == "right" else "red")
    percent = statistics.quantiles([*times, *times], n=100)
    waits = f"answered after: half {percent[49]:.2f} s, 95 % {percent[94]:.2f} s, all {times[-1]:.2f} s"
    Console().print(table, waits, highlight=False)
    return 0 if outcomes["right"] == count else 1


def _outcome(number: int, answer: Execution | Judgement | ExecutorError) -> str:
    if isinstance(answer, ExecutorError):
        return type(answer).__name__
    if isinstance(answer, Execution) and answer.run.status == "ok":
        return "right" if answer.run.stdout == f"{number}\n" else "wrong"
    return answer.run.status if isinstance(answer, Execution) else answer.status


if __name__ == "__main__":
    sys.exit(main())
