"""The report of a rehearsal in a terminal."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from executor_client.rehearsal.findings import Waits
from executor_client.rehearsal.report import Report
from executor_client.rehearsal.verdict import HOLDS, HOLDS_WITH

_BLOCKS = " ▁▂▃▄▅▆▇█"
_MOST_ROWS = 8
_ASLEEP_SECONDS = 2.0


def show(report: Report, console: Console) -> None:
    """Prints the figures, the forecasts beside them, and the verdict last, where the eye is."""
    findings = report.findings
    table = Table("", "measured", "forecast as documented", "forecast as fitted", title=f"{findings.name}: {report.url}")
    for row in _compared(report):
        table.add_row(*row)
    console.print(table)
    for line in lines(report):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for title, values in (
        ("p95 wait", [each.waits.p95 if each.waits else 0.0 for each in findings.slices]),
        ("answers", [float(each.answers) for each in findings.slices]),
        ("replicas", [float(findings.after(each.since)) for each in findings.slices]),
        ("429", [float(each.refusals) for each in findings.slices]),
    ):
        if values:
            console.print(f"{title:>9} {_sparkline(values)} up to {max(values):.4g}", markup=False, highlight=False)
    style = {HOLDS: "bold green", HOLDS_WITH: "bold yellow"}.get(report.verdict.kind, "bold red")
    console.print(f"\n{_capital(report.verdict.sentence)}.", style=style, markup=False, highlight=False, soft_wrap=True)
    if report.verdict.setting:
        console.print(report.verdict.setting, markup=False, highlight=False, soft_wrap=True)


def _compared(report: Report) -> Iterator[tuple[str, str, str, str]]:
    findings, before, after = report.findings, report.documented, report.refitted

    def row(name: str, *values: float | None) -> tuple[str, str, str, str]:
        measured, documented, fitted = ("-" if value is None else f"{value:,.1f}" for value in values)
        return name, measured, documented, fitted

    waits: list[Waits | None] = [findings.waits, before.waits if before else None, after.waits if after else None]
    for name, field in (("wait, half", "p50"), ("wait, 95 %", "p95"), ("wait, all", "most")):
        yield row(f"{name} (s)", *(None if each is None else getattr(each, field) for each in waits))
    most = [None if each is None else max(float(count) for _, count in each.replicas) for each in (before, after)]
    yield row("replicas", float(len(findings.replicas)), *most)
    requests = [None if each is None else float(each.requests) for each in (before, after)]
    yield row("requests", float(findings.requests), *requests)


def lines(report: Report) -> Iterator[str]:
    """What the figures say in words, one thing a line."""
    findings, fitted, costs = report.findings, report.fitted, report.costs
    yield (
        f"{findings.submissions:,} of {findings.planned:,} submissions, {findings.answers:,} answers, {findings.lost} lost, "
        f"{findings.wrong} wrong" + (f"; {findings.stopped}" if findings.stopped else "")
    )
    yield from (f"  {line}" for line in (*findings.quiet_faults, *findings.lost_named, *findings.wrong_named)[:_MOST_ROWS])
    if findings.first_answer is not None:
        asleep = ": the app was asleep" if findings.first_answer > _ASLEEP_SECONDS else ""
        yield f"The very first answer came after {findings.first_answer:.1f} s{asleep}"
    yield from findings.notes
    if findings.cut_after is not None:
        yield f"Requests were cut off after {findings.cut_after:.1f} s, as an ingress does"
    came = [f"{replica.up:.0f}" for replica in findings.replicas if not replica.warm]
    yield f"Replicas: {findings.warm} warm, {findings.cold_starts} came" + (f", after {', '.join(came)} s" if came else "")
    yield (
        f"Requests: {findings.requests:,}, {findings.retries:,} of them retries; by status "
        + ", ".join(f"{status if status != '0' else 'broken'} {count:,}" for status, count in findings.statuses.items())
    )
    yield f"Verdicts that differ from the quiet run: {len(findings.differences)}"
    for each in findings.differences[:_MOST_ROWS]:
        yield f"  submission {each.submission} ({each.program}): {each.now}, alone {each.quiet}"
    if findings.stretch is not None:
        half, most, every = findings.stretch
        yield f"CPU time against that alone: half {half:.2f} times, 95 % {most:.2f}, all {every:.2f}"
    for margin in findings.margins[:3]:
        yield f"Nearest to its time limit: {margin.program}, {margin.used:.0%} of {margin.limit:g} s"
    if fitted is not None:
        steps = "as documented" if fitted.documented or not fitted.steps else ", ".join(map(str, fitted.steps))
        yield (
            f"The scaler as seen: metric {fitted.metric}, cold start {fitted.cold_start:.1f} s "
            f"({fitted.cold_start_range[0]:.1f} to {fitted.cold_start_range[1]:.1f} fit as well), steps {steps}; "
            f"the {fitted.replicas} replicas came {fitted.error:.1f} s from this on average"
        )
    else:
        yield "The scaler as seen: too few replicas came to say anything; the documented one is assumed"
    yield (
        f"Cost, at {costs.replica_hour:g} for a replica's hour: the rehearsal {costs.rehearsal:.2f}, "
        f"a contest of {costs.contest_hours:g} hours {costs.contest:.2f}"
    )
    yield f"The rehearsal itself took {findings.client_cores:.0%} of one core"


def _sparkline(values: list[float]) -> str:
    most = max(values) or 1.0
    return "".join(_BLOCKS[min(8, round(8 * value / most))] for value in values)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
