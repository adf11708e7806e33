"""What audits of the model say about hosts: a standing each, folded by the protocol's `observe_host`.

Rules: where a host was not measured yet, the whole web's excess stands for it. A domain of the ring is one host here:
each of its pages has a name of its own, so that what makes it hard is what closes a domain
(`standing_rows.hard_hosts`: the same fold, `observe_host`).

Does not: know nodes, or void anything.

Usage: `hosts.agree(host, event)`; `hosts.hard[host]`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from aggregator.verification.standings.hosts import HostEvent, HostStanding, observe_host
from bench.fraud_model.answers import Answers
from bench.fraud_model.documents import Amounts
from bench.fraud_model.setting import Tally
from bench.fraud_model.webs import HOSTS, OWN_DOMAINS
from windrow_protocol.trust_rules import TrustRules

WHOLE_WEB: Final = -1


class KnownHosts:
    """The standing of every host that was audited; of each whether it is `hard`, `disputed` ones among them."""

    def __init__(self, rules: TrustRules, tally: Tally) -> None:
        self._rules, self._tally = rules, tally
        self._hosts: dict[int, HostStanding] = {}
        self._excess = np.full(HOSTS + OWN_DOMAINS, np.nan)  # of those that were measured
        self.hard = np.zeros(HOSTS + OWN_DOMAINS, np.bool_)
        self.disputed = np.zeros(HOSTS + OWN_DOMAINS, np.bool_)

    def agree(self, host: int, event: HostEvent) -> None:
        """Fold truths that agree, into the whole web's standing too."""
        self.observe(host, event)
        self.observe(WHOLE_WEB, event)

    def observe(self, host: int, event: HostEvent) -> tuple[str, ...]:
        """Fold an event; returns the mismatches that are void because of it."""
        before = self._hosts.get(host, HostStanding())
        after, voided = observe_host(before, event)
        self._hosts[host] = after
        if host >= 0 and after.measures:
            self._excess[host] = after.excess
        if host >= 0 and self._rules.on("hard_hosts"):
            self._tally.hardened += after.hard and not before.hard
            self.hard[host] = after.hard
            self.disputed[host] = after.disputed
        return voided

    def excess_of(self, host: int | None) -> float:
        """Return what truths of a host have over each other; of the whole web for None."""
        known = self._hosts.get(WHOLE_WEB if host is None else host)
        if known is None or not known.measures:
            known = self._hosts.get(WHOLE_WEB)
        return known.excess if known else 0.0

    def excesses_of(self, answers: Answers) -> Amounts:
        """Return the same for each answer; a control page has no host."""
        found = np.where(answers.canary, np.nan, self._excess[answers.leases.host])
        return np.where(np.isnan(found), self.excess_of(None), found)
