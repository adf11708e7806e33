"""When pay that is pending becomes its owner's to claim: a pure rule, and the table of all that money can go through.

    state     event        next      what happened
    earned    probation    bond      the first documents of an identity are its bond
    earned    accept       pending   a document was priced above nothing
    earned    dividend     posted    a validator's share of what an epoch's audits are paid with
    pending   vest         posted    old enough, and enough later documents of the node passed an audit
    pending   take         fines     a fine, a padded text's share, a forfeit, a lost appeal
    bond      take         fines     what pending did not cover
    fines     undo         pending   a penalty was taken back: exactly what it took, to where it lay
    fines     undo_bond    bond
    bond      return       posted    the node has left and its pending pay was settled
    posted    claim        claimed   paid on chain

A document vests when it was received `vest_age_ms` ago and `vest_audits` documents of the same node that stand later in
the log passed an audit (a truth or a canary agreed; what nobody drew has passed nothing). So whoever fakes one document
must first get that many more past the audits. The node's k-th latest passed audit bounds all that can vest, so the
rule needs no look at documents one by one. A frozen node waits; one that left and was settled does not; a suspended
one has nothing left to wait for.

Rules: values in, values out; times in milliseconds; the clock is the caller's. Does not: read tables or post entries
(`releases` does), or know what an audit found.

Usage::

    bounds = vesting_bounds(rules, passed=[4, 9, 12], now_ms=now, frozen=False, suspended=False)
    if bounds.cover(document.seq, document.received_at_ms): ...

Source: docs/protocol.md, "Pay" and "Consequences".
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from windrow_protocol.trust_rules import TrustRules

State = Literal["earned", "pending", "bond", "posted", "claimed", "fines"]
Event = Literal["probation", "accept", "dividend", "vest", "take", "undo", "undo_bond", "return", "claim"]
STEPS: Final[dict[tuple[State, Event], State]] = {
    ("earned", "probation"): "bond",
    ("earned", "accept"): "pending",
    ("earned", "dividend"): "posted",
    ("pending", "vest"): "posted",
    ("pending", "take"): "fines",
    ("bond", "take"): "fines",
    ("fines", "undo"): "pending",
    ("fines", "undo_bond"): "bond",
    ("bond", "return"): "posted",
    ("posted", "claim"): "claimed",
}
NO_DOCUMENT: Final = 0  # places of the log begin at 1
EVERY_DOCUMENT: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class VestingBounds:
    """All of a node's documents before a place of the log, received not later than a time, may be posted."""

    seq_below: int
    received_until_ms: int

    def cover(self, seq: int, received_at_ms: int) -> bool:
        """Say whether a document's pay may be posted."""
        return seq < self.seq_below and received_at_ms <= self.received_until_ms


def vesting_bounds(
    rules: TrustRules,
    passed: Sequence[int],
    *,
    now_ms: int,
    frozen: bool,
    suspended: bool,
    settled: bool = False,
) -> VestingBounds:
    """Return what of a node's pending pay vests now.

    `passed` are places in the log, ascending, of the node's documents that passed an audit; only the latest
    `vest_audits` of them matter. `settled` says that the node left and what was drawn of its pending passed.
    """
    if suspended:
        return VestingBounds(NO_DOCUMENT, now_ms)
    if settled or not rules.on("vesting"):
        return VestingBounds(EVERY_DOCUMENT, EVERY_DOCUMENT)
    if frozen or len(passed) < rules.vest_audits:
        return VestingBounds(NO_DOCUMENT, now_ms)
    latest = passed[-rules.vest_audits] if rules.vest_audits else EVERY_DOCUMENT
    return VestingBounds(latest, now_ms - rules.vest_age_ms)


def audits_missing(rules: TrustRules, passed: Sequence[int], seq: int) -> int:
    """Return how many more audits of later documents must pass before the document at a place of the log vests."""
    if not rules.on("vesting"):
        return 0
    return max(0, rules.vest_audits - (len(passed) - bisect_right(passed, seq)))


def expected_at_ms(
    rules: TrustRules, missing: int, received_at_ms: int, *, now_ms: int, audit_every_ms: int | None
) -> int | None:
    """Return when a document will probably vest, given how far apart the node's passed audits lie in time.

    None when audits are missing and it is not known yet how often they come.
    """
    if not rules.on("vesting"):
        return now_ms
    old_enough_ms = max(now_ms, received_at_ms + rules.vest_age_ms)
    if not missing:
        return old_enough_ms
    return None if audit_every_ms is None else max(old_enough_ms, now_ms + missing * audit_every_ms)
