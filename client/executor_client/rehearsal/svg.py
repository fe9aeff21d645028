"""A line chart as SVG, with colours that its page sets: no script, nothing loaded from elsewhere."""

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT = 760, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 26, 34
_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Line:
    """Points from left to right. `style` is the class of its colour; `stepped` holds each value to the next."""

    name: str
    points: Sequence[tuple[float, float]]
    style: str
    stepped: bool = False


def chart(title: str, unit: str, seconds: float, lines: Sequence[Line], marks: Sequence[tuple[float, str]] = ()) -> str:
    """The chart, `seconds` from left to right; `marks` are dashed levels with a name. Lines without points are left out."""
    lines = [line for line in lines if line.points]
    right = max([seconds, *(line.points[-1][0] for line in lines)]) or 1.0
    top = max((value for line in lines for _, value in line.points), default=0.0)
    top = _round_up(max([top, *(level for level, _ in marks)]) or 1.0)

    def at(point: tuple[float, float]) -> tuple[float, float]:
        x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * point[0] / right
        return x, _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * point[1] / top

    name = html.escape(title)
    parts = [f"<figure><figcaption>{name}</figcaption>"]
    parts.append(f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{name}">')
    for value in (top * part / 4 for part in range(5)):
        _, y = at((0, value))
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="axis" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for moment in _ticks(right):
        x, y = at((moment, 0))
        parts.append(f'<text class="axis" x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{moment:g}</text>')
    parts.append(f'<text class="axis" x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 2}" text-anchor="end">seconds</text>')
    parts.append(f'<text class="axis" x="2" y="11">{html.escape(unit)}</text>')
    for level, name in marks:
        _, y = at((0, level))
        parts.append(f'<line class="mark" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="axis" x="{_LEFT + 4}" y="{y - 4:.1f}">{html.escape(name)}</text>')
    parts += [
        f'<polyline class="{line.style}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, _drawn(line)))}"/>'
        for line in lines
    ]
    parts.append("</svg><ul class=legend>")
    parts += [f'<li><i class="{line.style}"></i>{html.escape(line.name)}</li>' for line in lines]
    parts.append("</ul></figure>")
    return "".join(parts)


def _drawn(line: Line) -> Iterator[tuple[float, float]]:
    before: float | None = None
    for x, y in line.points:
        if line.stepped and before is not None:
            yield x, before
        yield x, y
        before = y


def _round_up(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in _STEPS if step * power >= value * 0.999999)


def _ticks(right: float) -> Iterator[float]:
    width = _round_up(right / 8)
    for number in range(int(right / width) + 1):
        yield number * width
