"""The chart of a run: every ratio beside its goal."""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.fonttype"] = "none"
mpl.rcParams["svg.hashsalt"] = "benchmarks"  # the same run gives the same file
import matplotlib.pyplot as plt  # noqa: E402 - after the backend was chosen


def draw(rows: list[dict[str, Any]], peers: list[dict[str, Any]], path: Path) -> None:
    """Writes an SVG: one bar a row, on a logarithmic scale where 1 is the bare spawn."""
    shown = [(row["name"], row["ratio"], row["goal"]) for row in rows]
    shown += [(f"{row['peer']}: {row['name']}", row["ratio"], None) for row in peers]
    figure, axes = plt.subplots(figsize=(9, 0.42 * len(shown) + 1.4), layout="constrained")
    places = range(len(shown))
    colours = ["#2a6f97" if number < len(rows) else "#adb5bd" for number in places]
    axes.barh(places, [ratio for _, ratio, _ in shown], color=colours, height=0.6)
    for place, (_, ratio, goal) in enumerate(shown):
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
    axes.set_xlabel("times the bare, unprotected spawn of the same thing (dotted line); red: at most")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
