"""One trial: the program runs, once or in passes, and is judged by checkers, by the comparator, or by an interactor."""

import asyncio
import logging
import time
from typing import NamedTuple

import msgspec

from runtime.execution.executor import Slot
from runtime.execution.protocol import Ended, File, Limits, Outcome
from runtime.judging import functions, interaction, points
from runtime.judging.case_results import failed, judged, with_returned
from runtime.judging.checkers import Checked, Question, check, job_of, verdict_of, written_by
from runtime.judging.comparators import ExpectedOutputError
from runtime.judging.jobs import Jobs
from runtime.judging.submission import CaseResult, Checker, Status, StepResult, Submission
from runtime.judging.timeline import Timeline
from runtime.judging.transcript import Transcript
from runtime.judging.trials import Task, Trial, replaced
from runtime.judging.verdicts import added, run_result, without_run

_log = logging.getLogger(__name__)
# From here on a comparison may take longer than another request should wait for it.
_LARGE_BYTES = 1 << 17


class _Turn(NamedTuple):
    """A trial's turn in a slot, which is over at this moment of the monotonic clock, and what is said meanwhile."""

    slot: Slot
    over_at: float
    transcript: Transcript


class TrialRuns:
    """Runs the trials of one task, whose checkers have been compiled, and so has the submission."""

    def __init__(self, jobs: Jobs, task: Task, prepared: Submission, timeline: Timeline) -> None:
        self._jobs = jobs
        self._task = task
        self._prepared = prepared
        self._timeline = timeline

    async def run(self, number: int, slot: Slot, left_seconds: float) -> CaseResult:
        """Runs the trial with this number, as often as the checker asks for another pass, and judges it."""
        trial, turn = self._task.trials[number], _Turn(slot, time.monotonic() + left_seconds, Transcript())
        result = await self._judged(trial, turn)
        if self._task.interactor and self._task.transcript and not trial.hidden:
            result = msgspec.structs.replace(result, transcript=turn.transcript.text())
        return result

    async def _judged(self, trial: Trial, turn: _Turn) -> CaseResult:
        task, data = self._task, trial.load()
        files, unit = replaced(self._prepared.files, data.files), self._prepared.unit
        if trial.submission.function:
            files = (*files, functions.call_file(trial.submission, data.input, self._jobs.settings))
        program = msgspec.structs.replace(trial.submission, files=files, unit=unit)
        spent = without_run(Status.OK)
        kept: tuple[File, ...] = ()
        for number in range(task.passes):
            question = Question(data, b"", trial.checker_flags, kept, several_passes=task.passes > 1)
            if task.interactor:
                if number:
                    turn.transcript.next_pass()
                step, checked = await self._spoken(task.interactor, trial, program, question, turn)
            else:
                step, checked = await self._ran(trial, program, question, turn)
            step = added(spent, step)
            if checked is None:
                return failed(trial, step, data.answer)
            if checked.next_input is None or checked.status is not Status.ACCEPTED or task.passes == 1:
                checked = points.with_points(task, trial, checked)
                found = judged(trial, step, checked, data.answer, details=task.details)
                return with_returned(found, checked.returned, self._jobs.settings.max_output_kb << 10)
            spent, kept = step, checked.kept
            data = msgspec.structs.replace(data, input=checked.next_input)
        many = Checked(Status.JUDGE_ERROR, judge_feedback=f"the checker asked for more than {task.passes} passes")
        return judged(trial, step, many, data.answer, details=task.details)

    async def _ran(
        self, trial: Trial, program: Submission, question: Question, turn: _Turn
    ) -> tuple[StepResult, Checked | None]:
        """One run, and what is said of its output; None where it did not end in order."""
        job = self._jobs.run(until(turn.over_at, program), turn.slot.box, b"" if program.function else question.data.input)
        if program.function:
            job = functions.calling(job, self._jobs.settings)
        began = time.perf_counter()
        # The checker comes next, and should not wait for what can be done later.
        outcome = await turn.slot.run(msgspec.structs.replace(job, expects_run=bool(self._task.checkers)))
        self._timeline.add("run", trial.id, began, outcome)
        step, output = self._step(outcome, program, job.limits), outcome.stdout
        if program.function:
            step, output = functions.returned(program, step, outcome)
        if step.status is not Status.OK:
            return step, None
        checked = await self._check(trial, msgspec.structs.replace(question, output=output), turn)
        return step, msgspec.structs.replace(checked, returned=output) if program.function else checked

    async def _spoken(
        self, interactor: Checker, trial: Trial, program: Submission, question: Question, turn: _Turn
    ) -> tuple[StepResult, Checked | None]:
        """One run together with the interactor, and what that says of it; None where the program failed of itself."""
        settings = self._jobs.settings
        limited = msgspec.structs.replace(interactor, submission=until(turn.over_at, interactor.submission))
        of_program, of_interactor = turn.slot.halves
        job, other = interaction.paired(
            self._jobs.run(until(turn.over_at, program), of_program.box, b""),
            job_of(limited, question, self._jobs, of_interactor.box, writes=bool(self._task.checkers)),
            left_seconds=max(0.0, turn.over_at - time.monotonic()),
            output_bytes=settings.max_case_output_kb << 10,
        )
        began = time.perf_counter()
        spoken = await interaction.speak(
            job,
            other,
            turn.slot,
            accepts=lambda outcome: verdict_of(interactor, outcome, other.limits).status is Status.ACCEPTED,
            kept_bytes=settings.max_output_kb << 10,
            transcript=turn.transcript,
        )
        self._timeline.add("run", trial.id, began, spoken.program)
        self._timeline.add("interactor", trial.id, began, spoken.interactor)
        checked = verdict_of(interactor, spoken.interactor, other.limits)
        _warn(checked)
        step, found = interaction.verdict(spoken, self._step(spoken.program, program, job.limits), checked)
        if found is None or found.status is not Status.ACCEPTED or not self._task.checkers:
            return step, found
        # Where the interactor was, nothing of the program's has ever been.
        written = msgspec.structs.replace(question, output=written_by(spoken.interactor))
        judged_by = await self._check(trial, written, turn._replace(slot=of_interactor))
        said = "\n".join(filter(None, (found.judge_feedback, judged_by.judge_feedback)))
        return step, msgspec.structs.replace(judged_by, judge_feedback=said)

    def _step(self, outcome: Outcome, program: Submission, limits: Limits) -> StepResult:
        if outcome.ended is Ended.FAILED:
            _log.error("a %s run failed: %s", program.language.name, outcome.message)
        return run_result(outcome, program, limits, self._jobs.settings.max_output_kb << 10)

    async def _check(self, trial: Trial, question: Question, turn: _Turn) -> Checked:
        """What the checkers say, of which the first that does not accept has the word; else the comparator."""
        if not self._task.checkers:
            if len(question.output) < _LARGE_BYTES:
                return _compared(trial, question)
            # Other requests need not wait for it.
            return await asyncio.to_thread(_compared, trial, question)
        checked = Checked(Status.ACCEPTED)
        for checker in self._task.checkers:
            limited = msgspec.structs.replace(checker, submission=until(turn.over_at, checker.submission))
            began = time.perf_counter()
            checked, outcome = await check(limited, question, self._jobs, turn.slot)
            self._timeline.add("checker", trial.id, began, outcome)
            if checked.status is not Status.ACCEPTED:
                break
        _warn(checked)
        return checked


def _warn(checked: Checked) -> None:
    if checked.status in (Status.JUDGE_ERROR, Status.INTERNAL_ERROR):
        _log.warning("a checker failed: %s", checked.judge_feedback.partition("\n")[0])


def _compared(trial: Trial, question: Question) -> Checked:
    try:
        same = trial.submission.comparator.same_bytes(question.output, question.data.answer)
    except ExpectedOutputError as error:
        return Checked(Status.JUDGE_ERROR, judge_feedback=f"the expected output {error}")
    return Checked(Status.ACCEPTED if same else Status.WRONG_ANSWER)


def until(over_at: float, submission: Submission) -> Submission:
    """The submission, whose time in its slot is over at this moment of the monotonic clock."""
    return msgspec.structs.replace(submission, left_seconds=max(0.0, over_at - time.monotonic()))
