"""What a rehearsal makes of what it saw: the scaler's ways, the verdict, and the file that the model reads."""

import math
import random
from pathlib import Path

import msgspec
import pytest
from executor_client.observing import Attempt
from executor_client.rehearsal import fit
from executor_client.rehearsal.findings import Findings, find
from executor_client.rehearsal.plan import Plan, arrivals
from executor_client.rehearsal.play import Answered, Played, Recording
from executor_client.rehearsal.verdict import judge

from infra.capacity.parameters import Parameters, read_parameters

_COLD_START = 7.0


def _recording(
    metric: str, law: tuple[int, float], *, warm: int = 2, first: float = 4.0, most: int = 200, per_second: float = 60.0
) -> Recording:
    """A minute and a half in which requests keep coming, and the scaler that is asked for brings replicas to them."""
    plan = Plan(arrivals=tuple(number / per_second for number in range(int(90 * per_second))), users=10, most=most)
    # Each request takes a fifth of a second in the first half of the time and two seconds in the second.
    lengths = [0.2 if due < 45 else 2.0 for due in plan.arrivals]
    ups, current, moment = [-100.0] * warm, warm, first
    source = random.Random(3)
    while moment < 75:
        if metric == "rate":
            measured = sum(moment - 15 < due <= moment for due in plan.arrivals) / 15
        else:
            measured = sum(due <= moment < due + length for due, length in zip(plan.arrivals, lengths, strict=True))
        more = min(math.ceil(measured), max(law[0], int(law[1] * current)), most) - current
        for _ in range(max(0, more)):
            ups.append(moment + _COLD_START + source.uniform(-0.5, 0.5))
        current += max(0, more)
        moment += plan.interval
    recording = Recording("rehearsal-test", plan, 0.0, started=1000.0, ended=1090.0)
    for number, (due, length) in enumerate(zip(plan.arrivals, lengths, strict=True)):
        there = [place for place, up in enumerate(ups) if up <= due + length]
        replica = there[number % len(there)]
        ended = 1000 + due + length
        attempt = Attempt(1000 + due, ended, 200, f"replica-{replica}", ended - 1000 - ups[replica], "")
        played = Played(number, "python, right", due, due + length, [attempt], Answered("accepted", 0.05, 0.1, 0.05))
        recording.played.append(played)
    recording.quiet.append(_alone(recording.played[0]))
    return recording


def _alone(played: Played) -> Played:
    return Played(-1, played.program, played.due, played.ended, list(played.attempts), played.answer)


def _found(recording: Recording) -> Findings:
    return find(recording, {"python, right": 5.0})


@pytest.mark.parametrize(
    ("metric", "law", "steps"),
    [
        ("rate", (4, 2.0), ()),
        ("concurrency", (4, 2.0), ()),
        ("rate", (1000, 2.0), (60,)),
    ],
)
def test_the_scaler_is_recognised_by_when_replicas_came(metric: str, law: tuple[int, float], steps: tuple[int, ...]) -> None:
    recording = _recording(metric, law)
    fitted = fit.fit(recording, _found(recording))
    assert fitted is not None
    assert (fitted.metric, fitted.steps) == (metric, steps)
    assert fitted.cold_start == pytest.approx(_COLD_START, abs=1.0)
    assert fitted.cold_start_range[0] <= fitted.cold_start <= fitted.cold_start_range[1]
    assert fitted.error < 1


def test_waits_over_time_are_those_of_the_answers_that_came_then_in_a_burst_as_well() -> None:
    recording = _recording("rate", (4, 2.0))
    for number, played in enumerate(recording.played):
        played.due, played.ended = 0.0, 90.0 * (number + 1) / len(recording.played)
    slices = _found(recording).slices
    assert len(slices) == 60
    assert all(each.waits and each.since < each.waits.most <= each.since + 1.5 + 1e-9 for each in slices)


