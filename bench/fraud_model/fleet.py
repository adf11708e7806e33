"""The nodes of the model: who they are, how fast they work, how they stand, and what the ring's nodes know.

Rules: seven of ten nodes answer 50 leases a day, 27 of a hundred 150, three of a hundred 600, among honest nodes and
the ring alike. (That is 50, 300 and 3,000 scaled down by 1, 2 and 5 for speed; a slow node is the harder one to
judge.) Honest nodes are established when the run begins, but for one in twenty that joins during its first half; the
ring's nodes all begin as newcomers. A ring node learns of its verdicts at the close of an epoch only.

Does not: know documents or money.

Usage: `fleet = Fleet.of(nodes=800, share=0.3, steps=160, rng=rng)`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from aggregator.verification.standings.standing import Standing
from bench.fraud_model.documents import Indices, Mask
from bench.fraud_model.strategies import Strategy
from windrow_protocol.trust_rules import DAY_MS, TrustRules

STEPS_PER_DAY: Final = 4
STEP_MS: Final = DAY_MS // STEPS_PER_DAY
PACES: Final = ((0.70, 50), (0.27, 150), (0.03, 600))  # share of nodes, documents a day
NEWCOMERS: Final = 0.05
PREFIX_NODES: Final = 3
BURST_DAYS: Final = 4


@dataclass(slots=True)
class Node:
    """One identity's record: `handed_in` and `backed` (accepted, into its bond) documents; the ring's own knowledge."""

    standing: Standing = field(default_factory=Standing)
    handed_in: int = 0
    backed: int = 0
    passed: deque[int] = field(default_factory=deque)  # steps of its latest passed audits
    known_mismatches: int = 0
    paused_until_documents: int = 0
    paused_until_step: int = 0
    suspended_ever: bool = False
    begun_again: bool = False  # a fine took all that it had at stake

    def pass_audits(self, step: int, count: int, rules: TrustRules) -> None:
        """Note that so many audits passed in a step; vesting looks at the latest few."""
        if count == 1:
            self.passed.append(step)
        else:
            self.passed.extend([step] * min(count, rules.vest_audits))
        while len(self.passed) > rules.vest_audits:
            self.passed.popleft()


@dataclass(slots=True)
class Fleet:
    """All nodes, and their fixed properties as arrays."""

    nodes: list[Node]
    pace: Indices
    attacker: Mask
    joined: Indices
    paces: list[float]

    @classmethod
    def of(cls, nodes: int, share: float, steps: int, rules: TrustRules, rng: np.random.Generator) -> Fleet:
        """Make the nodes of a run."""
        ring = round(nodes * share)
        attacker = np.arange(nodes) < ring
        pace = np.concatenate([_paces(ring), _paces(nodes - ring)])
        newcomer = ~attacker & (rng.random(nodes) < NEWCOMERS)
        joined = np.where(newcomer, rng.integers(0, max(1, steps // 2), nodes), 0)
        old, passed = rules.probation_documents, max(rules.probation_documents, rules.canary_young_audits)
        made = [
            Node()
            if attacker[i] or newcomer[i]
            else Node(Standing(audits=old, passed_in_a_row=old), old, passed)
            for i in range(nodes)
        ]
        return cls(made, pace, attacker, joined, [float(each) for each in pace])

    def leases_in(self, step: int) -> Indices:
        """Return how many leases each node's pace asks for in a step."""
        return self.pace * (step + 1) // STEPS_PER_DAY - self.pace * step // STEPS_PER_DAY

    def cheats(
        self,
        node: int,
        strategy: Strategy,
        rules: TrustRules,
        step: int,
        steps: int,
        *,
        watched: bool,
        all_audited: bool,
    ) -> bool:
        """Say whether a ring node cheats in this step, by what it knows: how often it is audited, and disclosures."""
        own = self.nodes[node]
        match strategy.when:
            case "always":
                return True
            case "tenured" | "churn":
                return not all_audited
            case "settled":
                return not all_audited and self.nodes[node].backed >= rules.canary_young_audits
            case "late":
                return step >= steps // 2 and not all_audited
            case "bursts":
                return not all_audited and (step // STEPS_PER_DAY) % BURST_DAYS == 0
            case "unwatched":
                paused = own.handed_in < own.paused_until_documents and step < own.paused_until_step
                return not watched and not all_audited and not paused

    def disclose(self, node: int, rules: TrustRules, step: int) -> bool:
        """Let a ring node see its verdicts at the close of an epoch; says whether there were mismatches."""
        own = self.nodes[node]
        news = own.standing.mismatches > own.known_mismatches
        if news:
            own.paused_until_documents = own.handed_in + rules.escalated_documents
            own.paused_until_step = step + rules.escalated_ms * STEPS_PER_DAY // DAY_MS
        own.known_mismatches = own.standing.mismatches
        return news


def prefix_of(node: int) -> str:
    """Return the address prefix that groups a node with its neighbours."""
    return f"p{node // PREFIX_NODES}"


def _paces(count: int) -> Indices:
    """Return paces for a group: its slowest nodes first, shares as near as whole nodes allow."""
    bounds = np.cumsum([share for share, _ in PACES]) * count
    place = np.arange(count) + 0.5
    return np.array([pace for _, pace in PACES])[np.searchsorted(bounds, place)]
