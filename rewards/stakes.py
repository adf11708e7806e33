"""What each node stands to lose, kept beside the ledger: its pending pay and bond, and what vesting looks at.

Rules: read when first asked for, changed in memory by whoever posts, written back in the same transaction. Of the
audits a node passed only the latest are kept, as many as any rule of vesting may ask for.

Does not: post entries (`books` does, and moves these amounts with them).

Usage::

    stakes = Stakes(connection)
    stakes.of(node_id).pending += 5
    stakes.save()
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import sqlalchemy as sa

from storage.pay_tables import node_pay
from storage.trust_tables import node_stakes
from windrow_protocol.limits import PASSED_AUDITS_KEPT


@dataclass
class Stake:
    """One node's amounts in wei. `passed` holds (place in the log, time of receipt) of its latest passed audits."""

    pending: int = 0
    bond: int = 0
    documents: int = 0
    bonded: int = 0
    settled: bool = False
    passed: list[tuple[int, int]] = field(default_factory=list)

    @property
    def passed_seqs(self) -> list[int]:
        """The places in the log, ascending."""
        return [seq for seq, _ in self.passed]

    def pass_audit(self, seq: int, received_at_ms: int) -> None:
        """Count one more passed audit."""
        insort(self.passed, (seq, received_at_ms))
        del self.passed[:-PASSED_AUDITS_KEPT]


class Stakes:
    """The stakes that one transaction looks at."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._read: dict[str, Stake] = {}

    def of(self, node_id: str) -> Stake:
        """Return a node's stake; what is changed of it is written by `save`."""
        if node_id not in self._read:
            self._read[node_id] = read_stake(self._connection, node_id)
        return self._read[node_id]

    def save(self) -> None:
        """Write back everything that was looked at."""
        for node_id, stake in sorted(self._read.items()):
            amounts = {"pending": stake.pending, "bond": stake.bond}
            passed = msgspec.json.encode(stake.passed).decode()
            counts = {"documents": stake.documents, "bonded": stake.bonded, "settled": stake.settled}
            _put(self._connection, node_stakes, node_id, amounts)
            _put(self._connection, node_pay, node_id, {**counts, "passed": passed})
        self._read.clear()


def read_stake(connection: sa.Connection, node_id: str) -> Stake:
    """Return a node's stake as last written; nothing but zeros for a node that never earned."""
    amounts = connection.execute(sa.select(node_stakes).where(node_stakes.c.node_id == node_id)).one_or_none()
    counts = connection.execute(sa.select(node_pay).where(node_pay.c.node_id == node_id)).one_or_none()
    stake = Stake(amounts.pending, amounts.bond) if amounts else Stake()
    if counts:
        stake.documents, stake.bonded, stake.settled = counts.documents, counts.bonded, counts.settled
        stake.passed = msgspec.json.decode(counts.passed, type=list[tuple[int, int]])
    return stake


def _put(connection: sa.Connection, table: sa.Table, node_id: str, values: Mapping[str, object]) -> None:
    row = table.c.node_id == node_id
    if not connection.execute(sa.update(table).where(row).values(**values)).rowcount:
        connection.execute(sa.insert(table).values(node_id=node_id, **values))
