"""What several validator operators say together, and what each is worth: the clipped weighted median.

    consensus  W̄_j = max { w : Σ S_i [W_ij ≥ w] ≥ κ }        what at least κ of the weight agrees on
    incentive  I_j ∝ Σ S_i min(W_ij, W̄_j)                     what the nodes get
    dividend   D_i ∝ Σ_j I_j · B_ij,  B_ij = S_i min(W_ij, W̄_j) / Σ_k S_k min(W_kj, W̄_j)

An operator that praises a node beyond what the others see is clipped for it; one that says nothing, or something of its
own, holds no part of what the others agree on and earns nothing.

Rules: pure; rows of W need not be normalised, they are here. κ is one half. Does not: fetch, store or pay.

Usage: `consensus = clipped_median([.45, .30, .25], [[.6, .4, 0], [.5, .5, 0], [0, 0, 1]])`.

Source: Steeves et al., "Incentivizing Intelligence: The Bittensor Approach" (Yuma consensus).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

KAPPA: Final = 0.5
_EXACT: Final = 1e-12  # sums of weights that should be κ may miss it by rounding


@dataclass(frozen=True, slots=True)
class Consensus:
    """`agreed` is W̄ for each node, `incentive` sums to 1 over nodes, `dividends` to 1 over operators (or all are 0)."""

    agreed: tuple[float, ...]
    incentive: tuple[float, ...]
    dividends: tuple[float, ...]


def clipped_median(
    stakes: Sequence[float], weights: Sequence[Sequence[float]], kappa: float = KAPPA
) -> Consensus:
    """Combine operators' weights over nodes. Raises ValueError for a table with ragged or negative rows."""
    if len(stakes) != len(weights) or len({len(row) for row in weights}) > 1:
        raise ValueError("each operator needs one stake and one weight for each node")
    if any(value < 0 for row in (stakes, *weights) for value in row):
        raise ValueError("stakes and weights are not negative")
    share = _normalised(stakes)
    rows = [_normalised(row) for row in weights]
    nodes = range(len(rows[0]) if rows else 0)
    agreed = [_agreed(share, [row[j] for row in rows], kappa) for j in nodes]
    held = [[s * min(row[j], agreed[j]) for j in nodes] for s, row in zip(share, rows, strict=True)]
    ranks = [sum(row[j] for row in held) for j in nodes]
    incentive = _normalised(ranks)
    dividends = [sum(incentive[j] * row[j] / ranks[j] for j in nodes if ranks[j]) for row in held]
    return Consensus(tuple(agreed), tuple(incentive), tuple(_normalised(dividends)))


def capped_stakes(stakes: Sequence[float], part_max: float) -> list[float]:
    """Return normalised stakes in which nobody holds more than `part_max`, or an equal part where they are too few."""
    share = _normalised(stakes)
    bound = max(part_max, 1 / max(1, sum(part > 0 for part in share)))
    capped: set[int] = set()
    while over := {i for i, part in enumerate(share) if part > bound + _EXACT} - capped:
        capped |= over
        rest = sum(part for i, part in enumerate(share) if i not in capped)
        room = 1 - bound * len(capped)
        share = [bound if i in capped else part * room / rest for i, part in enumerate(share)]
    return share


def _agreed(share: Sequence[float], column: Sequence[float], kappa: float) -> float:
    for weight in sorted(set(column), reverse=True):
        backing = sum(s for s, own in zip(share, column, strict=True) if own >= weight)
        if backing >= kappa - _EXACT:
            return weight
    return 0.0


def _normalised(values: Sequence[float]) -> list[float]:
    total = sum(values)
    return [value / total for value in values] if total > 0 else [0.0 for _ in values]
