"""Outcomes as verdicts: pure functions from what the supervisor saw to what the API says."""

import base64
import codecs
import re
import signal
from collections.abc import Iterable

import msgspec

from runtime.execution.protocol import Ended, Limits, Outcome
from runtime.judging.elf import static_data_bytes
from runtime.judging.submission import CaseResult, LimitedBy, ReturnedFile, Status, StepResult, Submission
from runtime.languages.registry import Language

# What a runtime says of its own end stands at the end of its standard error.
_TAIL_BYTES = 4096
# Of each stream of a compiler.
_TOLD_OF_COMPILERS = 64 << 10

# What a message gives in braces is a limit, or what the run has used: `_places`.
_STARVED = (
    "it was kept from a processor for {waited:.1f} of {took:.1f} s and had used {used:.2f} s of CPU time; send it again"
)
_RUN_STOPPED = {
    Ended.WALL_TIME: (
        Status.TIME_LIMIT_EXCEEDED,
        "the wall time limit of {wall:g} s was reached, with {used:.2f} s of CPU time",
    ),
    Ended.CPU_TIME: (Status.TIME_LIMIT_EXCEEDED, "the CPU time limit of {cpu:g} s was reached: {used:.2f} s were used"),
    Ended.STARVED: (Status.OVERLOADED, _STARVED),
    Ended.MEMORY: (Status.MEMORY_LIMIT_EXCEEDED, "the memory limit of {memory} MiB was reached: {held:.0f} MiB were held"),
    Ended.OUTPUT: (Status.OUTPUT_LIMIT_EXCEEDED, "the output limit of {output} KiB was reached"),
    Ended.DISK: (Status.RUNTIME_ERROR, "the limit of {disk} MiB or {files} files was reached"),
    Ended.CANCELLED: (Status.INTERNAL_ERROR, "the run was given up"),
}
_LIMITS = {
    Ended.WALL_TIME: LimitedBy.WALL,
    Ended.CPU_TIME: LimitedBy.CPU,
    Ended.MEMORY: LimitedBy.MEMORY,
    Ended.OUTPUT: LimitedBy.OUTPUT,
    Ended.DISK: LimitedBy.DISK,
}
_COMPILER_REFUSED_MEMORY = "the compile step's memory limit of {memory} MiB was reached"
_COMPILER_REFUSED_FILE = "the compile step wrote a file of more than {file} MiB"
# In the words of a shell, of GCC's driver and of the kernel.
_FILE_TOO_LARGE = re.compile(rb"File size limit exceeded|signal %d terminated|File too large" % signal.SIGXFSZ)
_COMPILE_STOPPED = {
    Ended.WALL_TIME: "the compile step's wall time limit of {wall:g} s was reached, with {used:.2f} s of CPU time",
    Ended.CPU_TIME: "the compile step's CPU time limit of {cpu:g} s was reached: {used:.2f} s were used",
    Ended.MEMORY: "the compile step's memory limit of {memory} MiB was reached: {held:.0f} MiB were held",
    Ended.OUTPUT: "the compiler wrote more than {output} KiB",
    Ended.DISK: "the compile step wrote more than {disk} MiB",
}


def run_result(outcome: Outcome, submission: Submission, limits: Limits, kept_bytes: int | None = None) -> StepResult:
    """The result of one run of `submission` within `limits`, with at most `kept_bytes` of each output; None keeps all."""
    status, message = _run_status(outcome, submission, limits)
    errors = "surrogateescape" if submission.keeps_bytes else "replace"
    return _step(outcome, status, message, kept_bytes=kept_bytes, errors=errors)


def _run_status(outcome: Outcome, submission: Submission, limits: Limits) -> tuple[Status, str]:
    if outcome.ended is Ended.FAILED:
        return Status.INTERNAL_ERROR, outcome.message
    if outcome.ended is Ended.MEMORY and outcome.stack_bytes > limits.memory_bytes // 2:
        words = f"the stack overflowed: it had {outcome.stack_bytes >> 20} of the {limits.memory_bytes >> 20} MiB of memory"
        return Status.RUNTIME_ERROR, words
    if outcome.ended in _RUN_STOPPED:
        status, words = _RUN_STOPPED[outcome.ended]
        return status, words.format_map(_places(limits, outcome))
    if outcome.code == 0:
        return Status.OK, ""
    if _ran_out_of_memory(outcome, submission, limits):
        return Status.MEMORY_LIMIT_EXCEEDED, f"the memory limit of {limits.memory_bytes >> 20} MiB was reached"
    return Status.RUNTIME_ERROR, _ending(outcome)


