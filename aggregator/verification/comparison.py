"""How alike two texts of one page are, and what follows for a contribution.

Similarity counts distinct five-word shingles: `s = min(|A∩B|/|A|, |A∩B|/|B|)`, so leaving out and adding both lower it.
The decision is this table, read from the top; `s` is the contribution against each truth and `s12` the two truths
against each other. A truth without words is none (a block page, an empty answer) and is set aside first.

    truths   condition                                  kind         reason code
    any      some s ≥ MATCH_SIMILARITY_MIN              match        matches_truth
    0 or 1   -                                          need_truth   (empty: nothing is decided)
    2        s12 < TRUTH_AGREEMENT_MIN                  no_evidence  truths_disagree
    2        every s < s12 − MISMATCH_MARGIN            mismatch     differs_from_truth
    2        otherwise                                  no_evidence  inconclusive

Rules: a pure function of the texts, so anybody can recompute a verdict; the doubt is the contributor's. Texts are
bounded by `TEXT_BYTES_MAX` before they come here.

Does not: choose what is audited, fetch a truth, or say `truth_unavailable` (the caller knows when to give up).

Usage::

    decision = decide(contribution.text, [truth.text for truth in truths])
    if decision.kind == "need_truth": ...

Source: Broder, "On the resemblance and containment of documents" (1997); docs/protocol.md, "Audit".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from windrow_protocol.content import shingle_hashes
from windrow_protocol.limits import (
    MATCH_SIMILARITY_MIN,
    MISMATCH_MARGIN,
    TRUTH_AGREEMENT_MIN,
    TRUTHS_PER_AUDIT_MAX,
)


@dataclass(frozen=True, slots=True)
class Similarity:
    """Shares in 0..1 and counts of distinct shingles. `a_in_b` is the share of A's shingles that B has too."""

    two_sided: float
    a_in_b: float
    b_in_a: float
    shingles_a: int
    shingles_b: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What the truths say about a contribution. `score` is the best `s`; `reason_code` is empty until decided."""

    kind: Literal["match", "need_truth", "mismatch", "no_evidence"]
    score: float
    reason_code: str


def similarity(a_text: str, b_text: str) -> Similarity:
    """Compare two texts.

    A text of one to four words is one shingle. Two texts without any word are alike (1.0); a text without words is
    unlike any text with words (0.0).
    """
    return _similarity(shingle_hashes(a_text), shingle_hashes(b_text))


def decide(contribution_text: str, truths: Sequence[str]) -> Decision:
    """Decide by the module's table. Raises ValueError for more than `TRUTHS_PER_AUDIT_MAX` truths."""
    if len(truths) > TRUTHS_PER_AUDIT_MAX:
        raise ValueError(f"{len(truths)} truths, at most {TRUTHS_PER_AUDIT_MAX}")
    claimed = shingle_hashes(contribution_text)
    known = [shingles for shingles in map(shingle_hashes, truths) if shingles]
    scores = [_similarity(claimed, truth).two_sided for truth in known]
    best = max(scores, default=0.0)
    if best >= MATCH_SIMILARITY_MIN:
        return Decision("match", best, "matches_truth")
    if len(known) < TRUTHS_PER_AUDIT_MAX:
        return Decision("need_truth", best, "")
    agreement = _similarity(*known).two_sided
    if agreement < TRUTH_AGREEMENT_MIN:
        return Decision("no_evidence", best, "truths_disagree")
    if best < agreement - MISMATCH_MARGIN:
        return Decision("mismatch", best, "differs_from_truth")
    return Decision("no_evidence", best, "inconclusive")


def _similarity(a: frozenset[int], b: frozenset[int]) -> Similarity:
    if not a and not b:
        return Similarity(1.0, 1.0, 1.0, 0, 0)
    shared = len(a & b)
    a_in_b = shared / len(a) if a else 0.0
    b_in_a = shared / len(b) if b else 0.0
    return Similarity(min(a_in_b, b_in_a), a_in_b, b_in_a, len(a), len(b))
