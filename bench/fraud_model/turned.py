"""Turned pages of the model: which answers tell of one, and who is given it.

Rules: how many leases and for how long are the protocol's (`TrustRules.turned_*`); a page is given
to one node after the other and to nobody else after the first that may have made its answer up. What the house has
imported tells it, and nothing else; where that is two captures of a page, only a page that stood still can turn. A ring
tells its nodes what each was given on the same day, and its validator what it drew, and recognises such a page.

Does not: judge answers.

Usage::

    turned.lend(step, leases, attacker)  # puts pages into some leases, in place
    turned.rates_of(answers, rates_ppm)
    turned.learn(batch, judging)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.fraud_model.answers import Answers
from bench.fraud_model.archives import is_other, is_static
from bench.fraud_model.audits import RING
from bench.fraud_model.batches import Batch
from bench.fraud_model.documents import Indices, Leases, Mask
from bench.fraud_model.fleet import PREFIX_NODES, STEPS_PER_DAY
from bench.fraud_model.judging import Judging
from bench.fraud_model.setting import Setting
from bench.fraud_model.webs import Hosts
from windrow_protocol.limits import MATCH_SIMILARITY_MIN
from windrow_protocol.trust_rules import PPM

UNLIKE: Final = 1 - MATCH_SIMILARITY_MIN


@dataclass(slots=True)
class Page:
    """A page that turned. `known`: the ring had it today; `left`: leases that it may still be given."""

    host: int
    coin: float
    size: float
    prefix: int
    known: bool
    left: int


class TurnedPages:
    """The turned pages of an epoch."""

    def __init__(self, setting: Setting, hosts: Hosts) -> None:
        self._setting, self._rules, self._hosts = setting, setting.rules, hosts
        self._pages: list[Page] = []

    def lend(self, step: int, leases: Leases, attacker: Mask) -> None:
        """Put the pages that are open into some leases; `attacker` says of each lease whether it is the ring's."""
        if step % STEPS_PER_DAY == 0:
            self._pages = []
        if not self._pages:
            return
        free = np.flatnonzero(leases.canary_coin >= 1 - self._rules.turned_ppm / PPM)
        rows = iter(free[np.argsort(leases.order_coin[free])].tolist())
        for page in self._pages:
            self._lend(page, rows, leases, attacker)
        self._pages = [page for page in self._pages if page.left]

    def _lend(self, page: Page, rows: Iterator[int], leases: Leases, attacker: Mask) -> None:
        for row in rows:
            if leases.node[row] // PREFIX_NODES == page.prefix:
                continue
            self._put(page, row, leases)
            page.left -= 1
            if attacker[row]:
                leases.aware[row] = page.known
                page.left = page.left if page.known else 0
            if not page.left:
                return

    def _put(self, page: Page, row: int, leases: Leases) -> None:
        quieter = self._hosts.noise[page.host] / max(
            float(self._hosts.noise[leases.host[row]]), float(np.finfo(np.float32).tiny)
        )
        leases.extra[row] = min(1.0, leases.extra[row] * quieter)
        leases.truth_extra[:, row] = np.minimum(1.0, leases.truth_extra[:, row] * quieter)
        leases.host[row], leases.size[row], leases.novel[row] = page.host, page.size, 0
        leases.page_coin[row], leases.kind_coin[row] = page.coin, 1.0
        leases.turned[row] = True

    def rates_of(self, answers: Answers, rates_ppm: Indices) -> Indices:
        """Return the answers' rates: of a turned page nothing is drawn of who says the same, all of who does not."""
        same = (answers.extra <= UNLIKE) & (answers.missing <= UNLIKE) & ~answers.refused
        return np.where(answers.leases.turned, np.where(same, 0, PPM), rates_ppm)

    def learn(self, batch: Batch, judging: Judging) -> None:
        """Open the pages of which a trusted node's answer says that they turned, where hosts are not hard."""
        if not self._rules.on("turned"):
            return
        answers, leases = batch.answers, batch.answers.leases
        known = answers.attacker | (batch.drawn[RING] & (self._setting.colluding != "no"))
        for row in np.flatnonzero(self._told(answers) & ~judging.hosts.hard[leases.host]).tolist():
            if not judging.is_trusted(int(leases.node[row])):
                continue
            self._pages.append(
                Page(
                    int(leases.host[row]), float(leases.page_coin[row]), float(leases.size[row]),
                    int(leases.node[row]) // PREFIX_NODES, bool(known[row]), self._rules.turned_leases_max,
                )
            )  # fmt: skip

    def _told(self, answers: Answers) -> Mask:
        """Say which answers tell that a page of which the house holds a text, and which stood still, is another one."""
        leases = answers.leases
        page, others = leases.page_coin, ~leases.turned & ~answers.canary
        known = leases.held & others & (is_static(page) | (self._setting.captures == 1))
        return np.asarray(known & answers.fetched & is_other(page, leases.kind_coin, self._setting.web))