def _ran_out_of_memory(outcome: Outcome, submission: Submission, limits: Limits) -> bool:
    """Whether a program that failed by itself did so because the limit refused it memory."""
    pattern = submission.language.memory_error
    tail = outcome.stderr[-_TAIL_BYTES:].decode(errors="replace")
    return (
        outcome.memory_refused
        or bool(pattern and re.search(pattern, tail, re.MULTILINE))
        or (outcome.signal is not None and _is_too_large_to_start(submission, limits))
    )


def _is_too_large_to_start(submission: Submission, limits: Limits) -> bool:
    """Whether the kernel refuses the program the memory of its global variables, and ends it by a signal."""
    most = limits.memory_bytes + limits.data_headroom_bytes
    program = submission.language.program
    return any(static_data_bytes(file.content) > most for file in submission.files if file.name == program)


def compile_result(outcome: Outcome, language: Language, limits: Limits) -> StepResult:
    """The result of a compile step within `limits`, with the beginning of what the compiler said."""
    if outcome.ended is Ended.FAILED or outcome.ended is Ended.CANCELLED:
        return _compiled(outcome, Status.INTERNAL_ERROR, outcome.message or "the compile step was given up")
    if outcome.ended is Ended.EXITED and outcome.code == 0:
        if language.program and not any(file.executable and file.name == language.program for file in outcome.files):
            words = f"the compiler made no program, or one of more than {limits.file_bytes >> 20} MiB"
            return _compiled(outcome, Status.COMPILE_ERROR, words)
        return _compiled(outcome, Status.OK, "")
    if outcome.ended is Ended.STARVED:
        return _compiled(outcome, Status.OVERLOADED, f"the compile step: {_STARVED}".format_map(_places(limits, outcome)))
    stopped, limited_by = _COMPILE_STOPPED.get(outcome.ended, ""), _LIMITS.get(outcome.ended)
    if not stopped and outcome.memory_refused:
        stopped, limited_by = _COMPILER_REFUSED_MEMORY, LimitedBy.MEMORY
    if not stopped and _met_file_size(outcome):
        stopped, limited_by = _COMPILER_REFUSED_FILE, LimitedBy.DISK
    if not stopped:
        return _compiled(outcome, Status.COMPILE_ERROR, _ending(outcome))
    return _compiled(outcome, Status.COMPILE_LIMIT_EXCEEDED, stopped.format_map(_places(limits, outcome)), limited_by)


def _compiled(outcome: Outcome, status: Status, message: str, limited_by: LimitedBy | None = None) -> StepResult:
    return _step(outcome, status, message, limited_by, kept_bytes=_TOLD_OF_COMPILERS)


def _met_file_size(outcome: Outcome) -> bool:
    """Whether a part of the compiler was ended for a file that had become too large: its driver only says so."""
    return outcome.signal == signal.SIGXFSZ or bool(_FILE_TOO_LARGE.search(outcome.stderr[-_TAIL_BYTES:]))


def _places(limits: Limits, outcome: Outcome) -> dict[str, float]:
    """The limits, and what was used, in the units in which messages give them."""
    return {
        "used": outcome.cpu_ms / 1000,
        "took": outcome.wall_ms / 1000,
        "waited": (outcome.waited_ms or 0.0) / 1000,
        "held": outcome.memory_bytes / (1 << 20),
        "wall": limits.wall_ms / 1000,
        "cpu": limits.cpu_ms / 1000,
        "memory": limits.memory_bytes >> 20,
        "output": limits.output_bytes >> 10,
        "disk": limits.disk_bytes >> 20,
        "files": limits.files,
        "file": limits.file_bytes >> 20,
    }


