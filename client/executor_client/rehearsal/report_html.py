"""The report of a rehearsal as one HTML file: it loads nothing, and can be mailed or printed."""

import html
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from executor_client.rehearsal.forecast import Forecast
from executor_client.rehearsal.report import Report
from executor_client.rehearsal.report_terminal import lines
from executor_client.rehearsal.svg import Line, chart
from executor_client.rehearsal.verdict import HOLDS, HOLDS_WITH

_STYLE = Path(__file__).with_name("report.css")


def write(path: Path, report: Report) -> None:
    """Writes the file; raises OSError."""
    path.write_text("".join(_page(report)), "utf-8")


def _page(report: Report) -> Iterator[str]:
    findings, said = report.findings, report.verdict
    began = datetime.fromtimestamp(findings.began_at, UTC)
    title = f"Rehearsal of {began:%Y-%m-%d %H:%M} UTC"
    kind = {HOLDS: "good", HOLDS_WITH: "fair"}.get(said.kind, "bad")
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<style>{_STYLE.read_text()}</style><h1>{title}</h1>"
    yield f'<p class="soft">{_text(report.url)}, {_text(findings.name)}: arrival {_text(report.arrival)}, '
    yield f"{findings.planned:,} submissions, {findings.seconds:.0f} s</p>"
    yield f'<section class="verdict {kind}"><p>{_text(said.sentence[:1].upper() + said.sentence[1:])}.</p>'
    yield f"<p>{_text(said.setting)}</p></section>" if said.setting else "</section>"
    yield from _charts(report)
    yield "<h2>Measured and forecast</h2>"
    yield from _compared(report)
    yield '<h2>What was seen</h2><ul class="facts">'
    yield from (f"<li>{_text(line.strip())}</li>" for line in lines(report))
    yield "</ul><h2>Replicas</h2>"
    yield '<table><tr><th>replica<th class="n">up after (s)<th class="n">first answer (s)<th class="n">requests</tr>'
    for replica in findings.replicas:
        up = "warm" if replica.warm else f"{replica.up:.1f}"
        yield f'<tr><td>{_text(replica.replica)}<td class="n">{up}<td class="n">{max(0.0, replica.first):.1f}'
        yield f'<td class="n">{replica.answers:,}</tr>'
    yield "</table></html>\n"


def _charts(report: Report) -> Iterator[str]:
    findings = report.findings
    known = [each for each in findings.slices if each.waits is not None]
    yield chart(
        "Wait, by when the answer came",
        "seconds",
        findings.seconds,
        [
            Line("slowest", [(each.since, each.waits.most) for each in known if each.waits], "c"),
            Line("95 %", [(each.since, each.waits.p95) for each in known if each.waits], "b"),
            Line("half", [(each.since, each.waits.p50) for each in known if each.waits], "a"),
        ],
        [(report.deadline, f"allowed for {report.part:.0%}")],
    )
    yield chart(
        "Answers",
        "answers",
        findings.seconds,
        [
            *_forecasts(report, lambda each: [(moment, float(place + 1)) for place, moment in enumerate(each.answered)]),
            Line("due", _summed([(each.since, each.due) for each in findings.slices]), "c"),
            Line("answered", _summed([(each.since, each.answers) for each in findings.slices]), "a"),
        ],
    )
    ups = [(max(0.0, replica.up), float(place + 1)) for place, replica in enumerate(findings.replicas)]
    yield chart(
        "Replicas",
        "replicas",
        findings.seconds,
        [
            *_forecasts(report, lambda each: [(moment, float(count)) for moment, count in each.replicas]),
            Line("up", [*ups, (findings.seconds, float(len(ups)))] if ups else [], "a", stepped=True),
        ],
    )
    width = findings.slices[1].since if len(findings.slices) > 1 else 1.0
    yield chart(
        "Refused for now (429), sent again by the client",
        "a second",
        findings.seconds,
        [Line("429", [(each.since, each.refusals / width) for each in findings.slices], "b")],
    )


def _forecasts(report: Report, points: Callable[[Forecast], list[tuple[float, float]]]) -> Iterator[Line]:
    if report.refitted is not None:
        yield Line("forecast as fitted", _thinned(points(report.refitted)), "d", stepped=True)


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """A few hundred points are what a screen shows."""
    step = max(1, len(points) // 300)
    return [*points[::step], *points[-1:]]


def _summed(points: list[tuple[float, int]]) -> list[tuple[float, float]]:
    total = 0
    found = []
    width = points[1][0] if len(points) > 1 else 1.0
    for since, count in points:
        total += count
        found.append((since + width, float(total)))
    return found


def _compared(report: Report) -> Iterator[str]:
    findings = report.findings
    yield '<table><tr><th><th class="n">wait, half (s)<th class="n">95 %<th class="n">all<th class="n">replicas'
    yield '<th class="n">requests</tr>'
    rows = [("measured", findings.waits, len(findings.replicas), findings.requests)]
    for name, each in (("forecast as documented", report.documented), ("forecast as fitted", report.refitted)):
        if each is not None:
            rows.append((name, each.waits, max(count for _, count in each.replicas), each.requests))
    for name, waits, replicas, requests in rows:
        cells = ("-",) * 3 if waits is None else tuple(f"{value:.1f}" for value in (waits.p50, waits.p95, waits.most))
        numbers = "".join(f'<td class="n">{cell}' for cell in (*cells, replicas, f"{requests:,}"))
        yield f"<tr><td>{name}{numbers}</tr>"
    yield "</table>"


def _text(words: str) -> str:
    return html.escape(words)
