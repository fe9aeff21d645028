"""The function form: one function of a submission is called in each case, and what it returns is judged, not what is printed.

The arguments come in a file, and what is returned goes into another one, which the supervisor brings back after the run has
ended. A program that writes there itself can only have another value taken for its own: what is expected is in the server.
"""

import msgspec

from runtime.execution.protocol import Collect, Ended, File, Job, Outcome
from runtime.judging.submission import Status, StepResult, Submission
from runtime.judging.trials import beside
from runtime.languages import calls
from runtime.languages.registry import Function
from runtime.settings import Settings

_MESSAGE_CHARACTERS = 2048
# Of what is left there, beside the value.
_AROUND_BYTES = 64
_UNIT = f"{calls.CASE_FOLDER}/unit"


class _Left(msgspec.Struct):
    """What a call leaves: the value as JSON, or why there is none."""

    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: str = ""


_decoder = msgspec.json.Decoder(_Left)


def with_caller(submission: Submission) -> Submission:
    """The submission with what calls its function; itself where none is called."""
    function = _function(submission)
    if function is None:
        return submission
    files = calls.with_caller(submission.language, function, submission.files, submission.function)
    return msgspec.structs.replace(submission, files=files)


def options(submission: Submission) -> tuple[str, ...]:
    """What the compile step of the submission is told because of the call."""
    function = _function(submission)
    return () if function is None else function.options


def apart(submission: Submission) -> Submission | None:
    """What calls the submission's function as a program that is compiled by itself; None where it is not."""
    function = _function(submission)
    if function is None or not function.apart:
        return None
    return msgspec.structs.replace(submission, files=calls.callers_of(function), function="")


def joined(prepared: Submission, caller: Submission) -> Submission:
    """The compiled submission with the compiled program that calls it, which is what runs."""
    unit = File(_UNIT, memoryview(prepared.unit.encode()))
    return msgspec.structs.replace(prepared, files=(*beside(caller.files, prepared.files), unit), unit=caller.unit)


def call_file(submission: Submission, arguments: bytes, settings: Settings) -> File:
    """What tells the caller which function to call with which arguments, a list in JSON."""
    head = msgspec.json.encode({"function": submission.function, "most_bytes": _most_bytes(settings)})
    return File(calls.CALL, memoryview(head[:-1] + b',"arguments":' + arguments + b"}"))


def calling(job: Job, settings: Settings) -> Job:
    """The job, from which comes back what is returned."""
    return msgspec.structs.replace(job, collect=Collect((calls.RETURNED,), _most_bytes(settings) + _AROUND_BYTES))


def returned(submission: Submission, step: StepResult, outcome: Outcome) -> tuple[StepResult, bytes]:
    """What the run is with regard to the call, and the value that came back, as JSON."""
    left = _left(outcome)
    if step.status is Status.OK and not left.error and isinstance(left.value, msgspec.Raw):
        return step, bytes(left.value)
    if step.status is Status.OK:
        message = left.error or f"the program ended before {submission.function} had returned"
        return msgspec.structs.replace(step, status=Status.RUNTIME_ERROR, message=message[:_MESSAGE_CHARACTERS]), b""
    if step.status is Status.RUNTIME_ERROR and outcome.ended is Ended.EXITED and left.error:
        return msgspec.structs.replace(step, message=left.error[:_MESSAGE_CHARACTERS]), b""
    return step, b""


def _left(outcome: Outcome) -> _Left:
    for file in outcome.files:
        if file.name == calls.RETURNED:
            try:
                return _decoder.decode(file.content)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return _Left(error="what came back from the call is no JSON")
    return _Left()


def _function(submission: Submission) -> Function | None:
    return submission.language.function if submission.function else None


def _most_bytes(settings: Settings) -> int:
    return min(settings.max_case_output_kb << 10, settings.max_file_mb << 20) - _AROUND_BYTES