def test_of_too_few_replicas_nothing_is_concluded(tmp_path: Path) -> None:
    recording = _recording("rate", (4, 2.0), most=4)
    findings = _found(recording)
    assert findings.cold_starts == 2
    assert fit.fit(recording, findings) is None
    fit.write(tmp_path / "capacity.toml", findings, None, 15.0)
    assert findings.service is not None
    read = read_parameters(tmp_path / "capacity.toml")
    assert read == Parameters(service_seconds=read.service_seconds)
    assert read.service_seconds == pytest.approx(findings.service[0], abs=1e-3)


def test_the_model_reads_what_the_rehearsal_wrote(tmp_path: Path) -> None:
    recording = _recording("rate", (1000, 2.0))
    findings = _found(recording)
    fitted = fit.fit(recording, findings)
    fit.write(tmp_path / "capacity.toml", findings, fitted, 15.0)
    read = read_parameters(tmp_path / "capacity.toml")
    assert fitted is not None
    assert (read.metric, read.steps, read.poll_seconds) == ("rate", (60,), 15.0)
    assert read.cold_start_seconds == pytest.approx(fitted.cold_start, abs=0.01)


def _verdict(findings: Findings, **changes: object) -> tuple[str, str]:
    plan = Plan(arrivals=(0.0,), deadline=1.0, most=200)
    changed = msgspec.structs.replace(findings, **changes)
    said = judge(changed, plan, 40, forecast_made=True)
    return said.sentence, said.setting


def test_each_way_to_fail_has_its_own_reason_and_setting() -> None:
    recording = _recording("rate", (4, 2.0))
    findings = _found(recording)
    waits = findings.waits
    assert waits is not None
    slow = msgspec.structs.replace(waits, p95=30.0)
    for changes, sentence, setting in (
        ({"waits": msgspec.structs.replace(waits, p95=0.9)}, "holds: 5,400 answers", ""),
        ({"waits": slow}, "holds with 40 warm", "`minReplicas` to 40"),
        ({"lost": 3, "lost_named": ("submission 7: x",)}, "3 of 5400 submissions had no answer", "`minReplicas` to 40"),
        ({"wrong": 1, "wrong_named": ("submission 7: x",)}, "1 of 5400 answers were wrong", "executor-client doctor"),
        ({"lost": 1, "lost_named": ("x",), "cut_after": 240.0}, "had no answer", "EXECUTOR_MAX_JUDGING_SECONDS"),
        ({"quiet_faults": ("pairs: broken",)}, "even without load: pairs: broken", "problem verify"),
        ({"stopped": "interrupted"}, "not known: interrupted", ""),
    ):
        said = _verdict(findings, **changes)
        assert sentence in said[0], changes
        assert setting in said[1], changes


def test_replicas_that_stand_still_while_requests_are_refused_point_at_the_quota() -> None:
    recording = _recording("rate", (4, 2.0), most=8)
    for played in recording.played[::2]:
        played.attempts.insert(0, Attempt(1000 + played.due, 1000 + played.due, 429, "replica-0", 200.0, "BusyError"))
    findings = _found(recording)
    assert findings.waits is not None
    said = _verdict(findings, waits=msgspec.structs.replace(findings.waits, p95=30.0))
    assert "there were only 8 replicas, and no more came for" in said[0]
    assert "quota" in said[1]


def test_a_third_of_a_contest_comes_in_the_last_tenth_of_its_time_and_a_burst_at_once() -> None:
    times = arrivals("contest", 100, 2, 10.0)
    assert len(times) == 200
    assert list(times) == sorted(times)
    assert 60 <= sum(time >= 540 for time in times) <= 90
    assert set(arrivals("burst", 100, 2, 10.0)) == {0.0}


def test_a_verdict_that_load_changed_is_seen_with_stretch_and_margin() -> None:
    recording = _recording("rate", (4, 2.0))
    played = recording.played[5]
    played.answer = Answered("time_limit_exceeded", 5.0, 9.0, 5.0)
    recording.played[6].answer = Answered("accepted", 0.1, 0.2, 4.5)
    findings = _found(recording)
    assert [(each.submission, each.now) for each in findings.differences] == [(5, "time_limit_exceeded")]
    assert findings.stretch is not None
    assert findings.stretch[2] == pytest.approx(2.0)
    assert findings.margins[0].used == pytest.approx(0.9)
