"""The charts of a run: every ratio beside its goal, and figures that grow."""

from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.fonttype"] = "none"
mpl.rcParams["svg.hashsalt"] = "benchmarks"  # the same run gives the same file
import matplotlib.pyplot as plt  # noqa: E402 - after the backend was chosen

# Points of their own can be seen.
_MARKED = 60


class Series(NamedTuple):
    """What is drawn over one axis: its name with its unit, and its points."""

    name: str
    values: tuple[tuple[float, float], ...]


def draw_lines(path: Path, label: str, series: tuple[Series, ...]) -> None:
    """Writes an SVG: one line a series, one below the other over the same axis, each from 0."""
    figure, places = plt.subplots(len(series), figsize=(9, 2.6 * len(series) + 0.6), layout="constrained", squeeze=False)
    for axes, (name, values) in zip(places[:, 0], series, strict=True):
        axes.plot(*zip(*values, strict=True), color="#2a6f97", marker="o" if len(values) <= _MARKED else "")
        axes.set_ylim(0, max(value for _, value in values) * 1.15)
        axes.set_ylabel(name)
        axes.spines[["top", "right"]].set_visible(False)
    places[-1, 0].set_xlabel(label)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def draw(rows: list[dict[str, Any]], peers: list[dict[str, Any]], path: Path, beside: dict[str, Any]) -> None:
    """Writes an SVG: one bar a row, on a logarithmic scale where 1 is the bare spawn.

    `beside` are the figures of another run, or nothing: its ratios have bars below those with the same names.
    """
    shown = [(row["name"], row["ratio"], row["goal"]) for row in rows]
    shown += [(f"{row['peer']}: {row['name']}", row["ratio"], None) for row in peers]
    others = {row["name"]: row["ratio"] for row in beside.get("rows", ())}
    height = 0.36 if others else 0.6
    figure, axes = plt.subplots(figsize=(9, (0.6 if others else 0.42) * len(shown) + 1.6), layout="constrained")
    for place, (name, ratio, goal) in enumerate(shown):
        is_ours = place < len(rows)
        two = is_ours and name in others
        _bar(axes, place - height / 2 if two else place, ratio, height, "#2a6f97" if is_ours else "#adb5bd")
        if two:
            _bar(axes, place + height / 2, others[name], height, "#f4a261")
        if goal is not None:
            axes.plot([goal, goal], [place - 0.45, place + 0.45], color="#d62828", linewidth=2)
    axes.axvline(1, color="black", linewidth=1, linestyle=":")
    axes.set_xscale("log")
    axes.set_xlim(0.05, max(ratio for _, ratio, _ in shown) * 2)
    axes.xaxis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
    axes.set_yticks(range(len(shown)), [name for name, _, _ in shown])
    axes.invert_yaxis()
    words = "times the bare, unprotected spawn of the same thing (dotted line); red: at most"
    if others:
        words += f"\norange: a run in a container with {' '.join(beside['container']) or 'the whole machine'}"
    axes.set_xlabel(words)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _bar(axes: Any, place: float, ratio: float, height: float, colour: str) -> None:
    axes.barh(place, ratio, color=colour, height=height)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    axes.annotate(
        f"{ratio:.2f}", (ratio, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9, bbox=box, zorder=3
    )
