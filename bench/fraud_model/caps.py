"""How much novelty of one site, and of all domains that no list knows, is paid for in an epoch of the model.

Rules: the room of unranked domains is `rewards.novelty_rooms.unranked_room`. Unranked are the least popular hosts, to
which `UNRANKED` of the leases lead, the ring's own among them: an assumption. Documents are priced in the order of
their coins; of ranked ones it only matters how many came before.

Does not: know nodes.

Usage: `Caps(setting, hosts).apply(step, leases, novelty)` shrinks `novelty` in place.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from bench.fraud_model.answers import OWN_HOSTS
from bench.fraud_model.documents import BYTE_PAY, Floats, Leases
from bench.fraud_model.fleet import STEPS_PER_DAY
from bench.fraud_model.setting import Setting
from bench.fraud_model.webs import HOSTS, Hosts
from rewards.novelty_rooms import unranked_room

UNRANKED: Final = 0.02


class Caps:
    """What was paid so far in an epoch, for ranked and for unranked domains."""

    def __init__(self, setting: Setting, hosts: Hosts) -> None:
        self._setting, self._rules = setting, setting.rules
        self._unranked = hosts.weight_sums > 1 - UNRANKED
        self._ranked_bytes = self._unranked_bytes = 0.0

    def apply(self, step: int, leases: Leases, novelty: Floats) -> None:
        """Keep the ring's sites within their caps, then all unranked domains within their share of what is paid."""
        if step % STEPS_PER_DAY == 0:
            self._ranked_bytes = self._unranked_bytes = 0.0
        if self._setting.strategy.own_sites:
            own = leases.host >= HOSTS - OWN_HOSTS
            cap = min(OWN_HOSTS * self._rules.domain_novelty_bytes_max, self._rules.prefix_novelty_bytes_max)
            asked = float(novelty[own].sum()) / BYTE_PAY
            novelty[own] *= min(1.0, cap / STEPS_PER_DAY / asked) if asked else 1.0
        unranked = self._unranked[leases.host] & (novelty > 0)
        more = float(novelty[~unranked].sum()) / BYTE_PAY
        rows = np.flatnonzero(unranked)
        rows = rows[np.argsort(leases.order_coin[rows])]
        coins, bytes_asked = leases.order_coin[rows].tolist(), (novelty[rows] / BYTE_PAY).tolist()
        for row, coin, asked in zip(rows.tolist(), coins, bytes_asked, strict=True):
            paid = int(self._ranked_bytes + coin * more + self._unranked_bytes)
            room = unranked_room(paid, int(self._unranked_bytes), self._rules.unranked_novelty_ppm)
            if room < asked:
                novelty[row] = room * BYTE_PAY
            self._unranked_bytes += min(room, asked)
        self._ranked_bytes += more
