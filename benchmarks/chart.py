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


def draw(rows: list[dict[str, Any]], peers: list[dict[str, Any]], path: Path, beside: list[dict[str, Any]]) -> None:
    """Writes an SVG: one bar a row, on a logarithmic scale where 1 is the bare spawn.

    `beside` are rows of another run, whose ratios are marked on the bars with the same names.
    """
    shown = [(row["name"], row["ratio"], row["goal"]) for row in rows]
    shown += [(f"{row['peer']}: {row['name']}", row["ratio"], None) for row in peers]
    figure, axes = plt.subplots(figsize=(9, 0.42 * len(shown) + 1.4), layout="constrained")
    places = range(len(shown))
    colours = ["#2a6f97" if number < len(rows) else "#adb5bd" for number in places]
    axes.barh(places, [ratio for _, ratio, _ in shown], color=colours, height=0.6)
    others = {row["name"]: row["ratio"] for row in beside}
    for place, (name, ratio, goal) in enumerate(shown):
        if name in others and place < len(rows):
            axes.plot([others[name]], [place], color="#f4a261", marker="D", markersize=6, zorder=4)
        axes.annotate(
            f"{ratio:.2f}",
            (ratio, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            zorder=3,
        )
        if goal is not None:
            axes.plot([goal, goal], [place - 0.4, place + 0.4], color="#d62828", linewidth=2)
    axes.axvline(1, color="black", linewidth=1, linestyle=":")
    axes.set_xscale("log")
    axes.set_xlim(0.05, max(ratio for _, ratio, _ in shown) * 2)
    axes.xaxis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
    axes.set_yticks(places, [name for name, _, _ in shown])
    axes.invert_yaxis()
    axes.set_xlabel(
        "times the bare, unprotected spawn of the same thing (dotted line); red: at most"
        + ("; orange: the other run" if others else "")
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
