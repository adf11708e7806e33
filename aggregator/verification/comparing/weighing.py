"""What truths of several operators say together: the last step of a decision, on top of `comparison`.

    texts, three operators or more   a match needs more operators for it than against it, so that a validator which
                                     repeats its friend's invention saves it from no honest validator; without a
                                     majority after three truths: no evidence
    texts, fewer operators           as `comparison` says
    a mismatch                       needs truths of two operators where there are two
    a refusal                        see `weigh_refusal`

Rules: pure, so that anybody can recompute a verdict from the published texts. Truths by one operator are one operator's
word, and the doubt stays the contributor's: a liar among the validators can make a page unsettled, never a mismatch.

Does not: compare texts, fetch, or know tables.

Usage: `decision = among_operators(rules, decide(text, truths), ["ada", "grace"], operators=3)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final

import msgspec

from aggregator.verification.comparing.comparison import Decision, similarity
from windrow_protocol.limits import MATCH_SIMILARITY_MIN, TRUTH_AGREEMENT_MIN, TRUTHS_PER_AUDIT_MAX
from windrow_protocol.messages import Outcome
from windrow_protocol.trust_rules import TrustRules

# Answers that say something about the page; anything else without a text is a failure of whoever fetched.
REFUSALS: Final = frozenset(
    {
        Outcome.ROBOTS_DENIED,
        Outcome.OPTOUT_DENIED,
        Outcome.BLOCKED,
        Outcome.NOT_FOUND,
        Outcome.TOO_LARGE,
        Outcome.UNSAFE_ADDRESS,
    }
)
# What a site, or the way to it, may well answer to one address and not to another.
_BY_ADDRESS: Final = frozenset({Outcome.BLOCKED, Outcome.UNSAFE_ADDRESS})
_UNREACHABLE: Final = (
    "unreachable"  # in a report's detail: no robots.txt was to be had, which forbids all for a while
)


class Weighed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a decision rests on besides the truths: operators at work, places of other texts, who was refused.

    `earlier_seq` is where an earlier version of the page stands in the log, `neighbour_seq` where a page alike of its
    host does.
    """

    operators: int
    earlier_seq: int | None = None
    neighbour_seq: int | None = None
    refused_too: bool = False


def among_operators(
    rules: TrustRules, decision: Decision, truth_operators: Sequence[str], operators: int
) -> Decision:
    """Refine what the texts say by whose truths they are.

    `truth_operators` names the operator of each of `decision.scores`; `operators` counts those at work in the network.
    """
    if decision.kind == "match" and operators >= rules.operators_min:
        words = list(zip(truth_operators, decision.scores, strict=True))
        against = {name for name, score in words if score < MATCH_SIMILARITY_MIN}
        if 2 * len(against) < len(set(truth_operators)):
            return decision
        if len(decision.scores) < TRUTHS_PER_AUDIT_MAX:
            return replace(decision, kind="need_truth", reason_code="")
        return replace(decision, kind="no_evidence", reason_code="truths_disagree")
    if decision.kind == "mismatch" and len(set(truth_operators)) < min(2, operators):
        return replace(decision, kind="no_evidence", reason_code="inconclusive")
    return decision


def weigh_refusal(
    outcome: Outcome, detail: str, refused_too: bool, truths: Sequence[tuple[str, str]], operators: int
) -> Decision:
    """Decide whether a refusal was one, from what validators were given.

        a validator was refused too                          match        refusal_agreed
        given the page, but the refusal may be the address's no_evidence  refusal_open
        fewer than three texts                               need_truth
        three texts that disagree, or of one operator only   no_evidence  truths_disagree
        three texts that agree                               mismatch     refusal_differs

    `detail` is what the node's report said besides, `truths` are (operator, text).
    """
    if refused_too:
        return Decision("match", 1.0, "refusal_agreed", 1.0)
    if not truths:
        return Decision("need_truth", 0.0, "")
    if outcome in _BY_ADDRESS or _UNREACHABLE in detail:
        return Decision("no_evidence", 0.0, "refusal_open")
    if len(truths) < TRUTHS_PER_AUDIT_MAX:
        return Decision("need_truth", 0.0, "")
    pairs = combinations([text for _, text in truths], 2)
    agreement = min(similarity(a, b).two_sided for a, b in pairs)
    enough = len({operator for operator, _ in truths}) >= min(2, operators)
    if agreement < TRUTH_AGREEMENT_MIN or not enough:
        return Decision("no_evidence", 0.0, "truths_disagree")
    return Decision("mismatch", 0.0, "refusal_differs")
