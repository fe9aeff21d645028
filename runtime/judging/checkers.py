"""Checkers and interactors: programs that judge another one, in a box of their own, within limits of their own.

Sources: the chapter on output validators of the problem package format (style `icpc`), and testlib.h (style `testlib`).
"""

import math
import re

import msgspec

from runtime.execution.executor import Slot
from runtime.execution.protocol import Collect, Ended, File, Job, Limits, Outcome
from runtime.judging import words
from runtime.judging.jobs import Jobs
from runtime.judging.submission import Checker, Status, Style
from runtime.judging.trials import Data
from runtime.judging.verdicts import run_result
from runtime.problems.programs import RESERVED_FOLDER

# Where a checker finds the case; its own files may have any name but these.
_FEEDBACK = f"{RESERVED_FOLDER}/"
_INPUT, _OUTPUT, _ANSWER = f"{RESERVED_FOLDER}.in", f"{RESERVED_FOLDER}.out", f"{RESERVED_FOLDER}.ans"
# Kept of each message: there may be thousands of cases.
_STUDENT_CHARACTERS = 2048
_JUDGE_CHARACTERS = 4096
_SCORES = ("score.txt", "score_multiplier.txt")
_NEXT_PASS = "nextpass.in"  # noqa: S105 - no password
# What an answer needs of the feedback. Where there may be another pass, everything is handed on.
_FEEDBACK_FILES = (*_SCORES, "judgemessage.txt", "teammessage.txt", _NEXT_PASS)
_ICPC = {42: Status.ACCEPTED, 43: Status.WRONG_ANSWER}
# After a wrong answer come presentation errors, also by testlib's codes for trailing output (4) and for an early end (8).
_TESTLIB = {0: Status.ACCEPTED} | dict.fromkeys((1, 2, 4, 8), Status.WRONG_ANSWER)
_TESTLIB_POINTS = 7
_POINTS = re.compile(r"\s*points\s+([-+0-9.eE]+)")


class Checked(msgspec.Struct, frozen=True):
    """What a checker says of an output; `JUDGE_ERROR` where it is at fault itself."""

    status: Status
    #: Points that it gives; None where it gives none.
    score: float | None = None
    #: A share of the case's points.
    multiplier: float | None = None
    feedback: str = ""
    judge_feedback: str = ""
    #: What a function returned, as JSON; None where none was called.
    returned: bytes | None = None
    #: The input of another pass, in a multi-pass problem.
    next_input: bytes | None = None
    #: What it left for itself in the feedback directory.
    kept: tuple[File, ...] = ()


class Question(msgspec.Struct, frozen=True):
    """What a checker is asked: whether `output` is right for `data`; `kept` is what it left for itself in the pass before.

    An interactor is not given any output: it sees for itself.
    """

    data: Data
    output: bytes
    flags: tuple[str, ...] = ()
    kept: tuple[File, ...] = ()
    #: Whether there may be another pass.
    several_passes: bool = False


async def check(checker: Checker, question: Question, jobs: Jobs, slot: Slot) -> tuple[Checked, Outcome]:
    """Runs a checker that has been compiled, in a slot in which nothing of the submission is left."""
    job = job_of(checker, question, jobs, slot.box)
    outcome = await slot.run(job)
    return verdict_of(checker, outcome, job.limits), outcome


def job_of(checker: Checker, question: Question, jobs: Jobs, box: str, *, writes: bool = False) -> Job:
    """The run of a checker that has been compiled, in the box of its slot; `writes` brings back an interactor's output."""
    data, output = question.data, question.output
    flags = (*checker.submission.arguments, *question.flags)
    files = [File(_INPUT, memoryview(data.input)), File(_ANSWER, memoryview(data.answer))]
    if checker.style is Style.ICPC:
        arguments = (_INPUT, _ANSWER, _FEEDBACK, *flags)
        files += [File(_FEEDBACK, memoryview(b"")), *question.kept]
        stdin = output
    else:
        arguments = (_INPUT, _OUTPUT, _ANSWER, *flags)
        if not checker.speaks:  # an interactor may write there itself
            files.append(File(_OUTPUT, memoryview(output)))
        stdin = b""
    program = checker.submission
    placed = msgspec.structs.replace(program, files=(*program.files, *files), arguments=arguments)
    job = jobs.run(placed, box, stdin)
    brought = sum(len(file.content) for file in files)
    limits = msgspec.structs.replace(job.limits, disk_bytes=job.limits.disk_bytes + brought)
    collect = None
    if checker.style is Style.ICPC:
        wanted = ("*",) if question.several_passes else _FEEDBACK_FILES
        # As much as it may have on disk: nothing of it is left out.
        collect = Collect(tuple(_FEEDBACK + name for name in wanted), limits.disk_bytes)
    if writes:
        collect = Collect((_OUTPUT,), limits.file_bytes)
    return msgspec.structs.replace(job, limits=limits, collect=collect, hurried=False, expects_run=not checker.speaks)


