"""How alike two texts of one page are, and what follows for a contribution.

Similarity counts distinct five-word shingles: `s = min(|A∩B|/|A|, |A∩B|/|B|)`, so leaving out and adding both lower it.
What says a page twice is not the page: the `s` of a contribution is at most the truth's length over its own, repeated
shingles counted. Where an earlier version of the page is known, the shingles that all truths have and the earlier
version has not are scored by themselves, and the lower score counts: a stale copy earns nothing. It proves nothing
either, because the news may be younger than the contribution (docs/calibration.md). Where a page of the host is known
that says nearly the same, what is this page's own is scored by itself likewise (`own_part`), unless the text is as like
a truth as what is served is to itself. The decision is this table, read from the top; `s` is the contribution against
each truth and `agreement` the least similarity of two truths. A truth without words is none (a block page, an empty
answer) and is set aside first.

    truths   condition                                   kind         reason code
    any      some s ≥ MATCH_SIMILARITY_MIN               match        matches_truth
    0 or 1   -                                           need_truth   (empty: nothing is decided)
    2 or 3   agreement < TRUTH_AGREEMENT_MIN             no_evidence  truths_disagree
    2 or 3   some s ≥ agreement − MISMATCH_MARGIN        no_evidence  inconclusive
    2        otherwise                                   need_truth   (a mismatch takes a third truth)
    3        s alone makes it a mismatch                 mismatch     differs_from_truth
    3        the own part lacks, a neighbour's is there  mismatch     another_page
    3        otherwise; the own part lacks               no_evidence  lacks_own_part
    3        otherwise; the news lacks                   no_evidence  perhaps_stale
    4 to 7   some s ≥ MATCH_SIMILARITY_MIN               no_evidence  truths_disagree
    4 to 7   otherwise                                   as with three

More than three truths are asked for only where three make a mismatch of a text that is a part of one, or has one as a
part (`is_nested`): perhaps the page shows a part to some. They take nothing as right, and can only take the mismatch
back.

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
from dataclasses import dataclass, field
from itertools import combinations, permutations
from math import fsum
from typing import Literal

from aggregator.verification.comparing.alignment import share_in_order
from aggregator.verification.comparing.own_part import is_of_neighbour, score_of_own_part
from windrow_protocol.content import shingles_in_order
from windrow_protocol.limits import (
    AS_SERVED_SIMILARITY,
    MATCH_SIMILARITY_MIN,
    MISMATCH_MARGIN,
    NEW_SHINGLES_MIN,
    PART_SHARE_MIN,
    TRUTH_AGREEMENT_MIN,
    TRUTHS_OF_A_PART_MAX,
    TRUTHS_PER_AUDIT_MAX,
)

Shingles = frozenset[int]


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
    """What the truths say about a contribution.

    `score` is the best `s`; `confirmed` the largest share of the contribution's shingles that one truth has too, as
    often and in the same order (`alignment`); `truth_excess` the same truths' own mean excess over each other, counted
    likewise (None with fewer than two); `reason_code` is empty until decided; `scores` is `s` for each truth with
    words, in their order.
    """

    kind: Literal["match", "need_truth", "mismatch", "no_evidence"]
    score: float
    reason_code: str
    confirmed: float = 0.0
    truth_excess: float | None = None
    scores: tuple[float, ...] = field(default=(), compare=False)


def similarity(a_text: str, b_text: str) -> Similarity:
    """Compare two texts.

    A text of one to four words is one shingle. Two texts without any word are alike (1.0); a text without words is
    unlike any text with words (0.0).
    """
    return _similarity(frozenset(shingles_in_order(a_text)), frozenset(shingles_in_order(b_text)))


def likeness(said: Sequence[int], shown: Sequence[int]) -> float:
    """Return `s` of a contribution and a truth, both as `shingles_in_order`: 0..1, at most their lengths' quotient."""
    length = min(1.0, len(shown) / len(said)) if said else 1.0
    return min(_similarity(frozenset(said), frozenset(shown)).two_sided, length)


