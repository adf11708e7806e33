"""What a node would lose and how much it does: what the audit rate of its next contribution follows from.

Rules: counters and folds only, so that ingest can ask for every contribution. Probation counts documents that passed an
audit, and begins again when a fine has emptied the bond. The day's count is a sliding window made
of two calendar days (UTC by the house's clock), exact to within how evenly yesterday's work was spread.

Does not: decide the rate (`audit_rate`), or know pay but by what the ledger left in `node_stakes`.

Usage::

    exposures = Exposures(connection, rules, node_ids, host_keys)   # in the transaction that commits the contributions
    exposure = exposures.of(node_id, host_key, now_ms)              # before one is counted
    exposures.count(node_id, now_ms)
    exposures.write()                                               # once, at its end
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from aggregator.verification.standings.audit_rate import Exposure
from aggregator.verification.standings.standing import Standing
from aggregator.verification.standings.standing_rows import doubtful_hosts
from storage.prepared import Prepared
from storage.state import get_cursor, get_meta, put_rows
from storage.tables.contributions import contributions, ledger, nodes, verdicts
from storage.tables.trust import document_counts, node_stakes, standings
from windrow_protocol.trust_rules import DAY_MS, TrustRules

MEAN_DOCUMENT = "rewards/mean_document_wei"  # meta: what the ledger says a mean document earns
PRICED_UP_TO = "rewards/contributions"  # cursor: all of the log up to there is in the ledger

_STAKES = Prepared(
    sa.select(
        nodes.c.node_id,
        *(document_counts.c[name] for name in ("documents", "passed", "day", "today", "yesterday")),
        node_stakes.c.pending,
        node_stakes.c.bond,
        standings.c.standing,
    )
    .select_from(
        nodes.outerjoin(document_counts, document_counts.c.node_id == nodes.c.node_id)
        .outerjoin(node_stakes, node_stakes.c.node_id == nodes.c.node_id)
        .outerjoin(standings, standings.c.node_id == nodes.c.node_id)
    )
    .where(nodes.c.node_id.in_(sa.bindparam("of_nodes", expanding=True)))
)


@dataclass(slots=True)
class _Counted:
    """The row of `document_counts` as it will be."""

    documents: int
    passed: int
    day: int
    today: int
    yesterday: int

    def one_more(self, day: int) -> None:
        self.documents += 1
        if day <= self.day:  # a clock set back stays on the day already counted
            self.today += 1
        else:
            self.yesterday = self.today if day == self.day + 1 else 0
            self.day, self.today = day, 1

    def columns(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.__slots__}

    def of_last_day(self, now_ms: int) -> float:
        day, into_day_ms = divmod(now_ms, DAY_MS)
        if day > self.day + 1:
            return 0.0
        today, yesterday = (self.today, self.yesterday) if day <= self.day else (0, self.today)
        return float(today + yesterday * (1 - into_day_ms / DAY_MS))


class Exposures:
    """What bears on the audit rates of one transaction's contributions: read once, counted on, written once."""

    def __init__(
        self, connection: sa.Connection, rules: TrustRules, node_ids: Collection[str], hosts: Collection[str]
    ) -> None:
        """Read what is known of registered nodes and of hosts (by host key)."""
        self._connection = connection
        self._rules = rules
        rows = _STAKES.rows(connection, of_nodes=list(node_ids))
        self._mean_wei = int(get_meta(connection, MEAN_DOCUMENT) or 0)
        self._counted: dict[str, _Counted] = {}
        self._at_stake: dict[str, float] = {}
        self._escalated: set[str] = set()
        for row in rows:
            self._learn(row)
        doubtful = doubtful_hosts(connection, hosts) if rules.on("hard_hosts") else (set(), set())
        self._hard, self._disputed = doubtful
        self._changed: set[str] = set()

    def of(self, node_id: str, host_key: str, now_ms: int) -> Exposure:
        """Return what bears on the rate of a node's next contribution from a host."""
        counted = self._counted[node_id]
        return Exposure(
            at_stake=self._at_stake[node_id],
            documents_per_day=counted.of_last_day(now_ms),
            documents=counted.passed,
            escalated=node_id in self._escalated,
            hard_host=host_key in self._hard,
            disputed_host=host_key in self._disputed,
        )

    def count(self, node_id: str, now_ms: int) -> None:
        """Count one more contribution of a node."""
        self._counted[node_id].one_more(now_ms // DAY_MS)
        self._changed.add(node_id)

    def write(self) -> None:
        """Write the counts; in the transaction in which they were read."""
        rows = [{"node_id": each, **self._counted[each].columns()} for each in sorted(self._changed)]
        put_rows(self._connection, document_counts, rows)
        self._changed.clear()

    def _learn(self, row: Any) -> None:
        known = (row.documents, row.passed, row.day, row.today, row.yesterday)
        self._counted[row.node_id] = _Counted(*(0, 0, 0, 0, 0) if row.day is None else known)
        staked = row.pending is not None and self._mean_wei
        # unvested pay and bond in mean documents
        self._at_stake[row.node_id] = float((row.pending + row.bond) / self._mean_wei) if staked else 0.0
        if row.standing and self._rules.on("escalation"):
            standing = msgspec.json.decode(row.standing, type=Standing)
            if standing.escalation is not None:
                self._escalated.add(row.node_id)


def count_passed(connection: sa.Connection, node_id: str) -> None:
    """Count a document that passed its audit: so many as probation asks for end it, and garbage does not."""
    own = sa.update(document_counts).where(document_counts.c.node_id == node_id)
    connection.execute(own.values(passed=document_counts.c.passed + 1))


def begin_again(connection: sa.Connection, node_id: str, fined: float) -> bool:
    """Put a node back into probation when a fine (in mean documents) takes all that it had at stake.

    At stake is also what the ledger has not priced yet: it will have by the time it books the fine. Says whether that
    took anything back: who has passed nothing since it began has nothing to begin again with.
    """
    if fined < _priced(connection, node_id) + _unpriced(connection, node_id):
        return False
    own = sa.update(document_counts).where(document_counts.c.node_id == node_id, document_counts.c.passed > 0)
    return connection.execute(own.values(passed=0)).rowcount > 0


def _priced(connection: sa.Connection, node_id: str) -> float:
    """Return a node's pending pay and bond in mean documents, as far as the ledger has come."""
    stake = sa.select(node_stakes).where(node_stakes.c.node_id == node_id)
    row = connection.execute(stake).one_or_none()
    mean_wei = int(get_meta(connection, MEAN_DOCUMENT) or 0)
    return float((row.pending + row.bond) / mean_wei) if row is not None and mean_wei else 0.0


def _unpriced(connection: sa.Connection, node_id: str) -> int:
    """Return how many documents of a node were found good, or not looked at, and are not priced yet."""
    waiting = (
        sa.select(sa.func.count())
        .select_from(
            verdicts.join(contributions, contributions.c.contribution_id == verdicts.c.contribution_id)
        )
        .where(verdicts.c.node_id == node_id, verdicts.c.seq > get_cursor(connection, PRICED_UP_TO))
        .where(verdicts.c.verdict.in_(("accepted", "unaudited")), contributions.c.kind == "work")
        .where(~sa.exists().where(ledger.c.cause == verdicts.c.contribution_id))
    )
    return connection.execute(waiting).scalar() or 0


def passed_of(connection: sa.Connection, node_id: str) -> int:
    """Return how many documents of a node passed an audit since it began, or began again."""
    count = sa.select(document_counts.c.passed).where(document_counts.c.node_id == node_id)
    return connection.execute(count).scalar() or 0


def documents_of(connection: sa.Connection, node_id: str) -> int:
    """Return how many contributions a node ever handed in."""
    count = sa.select(document_counts.c.documents).where(document_counts.c.node_id == node_id)
    return connection.execute(count).scalar() or 0
