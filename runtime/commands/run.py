"""`python -m runtime run FILE`: a file runs in the sandbox as a submission does, and its end is told."""

import argparse
import base64
import signal
import sys
from pathlib import Path
from typing import TextIO

import msgspec

from runtime.commands.started import with_executor
from runtime.composition import Start
from runtime.http.problems import InvalidRequestError, Refusal
from runtime.http.requests import ExecuteBody, FileBody, submission
from runtime.judging.judge import Judge
from runtime.judging.submission import Status, StepResult, Submission
from runtime.languages.registry import Registry
from runtime.problems.programs import LanguageError, language_of
from runtime.settings import Settings

_USAGE_ERROR, _LIMIT, _NOT_COMPILED, _NOT_RUN, _SIGNALLED = 2, 124, 125, 126, 128
EXIT_CODES = (
    f"The exit code is the program's own; {_SIGNALLED} and its number after a signal, {_LIMIT} where a limit ended it, "
    f"{_NOT_COMPILED} where it was not compiled, {_NOT_RUN} where the executor is at fault, "
    f"{_USAGE_ERROR} for a file or an option that cannot be used, 3 for a host that cannot isolate."
)
_NOBODYS_FAULT = (Status.INTERNAL_ERROR, Status.OVERLOADED)


class _UnusableError(Exception):
    """What was typed cannot be run; the message says why."""


def main(options: argparse.Namespace) -> int:
    """Runs the file of `options`; returns the exit code."""
    try:
        files = [FileBody(base64.b64encode(_content(name)).decode(), Path(name).name, "base64") for name in _names(options)]
        stdin = _stdin(options.stdin)
    except _UnusableError as error:
        return _told(error)

    async def work(start: Start) -> int:
        try:
            program = _submission(options, files, start.settings, start.registry)
        except _UnusableError as error:
            return _told(error)
        program = msgspec.structs.replace(program, stdin=stdin, keeps_bytes=True)
        result = await Judge(start.settings, start.registry, start.ahead).run(program, start.executor.slots[0])
        if result.compile:
            _write(sys.stderr, result.compile.stdout + result.compile.stderr)
            if result.compile.status is not Status.OK:
                print(f"{options.file}: not compiled: {_words(result.compile)}", file=sys.stderr)
                return _NOT_RUN if result.compile.status in _NOBODYS_FAULT else _NOT_COMPILED
        _write(sys.stdout, result.run.stdout)
        _write(sys.stderr, result.run.stderr)
        print(f"{options.file}: {_words(result.run)}", file=sys.stderr)
        return _exit_code(result.run)

    return with_executor(work)


def _told(error: _UnusableError) -> int:
    print(f"run: {error}", file=sys.stderr)
    return _USAGE_ERROR


def _names(options: argparse.Namespace) -> list[str]:
    return [options.file, *options.others]


def _content(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise _UnusableError(f"{name}: {error.strerror}") from error


def _stdin(name: str | None) -> bytes:
    if name is None:
        return b""
    return sys.stdin.buffer.read() if name == "-" else _content(name)


def _submission(options: argparse.Namespace, files: list[FileBody], settings: Settings, registry: Registry) -> Submission:
    name = options.language
    if name is None:
        try:
            name = language_of([files[0].name], registry)[0].name
        except LanguageError as error:
            words = f"{options.file}: no language here has files with this ending; --language names one"
            raise _UnusableError(words) from error
    body = ExecuteBody(
        language=name,
        files=files,
        args=options.arg,
        timeout=options.timeout,
        time_limit=options.time_limit,
        memory_limit_mb=options.memory_limit_mb,
    )
    try:
        return submission(body, settings, registry)
    except Refusal as error:
        faults = error.errors if isinstance(error, InvalidRequestError) else ()
        raise _UnusableError("; ".join(f"{fault.field}: {fault.message}" for fault in faults) or str(error)) from error


def _write(stream: TextIO, text: str) -> None:
    """Writes a program's own bytes."""
    stream.buffer.write(text.encode(errors="surrogateescape"))
    stream.flush()


def _words(step: StepResult) -> str:
    cut = [name for name in ("stdout", "stderr") if getattr(step, f"{name}_truncated")]
    found = f" (cut: {', '.join(cut)})" if cut else ""
    ended = step.message or f"exited with {step.code}"
    return (
        f"{step.status}: {ended}{found}. "
        f"CPU {step.cpu_time:.0f} ms, wall {step.wall_time:.0f} ms, memory {step.memory / (1 << 20):.1f} MiB"
    )


def _exit_code(step: StepResult) -> int:
    if step.status in _NOBODYS_FAULT:
        return _NOT_RUN
    if step.limited_by is not None or step.status not in (Status.OK, Status.RUNTIME_ERROR):
        return _LIMIT
    if step.code is not None:
        return step.code
    return _SIGNALLED + _signal_number(step.signal or "")


def _signal_number(name: str) -> int:
    """Of a name as the verdict has it: `SIGKILL`, or one of the numbers that have none."""
    try:
        return signal.Signals[name].value
    except KeyError:
        return int("".join(filter(str.isdigit, name)) or 0)
