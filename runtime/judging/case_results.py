"""A trial's result as the API shows it."""

import msgspec

from runtime.judging.checkers import Checked
from runtime.judging.submission import CaseResult, Status, StepResult
from runtime.judging.trials import Trial
from runtime.judging.verdicts import without_run


def judged(trial: Trial, step: StepResult, checked: Checked, answer: bytes, *, details: bool) -> CaseResult:
    """The result of a run that ended in order and was checked; `details` are for whoever may see the judge's words."""
    return _result(trial, step, checked, answer, details=details)


def with_returned(result: CaseResult, value: bytes | None, most_bytes: int) -> CaseResult:
    """The result with what the function returned, as JSON, at most so many bytes of it; a hidden case's as it is."""
    if value is None or isinstance(result.stdout, msgspec.UnsetType):
        return result
    kept, errors = value[:most_bytes], "ignore" if len(value) > most_bytes else "replace"
    return msgspec.structs.replace(result, returned=kept.decode(errors=errors), returned_truncated=len(value) > most_bytes)


def failed(trial: Trial, step: StepResult, answer: bytes) -> CaseResult:
    """The result of a run that did not end in order: nothing of its output counts."""
    return _result(trial, step, Checked(step.status, score=_without(trial)), answer, details=False)


def blank(trial: Trial, status: Status, message: str = "") -> CaseResult:
    """The result of a trial that was not run, for the reason that status and message say."""
    return failed(trial, without_run(status, message), b"" if trial.hidden else trial.load().answer)


def has_failed(result: CaseResult) -> bool:
    """Whether later trials may be skipped because of this one: of one that is overloaded nothing is known."""
    return result.status not in (Status.ACCEPTED, Status.OVERLOADED)


def _without(trial: Trial) -> float | None:
    return None if trial.accept_score is None else trial.reject_score


def _result(trial: Trial, step: StepResult, checked: Checked, answer: bytes, *, details: bool) -> CaseResult:
    has_points = checked.score is not None or trial.max_score is not None
    told = CaseResult(
        id=trial.id,
        status=checked.status,
        cpu_time=step.cpu_time,
        wall_time=step.wall_time,
        score=(checked.score or 0.0) if has_points else msgspec.UNSET,
        max_score=trial.max_score if has_points else msgspec.UNSET,
        feedback=checked.feedback or msgspec.UNSET,
    )
    if trial.hidden:
        return told
    return msgspec.structs.replace(
        told,
        passed=checked.status is Status.ACCEPTED,
        stdout=step.stdout,
        stderr=step.stderr,
        code=step.code,
        signal=step.signal,
        expected_output=answer.decode(errors="replace"),
        waited=step.waited,
        limited_by=step.limited_by,
        message=step.message,
        memory=step.memory,
        stdout_truncated=step.stdout_truncated,
        stderr_truncated=step.stderr_truncated,
        judge_feedback=(checked.judge_feedback or msgspec.UNSET) if details else msgspec.UNSET,
    )
