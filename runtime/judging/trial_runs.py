"""One trial: the program runs, once or in passes, and what it printed is judged by checkers or by the comparator."""

import asyncio
import logging
import time

import msgspec

from runtime.execution.executor import Slot
from runtime.execution.protocol import Ended, File
from runtime.judging import points
from runtime.judging.case_results import failed, judged
from runtime.judging.checkers import Checked, Question, check
from runtime.judging.comparators import ExpectedOutputError
from runtime.judging.jobs import Jobs
from runtime.judging.submission import CaseResult, Status, Submission
from runtime.judging.timeline import Timeline
from runtime.judging.trials import Task, Trial, beside
from runtime.judging.verdicts import added, run_result, without_run

_log = logging.getLogger(__name__)
# From here on a comparison may take longer than another request should wait for it.
_LARGE_BYTES = 1 << 17


class TrialRuns:
    """Runs the trials of one task, whose checkers have been compiled, and so has the submission."""

    def __init__(self, jobs: Jobs, task: Task, prepared: Submission, timeline: Timeline) -> None:
        self._jobs = jobs
        self._task = task
        self._prepared = prepared
        self._timeline = timeline

    async def run(self, number: int, slot: Slot, left_seconds: float) -> CaseResult:
        """Runs the trial with this number, as often as the checker asks for another pass, and judges it."""
        task, trial = self._task, self._task.trials[number]
        over_at = time.monotonic() + left_seconds
        data = trial.load()
        files, unit = beside(self._prepared.files, data.files), self._prepared.unit
        program = msgspec.structs.replace(trial.submission, files=files, unit=unit)
        spent = without_run(Status.OK)
        kept: tuple[File, ...] = ()
        for _ in range(task.passes):
            job = self._jobs.run(until(over_at, program), slot.box, data.input)
            # The checker comes next, and should not wait for what can be done later.
            began = time.perf_counter()
            outcome = await slot.run(msgspec.structs.replace(job, expects_run=bool(task.checkers)))
            self._timeline.add("run", trial.id, began, outcome)
            if outcome.ended is Ended.FAILED:
                _log.error("a %s run failed: %s", program.language.name, outcome.message)
            step = added(spent, run_result(outcome, program, job.limits, self._jobs.settings.max_output_kb << 10))
            if step.status is not Status.OK:
                return failed(trial, step, data.answer)
            question = Question(data, outcome.stdout, trial.checker_flags, kept)
            checked = await self._check(trial, question, slot, over_at)
            if checked.next_input is None or checked.status is not Status.ACCEPTED or task.passes == 1:
                checked = points.with_points(task, trial, checked)
                return judged(trial, step, checked, data.answer, details=task.details)
            spent, kept = step, checked.kept
            data = msgspec.structs.replace(data, input=checked.next_input)
        many = Checked(Status.JUDGE_ERROR, judge_feedback=f"the checker asked for more than {task.passes} passes")
        return judged(trial, step, many, data.answer, details=task.details)

    async def _check(self, trial: Trial, question: Question, slot: Slot, over_at: float) -> Checked:
        """What the checkers say, of which the first that does not accept has the word; else the comparator."""
        if not self._task.checkers:
            if len(question.output) < _LARGE_BYTES:
                return _compared(trial, question)
            # Other requests need not wait for it.
            return await asyncio.to_thread(_compared, trial, question)
        checked = Checked(Status.ACCEPTED)
        for checker in self._task.checkers:
            limited = msgspec.structs.replace(checker, submission=until(over_at, checker.submission))
            began = time.perf_counter()
            checked, outcome = await check(limited, question, self._jobs, slot)
            self._timeline.add("checker", trial.id, began, outcome)
            if checked.status is not Status.ACCEPTED:
                break
        if checked.status in (Status.JUDGE_ERROR, Status.INTERNAL_ERROR):
            _log.warning("a checker failed: %s", checked.judge_feedback.partition("\n")[0])
        return checked


def _compared(trial: Trial, question: Question) -> Checked:
    output, expected = question.output.decode(errors="replace"), question.data.answer.decode(errors="replace")
    try:
        same = trial.submission.comparator.same(output, expected)
    except ExpectedOutputError as error:
        return Checked(Status.JUDGE_ERROR, judge_feedback=f"the expected output {error}")
    return Checked(Status.ACCEPTED if same else Status.WRONG_ANSWER)


def until(over_at: float, submission: Submission) -> Submission:
    """The submission, whose time in its slot is over at this moment of the monotonic clock."""
    return msgspec.structs.replace(submission, left_seconds=max(0.0, over_at - time.monotonic()))
