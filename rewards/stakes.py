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
from collections.abc import Collection
from dataclasses import dataclass, field, replace

import msgspec
import sqlalchemy as sa

from storage.state import put_rows
from storage.tables.pay import node_pay
from storage.tables.trust import node_stakes
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
        self._known: dict[str, Stake] = {}
        self._before: dict[str, Stake] = {}

    def read(self, node_ids: Collection[str]) -> None:
        """Read the stakes of nodes that will be asked for, all at once."""
        wanted = sorted(set(node_ids) - self._known.keys())
        for node_id, stake in read_stakes(self._connection, wanted).items():
            self._known[node_id], self._before[node_id] = stake, _copy(stake)

    def of(self, node_id: str) -> Stake:
        """Return a node's stake; what is changed of it is written by `save`."""
        if node_id not in self._known:
            self.read([node_id])
        return self._known[node_id]

    def save(self) -> None:
        """Write back what changed."""
        changed = {n: stake for n, stake in sorted(self._known.items()) if stake != self._before[n]}
        put_rows(
            self._connection,
            node_stakes,
            [{"node_id": n, "pending": stake.pending, "bond": stake.bond} for n, stake in changed.items()],
        )
        put_rows(
            self._connection,
            node_pay,
            [
                {
                    "node_id": node_id,
                    "documents": stake.documents,
                    "bonded": stake.bonded,
                    "settled": stake.settled,
                    "passed": msgspec.json.encode(stake.passed).decode(),
                }
                for node_id, stake in changed.items()
            ],
        )
        self._before |= {node_id: _copy(stake) for node_id, stake in changed.items()}


def read_stakes(connection: sa.Connection, node_ids: Collection[str]) -> dict[str, Stake]:
    """Return nodes' stakes as last written; nothing but zeros for one that never earned."""
    stakes = {node_id: Stake() for node_id in node_ids}
    for row in connection.execute(sa.select(node_stakes).where(node_stakes.c.node_id.in_(node_ids))):
        stakes[row.node_id].pending, stakes[row.node_id].bond = row.pending, row.bond
    for row in connection.execute(sa.select(node_pay).where(node_pay.c.node_id.in_(node_ids))):
        stake = stakes[row.node_id]
        stake.documents, stake.bonded, stake.settled = row.documents, row.bonded, row.settled
        stake.passed = msgspec.json.decode(row.passed, type=list[tuple[int, int]])
    return stakes


def _copy(stake: Stake) -> Stake:
    return replace(stake, passed=list(stake.passed))