def _ending(outcome: Outcome) -> str:
    if outcome.signal is not None:
        return f"ended by {_signal_name(outcome.signal)}"
    return f"exited with {outcome.code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def _limited_by(outcome: Outcome, status: Status) -> LimitedBy | None:
    """The limit that ended the run, or without which it would not have failed."""
    if found := _LIMITS.get(outcome.ended):
        return found
    if status is Status.MEMORY_LIMIT_EXCEEDED:
        return LimitedBy.MEMORY
    if status is Status.RUNTIME_ERROR and outcome.processes_refused:
        return LimitedBy.PROCESSES
    return None


def _step(
    outcome: Outcome,
    status: Status,
    message: str,
    limited_by: LimitedBy | None = None,
    *,
    kept_bytes: int | None = None,
    errors: str = "replace",
) -> StepResult:
    stdout, stdout_truncated = _text(outcome.stdout, kept_bytes, errors, truncated=outcome.stdout_truncated)
    stderr, stderr_truncated = _text(outcome.stderr, kept_bytes, errors, truncated=outcome.stderr_truncated)
    return StepResult(
        stdout=stdout,
        stderr=stderr,
        code=outcome.code,
        signal=None if outcome.signal is None else _signal_name(outcome.signal),
        status=status,
        message=message,
        cpu_time=round(outcome.cpu_ms, 3),
        wall_time=round(outcome.wall_ms, 3),
        waited=None if outcome.waited_ms is None else round(outcome.waited_ms, 3),
        limited_by=limited_by or _limited_by(outcome, status),
        memory=outcome.memory_bytes,
        stdout_truncated=stdout_truncated,
        stderr_truncated=stderr_truncated,
    )


def _text(output: bytes, kept_bytes: int | None, errors: str, *, truncated: bool) -> tuple[str, bool]:
    """The output as text, and whether there was more.

    What is not UTF-8 is decoded as `errors` says; but of a character that was cut in two, which the program wrote whole,
    nothing is left.
    """
    if kept_bytes is not None and len(output) > kept_bytes:
        output, truncated = output[:kept_bytes], True
    decoder = codecs.getincrementaldecoder("utf-8")(errors)
    return decoder.decode(output, final=not truncated), truncated


def without_run(status: Status, message: str = "") -> StepResult:
    """The result of a run that did not take place, for the reason that `status` says."""
    return StepResult(
        stdout="",
        stderr="",
        code=None,
        signal=None,
        status=status,
        message=message,
        cpu_time=0.0,
        wall_time=0.0,
        waited=None,
        limited_by=None,
        memory=0,
        stdout_truncated=False,
        stderr_truncated=False,
    )


def added(before: StepResult, step: StepResult) -> StepResult:
    """The result of a run together with the times and memory of the passes before it."""
    return msgspec.structs.replace(
        step,
        cpu_time=round(before.cpu_time + step.cpu_time, 3),
        wall_time=round(before.wall_time + step.wall_time, 3),
        waited=None if step.waited is None else round((before.waited or 0.0) + step.waited, 3),
        memory=max(before.memory, step.memory),
    )


def not_compiled(compiled: StepResult) -> StepResult:
    """What a plain answer shows as the run after a failed compile step: the compiler's words, repeated."""
    return msgspec.structs.replace(
        without_run(compiled.status),
        stderr=compiled.stderr or compiled.stdout,
        code=compiled.code,
        signal=compiled.signal,
        message=compiled.message,
        limited_by=compiled.limited_by,
        stderr_truncated=compiled.stderr_truncated,
    )


def returned_files(outcome: Outcome, names: Iterable[str], max_mb: int) -> tuple[ReturnedFile, ...]:
    """One entry for each of `names`, of which at most `max_mb` mebibytes could come back together."""
    found = {file.name: base64.b64encode(file.content).decode() for file in outcome.files}
    missing = f"is not there, is no plain file, or is past the {max_mb} MiB that may come back"
    return tuple(ReturnedFile(name, found.get(name), message="" if name in found else missing) for name in names)


def judged_status(results: Iterable[CaseResult]) -> Status:
    """The submission's status: that of the first case that did not pass, or `accepted`."""
    return next((result.status for result in results if result.status is not Status.ACCEPTED), Status.ACCEPTED)
