"""What is counted, and how it is put into words."""

from runtime.observability.exposition import Exposition
from runtime.observability.metrics import Durations, Metrics


def test_a_duration_counts_for_the_least_bound_that_it_does_not_exceed() -> None:
    durations = Durations()
    for seconds in (0.0, 0.005, 0.0051, 60, 61):
        durations.add(seconds)
    assert durations.counts == [2, 1, *[0] * 10, 1, 1]
    assert durations.total == 121.0101


def test_the_text_has_cumulated_buckets_labels_and_what_is_watched() -> None:
    metrics = Metrics("one", "1.2")
    metrics.executions["python", "ok"] += 2
    metrics.refusals["queue_full"] += 1
    metrics.seconds["python"].add(0.007)
    metrics.watch("executor_slots", "Slots", lambda: 3)
    metrics.watch_count("executor_warm_runs", "Runs", ("language", "warm"), lambda: {("python", "yes"): 4})
    lines = Exposition(metrics).text().decode().splitlines()
    assert {
        'executor_info{replica="one",version="1.2"} 1.0',
        'executor_executions_total{language="python",status="ok"} 2.0',
        'executor_refusals_total{reason="queue_full"} 1.0',
        'executor_execution_seconds_bucket{language="python",le="0.005"} 0.0',
        'executor_execution_seconds_bucket{language="python",le="0.01"} 1.0',
        'executor_execution_seconds_bucket{language="python",le="+Inf"} 1.0',
        'executor_execution_seconds_count{language="python"} 1.0',
        'executor_execution_seconds_sum{language="python"} 0.007',
        "executor_queue_seconds_count 0.0",
        "executor_slots 3.0",
        'executor_warm_runs_total{language="python",warm="yes"} 4.0',
    } <= set(lines), lines
