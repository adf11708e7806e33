"""Plots of an answer as SVG, drawn here: bars or a line, no script, no library, nothing to load.

Rules: each has a title and a description, and the page shows the same values as a table. What strangers wrote is
escaped. A line's points stand where their numbers or times say, a missing value is a gap; bars stand in the answer's
order.

Does not: know colours (the stylesheet does), or ask. Usage: `svg = plot_of(answer, "bars", "verdict", "texts")`.

Source: W3C, SVG Accessibility API Mappings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from markupsafe import Markup

from aggregator.sql.job import Answer
from aggregator.sql.printable import printable

BARS_MAX: Final = 40
POINTS_MAX: Final = 2_000
# About the whole of a phone, so that type keeps its size there.
_WIDTH, _ROW, _LABEL, _COUNT = 420, 24, 142, 84
_HEIGHT, _LEFT, _RIGHT, _TOP, _FOOT = 220, 80, 10, 12, 26
_CHARS_MAX: Final = 19
_DOTS_MAX: Final = 60
_SVG: Final = Markup(
    '<svg class="plot {kind}" role="img" aria-labelledby="plot-title plot-desc" viewBox="0 0 {width} {height}">'
    '<title id="plot-title">{title}</title><desc id="plot-desc">{desc}</desc>{drawn}</svg>'
)
_BAR: Final = Markup(
    '<g><title>{label}: {value}</title><text x="0" y="{text_y}">{short}</text>'
    '<rect class="ground" x="{x0}" y="{y}" width="{room}" height="10" rx="3"/>'
    '<rect class="bar" x="{x:.1f}" y="{y}" width="{width:.1f}" height="10" rx="2"/>'
    '<text class="count" x="{right}" y="{text_y}">{value}</text></g>'
)
_GRID: Final = Markup(
    '<line class="grid" x1="{x0}" x2="{x1}" y1="{y:.1f}" y2="{y:.1f}"/>'
    '<text class="count" x="{text_x}" y="{text_y:.1f}">{value}</text>'
)
_PATH: Final = Markup('<polyline class="line" points="{points}"/>')
_DOT: Final = Markup(
    '<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{label}: {value}</title></circle>'
)
_FOOT_TEXT: Final = Markup('<text class="{kind}" x="{x}" y="{y}">{text}</text>')


class Point(NamedTuple):
    """One row as it is drawn."""

    label: str
    x: float
    y: float | None


def axes_of(answer: Answer, x: str = "", y: str = "") -> tuple[str, str] | None:
    """Return the columns to draw: those wanted, else the first, and the last with numbers; None without numbers."""
    places = range(len(answer.columns))
    numeric = [answer.columns[at] for at in places if any(number(row[at]) is not None for row in answer.rows)]
    if not numeric:
        return None
    return x if x in answer.columns else answer.columns[0], y if y in numeric else numeric[-1]


def plot_of(answer: Answer, kind: str, x: str = "", y: str = "") -> Markup | None:
    """Return a picture of two columns of an answer; None for the kind `none` and where there are no numbers."""
    axes = axes_of(answer, x, y)
    if axes is None or kind not in ("bars", "line"):
        return None
    across, up = (answer.columns.index(name) for name in axes)
    rows = answer.rows[: BARS_MAX if kind == "bars" else POINTS_MAX]
    points = _points([row[across] for row in rows], [number(row[up]) for row in rows])
    if not any(point.y is not None for point in points):
        return None
    left_out = len(answer.rows) - len(rows)
    title = f"{axes[1]} by {axes[0]}" + (
        f", the first {len(rows)} of {len(answer.rows)} rows" if left_out else ""
    )
    height = _ROW * len(points) if kind == "bars" else _HEIGHT
    drawn = _bars(points) if kind == "bars" else _line(points)
    return _SVG.format(
        kind=kind, width=_WIDTH, height=height, title=title, desc=_described(points), drawn=drawn
    )


def number(value: Any) -> float | None:
    """Return a cell as a number, None where it is none: amounts of wei come as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        read = float(value)
    except ValueError:
        return None
    return read if math.isfinite(read) else None


