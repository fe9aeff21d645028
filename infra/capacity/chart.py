"""Draws how a burst drains: answers and replicas over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Curve:
    """One line of a chart; times in seconds."""

    name: str
    answered: Sequence[float]
    replicas: Sequence[tuple[float, int]] = ()


def draw(path: Path, title: str, curves: Sequence[Curve], marks: Sequence[tuple[float, str]] = ()) -> None:
    """Writes answers and replicas over time as an SVG; `marks` name moments."""
    figure = Figure(figsize=(9, 6.5), layout="constrained")
    answers, replicas = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    last = max(curve.answered[-1] for curve in curves)
    for number, curve in enumerate(curves):
        style = {"color": f"C{number}", "linewidth": 1.8}
        count = len(curve.answered)
        label = f"{curve.name}: all after {curve.answered[-1]:.0f} s"
        answers.plot([0, *curve.answered], range(count + 1), label=label, **style)
        if curve.replicas:
            steps = [*curve.replicas, (curve.answered[-1], curve.replicas[-1][1])]
            replicas.step([step[0] for step in steps], [step[1] for step in steps], where="post", **style)
    for place, (moment, name) in enumerate(marks):
        for axes in (answers, replicas):
            axes.axvline(moment, color="0.6", linewidth=0.8, linestyle=":")
        height = 0.03 + 0.09 * (place % 4)
        answers.text(moment, height, f" {name}", fontsize=8, color="0.3", transform=answers.get_xaxis_transform())
    answers.set(title=title, ylabel="answers", xlim=(0, last * 1.03))
    answers.set_ylim(bottom=0)
    answers.legend(loc="best", fontsize=9)
    answers.grid(alpha=0.3)
    replicas.set(xlabel="seconds since all submitted", ylabel="replicas")
    replicas.set_ylim(bottom=0)
    replicas.grid(alpha=0.3)
    with rc_context({"svg.hashsalt": "same input, same file"}):
        figure.savefig(path, metadata={"Date": None})
