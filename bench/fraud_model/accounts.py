"""The pay of every node of the model: pending by step, bond, what vested, what was fined, and what of it was for fraud.

Rules: amounts in WIND as floats; what vests is what `rewards.vesting` lets vest, step by step. A fine takes pending pay
first, then the bond. Of a node's pay `fraud` is what no honest work stands behind; a fine takes that back first, which
is what it is for, while `fraud_gross` shrinks only as all pending pay does.

Does not: decide a fine or a verdict.

Usage: `accounts.credit(...)`, `accounts.fine(node, amount)`, `accounts.post(node, until)`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.fraud_model.documents import Floats, Indices, Mask
from rewards.vesting import VestingBounds


class Accounts:
    """All accounts. Rows are nodes, columns steps; columns before `first[node]` were posted."""

    def __init__(self, nodes: int, steps: int, step_ms: int) -> None:
        shape = (nodes, steps)
        self.fee, self.novelty = np.zeros(shape), np.zeros(shape)
        self.fraud, self.fraud_gross = np.zeros(shape), np.zeros(shape)
        self.good, self.bad = np.zeros(shape), np.zeros(shape)  # documents nobody audited
        self.first = [0] * nodes
        self.pending, self.bond, self.posted, self.fined = (np.zeros(nodes) for _ in range(4))
        self.posted_fraud, self.posted_fraud_gross = np.zeros(nodes), np.zeros(nodes)
        self.exported_good, self.exported_bad = np.zeros(nodes), np.zeros(nodes)
        self._step_ms = step_ms

    def credit_many(
        self, step: int, node: Indices, fee: Floats, novelty: Floats, fraud: Floats, bad: Mask | None = None
    ) -> None:
        """Add one step's documents; `bad` says which are wrong where nobody audited them."""
        nodes = len(self.pending)
        fees, novelties = np.bincount(node, fee, nodes), np.bincount(node, novelty, nodes)
        fraudulent = np.bincount(node, (fee + novelty) * fraud, nodes)
        for column, amounts in (
            (self.fee, fees),
            (self.novelty, novelties),
            (self.fraud, fraudulent),
            (self.fraud_gross, fraudulent),
        ):
            column[:, step] += amounts
        self.pending += fees + novelties
        if bad is not None:
            self.bad[:, step] += np.bincount(node[bad], minlength=nodes)
            self.good[:, step] += np.bincount(node[~bad], minlength=nodes)

    def credit(
        self, step: int, node: int, fee: float, novelty: float, fraud: float, *, to_bond: bool
    ) -> None:
        """Add one audited document."""
        if to_bond:
            self.bond[node] += fee + novelty
            return
        self.fee[node, step] += fee
        self.novelty[node, step] += novelty
        self.pending[node] += fee + novelty
        if fraud:
            self.fraud[node, step] += fraud * (fee + novelty)
            self.fraud_gross[node, step] += fraud * (fee + novelty)

    def fine(self, node: int, amount: float) -> float:
        """Take a fine from pending pay, then from the bond; returns what was taken."""
        pending = max(0.0, float(self.pending[node]))
        from_pending = min(amount, pending)
        if from_pending > 0:
            waiting = slice(self.first[node], None)
            kept = 1 - from_pending / pending
            self.fee[node, waiting] *= kept
            self.novelty[node, waiting] *= kept
            self.fraud_gross[node, waiting] *= kept
            fraud = float(self.fraud[node, waiting].sum())
            self.fraud[node, waiting] *= max(0.0, 1 - from_pending / fraud) if fraud > 0 else 1.0
            self.pending[node] = pending - from_pending
        from_bond = min(amount - from_pending, float(self.bond[node]))
        self.bond[node] -= from_bond
        self.fined[node] += from_pending + from_bond
        return from_pending + from_bond

    def give_back(self, node: int, amount: float) -> None:
        """Undo a fine; what it took lies in the bond until the end, which changes no sum."""
        self.bond[node] += amount
        self.fined[node] -= amount

    def shrink_novelty(self, node: int, share: float) -> float:
        """Shrink pending novelty by a share; returns what was taken."""
        waiting = slice(self.first[node], None)
        taken = self.novelty[node, waiting] * share
        self.novelty[node, waiting] -= taken
        for column in (self.fraud, self.fraud_gross):
            column[node, waiting] = np.maximum(0, column[node, waiting] - taken)
        amount = float(taken.sum())
        self.pending[node] -= amount
        self.fined[node] += amount
        return amount

    def forfeit(self, node: int) -> float:
        """Take all that a suspended node has, its waiting documents from the exports too; returns how much."""
        taken = self.fine(node, float(self.pending[node] + self.bond[node]))
        self.good[node, self.first[node] :] = self.bad[node, self.first[node] :] = 0
        return taken

    def covered(self, node: int, bounds: VestingBounds, now_step: int) -> int:
        """Return the first step of a node after those that the bounds cover."""
        last = self.first[node]
        while last <= now_step and bounds.cover(last, (last + 1) * self._step_ms):
            last += 1
        return last

    def post(self, node: int, until: int) -> None:
        """Post what a node has pending from before a step."""
        posted = slice(self.first[node], until)
        amount = float(self.fee[node, posted].sum() + self.novelty[node, posted].sum())
        self.posted[node] += amount
        self.pending[node] -= amount
        self.posted_fraud[node] += self.fraud[node, posted].sum()
        self.posted_fraud_gross[node] += self.fraud_gross[node, posted].sum()
        self.exported_good[node] += self.good[node, posted].sum()
        self.exported_bad[node] += self.bad[node, posted].sum()
        self.first[node] = until

    def post_many(self, nodes: Sequence[int], until: Sequence[int]) -> None:
        """Do so for many nodes together."""
        node, step, last = (
            np.array(nodes, np.int64),
            np.array([self.first[each] for each in nodes]),
            np.array(until),
        )
        for each, end in zip(nodes, until, strict=True):
            self.first[each] = end
        while len(node):
            amounts = self.fee[node, step] + self.novelty[node, step]
            self.posted[node] += amounts
            self.pending[node] -= amounts
            self.posted_fraud[node] += self.fraud[node, step]
            self.posted_fraud_gross[node] += self.fraud_gross[node, step]
            self.exported_good[node] += self.good[node, step]
            self.exported_bad[node] += self.bad[node, step]
            step = step + 1
            more = step < last
            node, step, last = node[more], step[more], last[more]

    def export(self, node: int, *, good: int, bad: int) -> None:
        """Note audited documents that may be exported."""
        if good:
            self.exported_good[node] += good
        if bad:
            self.exported_bad[node] += bad

    def waiting(self, node: int) -> tuple[float, float]:
        """Return the node's documents that wait unaudited: good and bad ones."""
        since = self.first[node]
        return float(self.good[node, since:].sum()), float(self.bad[node, since:].sum())

    def return_bond(self, node: int) -> None:
        """Post the bond of a node that left."""
        self.posted[node] += self.bond[node]
        self.bond[node] = 0.0

    def keep_bond(self, node: int) -> float:
        """Take the bond of a node that left; returns how much that was."""
        kept = float(self.bond[node])
        self.bond[node] = 0.0
        self.fined[node] += kept
        return kept
