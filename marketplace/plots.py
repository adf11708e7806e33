"""Plots of counted rows as SVG, drawn here: no script, no library, nothing to load.

Rules: each plot has a title and a description for those who do not see it, and the page shows the same values as a
table below. Every bar has its value as a title. What strangers wrote is escaped. Bars that are too small to see are
still drawn, because a few rows are not none.

Does not: know colours or sizes of type (the stylesheet does), or count.

Usage: `svg = bar_plot("tokens", "Tokens in a row", [("0–127", 12), ("128–255", 80)])`.

Source: W3C, SVG Accessibility API Mappings (title and desc name a graphic with role img).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

Bars = Sequence[tuple[str, int]]
WIDTH: Final = 340  # about a column of a page and the whole of a phone, so that type keeps its size on both
_ROW: Final = 24
_LABEL: Final = 108
_COUNT: Final = 58
_SEEN: Final = 1.5  # the least width of a bar that stands for anything
_CHARS_MAX: Final = 16
_SVG: Final = Markup(
    '<svg class="plot" role="img" aria-labelledby="{name}-title {name}-desc" viewBox="0 0 {width} {height}">'
    '<title id="{name}-title">{title}</title><desc id="{name}-desc">{desc}</desc>{bars}</svg>'
)
_BAR: Final = Markup(
    '<g><title>{label}: {rows}</title><text class="label" x="0" y="{text_y}">{short}</text>'
    '<rect class="ground" x="{x}" y="{y}" width="{most}" height="10" rx="3"/>'
    '<rect class="bar" x="{x}" y="{y}" width="{width:.1f}" height="10" rx="{round}"/>'
    '<text class="count" x="{right}" y="{text_y}">{rows}</text></g>'
)


def bar_plot(name: str, title: str, bars: Bars) -> Markup:
    """Return one bar a line, as long as its share of the largest. `name` is unique on the page, of letters."""
    most = max((rows for _, rows in bars), default=0)
    drawn = Markup("").join(_bar(at, label, rows, most) for at, (label, rows) in enumerate(bars))
    return _SVG.format(
        name=name, title=title, desc=_described(bars), bars=drawn, width=WIDTH, height=_ROW * len(bars)
    )


def _bar(at: int, label: str, rows: int, most: int) -> Markup:
    room = WIDTH - _LABEL - _COUNT
    width = max(_SEEN, room * rows / most) if rows else 0
    short = label if len(label) <= _CHARS_MAX else label[: _CHARS_MAX - 1] + "…"
    return _BAR.format(
        label=label,
        short=short,
        rows=f"{rows:,}",
        x=_LABEL,
        y=at * _ROW + 7,
        text_y=at * _ROW + 16,
        most=room,
        width=width,
        round=min(3, width / 2),
        right=WIDTH,
    )


def _described(bars: Bars) -> str:
    """Say in a sentence what the picture shows: how many rows, and where most of them are."""
    whole = sum(rows for _, rows in bars)
    if not whole:
        return "No rows."
    label, rows = max(bars, key=lambda bar: bar[1])
    return f"{whole:,} rows; most, {rows:,}, in {label}. The same values follow as a table."
