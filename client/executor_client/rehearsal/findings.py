"""What a rehearsal measured, as figures: a report is nothing but these."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from executor_client.observing import Attempt
from executor_client.rehearsal.play import Played, Recording

#: Seconds for which no replica goes after more were wanted. Source: Microsoft's page on scaling in Azure Container Apps.
STABILIZATION = 300.0
_SLICES = 60
_MOST_NAMED = 20
# A replica is up some time before its first answer; what began before the rehearsal did not start because of it.
_WARM_SECONDS = 1.0
# What breaks sooner breaks for another reason than its age.
_CUT_SECONDS = 1.0


class Waits(msgspec.Struct, frozen=True):
    """Seconds from when a submission was due until its answer."""

    p50: float
    p95: float
    most: float


class Slice(msgspec.Struct, frozen=True):
    """A part of the rehearsal's time, from `since` on: `waits` are of the answers that came in it."""

    since: float
    due: int
    answers: int
    refusals: int
    waits: Waits | None


class Seen(msgspec.Struct, frozen=True):
    """A replica, by its answers: when it was up, when it first and last answered, and how often."""

    replica: str
    up: float
    first: float
    last: float
    answers: int

    @property
    def warm(self) -> bool:
        """Whether it was there before the rehearsal began."""
        return self.up < -_WARM_SECONDS


class Difference(msgspec.Struct, frozen=True):
    """A verdict that was another one when nothing else ran."""

    submission: int
    program: str
    quiet: str
    now: str


class Margin(msgspec.Struct, frozen=True):
    """How near an accepted program came to its limit: `used` is the largest part of it that a run took."""

    program: str
    limit: float
    used: float


class Findings(msgspec.Struct, frozen=True):
    """Times in seconds from the start, money in the currency of the price that was given.

    Attributes:
        quiet_faults: What was wrong when each program ran alone: the package's fault, or the app's.
        first_answer: Seconds until the very first answer; above a second or so it was a cold start.
        cut_after: Seconds after which several requests were cut off alike, as an ingress does.
        notes: What else a reader must know.
        remedy: What to do about the first fault, where there is one.
        quiet_service: As `service`, of the quiet run.
        stretch: How much CPU time programs took under load, for each second of it alone: half of them, 95 %, all.
        service: Mean time that a submission kept a replica, and the sigma of its logarithm.
        retries: Requests beyond the first of each submission.
        statuses: Requests by HTTP status; 0 is a broken connection.
        client_cores: Cores that the rehearsal itself used.
    """

    name: str
    began_at: float
    seconds: float
    stopped: str
    submissions: int
    planned: int
    answers: int
    lost: int
    wrong: int
    lost_named: tuple[str, ...]
    wrong_named: tuple[str, ...]
    quiet_faults: tuple[str, ...]
    first_answer: float | None
    cut_after: float | None
    notes: tuple[str, ...]
    remedy: str
    waits: Waits | None
    slices: tuple[Slice, ...]
    replicas: tuple[Seen, ...]
    requests: int
    retries: int
    statuses: dict[str, int]
    differences: tuple[Difference, ...]
    stretch: tuple[float, float, float] | None
    margins: tuple[Margin, ...]
    service: tuple[float, float] | None
    quiet_service: tuple[float, float] | None
    replica_seconds: float
    client_cores: float

    @property
    def warm(self) -> int:
        """Replicas that were there before."""
        return sum(replica.warm for replica in self.replicas)

    @property
    def cold_starts(self) -> int:
        """Replicas that came while it was played."""
        return len(self.replicas) - self.warm

    def after(self, moment: float) -> int:
        """Replicas that were up at that moment."""
        return sum(replica.up <= moment for replica in self.replicas)


def find(recording: Recording, limits: dict[str, float | None]) -> Findings:
    """The figures of what was measured; `limits` are the programs' time limits."""
    played = recording.played
    answered = [each for each in played if each.answer is not None]
    lost = [each for each in played if each.answer is None and each.error != "stopped before its answer"]
    wrong = [each for each in answered if each.fault]
    attempts = [attempt for each in played for attempt in each.attempts]
    seconds = max(0.0, recording.ended - recording.started)
    replicas = tuple(_replicas(recording, attempts))
    return Findings(
        name=recording.name,
        began_at=recording.began_at,
        seconds=seconds,
        stopped=recording.stopped,
        submissions=len(played),
        planned=len(recording.plan.arrivals),
        answers=len(answered),
        lost=len(lost),
        wrong=len(wrong),
        lost_named=tuple(f"submission {each.number} ({each.program}): {each.error}" for each in lost[:_MOST_NAMED]),
        wrong_named=tuple(f"submission {each.number} ({each.program}): {each.fault}" for each in wrong[:_MOST_NAMED]),
        quiet_faults=(*(fault.words for fault in recording.faults), *_quiet_faults(recording.quiet)),
        first_answer=recording.woke,
        cut_after=_cut_after(attempts),
        notes=tuple(recording.notes),
        remedy=recording.faults[0].remedy if recording.faults else "",
        waits=waits(each.wait for each in answered),
        slices=tuple(_slices(played, attempts, recording.started, seconds)),
        replicas=replicas,
        requests=len(attempts),
        retries=sum(max(0, len(each.attempts) - 1) for each in played),
        statuses={str(status): count for status, count in Counter(each.status for each in attempts).most_common()},
        differences=tuple(_differences(recording.quiet, answered)),
        stretch=_stretch(recording.quiet, answered),
        margins=tuple(_margins(answered, limits)),
        service=_service(recording.quiet, answered),
        quiet_service=_service(recording.quiet, recording.quiet),
        replica_seconds=sum(seconds + STABILIZATION - max(0.0, replica.up) for replica in replicas),
        client_cores=recording.client_cpu / seconds if seconds else 0.0,
    )


