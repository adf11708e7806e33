"""What a verified contribution is worth: the rates of some terms of pay, and the pure function that applies them.

Rules: integer wei; pay is linear in verified value. A fetch that an audit passed, or that nobody drew, earns a small
fee; the first-seen text of a cluster earns by the unique byte that a truth has too, up to a cap for each document and
to what its domain has left in the epoch. A page of a hard host and a control page earn the fee alone. A truth earns
nothing by itself: what a verdict used is paid from the epoch's dividends. A refusal is a price of 0 with its reason, so
that it becomes a row too.

Does not: read tables, post entries, or know who is paid.

Usage::

    text = Novelty(kind="unique", unique_bytes=12_000, confirmed_ppm=950_000)
    for priced in price_work("accepted", "matches_truth", text, rates=rates_of(terms)): ...

Source: docs/protocol.md, "Pay".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from storage.pay_terms import PayTerms, first_terms
from windrow_protocol.economics import WIND
from windrow_protocol.errors import REASONS
from windrow_protocol.trust_rules import PPM

__all__ = ["WIND"]  # where everybody who prices looks for it


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates of one version of the terms, in wei, halved as often as its epochs say."""

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


@dataclass(frozen=True, slots=True)
class Novelty:
    """What judging a text gave: unique, exact or near (empty: not judged), and its bytes that nobody had before.

    `confirmed_ppm` is the share of it that a truth has too; `room_bytes` what the text's site may still be paid for in
    the epoch, None without a bound, and `bound` the reason code of that.
    """

    kind: str = ""
    unique_bytes: int = 0
    confirmed_ppm: int = PPM
    room_bytes: int | None = None
    bound: str = "domain_cap"


def rates_of(terms: PayTerms) -> Rates:
    """Return what work earns under some terms."""
    of = terms.economics
    return Rates(
        version=terms.version,
        fetch_fee_wei=terms.halved(of.fetch_fee_wei),
        novelty_byte_wei=terms.halved(of.novelty_byte_wei),
        novelty_bytes_max=of.novelty_bytes_max,
        audit_fee_wei=terms.halved(of.audit_fee_wei),
    )


@dataclass(frozen=True, slots=True)
class PersonalRates:
    """What personal data earns under some terms: by the month of one person's history, never by the byte."""

    version: int
    month_wei_max: int  # of a budget, for one month; of a sale there is no such bound, its owners share it
    owner_share_ppm: int  # of a sale or of a round's pool, for one person
    pending_ms: int  # a withdrawal takes it back until then
    round_ms: int  # budgets are shared out once for so long, among the months that were judged in it


def personal_rates_of(terms: PayTerms) -> PersonalRates:
    """Return what months of history earn under some terms; no halving concerns them, since nothing is minted."""
    of = terms.economics
    return PersonalRates(
        version=terms.version,
        month_wei_max=of.month_wei_max,
        owner_share_ppm=of.month_owner_share_ppm,
        pending_ms=of.month_pending_ms,
        round_ms=of.month_round_ms,
    )


# As packaged and before any halving: what a network begins with that sets nothing of its own.
CURRENT: Final = rates_of(first_terms())
PERSONAL: Final = personal_rates_of(first_terms())

PAID: Final = frozenset({"accepted", "unaudited"})
_CREDITS: Final[dict[str, str]] = {
    "fetch_fee": "Fee for a page that was fetched as leased",
    "novelty": "New text: paid by the unique byte, up to the cap of one document",
    "confirmed_novelty": "New text, of which only the part counts that a validator's fetch has too",
    "released": "Pending pay became yours to claim",
    "dividend": "Your share of what an epoch's audits are paid with",
    "came_back": "A penalty was taken back, and with it all that it had cost",
    "restored_pay": "Looked at again, the text is the page's: paid as if it had been accepted at once",
    "royalty": "Your share of a sale, by the tokens of your rows in the export that was sold",
    "claimed": "Paid out on chain to this address",
    "person_month": "Your share of a sale or a budget, for a month of your history",
    "personal_budget": "What the operator set aside for months of history",
    "personal_rest": "What a sale left for further months of history",
    "sale_price": "A buyer's payment",
    "sale_royalties": "The owners' part of a sale",
    "sale_fees": "The treasury's part of a sale",
    "sale_burned": "The part of a sale that the sale itself destroyed",
    "royalty_unowned": "Royalties of rows that belong to nobody; the treasury keeps them",
}


def price_work(verdict: str, reason: str, text: Novelty | None = None, *, rates: Rates) -> list[Priced]:
    """Price a contribution by its verdict and, where it is paid, by the novelty of its text. Raises ValueError.

    Without a text (a control page) there is the fee alone.
    """
    if verdict not in ("accepted", "unaudited", "rejected", "no_evidence"):
        raise ValueError(f"cannot price verdict {verdict!r}")
    if verdict not in PAID:
        return [Priced("fetch", reason, 0)]
    fee = Priced("fetch", "fetch_fee", rates.fetch_fee_wei)
    if text is None:
        return [fee]
    novelty_wei = paid_bytes(reason, text, rates) * rates.novelty_byte_wei
    return [fee, Priced("novelty", _why(reason, text, rates), novelty_wei)]


def paid_bytes(reason: str, text: Novelty, rates: Rates) -> int:
    """Return how many bytes of a text are paid. Raises ValueError for a novelty that cannot be."""
    if text.unique_bytes < 0 or not 0 <= text.confirmed_ppm <= PPM:
        raise ValueError(f"cannot price {text}")
    if reason == "hard_host" or text.kind != "unique":
        return 0
    paid = min(text.unique_bytes * text.confirmed_ppm // PPM, rates.novelty_bytes_max)
    return paid if text.room_bytes is None else min(paid, max(0, text.room_bytes))


def _why(reason: str, text: Novelty, rates: Rates) -> str:
    if reason == "hard_host":
        return "hard_host"
    if text.kind != "unique":
        return "not_first_seen"
    if paid_bytes(reason, text, rates) < paid_bytes(reason, replace(text, room_bytes=None), rates):
        return text.bound
    return "novelty" if text.confirmed_ppm == PPM else "confirmed_novelty"


def price_truth(used: bool) -> list[Priced]:
    """Give a validator's truth fetch its line: it is paid with the epoch's dividends when a verdict rests on it."""
    return [Priced("audit", "by_dividends" if used else "truth_unused", 0)]


def audit_pot_wei(truths_used: int, rates: Rates) -> int:
    """Return what an epoch's validators share: a fee for each truth that a verdict rests on."""
    return truths_used * rates.audit_fee_wei


def sentence_of(reason: str) -> str:
    """Return the sentence that explains a reason code of the ledger. Raises KeyError for an unknown code."""
    return _CREDITS[reason] if reason in _CREDITS else REASONS[reason].sentence