def decide(
    contribution_text: str,
    truths: Sequence[str],
    earlier_text: str | None = None,
    neighbour_text: str | None = None,
) -> Decision:
    """Decide by the module's table. Raises ValueError for more than `TRUTHS_OF_A_PART_MAX` truths.

    `earlier_text` is an accepted text of the same URL from before its lease, `neighbour_text` one of another URL of the
    host, where there is one.
    """
    if len(truths) > TRUTHS_OF_A_PART_MAX:
        raise ValueError(f"{len(truths)} truths, at most {TRUTHS_OF_A_PART_MAX}")
    said = shingles_in_order(contribution_text)
    shown = [shingles for shingles in map(shingles_in_order, truths) if shingles]
    claimed, known = frozenset(said), [frozenset(shingles) for shingles in shown]
    earlier, neighbour = _shingles_of(earlier_text), _shingles_of(neighbour_text)
    alike = [likeness(said, truth) for truth in shown]
    news = _score_of_news(claimed, known, earlier)
    as_served = max(alike, default=0.0) >= AS_SERVED_SIMILARITY
    own = 1.0 if as_served else score_of_own_part(claimed, known, neighbour)
    scores = [min(each, news, own) for each in alike]
    agreement = _agreement(known)
    kind, reason = judge(scores, agreement)
    if kind == "mismatch" and judge(alike, agreement)[0] != "mismatch":
        versions = known if earlier is None else [*known, earlier]
        if own < 1.0 and is_of_neighbour(claimed, versions, neighbour):
            reason = "another_page"
        else:
            kind, reason = "no_evidence", "perhaps_stale" if news <= own else "lacks_own_part"
    confirmed = max((share_in_order(said, truth) for truth in shown), default=0.0)
    return Decision(kind, max(scores, default=0.0), reason, confirmed, mean_excess(shown), tuple(scores))


def is_nested(contribution_text: str, truths: Sequence[str]) -> bool:
    """Say whether nearly all of a text is in a truth, or of a truth in it: perhaps the page shows some a part."""
    found = [similarity(contribution_text, each) for each in truths]
    return any(max(each.a_in_b, each.b_in_a) >= PART_SHARE_MIN for each in found)


def _shingles_of(text: str | None) -> Shingles | None:
    return None if text is None else frozenset(shingles_in_order(text))


def judge(
    scores: Sequence[float], agreement: float
) -> tuple[Literal["match", "need_truth", "mismatch", "no_evidence"], str]:
    """Apply the module's table to numbers: each truth's `s`, and the least similarity of two truths.

    `agreement` is not looked at while there are fewer than two truths. Returns the kind and the reason code.
    """
    best = max(scores, default=0.0)
    if best >= MATCH_SIMILARITY_MIN:
        few = len(scores) <= TRUTHS_PER_AUDIT_MAX
        return ("match", "matches_truth") if few else ("no_evidence", "truths_disagree")
    if len(scores) < 2:
        return "need_truth", ""
    if agreement < TRUTH_AGREEMENT_MIN:
        return "no_evidence", "truths_disagree"
    if best >= agreement - MISMATCH_MARGIN:
        return "no_evidence", "inconclusive"
    if len(scores) < TRUTHS_PER_AUDIT_MAX:
        return "need_truth", ""
    return "mismatch", "differs_from_truth"


def _agreement(known: Sequence[Shingles]) -> float:
    return min((_similarity(a, b).two_sided for a, b in combinations(known, 2)), default=1.0)


def _score_of_news(claimed: Shingles, known: Sequence[Shingles], earlier: Shingles | None) -> float:
    """Return the share of the page's news that was claimed; 1.0 where nothing earlier is known or nothing is new."""
    if earlier is None or not known:
        return 1.0
    news = frozenset.intersection(*known) - earlier
    return len(claimed & news) / len(news) if len(news) >= NEW_SHINGLES_MIN else 1.0


def mean_excess(texts: Sequence[Sequence[int]]) -> float | None:
    """Return the mean share of one text's shingles that another has not, over all ordered pairs; None without a pair.

    The texts are given as `shingles_in_order`.
    """
    shares = [1 - share_in_order(a, b) for a, b in permutations(texts, 2)]
    return fsum(shares) / len(shares) if shares else None


def _similarity(a: Shingles, b: Shingles) -> Similarity:
    if not a and not b:
        return Similarity(1.0, 1.0, 1.0, 0, 0)
    shared = len(a & b)
    a_in_b = shared / len(a) if a else 0.0
    b_in_a = shared / len(b) if b else 0.0
    return Similarity(min(a_in_b, b_in_a), a_in_b, b_in_a, len(a), len(b))
