"""What one audit says about its host: whether truths agree, disagree or cannot be had, and who could be lying.

    truths of the audit                                   event         suspects
    two or more, all agree                                agree         -
    two or more, not all agree                            disagree      operators without whom the others agree
    none, and the host refused a validator                unavailable   the operator, if only one was refused
    none, and no validator came through to the host       (no event)    our outage says nothing about a host

Rules: pure. Where a network has one operator there is nobody else to doubt it, so its truths count as they are.
Does not: know nodes or verdicts.

Usage: `event = host_event(epoch_id, truths=[("north", text), ("south", text)], refused=[], operators=3)`.

Source: docs/protocol.md, "Hard hosts".
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from aggregator.verification.comparing.comparison import Similarity, mean_excess, similarity
from aggregator.verification.standings.hosts import HostEvent
from windrow_protocol.content import shingles_in_order
from windrow_protocol.limits import TRUTH_AGREEMENT_MIN

_Pair = tuple[str, str, Similarity]


def host_event(
    epoch_id: int, *, truths: Sequence[tuple[str, str]], refused: Sequence[str], operators: int
) -> HostEvent | None:
    """Return the event of one audit, from (operator, text) of its truths and the operators that the host refused."""
    if len(truths) >= 2:
        pairs = [(a[0], b[0], similarity(a[1], b[1])) for a, b in combinations(truths, 2)]
        if all(_agree(pair) for pair in pairs):
            excess = mean_excess([shingles_in_order(text) for _, text in truths])
            return HostEvent("agree", epoch_id, excess=excess or 0.0)
        return HostEvent("disagree", epoch_id, suspects=_liars(pairs) if operators > 1 else ())
    if not truths and refused:
        alone = len(set(refused)) == 1
        return HostEvent("unavailable", epoch_id, suspects=(refused[0],) if alone else ())
    return None


def _agree(pair: _Pair) -> bool:
    return pair[2].two_sided >= TRUTH_AGREEMENT_MIN


def _liars(pairs: Sequence[_Pair]) -> tuple[str, ...]:
    named = sorted({name for a, b, _ in pairs for name in (a, b)})
    return tuple(
        name for name in named if all(_agree(pair) for pair in pairs if name not in (pair[0], pair[1]))
    )
