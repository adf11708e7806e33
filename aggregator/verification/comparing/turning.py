"""Whether a page that stood still for long is said to be another one now: a pure function of texts and times.

Rules: the text that the house holds must be old enough, all that it holds of the page must be alike, and what is said
now must be less like it than a mismatch would have to be: what changes a little proves nothing later.

Does not: believe it; truths have to say the same (`turned_pages`).

Usage: `has_turned(rules, [Held(fetched_at_ms, text)], said, now_ms)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.verification.comparing.comparison import similarity
from windrow_protocol.limits import MATCH_SIMILARITY_MIN, MISMATCH_MARGIN
from windrow_protocol.trust_rules import TrustRules


@dataclass(frozen=True, slots=True)
class Held:
    """A text that the house holds of a page, and when it was fetched; milliseconds since 1970."""

    fetched_at_ms: int
    text: str


def has_turned(rules: TrustRules, held: Sequence[Held], said: str, now_ms: int) -> bool:
    """Say whether a text is clearly another one than a page had for long; `held` is sorted, the oldest first."""
    if not held or not said or now_ms - held[0].fetched_at_ms < rules.turned_stood_ms:
        return False
    first, last = held[0].text, held[-1].text
    if not last or similarity(first, last).two_sided < MATCH_SIMILARITY_MIN:  # an erased text is empty
        return False
    return similarity(said, last).two_sided < MATCH_SIMILARITY_MIN - MISMATCH_MARGIN
