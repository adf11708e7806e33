"""What truths fetched later say about a text: the pure rule of appeals and of what a departing node has pending.

Each fresh truth is one voice of its operator, for the text, against it, or neither:

    for       the text is like it: s ≥ MATCH_SIMILARITY_MIN
    neither   the page changes: the truth is unlike one stored earlier (or none was stored), and the text either has
              something in common with the page (s ≥ SHARED_WITH_PAGE_MIN) or differs from it no more than the page
              differs from itself
    against   otherwise

    more operators are …                                   result
    against, than all others                               stands     (as the earlier mismatch, or as a new one)
    for, than all others, and two of them where there are  restored
    otherwise, nobody could look included                  voided

Rules: pure. An operator that speaks with two tongues says nothing. A single voice never restores where there are
others to ask, so no validator alone can clear its friend, nor convict anybody. Without stored truths a lone voice
against is not enough either, and of those against a majority must agree with each other.

Does not: fetch, or know appeals and departures.

Usage: `result = weigh_again(text, stored=[...], fresh=[("north", text), ...], operators=3)`.

Source: docs/protocol.md, "Consequences".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from aggregator.verification.comparing.comparison import decide, similarity
from windrow_protocol.limits import (
    MATCH_SIMILARITY_MIN,
    MISMATCH_MARGIN,
    SHARED_WITH_PAGE_MIN,
    TRUTH_AGREEMENT_MIN,
)

Voice = Literal["for", "neither", "against"]
Result = Literal["restored", "voided", "stands"]
Truth = tuple[str, str]  # operator, text


def weigh_again(
    claimed: str,
    *,
    stored: Sequence[str],
    fresh: Sequence[Truth],
    operators: int,
    earlier: str | None = None,
    neighbour: str | None = None,
) -> Result:
    """Weigh a text by fresh truths beside those stored when it was first looked at.

    `operators` counts those at work; `earlier` is an accepted text of the page from before the contribution's lease,
    `neighbour` the text of another page of the host that the audit looked at.
    """
    said: dict[str, set[Voice]] = {}
    for operator, truth in fresh:
        said.setdefault(operator, set()).add(_voice(claimed, truth, stored, earlier, neighbour))
    voices = [next(iter(each)) if len(each) == 1 else "neither" for each in said.values()]
    against, in_favour = voices.count("against"), voices.count("for")
    if 2 * against > len(voices):
        return "stands" if stored or _is_firm(claimed, fresh, operators) else "voided"
    if 2 * in_favour > len(voices) and in_favour >= min(2, operators):
        return "restored"
    return "voided"


def _voice(
    claimed: str, truth: str, stored: Sequence[str], earlier: str | None, neighbour: str | None
) -> Voice:
    score = decide(claimed, [truth], earlier, neighbour).score
    if score >= MATCH_SIMILARITY_MIN:
        return "for"
    over_time = min((similarity(truth, old).two_sided for old in stored), default=0.0)
    if over_time >= TRUTH_AGREEMENT_MIN:
        return "against"
    best = (
        max(score, *(decide(claimed, [old], earlier, neighbour).score for old in stored)) if stored else score
    )
    shares = best >= SHARED_WITH_PAGE_MIN or (stored and best >= over_time - MISMATCH_MARGIN)
    return "neither" if shares else "against"


def _is_firm(claimed: str, fresh: Sequence[Truth], operators: int) -> bool:
    """Without an earlier look: two truths unlike the text agree, of most operators, and of two where there are two."""
    unlike = [each for each in fresh if similarity(claimed, each[1]).two_sided < SHARED_WITH_PAGE_MIN]
    heard = len({name for name, _ in fresh})
    for _, truth in unlike:
        alike = [name for name, other in unlike if similarity(truth, other).two_sided >= TRUTH_AGREEMENT_MIN]
        named = len(set(alike))
        if len(alike) >= 2 and named >= min(2, operators) and 2 * named > heard:
            return True
    return False
