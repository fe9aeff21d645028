"""Programs that a doctor has run: a hello in each language, and one that shows how fast the processors are."""

import tomllib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from executor_client.aio import AsyncExecutorClient
from executor_client.doctor.findings import Finding, finding, unknown
from executor_client.errors import ExecutorError
from executor_client.models import Language

_HELLOS = Path(__file__).with_name("hellos.toml")
_LOOP = "total = 0\nfor turn in range(5_000_000): total = (total * 31 + turn) % 1000003\nprint(total)"
#: CPU seconds that the loop takes with Python 3.13 on one core of the machine that docs/benchmarks.md is of.
REFERENCE_SECONDS = 0.25
_SLOW = 2.0
# Half a core, the stacks' own size, gives half.
_LEAST_SHARE = 0.4


async def hellos(client: AsyncExecutorClient, languages: Sequence[Language]) -> AsyncIterator[Finding]:
    """A hello in each language."""
    codes = tomllib.loads(_HELLOS.read_text("utf-8"))
    for language in languages:
        name = f"{language.language} {language.version}".strip()
        if language.language not in codes:
            yield unknown("languages", name, "no hello is known in it")
            continue
        try:
            answer = await client.execute(language.language, codes[language.language].lstrip("\n"))
        except ExecutorError as error:
            yield finding("languages", name, str(error), worse="Look into the executor's log.")
            continue
        step = answer.compile if answer.compile is not None and answer.compile.status != "ok" else answer.run
        right = answer.run.status == "ok" and answer.run.stdout.strip() == "hello"
        said = step.message or step.stderr.strip()[:200] or step.stdout.strip()[:80]
        yield finding(
            "languages", name, f"hello in {answer.run.wall_time:.0f} ms" if right else f"{step.status}: {said}",
            worse="" if right else "The image lacks something of this language: build it anew, or another target.",
        )  # fmt: skip


async def speed(client: AsyncExecutorClient, languages: Sequence[Language]) -> Finding:
    """CPU time of a loop, against the reference, and how much of the wall time the program had a processor."""
    if not any(language.language == "python" for language in languages):
        return unknown("speed", "Python loop", "there is no Python")
    try:
        runs = [(await client.execute("python", _LOOP, time_limit=10)).run for _ in range(2)]
    except ExecutorError as error:
        return finding("speed", "Python loop", str(error), worse="Look into the executor's log.")
    run = min(runs, key=lambda each: each.cpu_time)
    if run.status != "ok":
        return finding("speed", "Python loop", f"{run.status} {run.message}", worse="Give replicas more `cpu`.")
    ratio, share = run.cpu_time / 1000 / REFERENCE_SECONDS, run.cpu_time / max(run.wall_time, 1e-9)
    remedy = ""
    if ratio > _SLOW:
        remedy = "Time limits of another machine are too tight here: `executor-client time`."
    elif share < _LEAST_SHARE:
        remedy = "Other work or the quota keeps programs from processors: give replicas more `cpu`."
    words = f"{run.cpu_time:.0f} ms of CPU time, {ratio:.2f} times the reference's"
    return finding("speed", "Python loop", f"{words}; had a processor for {min(share, 1):.0%} of its time", bad=remedy)
