"""A plot of bytes per day as SVG, made here: no script, no library, nothing to load.

Rules: the picture stretches to its place, so it holds no text; labels are the page's. Each bar has its values as a
title, and the page shows the same values as a table.

Does not: know colours (the stylesheet does). Usage: `plot = day_plot(days, day_bytes_max=10**9)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from contributor_node.dashboard.log_tail import DayTraffic
from contributor_node.dashboard.markup import Markup, fill, joined
from contributor_node.dashboard.tongue import Language, day, say, size

HEIGHT, STEP, BAR = 100, 10, 7
_STEPS_OF_TEN = (1, 2, 5, 10)
_SVG = (
    '<svg class="plot" role="img" aria-label="{label}" viewBox="0 0 {width} 100" preserveAspectRatio="none">'
    '<line class="grid" x1="0" x2="{width}" y1="0.5" y2="0.5"/>'
    '<line class="grid" x1="0" x2="{width}" y1="50" y2="50"/>{bars}{cap}'
    '<line class="axis" x1="0" x2="{width}" y1="100" y2="100"/></svg>'
)
_BARS = (
    '<g><title>{title}</title><rect class="hit" x="{left}" y="0" width="10" height="100"/>'
    '<rect class="down" x="{x}" y="{down_y:.2f}" width="7" height="{down:.2f}"/>'
    '<rect class="up" x="{x}" y="{up_y:.2f}" width="7" height="{up:.2f}"/></g>'
)
_CAP = '<line class="cap" x1="0" x2="{width}" y1="{y:.2f}" y2="{y:.2f}"/>'


class DayPlot(NamedTuple):
    """The picture, the value at its top, and whether the cap lies inside it."""

    svg: Markup
    top_bytes: int
    shows_cap: bool


def day_plot(
    days: Sequence[tuple[int, DayTraffic]], day_bytes_max: int, language: Language = "en"
) -> DayPlot:
    """Draw the days, the oldest first."""
    most = max((traffic.bytes_up + traffic.bytes_down for _, traffic in days), default=0)
    shows_cap = day_bytes_max <= 3 * most
    top = _round_up(max(most, day_bytes_max if shows_cap else 0, 1_000))
    width = STEP * len(days)
    cap = fill(_CAP, width=width, y=HEIGHT * (1 - day_bytes_max / top)) if shows_cap else Markup()
    bars = joined(_bars(language, at, then, traffic, top) for at, (then, traffic) in enumerate(days))
    label = say(language, "Bytes per day over {days} days; the most on one day was {most}")
    label = label.format(days=len(days), most=size(language, most))
    return DayPlot(fill(_SVG, label=label, width=width, bars=bars, cap=cap), top, shows_cap)


def _bars(language: Language, at: int, then: int, traffic: DayTraffic, top: int) -> Markup:
    down, up = (HEIGHT * count / top for count in (traffic.bytes_down, traffic.bytes_up))
    title = say(language, "{day}: {down} down, {up} up").format(
        day=day(language, then),
        down=size(language, traffic.bytes_down),
        up=size(language, traffic.bytes_up),
    )
    left = at * STEP
    return fill(
        _BARS,
        title=title,
        left=left,
        x=left + (STEP - BAR) / 2,
        down=down,
        down_y=HEIGHT - down,
        up=up,
        up_y=HEIGHT - down - up,
    )


def _round_up(count: int) -> int:
    """Return the next 1, 2 or 5 times a power of ten."""
    power = int(10 ** (len(str(count)) - 1))
    return min(step * power for step in _STEPS_OF_TEN if step * power >= count)
