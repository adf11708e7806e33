"""How much novelty of one site, and of all domains that no list knows, is paid for in an epoch of the model.

Rules: the room of unranked domains is `rewards.novelty_rooms.unranked_room`, and how many leases lead to them
`aggregator.assignment.unranked`. Unranked are the least popular hosts, to which `UNRANKED` of the frontier leads, and
the ring's own pages beside them: an assumption. Documents are priced in the order of their coins; of ranked ones it
only matters how many came before. Instead of a page that waits, a node is given one of a ranked domain.

Does not: know nodes.

Usage: `caps = Caps(setting, hosts)`; `caps.pace(step, leases, drawn, given)` sends some leases elsewhere, and
`caps.apply(step, leases, novelty)` shrinks `novelty`, both in place.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from aggregator.assignment.unranked import RoomUse, unranked_leases_left, unranked_share
from bench.fraud_model.documents import BYTE_PAY, Floats, Indices, Leases, Mask
from bench.fraud_model.fleet import STEPS_PER_DAY
from bench.fraud_model.setting import Setting
from bench.fraud_model.webs import HOSTS, Hosts
from rewards.novelty_rooms import unranked_room

UNRANKED: Final = 0.02


class Caps:
    """What was paid and leased so far in an epoch, for ranked and for unranked domains."""

    def __init__(self, setting: Setting, hosts: Hosts) -> None:
        self._setting, self._rules, self._hosts = setting, setting.rules, hosts
        self._unranked = hosts.weight_sums > 1 - UNRANKED
        self._epochs: list[RoomUse] = []
        self._begin()

    def _begin(self) -> None:
        self._ranked_bytes = self._unranked_bytes = self._asked_bytes = 0.0
        self._ranked_pages = self._unranked_pages = self._ranked_leases = self._unranked_leases = 0

    def pace(self, step: int, leases: Leases, drawn: Leases, given: Mask) -> None:
        """Send given leases that have no room to what was `drawn` for them, or to ranked domains."""
        if step % STEPS_PER_DAY == 0 and step:
            self._epochs.append(
                RoomUse(self._ranked_bytes, self._ranked_pages, self._asked_bytes, self._unranked_pages)
            )
        if step % STEPS_PER_DAY == 0:
            self._begin()
        if not (self._rules.on("domain_caps") and self._rules.on("placement")):
            return
        unranked = self._unranked[leases.host]
        rows = np.flatnonzero(unranked & given)
        self._ranked_leases += int(np.count_nonzero(given & ~unranked))
        share = unranked_share(self._rules, self._epochs)
        room = unranked_leases_left(self._rules, share, self._ranked_leases, self._unranked_leases)
        self._unranked_leases += min(room, len(rows))
        late = rows[np.argsort(leases.order_coin[rows])][room:]
        for column, before in (
            (leases.host, drawn.host),
            (leases.size, drawn.size),
            (leases.novel, drawn.novel),
            (leases.extra, drawn.extra),
            (leases.held, drawn.held),
        ):
            column[late] = before[late]
        _give_ranked(leases, late[self._unranked[leases.host[late]]], self._hosts)

    def apply(self, step: int, leases: Leases, novelty: Floats) -> None:
        """Keep the ring's sites within their caps, then all unranked domains within their share of what is paid."""
        if self._setting.strategy.own_sites:
            own = leases.host >= HOSTS
            cap = self._setting.strategy.own_domains * self._rules.domain_novelty_bytes_max
            asked = float(novelty[own].sum()) / BYTE_PAY
            novelty[own] *= min(1.0, cap / STEPS_PER_DAY / asked) if asked else 1.0
        of_unranked = self._unranked[leases.host]
        unranked = of_unranked & (novelty > 0)
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
        self._asked_bytes += sum(bytes_asked)
        self._unranked_pages += int(np.count_nonzero(of_unranked))
        self._ranked_pages += int(np.count_nonzero(~of_unranked))


def _give_ranked(leases: Leases, rows: Indices, hosts: Hosts) -> None:
    """Put a page of a ranked domain in the place of each of some leases' pages; its noise is that of its host."""
    before = hosts.noise[leases.host[rows]]
    leases.host[rows] = np.searchsorted(hosts.weight_sums, leases.order_coin[rows] * (1 - UNRANKED))
    quieter = hosts.noise[leases.host[rows]] / np.maximum(before, np.finfo(np.float32).tiny)
    leases.extra[rows] = np.minimum(leases.extra[rows] * quieter, 1)
    leases.truth_extra[:, rows] = np.minimum(leases.truth_extra[:, rows] * quieter, 1)
