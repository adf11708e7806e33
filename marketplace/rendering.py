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
from importlib.resources import files
from typing import Any, Final

import jinja2
from markdown_it import MarkdownIt

from marketplace.catalogue import Offer
from marketplace.plots import Bars, bar_plot

_CELL_CHARS_MAX = 160
_UNITS: Final = (("days", 86_400_000), ("hours", 3_600_000), ("minutes", 60_000), ("seconds", 1_000))
_FILTERS_DRAWN: Final = 10
_LICENCE: Final = "\n## Licence\n"


def units_text(units: int | str, decimals: int) -> str:
    """Return an amount in a token's smallest unit as tokens, exact, without trailing zeros: 1500000, 6 → 1.5."""
    amount = Decimal(int(units)) / Decimal(10**decimals)
    return f"{amount.normalize():,f}"


def wei_text(wei: int | str) -> str:
    """Return an amount of wei as tokens: 1500000000000000000 → 1.5."""
    return units_text(wei, 18)


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


def age_text(ms: int) -> str:
    """Return a span of time in the largest unit of which it is at least two."""
    unit, size = next((each for each in _UNITS if ms >= 2 * each[1]), _UNITS[-1])
    return f"{ms / size:,.1f} {unit}" if ms < 10 * size and ms % size else f"{ms // size:,} {unit}"


def licence_text(card: str) -> str:
    """Return what a card says below its heading `Licence`, up to the next heading; empty where it says nothing."""
    return card.partition(_LICENCE)[2].partition("\n## ")[0].strip()


def plots_of(offer: Offer) -> list[tuple[str, str, Bars]]:
    """Return (name, title, bars) of what was measured of a version and can be drawn."""
    measures = offer.measures
    if measures is None:
        return []
    drawn = [
        ("lengths", "Tokens in a row", measures.row_tokens),
        ("scores", "Quality: how sure the language is", measures.language_scores),
        ("clusters", "Duplicates: pages seen with this text", measures.cluster_sizes),
    ]
    kept = [(name, title, [(each.label, each.rows) for each in bins]) for name, title, bins in drawn if bins]
    dropped = [(each.filter.replace("_", " "), each.rows) for each in measures.dropped_by[:_FILTERS_DRAWN]]
    return [*kept, *([("dropped", "Quality: pages that rules left out", dropped)] if dropped else [])]


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
        "units": units_text,
        "others": other_offers,
        "size": bytes_text,
        "time": time_text,
        "age": age_text,
        "plot": bar_plot,
        "cell": cell_text,
        "bars": bars,
        "count": lambda number: f"{number:,}",
    }
    return environment


@cache
def buying_script() -> str:
    """Return the script by which a wallet in the browser buys."""
    return files("marketplace").joinpath("pages", "buy.js").read_text(encoding="utf-8")


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "link", "autolink"])


def other_offers(offer: Offer, chain: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return what a version costs in each further asset that the house takes and its seller stated a price in.

    Each is `{symbol, price, decimals, token, market}`; an empty list while the chain is not known.
    """
    assets, prices = (chain or {}).get("assets", {}), offer.manifest.prices
    facts = ("decimals", "token", "market")
    return [
        {"symbol": symbol, "price": prices[symbol]} | {name: assets[symbol][name] for name in facts}
        for symbol in sorted(prices.keys() & assets.keys())
    ]


def render_market(offers: Sequence[Offer], words: str = "", chain: Mapping[str, Any] | None = None) -> str:
    """Return the catalogue page: what was found, and the words that it was searched for."""
    return _environment().get_template("market.html").render(offers=offers, words=words, chain=chain)


def render_dataset(
    offer: Offer,
    *,
    versions: Sequence[Offer],
    sample: Sequence[Mapping[str, Any]],
    card: str,
    times_sold: int,
    chain: Mapping[str, Any] | None = None,
) -> str:
    """Return the page of one version. `chain` names the contracts that take payments and the export there."""
    return (
        _environment()
        .get_template("dataset.html")
        .render(
            offer=offer,
            manifest=offer.manifest,
            versions=versions,
            sample=sample,
            card=_markdown().render(card),
            licence=_markdown().render(licence_text(card)),
            plots=plots_of(offer),
            times_sold=times_sold,
            chain=chain,
        )
    )
