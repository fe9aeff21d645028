"""Points: what a case's verdict is worth, and what a group's is."""

import math
from collections.abc import Callable, Iterable, Mapping

import msgspec

from runtime.judging.checkers import Checked
from runtime.judging.submission import CaseResult, GroupResult, Status
from runtime.judging.trials import Task, Trial
from runtime.problems.model import Aggregation, Case, Group, Scores, Verdict

# From the worst. The executor's own and the judge's faults come before anything of the program's.
_WORST = (
    Status.INTERNAL_ERROR, Status.JUDGE_ERROR, Status.OVERLOADED, Status.COMPILE_ERROR, Status.COMPILE_LIMIT_EXCEEDED,
    Status.RUNTIME_ERROR, Status.MEMORY_LIMIT_EXCEEDED, Status.TIME_LIMIT_EXCEEDED, Status.OUTPUT_LIMIT_EXCEEDED,
    Status.WRONG_ANSWER,
)  # fmt: skip
# Relative; a third of the points, three times, may be a little more than all of them.
_ROUNDING = 1e-9
_NOBODYS_FAULT = (Status.INTERNAL_ERROR, Status.JUDGE_ERROR, Status.OVERLOADED)

_TOGETHER: dict[Aggregation, Callable[[list[float]], float]] = {
    Aggregation.SUM: math.fsum,
    Aggregation.AVERAGE: lambda scores: math.fsum(scores) / len(scores),
    Aggregation.MIN: min,
    Aggregation.MAX: max,
}


def with_points(task: Task, trial: Trial, checked: Checked) -> Checked:
    """The same with the points of the case, or a fault of the checker's where its points cannot be."""
    if checked.status in _NOBODYS_FAULT:
        return checked
    given = checked.score is not None or checked.multiplier is not None
    if given and (not task.scoring or trial.scores is Scores.FORBIDDEN):
        who = "the case's group has those of all its cases, or none" if task.scoring else "the problem has none"
        return _fault(checked, f"the checker gave points, and {who}")
    if checked.status is not Status.ACCEPTED:
        return msgspec.structs.replace(checked, score=None if trial.accept_score is None else trial.reject_score)
    if not given and trial.scores is Scores.REQUIRED and task.scoring:
        return _fault(checked, "the checker accepted and gave no score, and nothing else says how many points there are")
    if not given or trial.scores is Scores.IGNORED:
        return msgspec.structs.replace(checked, score=trial.accept_score, multiplier=None)
    return _bounded(trial, checked)


def _bounded(trial: Trial, checked: Checked) -> Checked:
    most, score = trial.max_score, checked.score
    if score is None:
        if most is None or checked.multiplier is None:
            return _fault(checked, "the checker gave a multiplier, and the case has no bound that it could be a share of")
        score = checked.multiplier * most
    if most is not None and not 0 <= score <= most * (1 + _ROUNDING):
        return _fault(checked, f"the checker gave {score:g} points, of which there can be from 0 to {most:g}")
    return msgspec.structs.replace(checked, score=score)


def _fault(checked: Checked, message: str) -> Checked:
    return Checked(Status.JUDGE_ERROR, judge_feedback="\n".join(filter(None, (message, checked.judge_feedback))))


def totals(results: Iterable[CaseResult]) -> tuple[float | None, float | None]:
    """The points of cases without groups, and how many there are; None where no case has any, or where there is no bound."""
    scored = [result for result in results if not isinstance(result.max_score, msgspec.UnsetType)]
    if not scored:
        return None, None
    most = [result.max_score for result in scored]
    score = sum(_number(result.score) for result in scored)
    return score, None if None in most else sum(map(_number, most))


def graded(group: Group, results: Mapping[str, CaseResult], *, scoring: bool) -> GroupResult:
    """The group's result from those of its cases, by their names."""
    groups = tuple(graded(item, results, scoring=scoring) for item in group.items if isinstance(item, Group))
    inner = {found.name: found for found in groups}
    cases = [item.name for item in group.items if isinstance(item, Case)]
    children = [
        results[item.name] if isinstance(item, Case) else inner[item.name]
        for item in group.items
        if item.name not in group.ignored
    ]
    return GroupResult(
        name=group.name,
        status=_status(group.verdict, [child.status for child in children]),
        score=_score(group, children) if scoring else msgspec.UNSET,
        max_score=_max_score(group, children) if scoring else msgspec.UNSET,
        groups=groups or msgspec.UNSET,
        cases=tuple(cases) if cases else msgspec.UNSET,
    )


def _status(verdict: Verdict, statuses: list[Status]) -> Status:
    judged = [status for status in statuses if status is not Status.SKIPPED]
    if not judged:
        return Status.SKIPPED if statuses else Status.ACCEPTED
    for status in judged:
        if status in _NOBODYS_FAULT:
            return status
    if verdict is Verdict.ALWAYS_ACCEPT or (verdict is Verdict.ANY_ACCEPTED and Status.ACCEPTED in judged):
        return Status.ACCEPTED
    if verdict is Verdict.FIRST_ERROR:
        return next((status for status in judged if status is not Status.ACCEPTED), Status.ACCEPTED)
    return next((status for status in _WORST if status in judged), Status.ACCEPTED)


def _score(group: Group, children: list[CaseResult | GroupResult]) -> float:
    # What was not judged because of an earlier failure in the same group does not count, as with problemtools; a group that
    # was not judged because it required another one has none of its points.
    judged = [child for child in children if child.status is not Status.SKIPPED or isinstance(child, GroupResult)]
    scores = [_number(child.score) for child in judged]
    if not scores:
        return 0.0
    if group.aggregation is not Aggregation.PASS_FAIL:
        return _TOGETHER[group.aggregation](scores)
    if any(child.status is not Status.ACCEPTED for child in children):
        return 0.0
    return min(scores) if group.max_score is None else group.max_score


def _max_score(group: Group, children: list[CaseResult | GroupResult]) -> float | None:
    """As the package says, else what the parts make together; None without a bound."""
    if group.max_score is not None:
        return group.max_score
    most = [None if isinstance(child.max_score, msgspec.UnsetType) else child.max_score for child in children]
    known = [score for score in most if score is not None]
    if len(known) < len(most) or not known:
        return None
    return max(known) if group.aggregation is Aggregation.PASS_FAIL else _TOGETHER[group.aggregation](known)


def _number(value: float | msgspec.UnsetType | None) -> float:
    return 0.0 if value is None or isinstance(value, msgspec.UnsetType) else value
