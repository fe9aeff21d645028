"""`python -m runtime check`: what this host enforces, a program in each language, and a remedy for each gap."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from runtime.commands.started import with_executor
from runtime.composition import CANNOT_ISOLATE, Start
from runtime.execution.container_memory import memory_left
from runtime.execution.executor import Executor
from runtime.execution.isolation import Isolation
from runtime.http.answers import HealthAnswer
from runtime.http.health import health
from runtime.http.requests import ExecuteBody, submission
from runtime.judging.judge import Judge
from runtime.judging.submission import RunResult, Status
from runtime.languages.registry import Registry
from runtime.observability import host
from runtime.settings import Settings

_FAILED = 1
_MB = 1 << 20
# Linux without it keeps /proc/<pid>/schedstat empty.
_WAITING = "a kernel with CONFIG_SCHED_INFO; without it a run on a busy host can meet its wall time where it should not"


@dataclass(frozen=True)
class _Fact:
    """One line of the report: what it is about, what was found, and what to do where that is a gap."""

    subject: str
    found: str
    remedy: str = ""
    #: Whether the executor cannot serve as it should because of this gap.
    fails: bool = False


def main() -> int:
    """Prints the report; returns the exit code."""
    return with_executor(_check, needs_floor=False)


async def _check(start: Start) -> int:
    settings, executor, registry, floor = start.settings, start.executor, start.registry, start.floor
    seen = host.describe()
    known = health(executor, registry, 0.0, able=not floor)
    print(f"{known.service} {known.version} on Linux {seen.kernel} ({seen.machine})")
    facts = [*_show("Host", _host(seen, settings, executor)), *_show("Isolation", _isolation(known.isolation))]
    if floor:
        print(f"\nThis host cannot isolate programs, so none was run: {floor}.")
        return CANNOT_ISOLATE
    print("\nLanguages")
    judge = Judge(settings, registry, start.ahead)
    for name in known.languages:
        facts += _shown(await _language(name, judge, settings, executor, registry))
    facts += [fact for name in sorted(known.unavailable) for fact in _shown(_unavailable(name, known))]
    failed, gaps = sum(fact.fails for fact in facts), sum(bool(fact.remedy) for fact in facts)
    print(f"\n{'The executor cannot serve as it should' if failed else 'The executor can serve'}: "
          f"{failed} faults, {gaps - failed} gaps that it can do without.")  # fmt: skip
    return _FAILED if failed else 0


def _show(title: str, facts: Iterator[_Fact]) -> list[_Fact]:
    print(f"\n{title}")
    return [shown for fact in facts for shown in _shown(fact)]


def _shown(fact: _Fact) -> list[_Fact]:
    mark = "FAIL" if fact.fails else "gap" if fact.remedy else "ok"
    print(f"  {mark:<4}  {fact.subject:<18}  {fact.found}")
    if fact.remedy:
        print(f"        {'':<18}  -> {fact.remedy}")
    return [fact]


def _host(seen: host.Host, settings: Settings, executor: Executor) -> Iterator[_Fact]:
    quota = "" if seen.cpu_quota is None else f", of which the container may use {seen.cpu_quota:g}"
    yield _Fact("processors", f"{seen.processors}{quota}")
    if seen.throttling is None:
        yield _Fact("throttling", "not shown", "a control group with a quota shows it; without one there is none to show")
    else:
        spent = seen.throttling.throttled_ms
        yield _Fact("throttling", f"{seen.throttling.throttled_periods} of {seen.throttling.periods} periods, {spent:.0f} ms")
    left = memory_left() // _MB
    most = settings.max_memory_mb
    yield _Fact(
        "memory",
        f"{left} MiB to spare; a run may ask for {most} MiB",
        "" if left >= most else "give the container more memory, or lower EXECUTOR_MAX_MEMORY_MB",
        fails=left < most,
    )
    status = os.statvfs(executor.root)
    free = status.f_bavail * status.f_frsize // _MB
    yield _Fact(
        "work directory",
        f"{executor.root}, {free} MiB free; a run may write {settings.max_disk_mb} MiB",
        "" if free >= settings.max_disk_mb else "free some space there, or set EXECUTOR_WORK_DIR to a larger disk",
        fails=free < settings.max_disk_mb,
    )


def _isolation(force: Isolation) -> Iterator[_Fact]:
    """Each layer. Only what `missing` names is needed."""
    abi = force.landlock_abi
    yield _Fact(
        "Landlock",
        f"ABI {abi}" if abi else "not there" + ("; each run has a uid of its own instead" if force.own_uid else ""),
        "" if abi else "Linux 5.13 or later with landlock among its security modules (lsm= on the kernel's command line)",
        fails=not abi and not force.own_uid,
    )
    yield _layer(
        "seccomp", force.seccomp, "a kernel with CONFIG_SECCOMP_FILTER, and a container runtime that lets seccomp(2) through",
        needed=True,
    )  # fmt: skip
    yield _layer("no new privileges", force.no_new_privileges, "Linux 3.5 or later", needed=True)
    yield _layer(
        "user notification", force.user_notification,
        "Linux 5.5 or later, and a container runtime that lets it through; it makes the limit of processes exact",
    )  # fmt: skip
    yield _layer(
        "own uid", force.own_uid,
        "start the container with CAP_SETUID, CAP_SETGID, CAP_CHOWN and CAP_KILL in its bounding set, and without "
        "no-new-privileges, so that runs cannot meet each other's files",
    )  # fmt: skip
    yield _layer(
        "pid namespace", force.pid_namespace, "CAP_SYS_ADMIN, which Azure does not give; programs see no process either way"
    )
    yield _Fact(
        "processes",
        f"limit is {force.process_limit}",
        "" if force.process_limit != "none" else "user notification or a uid for each run, as above",
    )
    for missing in force.missing:
        if "switched off" in missing:
            yield _Fact("switched off", missing, "unset EXECUTOR_TEST_DISABLE_LAYERS", fails=True)


def _layer(name: str, there: bool, remedy: str, *, needed: bool = False) -> _Fact:
    return _Fact(name, "holds" if there else "not there", "" if there else remedy, fails=needed and not there)


async def _language(name: str, judge: Judge, settings: Settings, executor: Executor, registry: Registry) -> _Fact:
    language, slot = registry.languages[name], executor.slots[0]
    version = await judge.version(language, slot)
    if not language.hello:
        return _Fact(name, f"{version}; not run", "its file has no `hello`")
    program = submission(ExecuteBody(name, language.hello), settings, registry)
    result = await judge.run(program, slot)
    if result.run.status is Status.OK and result.run.stdout == "hello\n":
        waits = "" if result.run.waited is not None else _WAITING
        return _Fact(name, f"{version or 'version unknown'}: hello in {_milliseconds(result):.0f} ms", waits)
    said = (result.run.stderr or result.run.stdout).strip().partition("\n")[0]
    words = ": ".join(filter(None, (result.run.status, result.run.message, said)))
    return _Fact(
        name, f"{version or 'version unknown'}: {words}",
        f"see that its toolchain is whole: {' '.join(language.compile or language.run)}", fails=True,
    )  # fmt: skip


def _milliseconds(result: RunResult) -> float:
    return result.run.wall_time + (result.compile.wall_time if result.compile else 0.0)


def _unavailable(name: str, known: HealthAnswer) -> _Fact:
    reason = known.unavailable[name]
    remedy = (
        "set EXECUTOR_WORK_DIR to a file system that is not mounted noexec" if "noexec" in reason
        else "take an image that has it (imageTarget: docs/languages.md), or install it"
    )  # fmt: skip
    return _Fact(name, reason, remedy)
