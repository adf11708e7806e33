"""A node's earnings as a table: every row of its payout address, with its reason in words.

Rules: all rows, as the coordinator's ledger has them: those in WIND first, then those of each other asset, the newest
first; amounts in the asset's smallest unit and in whole tokens, exactly, or in none where its decimals are not told. Of
each asset the rows of `earned_wei` sum to what is pending, in bond, posted and claimed.

Does not: prove the total (`windrow claim` checks the proof before anything is claimed).

Usage: `write_earnings(desk, payout, sys.stdout)`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TextIO

from contributor_node.coordinator.facts import PAGES_MAX, AccountPage, FactsDesk
from windrow_protocol.amounts import OWN_ASSET, OWN_DECIMALS
from windrow_protocol.errors import WindrowError

COLUMNS = (
    *("at_utc", "kind", "held", "reason", "sentence", "cause", "amount_wei", "earned_wei", "earned_tokens"),
    *("rule_version", "entry_seq", "entry_id", "asset"),
)


def earnings_rows(desk: FactsDesk, payout: str) -> Iterator[dict[str, Any]]:
    """Yield each row of the address. Raises WindrowError `bad_coordinator_answer` or what the coordinator refuses."""
    yield from _rows_in(desk, payout, OWN_ASSET)
    for asset in desk.account(payout).others:
        yield from _rows_in(desk, payout, asset)


def _rows_in(desk: FactsDesk, payout: str, asset: str) -> Iterator[dict[str, Any]]:
    before_seq: int | None = None
    for _ in range(PAGES_MAX):
        page = desk.account(payout, before_seq, asset)
        yield from (_row(entry, asset, decimals_in(page, asset)) for entry in page.entries)
        if page.next_before_seq is None:
            return
        if before_seq is not None and page.next_before_seq >= before_seq:
            raise WindrowError("bad_coordinator_answer", "its pages of earnings do not end")
        before_seq = page.next_before_seq


def write_earnings(desk: FactsDesk, payout: str, out: TextIO) -> int:
    """Write the table as CSV and return how many rows it has."""
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in earnings_rows(desk, payout):
        writer.writerow(row)
        count += 1
    return count


def decimals_in(page: AccountPage, asset: str) -> int | None:
    """Return an asset's decimals as a page tells them; None where it does not."""
    found = OWN_DECIMALS if asset == OWN_ASSET else page.decimals.get(asset)
    return found if found is None or 0 <= found <= 255 else None


def tokens(amount: int, decimals: int | None = OWN_DECIMALS) -> str:
    """Return an amount in whole tokens, exactly; empty where the decimals are not known."""
    return "" if decimals is None else f"{Decimal(f'{amount}e-{decimals}'):f}"


def _row(entry: dict[str, Any], asset: str, decimals: int | None) -> dict[str, Any]:
    try:
        at = datetime.fromtimestamp(int(entry["created_at_ms"]) / 1000, UTC)
        facts = {
            "at_utc": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "earned_tokens": tokens(int(entry["earned_wei"]), decimals),
            "asset": asset,
        }
        return facts | {name: _tame(entry[name]) for name in COLUMNS if name not in facts}
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise WindrowError("bad_coordinator_answer", f"a row of earnings: {error}") from error


def _tame(value: Any) -> Any:
    """Keep a spreadsheet from running what a server said as a formula; amounts keep their sign."""
    text = str(value)
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") and not text[1:].isdecimal() else value
