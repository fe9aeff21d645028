"""What the executor and its host say of themselves: walls, kernel, control group, clock, and the scaler's side of it."""

from collections.abc import Iterator
from typing import Any

from executor_client.doctor.findings import Finding, finding, unknown

_CLOCK_SECONDS = 2.0
_THROTTLED = 0.05
_INGRESS_SECONDS = 240


def walls(isolation: dict[str, Any]) -> Iterator[Finding]:
    """The sandbox's layers, of `/health`."""
    missing = isolation.get("missing", [])
    yield finding(
        "walls", "floor", "; ".join(missing) or "every necessary layer is in force",
        worse="Run the image on a host that has Landlock or lets the container change uids, with seccomp." if missing else "",
    )  # fmt: skip
    abi = isolation.get("landlock_abi", 0)
    yield finding(
        "walls", "Landlock", f"ABI {abi}" if abi else "not there",
        bad="" if abi else "Files are walled by uids alone: run as root inside the container, or choose a newer kernel.",
    )  # fmt: skip
    yield finding(
        "walls", "process limit", isolation.get("process_limit", "not said"),
        bad="" if isolation.get("process_limit") == "exact" else "Without user notification of seccomp the limit is coarse.",
    )  # fmt: skip
    for name in ("seccomp", "own_uid", "no_new_privileges", "pid_namespace"):
        yield finding("walls", name.replace("_", " "), "yes" if isolation.get(name) else "no")


def host(answer: dict[str, Any], asked: float, answered: float) -> Iterator[Finding]:
    """The kernel, the processors and the clock, of `/host`; the moments are of `time.time` around the request."""
    seen = answer["host"]
    yield finding("host", "kernel", f"{seen['kernel']} on {seen['machine']}")
    quota, processors = seen.get("cpu_quota"), seen["processors"]
    words = f"{processors} processors, " + (f"{quota:g} cores of quota" if quota else "no quota")
    yield finding("host", "processors", f"{words}, control group {seen.get('cgroup') or 'not shown'}")
    memory = seen.get("memory_limit")
    yield finding("host", "memory", f"{memory / 2**20:.0f} MiB" if memory else "no limit shown")
    yield _throttling(seen.get("throttling"), answer["uptime"])
    if seen.get("steal_ms") is not None:
        yield finding("host", "steal", f"{seen['steal_ms']:.0f} ms kept from this machine since its start")
    skew = seen["clock"] / 1000 - (asked + answered) / 2
    yield finding(
        "host", "clock", f"{skew:+.1f} s against this machine's, ±{(answered - asked) / 2:.1f}",
        bad="Set the clock of the machine that is wrong (NTP): times in logs and tokens do not fit."
        if abs(skew) > _CLOCK_SECONDS + (answered - asked) / 2 else "",
    )  # fmt: skip


def _throttling(seen: dict[str, Any] | None, uptime: float) -> Finding:
    if seen is None:
        return unknown("host", "throttling", "the host does not show it")
    part = seen["throttled_periods"] / seen["periods"] if seen["periods"] else 0.0
    return finding(
        "host", "throttling", f"in {part:.1%} of the periods, {seen['throttled_ms']:.0f} ms in {uptime / 1000:.0f} s",
        bad="Programs wait for the quota: give replicas more `cpu`." if part > _THROTTLED else "",
    )  # fmt: skip


def settings(answer: dict[str, Any]) -> Iterator[Finding]:
    """What decides how a replica and Azure's scaler and ingress meet, of `/host`."""
    yield finding(
        "scaler", "programs at a time", str(answer["concurrency"]),
        bad="" if answer["concurrency"] == 1 else "Several programs share a replica's cores: EXECUTOR_CONCURRENCY=1.",
    )  # fmt: skip
    yield finding("scaler", "queue", f"{answer['queue_length']} places, {answer['queue_seconds']:g} s each")
    longest = answer["max_judging_seconds"] + answer["queue_seconds"]
    yield finding(
        "ingress", "longest request", f"{longest:g} s by the settings, and Azure cuts at {_INGRESS_SECONDS} s",
        worse="" if longest < _INGRESS_SECONDS else "Set EXECUTOR_MAX_JUDGING_SECONDS well below 240.",
    )  # fmt: skip


def replicas(names: set[str], first_seconds: float, asked: int) -> Iterator[Finding]:
    """What could be seen of the scaler: how many answer, and whether the app was asleep."""
    yield finding("scaler", "replicas that answer", f"{len(names)}, by {asked} requests" if names else "none says its name")
    yield finding(
        "scaler", "first answer", f"after {first_seconds:.1f} s",
        bad="The app was asleep (minReplicas 0), or is far away: `executor-client prewarm`, or set `minReplicas`."
        if first_seconds > 2 else "",
    )  # fmt: skip