def waits(seconds: Iterable[float]) -> Waits | None:
    """None of nothing."""
    ordered = sorted(seconds)
    if not ordered:
        return None
    return Waits(_at(ordered, 0.5), _at(ordered, 0.95), ordered[-1])


def _at(ordered: Sequence[float], part: float) -> float:
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def _quiet_faults(quiet: Iterable[Played]) -> Iterable[str]:
    return dict.fromkeys(f"{each.program}: {each.error or each.fault}" for each in quiet if each.error or each.fault)


def _slices(played: Sequence[Played], attempts: Sequence[Attempt], started: float, seconds: float) -> Iterable[Slice]:
    if not seconds:
        return
    width = max(1.0, seconds / _SLICES)
    count = math.ceil(seconds / width)

    def place(moment: float) -> int:
        return min(count - 1, max(0, int(moment / width)))

    due = Counter(place(each.due) for each in played)
    answers = Counter(place(each.ended) for each in played if each.ended is not None)
    refusals = Counter(place(each.ended - started) for each in attempts if each.status == 429)
    waited: dict[int, list[float]] = {}
    for each in played:
        if each.ended is not None:
            waited.setdefault(place(each.ended), []).append(each.wait)
    for number in range(count):
        yield Slice(number * width, due[number], answers[number], refusals[number], waits(waited.get(number, ())))


def _replicas(recording: Recording, attempts: Sequence[Attempt]) -> Iterable[Seen]:
    """By the time at which each was first up; those that answered in the quiet run alone are among them."""
    every = [attempt for each in recording.quiet for attempt in each.attempts] + list(attempts)
    by_name: dict[str, list[Attempt]] = {}
    for attempt in every:
        if attempt.replica:
            by_name.setdefault(attempt.replica, []).append(attempt)
    found = []
    for name, mine in by_name.items():
        first, last = min(each.ended for each in mine), max(each.ended for each in mine)
        up = min((each.ended - each.uptime for each in mine if each.uptime is not None), default=first)
        start = recording.started
        found.append(Seen(name, up - start, first - start, last - start, len(mine)))
    return sorted(found, key=lambda replica: replica.up)


def _differences(quiet: Sequence[Played], answered: Sequence[Played]) -> Iterable[Difference]:
    alone = {each.program: each.answer.status for each in quiet if each.answer is not None}
    for each in answered:
        if each.answer and each.program in alone and each.answer.status != alone[each.program]:
            yield Difference(each.number, each.program, alone[each.program], each.answer.status)


def _cut_after(attempts: Sequence[Attempt]) -> float | None:
    """A timeout in front of the executor ends requests at one age; what breaks for other reasons does so at any."""
    broken = [each for each in attempts if each.status in (0, 504) and each.error not in ("", "CancelledError")]
    ages = sorted(age for each in broken if (age := each.ended - each.sent) > _CUT_SECONDS)
    if len(ages) < 2 or ages[-1] > 1.1 * ages[0]:
        return None
    return statistics.median(ages)


def _stretch(quiet: Sequence[Played], answered: Sequence[Played]) -> tuple[float, float, float] | None:
    """Of programs that end by themselves: what a limit stops takes the limit, whatever else runs."""
    alone = {each.program: each.answer.cpu for each in quiet if each.answer is not None}
    ratios = sorted(
        each.answer.cpu / alone[each.program]
        for each in answered
        if each.answer and alone.get(each.program, 0) > 0 and each.answer.status != "time_limit_exceeded"
    )
    return (_at(ratios, 0.5), _at(ratios, 0.95), ratios[-1]) if ratios else None


def _margins(answered: Sequence[Played], limits: dict[str, float | None]) -> Iterable[Margin]:
    slowest: dict[str, float] = {}
    for each in answered:
        if each.answer and each.answer.status == "accepted":
            slowest[each.program] = max(slowest.get(each.program, 0.0), each.answer.slowest)
    found = [Margin(name, limit, used / limit) for name, used in slowest.items() if (limit := limits.get(name))]
    return sorted(found, key=lambda margin: -margin.used)


def _service(quiet: Sequence[Played], answered: Sequence[Played]) -> tuple[float, float] | None:
    """A slot's time is that of its runs, and what the executor adds, which the quiet run shows."""
    added = [
        each.attempts[-1].ended - each.attempts[-1].sent - each.answer.wall
        for each in quiet
        if each.answer is not None and each.attempts
    ]
    if not added or not answered:
        return None
    more = max(0.0, statistics.median(added))
    times = [max(1e-3, each.answer.wall + more) for each in answered if each.answer]
    return statistics.fmean(times), statistics.pstdev(map(math.log, times))