def _points(across: Sequence[Any], up: Sequence[float | None]) -> list[Point]:
    labels = ["∅" if each is None else printable(str(each)) for each in across]
    places = [_place(each) for each in across]
    if any(place is None for place in places):
        return [Point(label, float(at), y) for at, (label, y) in enumerate(zip(labels, up, strict=True))]
    return [Point(*each) for each in zip(labels, (place or 0.0 for place in places), up, strict=True)]


def _place(value: Any) -> float | None:
    """Return where a value stands on the line: its number, or its time in seconds."""
    read = number(value)
    if read is not None or not isinstance(value, str):
        return read
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _bars(points: Sequence[Point]) -> Markup:
    values = [point.y or 0.0 for point in points]
    low, high = min(0.0, *values), max(0.0, *values)
    room = _WIDTH - _LABEL - _COUNT
    scale = room / (high - low) if high > low else 0.0
    zero = _LABEL - low * scale
    return Markup("").join(
        _BAR.format(
            label=point.label,
            short=_short(point.label),
            value="∅" if point.y is None else shown(point.y),
            x0=_LABEL,
            room=room,
            y=at * _ROW + 7,
            text_y=at * _ROW + 16,
            x=min(zero, zero + value * scale),
            width=max(1.5 if value else 0.0, abs(value) * scale),
            right=_WIDTH,
        )
        for at, (point, value) in enumerate(zip(points, values, strict=True))
    )


def _line(points: Sequence[Point]) -> Markup:
    ordered = sorted(points, key=lambda point: point.x)
    ys = [point.y for point in ordered if point.y is not None]
    low, high = min(0.0, *ys), max(0.0, *ys)
    first, last = ordered[0], ordered[-1]
    wide, tall = last.x - first.x or 1.0, high - low or 1.0

    def at(point: Point, y: float) -> tuple[float, float]:
        x = _LEFT + (point.x - first.x) / wide * (_WIDTH - _LEFT - _RIGHT)
        return x, _HEIGHT - _FOOT - (y - low) / tall * (_HEIGHT - _FOOT - _TOP)

    runs: list[list[tuple[float, float]]] = [[]]
    dots = []
    for point in ordered:
        if point.y is None:
            runs.append([])
            continue
        runs[-1].append(at(point, point.y))
        dots.append(
            _DOT.format(x=runs[-1][-1][0], y=runs[-1][-1][1], label=point.label, value=shown(point.y))
        )
    few = dots if len(dots) <= _DOTS_MAX else []
    paths = [
        _PATH.format(points=" ".join(f"{x:.1f},{y:.1f}" for x, y in run)) for run in runs if len(run) > 1
    ]
    grid = [_grid_line(at(first, value)[1], value) for value in {low, (low + high) / 2, high}]
    foot = [
        _FOOT_TEXT.format(kind="start", x=_LEFT, y=_HEIGHT - 8, text=_short(first.label)),
        _FOOT_TEXT.format(kind="count", x=_WIDTH - _RIGHT, y=_HEIGHT - 8, text=_short(last.label)),
    ]
    return Markup("").join([*grid, *paths, *few, *foot])


def _grid_line(y: float, value: float) -> Markup:
    return _GRID.format(x0=_LEFT, x1=_WIDTH - _RIGHT, y=y, text_x=_LEFT - 8, text_y=y + 4, value=shown(value))


def shown(value: float) -> str:
    """Return a number short enough for a plot: six digits, large ones with their power of ten."""
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    return f"{value:,.6g}" if abs(value) < 1e9 else f"{value:.4g}"


def _short(label: str) -> str:
    return label if len(label) <= _CHARS_MAX else label[: _CHARS_MAX - 1] + "…"


def _described(points: Sequence[Point]) -> str:
    known = [(point.y, point.label) for point in points if point.y is not None]
    low, high = min(known), max(known)
    return (
        f"{len(points)} values from {shown(low[0])} ({low[1]}) to {shown(high[0])} ({high[1]}). "
        "The same values follow as a table."
    )
