"""What an audit epoch's validators are worth to each other, and how what its audits are paid with is split among them.

Each operator's truths say something about each node: of n_ij truths for node j, m_ij had the text that the node handed
in. Two columns a node, what agreed and what differed, hold that as operator i's weights:

    W_i,(j, agrees)  = a_j · m_ij / n_ij          a_j = all audits of node j in the epoch
    W_i,(j, differs) = a_j · (1 − m_ij / n_ij)    where i saw nothing of j: the mean of those that did

so every row has the same sum without being stretched to it. (A single column m_ij / n_ij, normalised by row, forgets
how much an operator dissents: one whose truths are garbage every second time would look like an honest one.) The
clipped weighted median over these columns gives each operator's dividend D_i: what the others did not see is clipped
from whoever claims it, praise of a friend and slander alike. Of the fee for each of its truths that a verdict used, a
validator gets the part min(1, D_i / median D)², squared so that whoever answers a share f of its leases without
fetching gets less than 1 − f although what it makes up is sometimes right. So

    one that repeats what it is given          is clipped where honest ones saw a cheat
    one that dissents alone                    holds columns that nobody else has
    one that praises its friend                is clipped on the friend's columns
    one that sleeps                            has no truths that were used
    one that is honest                         gets the fee, whatever the others do

Rules: stakes are equal by operator and nobody's is above `operator_weight_max_ppm` where there are enough of them. Only
verdicts that decided something speak about nodes; a truth that any verdict used counts as work. Nobody gains by another
one's loss: what is clipped, or belongs to a validator that is refused, is not paid at all. With one operator left
nothing is clipped, and that is said (`single_operator`).

Does not: read tables, check draws (`epoch_fold` does), or know wei (`rewards`).

Usage: `rows = split(rules, seats, found)`.

Source: docs/protocol.md, "Audit"; `consensus` for the median.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from aggregator.verification.epochs.consensus import capped_stakes, clipped_median
from windrow_protocol.trust_rules import PPM, TrustRules

SINGLE = "single_operator"


@dataclass(frozen=True, slots=True)
class Seat:
    """One validator of an epoch. `refused` is the reason code for which it gets nothing, or empty."""

    validator_id: str
    operator: str
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Dividend:
    """One validator's part of the epoch's audit fees; `audits` counts its truths that verdicts used."""

    validator_id: str
    operator: str
    audits: int
    share_ppm: int
    reason: str = ""


@dataclass(slots=True)
class Found:
    """What validators' truths showed: by (validator, node) [truths, those that agreed], and how many were used."""

    truths: defaultdict[tuple[str, str], list[int]] = field(
        default_factory=lambda: defaultdict(lambda: [0, 0])
    )
    used: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, validator_id: str, node_id: str, *, agrees: bool, speaks: bool) -> None:
        """Count one truth that a verdict used; `speaks`: the verdict decided something about the node."""
        self.used[validator_id] += 1
        if speaks:
            counts = self.truths[validator_id, node_id]
            counts[0] += 1
            counts[1] += agrees


def split(rules: TrustRules, seats: Sequence[Seat], found: Found) -> list[Dividend]:
    """Return each validator's dividend, in the order of their ids.

    The shares are parts per million of a fee for every truth counted in rows that have a share; they sum to a million
    at most.
    """
    ordered = sorted(seats, key=lambda seat: seat.validator_id)
    paid = [seat for seat in ordered if not seat.refused and found.used[seat.validator_id]]
    worth = operator_dividends(rules, paid, found)
    usual = median(worth.values()) if worth else 0.0
    parts = {name: min(1.0, each / usual) ** 2 if usual else 0.0 for name, each in worth.items()}
    total = sum(found.used[seat.validator_id] for seat in paid if parts[seat.operator])
    rows = []
    for seat in ordered:
        used, share, reason = found.used[seat.validator_id], 0, seat.refused
        if seat in paid:
            share = int(used * PPM * parts[seat.operator] / total) if total else 0
            reason = SINGLE if len(worth) == 1 else ""
        rows.append(
            Dividend(
                seat.validator_id, seat.operator, used, share, reason or ("" if used else "no_truth_used")
            )
        )
    return rows


def operator_dividends(rules: TrustRules, seats: Sequence[Seat], found: Found) -> dict[str, float]:
    """Return D of the module's formula by operator; where nothing was decided about any node all are worth the same."""
    operators = sorted({seat.operator for seat in seats})
    if not operators:
        return {}
    seen = _by_operator(seats, found)
    nodes = sorted({node_id for _, node_id in seen})
    stakes = capped_stakes([1.0] * len(operators), rules.operator_weight_max_ppm / PPM)
    share = dict(zip(operators, stakes, strict=True))
    rows = [
        [weight for node_id in nodes for weight in _columns(operator, node_id, seen, share)]
        for operator in operators
    ]
    dividends = clipped_median(stakes, rows).dividends
    if not any(dividends):
        dividends = tuple(stakes)
    return dict(zip(operators, dividends, strict=True))


def _by_operator(seats: Sequence[Seat], found: Found) -> dict[tuple[str, str], tuple[int, int]]:
    operator_of = {seat.validator_id: seat.operator for seat in seats}
    seen: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for (validator_id, node_id), (truths, agreed) in sorted(found.truths.items()):
        if validator_id in operator_of:
            counts = seen[operator_of[validator_id], node_id]
            counts[0] += truths
            counts[1] += agreed
    return {key: (truths, agreed) for key, (truths, agreed) in seen.items()}


def _columns(
    operator: str,
    node_id: str,
    seen: Mapping[tuple[str, str], tuple[int, int]],
    share: Mapping[str, float],
) -> tuple[float, float]:
    """Return an operator's two weights for a node."""
    audits = sum(seen[each, node_id][0] for each in share if (each, node_id) in seen)
    rates = {
        each: seen[each, node_id][1] / seen[each, node_id][0] for each in share if (each, node_id) in seen
    }
    if operator in rates:
        rate = rates[operator]
    else:
        rate = sum(share[each] * rates[each] for each in rates) / sum(share[each] for each in rates)
    return audits * rate, audits * (1 - rate)
