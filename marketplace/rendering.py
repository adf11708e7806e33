"""The market's pages: values in, HTML out.

Rules: server-rendered, nothing loaded from anywhere, all that came from a page or a contributor is escaped; a card
is Markdown in which HTML is shown as text.

Does not: read files or tables. Usage: `html = render_market(offers)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import jinja2
from markdown_it import MarkdownIt

from marketplace.catalogue import Offer

_CELL_CHARS_MAX = 160


def wei_text(wei: int | str) -> str:
    """Return an amount of wei as tokens, exact, without trailing zeros: 1500000000000000000 → 1.5."""
    amount = Decimal(int(wei)) / Decimal(10**18)
    return f"{amount.normalize():,f}"


def wei_about_text(wei: int | str) -> str:
    """Return an amount of wei as tokens to four significant digits, where the exact one would only distract."""
    return f"{Decimal(f'{Decimal(int(wei)) / Decimal(10**18):.4g}').normalize():,f}"


def bytes_text(count: int) -> str:
    """Return a size in the unit that suits it."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:,.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"
        value /= 1000
    return ""


def time_text(ms: int) -> str:
    """Return a time in UTC to the minute."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def cell_text(value: Any) -> str:
    """Return one value of a sample row, short enough for a table."""
    if value is None:
        return "–"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _CELL_CHARS_MAX else text[:_CELL_CHARS_MAX].rstrip() + " …"


def bars(counts: Mapping[str, int], most: int = 8) -> list[tuple[str, int, float]]:
    """Return (name, count, percent of all) of the largest counts, the rest together as `others`."""
    total = sum(counts.values()) or 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = ranked[:most], sum(count for _, count in ranked[most:])
    rows = [*shown, *([("others", rest)] if rest else [])]
    return [(name, count, 100 * count / total) for name, count in rows]


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("marketplace", "pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "wei": wei_text,
        "wei_about": wei_about_text,
        "size": bytes_text,
        "time": time_text,
        "cell": cell_text,
        "bars": bars,
        "count": lambda number: f"{number:,}",
    }
    return environment


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "link", "autolink"])


def render_market(offers: Sequence[Offer]) -> str:
    """Return the catalogue page."""
    return _environment().get_template("market.html").render(offers=offers)


def render_dataset(
    offer: Offer,
    *,
    versions: Sequence[Offer],
    sample: Sequence[Mapping[str, Any]],
    card: str,
    times_sold: int,
) -> str:
    """Return the page of one version."""
    return (
        _environment()
        .get_template("dataset.html")
        .render(
            offer=offer,
            manifest=offer.manifest,
            versions=versions,
            sample=sample,
            card=_markdown().render(card),
            times_sold=times_sold,
        )
    )
