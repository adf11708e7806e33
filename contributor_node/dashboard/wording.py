"""How the dashboard writes amounts, sizes, times and numbers with their nouns, in English (see `tongue`).

Rules: pure; times come out in this machine's own zone, days as UTC days because the caps count those. Nothing that is
not known is shown as a number.

Does not: make markup. Usage: `bytes_text(1_500)`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from windrow_protocol.amounts import OWN_ASSET, OWN_DECIMALS

NO_DATA = "no data"
_EPOCH = date(1970, 1, 1)


def bytes_text(count: int) -> str:
    """Return a size in SI units: `999 B`, `1.5 kB`, `2.5 MB`."""
    if count < 1_000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1_000
        if value < 999.95 or unit == "TB":
            break
    return f"{value:.1f}".removesuffix(".0") + f" {unit}"


class Unit(NamedTuple):
    """What amounts are counted in: an asset and its decimals, None where the coordinator does not say how many."""

    symbol: str = OWN_ASSET
    decimals: int | None = OWN_DECIMALS

    def bare(self, units: int) -> str:
        """Return an exact amount without the asset's name and without trailing zeros: `1,234.5`."""
        whole, rest = divmod(abs(units), 10 ** (self.decimals or 0))
        decimals = f"{rest:0{self.decimals or 1}d}".rstrip("0")
        return f"{'−' if units < 0 else ''}{whole:,}{'.' + decimals if decimals else ''}"

    def about(self, units: int) -> str:
        """Return an amount with at most four decimals, cut off and never rounded up: `≈ 1.2345` where it is cut.

        The sign and the number stay on one line.
        """
        unit = 10 ** max(0, (self.decimals or 0) - 4)
        kept = abs(units) // unit * unit
        text = self.bare(kept if units >= 0 else -kept)
        if kept == abs(units):
            return text
        return f"≈\N{NO-BREAK SPACE}{text}" if kept else "less than 0.0001"


def _local(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone()


def clock_text(at_ms: int) -> str:
    """Return a time of this machine's day: `21:04:09`."""
    return f"{_local(at_ms):%H:%M:%S}"


def hour_text(at_ms: int) -> str:
    """Return an hour and minute of this machine's day: `21:04`."""
    return f"{_local(at_ms):%H:%M}"


def moment_text(at_ms: int) -> str:
    """Return a date and time of this machine: `22 Nov 2026, 21:04`."""
    local = _local(at_ms)
    return f"{local.day} {local:%b %Y, %H:%M}"


def month_text(at_ms: int) -> str:
    """Return a month in UTC: `November 2026`."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%B %Y}"


def day_text(day: int) -> str:
    """Return a day counted from 1970-01-01: `22 Nov`."""
    then = _EPOCH + timedelta(days=day)
    return f"{then.day} {then:%b}"


def zone_text(at_ms: int) -> str:
    """Return the name of this machine's time zone."""
    return _local(at_ms).tzname() or "local time"


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number with its noun: `1 page`, `2 pages`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
