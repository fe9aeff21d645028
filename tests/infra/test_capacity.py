"""The model against what can be known without it, against what is expected of a burst, and the command around it."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
from executor_client import Backoff
from executor_client.capacity import (
    NO_ADMISSION,
    Admission,
    Burst,
    Change,
    Job,
    Outcome,
    Scaling,
    runs,
    simulate,
    smallest_minimum,
)

from devtools.executor import ROOT
from infra.capacity.__main__ import main
from infra.pricing import load_rates, replica_hour
from runtime.settings import Settings

_MINUTE = 60.0


def test_one_replica_takes_the_sum_and_several_share_it() -> None:
    jobs = [Job(2.0)] * 60
    for replicas, seconds in ((1, 120), (2, 60), (3, 40), (60, 2), (100, 2)):
        outcome = simulate(Burst(jobs, replicas, admission=NO_ADMISSION))
        assert outcome.answered[-1] == pytest.approx(seconds)
        assert outcome.requests == 60
        assert outcome.replica_seconds == pytest.approx(replicas * seconds)
        assert outcome.after(0.5) == pytest.approx(math.ceil(30 / replicas) * 2)


def test_shared_cores_bound_what_more_replicas_bring() -> None:
    for replicas, seconds in ((1, 60), (2, 30), (8, 30)):
        outcome = simulate(Burst([Job(1.0)] * 60, replicas, cores=2, admission=NO_ADMISSION))
        assert outcome.answered[-1] == pytest.approx(seconds, rel=0.1)
    endless = simulate(Burst([Job(1.0, stretches=False)] * 60, 6, cores=2, admission=NO_ADMISSION))
    assert endless.answered[-1] == pytest.approx(10)


def test_refusals_cost_requests_and_no_answer() -> None:
    admission = Admission(queue_length=1, queue_seconds=0.5)
    outcome = simulate(Burst([Job(0.5)] * 100, 4, admission=admission, backoff=Backoff(0.25, 1.0)))
    assert len(outcome.answered) == len(outcome.waits) == 100
    assert outcome.requests > 200
    assert 12.5 <= outcome.answered[-1] < 25


def test_a_killed_replica_s_requests_are_sent_again_and_a_drained_one_s_are_not() -> None:
    jobs = [Job(1.0)] * 40
    whole = simulate(Burst(jobs, 2, admission=NO_ADMISSION))
    drained = simulate(Burst(jobs, 2, admission=NO_ADMISSION, changes=[Change(10, "drain")]))
    killed = simulate(Burst(jobs, 2, admission=NO_ADMISSION, changes=[Change(10, "kill")]))
    assert drained.requests == whole.requests == 40
    assert drained.answered[-1] == whole.answered[-1]
    assert killed.requests > 50
    assert killed.answered[-1] > whole.answered[-1]
    assert len(killed.answered) == 40


def test_the_scaler_takes_azure_s_steps() -> None:
    for start, most, steps in ((10, 1000, 7), (2, 200, 7), (0, 1000, 10)):
        counts = [start]
        while counts[-1] < most:
            counts.append(Scaling(maximum=most).next(counts[-1], 1000))
        assert len(counts) - 1 == steps
    assert Scaling().next(5, 7) == 7


def test_measured_steps_take_the_place_of_the_documented_ones() -> None:
    scaling = Scaling(maximum=100, steps=(2, 3, 10))
    assert [scaling.next(current, 100) for current in (0, 2, 3, 10, 40, 60)] == [2, 3, 10, 20, 80, 100]


def test_replicas_come_while_requests_do_and_go_after_the_window() -> None:
    jobs = [Job(1.0)] * 2000
    scaling = Scaling(minimum=2, maximum=50, stabilization=60)
    outcome = simulate(Burst(jobs, 2, scaling, spread=120, admission=NO_ADMISSION))
    counts = [count for _, count in outcome.replicas]
    assert 15 <= max(counts) <= 50
    late = simulate(Burst([*jobs, Job(900, stretches=False)], 2, scaling, spread=120, admission=NO_ADMISSION))
    assert late.replicas[-1][1] == 2


def test_nothing_is_answered_before_the_first_replica_starts() -> None:
    outcome = simulate(Burst([Job(1.0)] * 5, 0, Scaling(minimum=0)))
    assert len(outcome.answered) == 5
    assert outcome.answered[0] > 5


def test_five_warm_replicas_take_ten_to_fifteen_minutes() -> None:
    """Its thousand submissions at one moment; 3 s is the end of its "1 to 3 s", and half as much again a busy node."""
    for seconds, low, high in ((3.0, 10.0, 10.5), (4.3, 14.0, 15.0)):
        outcome = simulate(Burst(runs(1000, seconds, 0.3, 1), 5, Scaling(5, 200), admission=NO_ADMISSION))
        assert low <= outcome.answered[-1] / _MINUTE <= high


def test_the_client_and_warm_replicas_are_what_shortens_it() -> None:
    jobs = runs(1000, 3.0, 0.3, 1)
    before = simulate(Burst(jobs, 5, Scaling(5, 200), admission=NO_ADMISSION))
    client = simulate(Burst(jobs, 5, Scaling(5, 200)))
    warm = simulate(Burst(jobs, 100, Scaling(100, 200)))
    assert client.answered[-1] < before.answered[-1] / 4
    assert warm.answered[-1] < client.answered[-1] / 2
    # What is expected of a burst: 6 to 15 s a request.
    assert 6 <= simulate(Burst(jobs, 200, Scaling(200, 200))).after(0.5) <= 15


def test_a_contest_of_two_hours_at_full_size_costs_100_to_150_dollars() -> None:
    outcome = simulate(Burst([Job(7200)] * 1000, 1000, admission=NO_ADMISSION))
    cost = outcome.replica_seconds / 3600 * replica_hour(0.5, 1.0, load_rates(), active=True)
    assert 100 <= cost <= 150


def test_the_model_s_admission_is_the_executor_s() -> None:
    assert (Admission.queue_length, Admission.queue_seconds) == (Settings().queue_length, Settings().queue_seconds)


def test_the_plan_is_the_smallest_that_is_in_time() -> None:
    jobs = runs(400, 2.0, 0.2, 1)

    def outcome(minimum: int) -> Outcome:
        return simulate(Burst(jobs, minimum, Scaling(minimum, 200)))

    found = smallest_minimum(30, 0.95, outcome, 200)
    assert found is not None
    assert outcome(found).after(0.95) <= 30 < outcome(found - 1).after(0.95)
    assert smallest_minimum(1, 0.95, outcome, 200) is None


def test_a_submission_s_wait_begins_with_its_arrival() -> None:
    jobs = [Job(1.0)] * 60
    assert simulate(Burst(jobs, 60, spread=600, admission=NO_ADMISSION)).after(0.95) == pytest.approx(1.0)


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "infra.capacity", *arguments)
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_the_command_prints_a_table_and_writes_a_chart(tmp_path: Path) -> None:
    chart = tmp_path / "chart.svg"
    done = _command("--users", "500", "--questions", "2", "--min", "10", "--svg", str(chart))
    assert done.returncode == 0, done.stderr
    assert "10 warm, admission and client" in done.stdout
    assert "<svg" in chart.read_text()
    done = _command("--users", "100", "--plan", "--deadline", "30", "--svg", str(chart))
    assert "95% of 200 answers within 30 s: minReplicas" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--users", "0"), 2, "--users: 0 must be a whole number, at least 1"),
        (("--users", "30000"), 2, "must be at most 20,000"),
        (("--cpu", "0"), 2, "--cpu: 0 must be above 0"),
        (("--quota", "inf"), 2, "--quota: inf must be above 0"),
        (("--quota", "0.1"), 2, "no room for a replica"),
        (("--svg", "no/such/folder.svg"), 2, "no/such is no folder"),
        (("--min", "300"), 2, "--min must be from 0 to 200"),
        (("--seconds", "-1"), 2, "--seconds: -1 must be above 0"),
        (("--plan", "--deadline", "1"), 1, "not even with 200 warm replicas"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(
    arguments: tuple[str, ...], code: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["capacity", *arguments])
    if code == 2:
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
    else:
        assert main() == code
    said = capsys.readouterr()
    assert words in said.err + said.out


MEASURED = """
cold_start_seconds = 20.5
poll_seconds = 30
steps = [1, 4, 8]
metric = "concurrency"
service_seconds = 1
"""


def test_the_command_plans_with_what_a_rehearsal_measured(tmp_path: Path) -> None:
    measured = tmp_path / "capacity.toml"
    measured.write_text(MEASURED)
    options = ("--users", "200", "--plan", "--deadline", "30", "--svg", str(tmp_path / "chart.svg"))
    plain, with_file = _command(*options), _command(*options, "--parameters", str(measured))
    assert with_file.returncode == 0, with_file.stderr
    assert f"As measured ({measured}): cold_start_seconds, poll_seconds, steps, metric, service_seconds." in with_file.stdout
    assert "400 submissions of 1 s" in with_file.stdout
    assert "400 submissions of 3 s" in plain.stdout
    given = _command(*options, "--parameters", str(measured), "--seconds", "2")
    assert "400 submissions of 2 s" in given.stdout


def test_the_command_takes_the_file_that_lies_where_it_runs_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "capacity.toml").write_text("service_seconds = 0.5\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["capacity", "--users", "10", "--min", "5"])
    assert main() == 0
    said = capsys.readouterr().out
    assert "As measured (capacity.toml): service_seconds." in said
    assert "20 submissions of 0.5 s" in said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("cold_start = 5", "cold_start is no parameter: must be one of cold_start_seconds, poll_seconds, steps"),
        ("cold_start_seconds = 0", "cold_start_seconds is 0: must be a number of seconds above 0"),
        ("poll_seconds = nan", "poll_seconds is nan: must be a number of seconds above 0"),
        ("service_seconds = true", "service_seconds is True: must be a number of seconds above 0"),
        ('service_seconds = "3"', "service_seconds is '3': must be a number of seconds above 0"),
        ("steps = [4, 1]", "steps is [4, 1]: must be a list of rising numbers"),
        ("steps = []", "steps is []: must be a list"),
        ("steps = [1, 2.5]", "steps is [1, 2.5]: must be a list"),
        ('metric = "rate"', "metric is 'rate': must be requests_per_second or concurrency"),
        ("metric = [1]", "metric is [1]: must be requests_per_second or concurrency"),
        ("steps = ", "is no TOML"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_wrong_file_of_parameters_is_refused_by_its_key(
    content: str | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "measured.toml"
    if content is not None:
        file.write_text(content)
    monkeypatch.setattr(sys, "argv", ["capacity", "--parameters", str(file)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert str(file) in said
    assert words in said