def written_by(interactor: Outcome) -> bytes:
    """The output that an interactor has written for a checker; empty where it has written none."""
    return next((bytes(file.content) for file in interactor.files if file.name == _OUTPUT), b"")


def verdict_of(checker: Checker, outcome: Outcome, limits: Limits) -> Checked:
    """What a run of the checker within `limits` says of the output."""
    role = checker.role
    result = run_result(outcome, checker.submission, limits)
    said = _shortened(outcome.stderr, _JUDGE_CHARACTERS)
    if outcome.ended is Ended.FAILED or outcome.ended is Ended.CANCELLED:
        return Checked(Status.INTERNAL_ERROR, judge_feedback=f"the {role} was not run: {result.message}")
    if outcome.ended is Ended.STARVED:
        return Checked(Status.OVERLOADED, judge_feedback=f"the {role}: {result.message}")
    if outcome.ended is not Ended.EXITED:
        return _fault(f"the {role} did not end by itself: {result.message}", said)
    if checker.style is Style.TESTLIB:
        return _testlib(outcome, said, role)
    return _icpc(outcome, said, role)


def _icpc(outcome: Outcome, said: str, role: str) -> Checked:
    files = {file.name.removeprefix(_FEEDBACK): bytes(file.content) for file in outcome.files}
    judge_feedback = _joined(_shortened(files.get("judgemessage.txt", b""), _JUDGE_CHARACTERS), said)
    status = _ICPC.get(-1 if outcome.code is None else outcome.code)
    if status is None:
        return _fault(f"the {role} exited with {outcome.code}, and not with 42 or 43", judge_feedback)
    next_input = files.get(_NEXT_PASS)
    if status is Status.WRONG_ANSWER and not files.keys().isdisjoint((*_SCORES, _NEXT_PASS)):
        return _fault(f"the {role} exited with 43, and gave a score or another pass all the same", judge_feedback)
    if files.keys() >= set(_SCORES):
        return _fault(f"the {role} wrote both {' and '.join(_SCORES)}", judge_feedback)
    try:
        score, multiplier = (_number(files, name, role) for name in _SCORES)
    except ValueError as error:
        return _fault(str(error), judge_feedback)
    return Checked(
        status,
        score=score,
        multiplier=multiplier,
        feedback=_shortened(files.get("teammessage.txt", b""), _STUDENT_CHARACTERS),
        judge_feedback=judge_feedback,
        next_input=next_input,
        kept=tuple(file for file in outcome.files if file.name != _FEEDBACK + _NEXT_PASS),
    )


def _number(files: dict[str, bytes], name: str, role: str) -> float | None:
    """The number in a file of the feedback directory; raises ValueError for what is none."""
    if name not in files:
        return None
    text = files[name][:100].decode(errors="replace").strip()
    found = words.number(text)
    if found is None or not math.isfinite(found):
        raise ValueError(f"the {role} wrote {text!r} into {name}, which is no number")
    return found


def _testlib(outcome: Outcome, said: str, role: str) -> Checked:
    code = -1 if outcome.code is None else outcome.code
    if code == _TESTLIB_POINTS:
        found = _POINTS.match(said)
        try:
            return Checked(Status.ACCEPTED, score=float(found[1] if found else ""), judge_feedback=said)
        except ValueError:
            if "points_info=" in said:
                return _fault(f"the {role} gave points_info and no points: there is no scorer here that uses it", said)
            return _fault(f"the {role} exited with 7, and did not say how many points there are", said)
    status = _TESTLIB.get(code)
    if status is None:
        return _fault(f"the {role} exited with {code}, and not with 0, 1, 2 or 7", said)
    return Checked(status, judge_feedback=said)


def _fault(message: str, said: str) -> Checked:
    return Checked(Status.JUDGE_ERROR, judge_feedback=_joined(message, said))


def _joined(*texts: str) -> str:
    return "\n".join(text for text in texts if text)[:_JUDGE_CHARACTERS]


def _shortened(content: bytes, characters: int) -> str:
    return content[: 4 * characters].decode(errors="replace")[:characters].rstrip()
