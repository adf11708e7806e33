"""A node's earnings as a table: every row of its payout address, with its reason in words.

Rules: all rows, the newest first, as the coordinator's ledger has them; amounts in wei and in whole tokens, exactly.
The rows of `earned_wei` sum to what is pending, in bond, posted and claimed.

Does not: prove the total (`windrow claim` checks the proof before anything is claimed).

Usage: `write_earnings(desk, payout, sys.stdout)`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TextIO

from contributor_node.coordinator_facts import PAGES_MAX, FactsDesk
from windrow_protocol.errors import WindrowError

COLUMNS = (
    *("at_utc", "kind", "held", "reason", "sentence", "cause", "amount_wei", "earned_wei", "earned_tokens"),
    *("rule_version", "entry_seq", "entry_id"),
)
WEI_DIGITS = 18


def earnings_rows(desk: FactsDesk, payout: str) -> Iterator[dict[str, Any]]:
    """Yield each row of the address. Raises WindrowError `bad_coordinator_answer` or what the coordinator refuses."""
    before_seq: int | None = None
    for _ in range(PAGES_MAX):
        page = desk.account(payout, before_seq)
        yield from (_row(entry) for entry in page.entries)
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


def tokens(amount_wei: int) -> str:
    """Return an amount in whole tokens, exactly."""
    return f"{Decimal(amount_wei).scaleb(-WEI_DIGITS):f}"


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    try:
        at = datetime.fromtimestamp(int(entry["created_at_ms"]) / 1000, UTC)
        facts = {
            "at_utc": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "earned_tokens": tokens(int(entry["earned_wei"])),
        }
        return facts | {name: _tame(entry[name]) for name in COLUMNS if name not in facts}
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise WindrowError("bad_coordinator_answer", f"a row of earnings: {error}") from error


def _tame(value: Any) -> Any:
    """Keep a spreadsheet from running what a server said as a formula; amounts keep their sign."""
    text = str(value)
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") and not text[1:].isdecimal() else value
