"""Leases that nodes let go, and how many they are given for it: the coordinator's memory of a day, in steps.

Rules: how much a node may hold is `lease_allowance`, what of it counts as abandoned `lapses_held_against`, whether it
keeps its standing `is_active`, as they are imported. Only the ring lets leases go here. One that says that it never
heard of them has heard of what it answers.

Does not: choose leases.

Usage::

    lapses.cap(gets, step)                  # shrinks what nodes are given, in place
    young |= lapses.lacking()
    lapses.note(given, unanswered)          # of a step, by node
"""

from __future__ import annotations

from collections import deque

import numpy as np

from aggregator.assignment.allowance import Answered, lapses_held_against, lease_allowance
from aggregator.assignment.earned_standing import is_active
from bench.fraud_model.documents import Indices, Mask
from bench.fraud_model.fleet import STEP_MS, STEPS_PER_DAY
from windrow_protocol.limits import LEASE_LIFE_MS, PACE_MEMORY_MS
from windrow_protocol.trust_rules import TrustRules

LIVES_A_STEP = STEP_MS // LEASE_LIFE_MS


class Lapses:
    """What every node answered and let go in each of the last day's steps."""

    def __init__(self, rules: TrustRules, nodes: int, *, deaf: bool) -> None:
        self._rules, self._deaf = rules, deaf
        self._answered: deque[Indices] = deque(maxlen=STEPS_PER_DAY)
        self._lapsed: deque[Indices] = deque(maxlen=STEPS_PER_DAY)
        self._known = [Answered()] * nodes
        self._nobody = np.zeros(nodes, np.bool_)

    def note(self, given: Indices, unanswered: Indices) -> None:
        """Remember a step."""
        self._answered.append(given - unanswered)
        self._lapsed.append(unanswered)
        day, lapsed = sum(self._answered), sum(self._lapsed)
        lately = self._answered[-1] * PACE_MEMORY_MS // STEP_MS
        for node in np.flatnonzero(lapsed).tolist():
            self._known[node] = self._answered_by(int(lately[node]), int(day[node]), int(lapsed[node]))

    def _answered_by(self, lately: int, day: int, lapsed: int) -> Answered:
        held = lapses_held_against(lapsed, day) if self._deaf else lapsed
        return Answered(
            recent=lately, recent_ms=PACE_MEMORY_MS, day=day, expired=held, deaf=self._deaf and not lately
        )

    def cap(self, gets: Indices) -> None:
        """Give nobody more than it may hold, as often as a lease's life fits into a step."""
        if self._rules.on("lease_limits"):
            most = np.array([lease_allowance(each) * LIVES_A_STEP for each in self._known])
            np.minimum(gets, np.where(most > 0, most, gets), out=gets)

    def lacking(self) -> Mask:
        """Say which nodes answered too little to have their standing."""
        if not self._rules.on("earned_standing"):
            return self._nobody
        return np.array([not is_active(self._rules, each) for each in self._known])
