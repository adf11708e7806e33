"""What a verified contribution is worth: one table of rates for each version, and the pure function that applies it.

Rules: integer wei; pay is linear in verified value. A verified fetch earns a small fee, the first-seen text of a
cluster earns by the unique byte up to a cap, a truth that a verdict used earns an audit fee whatever the verdict was.
A refusal is a price of 0 with its reason, so that it becomes a row too. A new version is a new row, never an edit.

Does not: read tables, post entries, or know who is paid.

Usage::

    for priced in price_work("accepted", "matches_truth", duplicate_kind="unique", unique_bytes=12_000): ...

Source: docs/protocol.md, "Pay".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from windrow_protocol.errors import REASONS

WIND: Final = 10**18  # wei of one token


@dataclass(frozen=True, slots=True)
class Rates:
    """One version of the rates, in wei."""

    version: int
    fetch_fee_wei: int
    novelty_byte_wei: int
    novelty_bytes_max: int
    audit_fee_wei: int


@dataclass(frozen=True, slots=True)
class Priced:
    """One line of a price. `rule` is the slot it fills, once for each contribution; `reason` says why so much."""

    rule: str
    reason: str
    amount_wei: int


RATES: Final[dict[int, Rates]] = {
    1: Rates(
        version=1,
        fetch_fee_wei=WIND // 20,
        novelty_byte_wei=WIND // 100_000,
        novelty_bytes_max=50_000,  # 0.5 WIND: ten fetch fees, so that padding a page soon stops paying
        audit_fee_wei=WIND // 20,
    ),
}
CURRENT: Final = RATES[1]

_CREDITS: Final[dict[str, str]] = {
    "fetch_fee": "Fee for a page whose text agreed with what a validator fetched",
    "novelty": "New text: paid by the unique byte, up to the cap of one document",
    "audit_fee": "Fee for a truth fetch that a verdict rests on",
    "released": "Pending pay became yours to claim",
    "royalty": "Your share of a sale, by the tokens of your rows in the export that was sold",
    "claimed": "Paid out on chain to this address",
    "sale_price": "A buyer's payment",
    "sale_royalties": "The owners' part of a sale",
    "sale_fees": "The treasury's part of a sale",
    "royalty_unowned": "Royalties of rows that belong to nobody; the treasury keeps them",
}


def price_work(
    verdict: str, reason: str, *, duplicate_kind: str = "", unique_bytes: int = 0, rates: Rates = CURRENT
) -> list[Priced]:
    """Price a contribution by its verdict and, when it was accepted, by its novelty. Raises ValueError."""
    if verdict not in ("accepted", "rejected", "no_evidence") or unique_bytes < 0:
        raise ValueError(f"cannot price verdict {verdict!r} with {unique_bytes} unique bytes")
    if verdict != "accepted":
        return [Priced("fetch", reason, 0)]
    if duplicate_kind == "unique":
        bytes_paid = min(unique_bytes, rates.novelty_bytes_max)
        novelty = Priced("novelty", "novelty", bytes_paid * rates.novelty_byte_wei)
    else:
        novelty = Priced("novelty", "not_first_seen", 0)
    return [Priced("fetch", "fetch_fee", rates.fetch_fee_wei), novelty]


def price_truth(used: bool, rates: Rates = CURRENT) -> list[Priced]:
    """Price a validator's truth fetch: it is paid for being used, not for what the verdict says."""
    if used:
        return [Priced("audit", "audit_fee", rates.audit_fee_wei)]
    return [Priced("audit", "truth_unused", 0)]


def sentence_of(reason: str) -> str:
    """Return the sentence that explains a reason code of the ledger. Raises KeyError for an unknown code."""
    return _CREDITS[reason] if reason in _CREDITS else REASONS[reason].sentence
