"""One trial: the program runs, once or in passes, and what it printed is judged by checkers or by the comparator."""

import asyncio
import logging
import time

import msgspec

from runtime.execution.executor import Slot
from runtime.execution.protocol import Ended, File
from runtime.judging import functions, points
from runtime.judging.case_results import failed, judged, with_returned
from runtime.judging.checkers import Checked, Question, check
from runtime.judging.comparators import ExpectedOutputError
from runtime.judging.jobs import Jobs
from runtime.judging.submission import CaseResult, Status, Submission
from runtime.judging.trials import Task, Trial, beside
from runtime.judging.verdicts import added, run_result, without_run

_log = logging.getLogger(__name__)
# From here on a comparison may take longer than another request should wait for it.
_LARGE_BYTES = 1 << 17


class TrialRuns:
    """Runs the trials of one task, whose checkers have been compiled, and so has the submission."""

    def __init__(self, jobs: Jobs, task: Task, prepared: Submission) -> None:
        self._jobs = jobs
        self._task = task
        self._prepared = prepared

    async def run(self, number: int, slot: Slot, left_seconds: float) -> CaseResult:
        """Runs the trial with this number, as often as the checker asks for another pass, and judges it."""
        task, trial = self._task, self._task.trials[number]
        over_at = time.monotonic() + left_seconds
        data = trial.load()
        settings = self._jobs.settings
        files, unit = beside(self._prepared.files, data.files), self._prepared.unit
        if trial.submission.function:
            files = (*files, functions.call_file(trial.submission, data.input, settings))
        program = msgspec.structs.replace(trial.submission, files=files, unit=unit)
        spent = without_run(Status.OK)
        kept: tuple[File, ...] = ()
        for _ in range(task.passes):
            job = self._jobs.run(until(over_at, program), slot.box, b"" if program.function else data.input)
            if program.function:
                job = functions.calling(job, settings)
            # The checker comes next, and should not wait for what can be done later.
            outcome = await slot.run(msgspec.structs.replace(job, expects_run=bool(task.checkers)))
            if outcome.ended is Ended.FAILED:
                _log.error("a %s run failed: %s", program.language.name, outcome.message)
            step = added(spent, run_result(outcome, program, job.limits, settings.max_output_kb << 10))
            output = outcome.stdout
            if program.function:
                step, output = functions.returned(program, step, outcome)
            if step.status is not Status.OK:
                return failed(trial, step, data.answer)
            question = Question(data, output, trial.checker_flags, kept)
            checked = await self._check(trial, question, slot, over_at)
            if checked.next_input is None or checked.status is not Status.ACCEPTED or task.passes == 1:
                checked = points.with_points(task, trial, checked)
                found = judged(trial, step, checked, data.answer, details=task.details)
                return with_returned(found, output, settings.max_output_kb << 10) if program.function else found
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
            checked = await check(limited, question, self._jobs, slot)
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
