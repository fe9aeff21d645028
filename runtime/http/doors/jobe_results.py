"""A run as Jobe answers it: its outcome in Jobe's numbers, and its texts as Jobe cleans them."""

import contextlib
import re
import signal
from typing import cast

import msgspec

from runtime.http.submissions import Served
from runtime.judging.submission import RunResult, Status, StepResult

COMPILE_ERROR, _RUNTIME_ERROR, _TIME_LIMIT, _SUCCESS = 11, 12, 13, 15
_MEMORY_LIMIT, _ILLEGAL_CALL, _INTERNAL_ERROR, OVERLOAD = 17, 19, 20, 21
# Jobe shows what the compiler has to say, without what the program says that starts it.
_FPCS_OWN = re.compile(r"^Error: \S+ returned an error exitcode\n", re.MULTILINE)
# CodeRunner takes the path of a run's directory on a Jobe server out of what it shows and compares: /home/jobe/runs/jobe_*.
_FOLDER = "/home/jobe/runs/jobe_run"
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xff]")


class JobeResult(msgspec.Struct, frozen=True):
    """The answer to a run. `run_id` is null, because nothing of it is kept, and "0" where the server is busy."""

    run_id: str | None
    outcome: int
    cmpinfo: str = ""
    stdout: str = ""
    stderr: str = ""


def answer(name: str, served: Served, warning: str) -> JobeResult:
    """What came of a run, in Jobe's numbers."""
    result = cast(RunResult, served.result)
    run = result.run

    def shown(text: str) -> str:
        return _clean(text.replace(served.folder, _FOLDER))

    # Also where the compile step met it: `run` then has that step's status.
    if run.status is Status.OVERLOADED:
        return JobeResult("0", OVERLOAD)
    if run.status is Status.INTERNAL_ERROR:
        return JobeResult(None, _INTERNAL_ERROR, "", shown(run.stdout), shown(run.stderr or f"{run.message}\n"))
    compiler = _compiler_words(name, result, served.further)
    if compiler:
        return JobeResult(None, COMPILE_ERROR, warning + shown(compiler))
    stderr = _filtered(name, run.stderr)
    outcome = _outcome(run, stderr)
    if outcome == _TIME_LIMIT or run.signal == "SIGSEGV":
        stderr = ""
    elif run.signal and run.limited_by is None:
        stderr += f"runguard: warning: command terminated with signal {_signal_number(run.signal)}\n"
    elif not stderr and outcome != _SUCCESS:
        stderr = f"{run.message}\n"
    return JobeResult(None, outcome, "", shown(run.stdout), shown(stderr))


def _compiler_words(name: str, result: RunResult, check: RunResult | None) -> str:
    """What the compiler has to say against a program; empty where it was run."""
    compiled = check.compile if check is not None and check.compile is not None else result.compile
    if compiled is not None:
        if name == "pascal":
            words = _FPCS_OWN.sub("", compiled.stdout)
            return (words or compiled.message) if compiled.status is not Status.OK else ""
        failed = compiled.message or "the compiler failed" if compiled.status is not Status.OK else ""
        return compiled.stderr or failed
    if check is not None and check.run.stderr:
        # Two characters where Jobe's Python task means an end of line.
        between = {"php": "\n", "python3": "\\n"}[name]
        return between.join(filter(None, (check.run.stdout, check.run.stderr)))
    return ""


def _outcome(run: StepResult, stderr: str) -> int:
    match run.status:
        case Status.TIME_LIMIT_EXCEEDED | Status.OUTPUT_LIMIT_EXCEEDED:
            return _TIME_LIMIT
        case Status.MEMORY_LIMIT_EXCEEDED if run.code is None and run.signal == "SIGKILL":
            return _MEMORY_LIMIT
    if run.signal == "SIGSYS":
        return _ILLEGAL_CALL
    return _RUNTIME_ERROR if stderr or run.signal else _SUCCESS


def _signal_number(name: str) -> int:
    known = signal.Signals.__members__.get(name)
    return known.value if known else int(name.removeprefix("SIG"))


def _filtered(name: str, stderr: str) -> str:
    """What Jobe's tasks make of a program's last words."""
    if name == "java":
        return stderr.replace("\n\t", "\n        ")
    if name != "octave":
        return stderr
    lines = stderr.replace("\r", "").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if lines and lines[-1].startswith("error: ignoring octave_execution_exception"):
        lines.pop()
    if lines and lines[-1] == "error: No such file or directory":
        lines.pop()
    return "\n".join(lines) + "\n" if lines else ""


def _clean(text: str) -> str:
    r"""UTF-8 as it is; else every byte that is no printable character of ASCII as `\xNN`."""
    content = text.encode(errors="surrogateescape")
    with contextlib.suppress(UnicodeDecodeError):
        return content.decode()
    return _CONTROL.sub(lambda found: b"\\x%02x" % found[0][0], content).decode("ascii")
