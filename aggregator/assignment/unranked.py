"""How many leases lead to domains that no list knows: no more than their share of what is paid has room for.

    share of leases = S / (1 − S) · (bytes paid of a known page) / (bytes asked of an unknown one)
    S = unranked_novelty_ppm

Rules: what a page asks is measured over the epochs that are priced; of the last few the one whose unknown pages were
longest counts, so that a flood that pauses for a day is not forgotten. Before anything is priced, unknown pages count
as `LONGER_AT_FIRST` times as long as known ones. A page beyond the share waits: whoever was sent there would be paid
the fee alone for it. Where nothing else is to be had it is leased all the same.

Does not: withhold pay (`rewards/novelty_rooms` does), count (`lottery`), or choose pages (`placement`).

Usage: `unranked_leases_left(rules, unranked_share(rules, epochs), known=9_000, unknown=120)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from windrow_protocol.trust_rules import PPM, TrustRules

LONGER_AT_FIRST: Final = 8
EPOCHS_REMEMBERED: Final = 7
PAGES_TO_MEASURE: Final = 20  # of an epoch with fewer nothing is known
_MARGIN: Final = 0.9  # pages are not all of the mean length


@dataclass(frozen=True, slots=True)
class RoomUse:
    """What pages of one priced epoch were paid and asked, in bytes of new text, and how many there were."""

    known_paid_bytes: float
    known_pages: int
    unknown_asked_bytes: float
    unknown_pages: int


def unranked_share(rules: TrustRules, epochs: Sequence[RoomUse]) -> float:
    """Return how many leases to unknown domains there are to be for each to a known one. The latest epoch is last."""
    share = rules.unranked_novelty_ppm / max(1, PPM - rules.unranked_novelty_ppm)
    measured = [each for each in epochs[-EPOCHS_REMEMBERED:] if each.known_pages >= PAGES_TO_MEASURE]
    lengths = [
        each.unknown_asked_bytes / each.unknown_pages
        for each in measured
        if each.unknown_pages >= PAGES_TO_MEASURE
    ]
    if not lengths:
        return share / LONGER_AT_FIRST
    known = measured[-1].known_paid_bytes / measured[-1].known_pages
    longest = max(lengths)
    return _MARGIN * share * known / longest if longest > 0 else 1.0


def unranked_leases_left(rules: TrustRules, share: float, known: int, unknown: int) -> int:
    """Return how many leases to unknown domains a day still has room for, of `known` and `unknown` ones given."""
    return max(0, max(rules.unranked_leases_per_day, int(known * share)) - unknown)
