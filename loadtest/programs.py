"""The programs of a burst: right, wrong, crashing and endless ones, half of them Python.

Each gets its submission's number on standard input and works with it, so that no two answers are alike and an answer
that belongs to another submission is seen.
"""

import itertools
from dataclasses import dataclass
from functools import cache

from executor_client import Execution, Judgement, Submission, TestCase

_ENDLESS_SECONDS = 1.0

_MODULUS = 1_000_003


@dataclass(frozen=True)
class Language:
    """How a program of a burst begins, and how a right one ends; TURNS of work are about a tenth of a second on one core."""

    start: str
    right: str
    turns: int


_LANGUAGES = {
    "python": Language(
        "number = int(input())\ntotal = number\nfor turn in range(TURNS): total = (total * 31 + turn) % 1000003\n",
        "print(number, total, flush=True)",
        1_000_000,
    ),
    "javascript": Language(
        "const number = Number(require('fs').readFileSync(0, 'utf8'));\nlet total = number;\n"
        "for (let turn = 0; turn < TURNS; turn++) total = (total * 31 + turn) % 1000003;\n",
        "console.log(number, total)",
        12_000_000,
    ),
    "bash": Language(
        "read number\ntotal=$number\n"
        "for ((turn = 0; turn < TURNS; turn++)); do total=$(((total * 31 + turn) % 1000003)); done\n",
        'echo "$number $total"',
        25_000,
    ),
}


@dataclass(frozen=True)
class Kind:
    """One kind of submission.

    Attributes:
        share: How many of a hundred are of this kind.
        judged: Whether it has test cases, two of them; the second gets the number plus 1.
        ending: What the program does after its work; RIGHT prints the number and what the work made of it.
        status: The one right status.
        seconds: CPU time that it is given; on a busy machine wall time would stop one before it has printed anything.
    """

    name: str
    language: str
    share: int
    ending: str
    status: str
    judged: bool = False
    seconds: float = 10.0

    @property
    def endless(self) -> bool:
        """Whether only the limit ends it."""
        return self.status == "time_limit_exceeded"


KINDS = (
    Kind("python, right", "python", 26, "RIGHT", "ok"),
    Kind("python, judged right", "python", 12, "RIGHT", "accepted", judged=True),
    Kind("python, judged wrong", "python", 5, "print(number, total + 1)", "wrong_answer", judged=True),
    Kind("python, crashing", "python", 5, "RIGHT\nraise SystemError", "runtime_error"),
    Kind("python, endless", "python", 2, "RIGHT\nwhile True: pass", "time_limit_exceeded", seconds=_ENDLESS_SECONDS),
    Kind("node, right", "javascript", 18, "RIGHT", "ok"),
    Kind("node, judged right", "javascript", 5, "RIGHT", "accepted", judged=True),
    Kind("node, crashing", "javascript", 3, "RIGHT; process.abort()", "runtime_error"),
    Kind("bash, right", "bash", 16, "RIGHT", "ok"),
    Kind("bash, judged wrong", "bash", 3, 'echo "$number"', "wrong_answer", judged=True),
    Kind("bash, failing", "bash", 4, "RIGHT; exit 3", "runtime_error"),
    Kind("bash, endless", "bash", 1, "RIGHT; while :; do :; done", "time_limit_exceeded", seconds=_ENDLESS_SECONDS),
)


def kind_of(number: int) -> Kind:
    """The kind of a submission; any hundred in a row hold every kind by its share, well mixed."""
    place = number * 37 % 100
    return next(
        kind for kind, end in zip(KINDS, itertools.accumulate(kind.share for kind in KINDS), strict=True) if place < end
    )


def submission(number: int, questions: int, work: float) -> Submission:
    """What student `number // questions` sends; `work` scales how long the programs run."""
    kind = kind_of(number)
    language = _LANGUAGES[kind.language]
    turns = round(language.turns * work)
    code = (language.start + kind.ending).replace("RIGHT", language.right).replace("TURNS", str(turns))
    cases = tuple(TestCase(str(case), str(case), printed(case, turns)) for case in (number, number + 1))
    return Submission(
        language=kind.language,
        code=f"{code}\n",
        stdin=f"{number}\n",
        time_limit=kind.seconds,
        test_cases=cases if kind.judged else None,
        user_id=f"student-{number // questions}",
        question_id=f"{number}",
    )


def wrong(number: int, work: float, answer: Execution | Judgement) -> str:
    """What is wrong with an answer to submission `number`; empty where it is the right one."""
    kind = kind_of(number)
    turns = round(_LANGUAGES[kind.language].turns * work)
    if answer.question_id != str(number):
        return f"it belongs to submission {answer.question_id}"
    if isinstance(answer, Judgement) != kind.judged:
        return "it is of the other form"
    if isinstance(answer, Judgement):
        status = answer.status
        cases = [result.id for result in answer.test_results]
        if cases != [str(number), str(number + 1)]:
            return f"its test cases are {cases}"
    else:
        status = answer.run.status
        if answer.run.stdout.rstrip() != printed(number, turns):
            return f"it printed {answer.run.stdout!r}, not {printed(number, turns)!r}"
    return "" if status == kind.status else f"its status is {status}, not {kind.status}"


def cpu_seconds(answer: Execution | Judgement) -> float:
    """CPU time of the program, over all of its steps."""
    runs = [answer.run] if isinstance(answer, Execution) else answer.test_results
    return (sum(run.cpu_time for run in runs) + (answer.compile.cpu_time if answer.compile else 0)) / 1000


def printed(number: int, turns: int) -> str:
    """What a right program prints."""
    factor, summand = _work(turns)
    return f"{number} {(factor * number + summand) % _MODULUS}"


@cache
def _work(turns: int) -> tuple[int, int]:
    """The work is a linear map of the number, the same for every program of a language."""
    factor, summand = 1, 0
    for turn in range(turns):
        factor, summand = factor * 31 % _MODULUS, (summand * 31 + turn) % _MODULUS
    return factor, summand
