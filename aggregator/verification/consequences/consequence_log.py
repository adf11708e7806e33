"""The log of consequences: what follows from audits, appeals and departures, a row each, and what is still in force.

Rules: rows are only appended; what was wrong is taken back by a row that names it in `undoes`. An id follows from kind,
node, cause, what it undoes and how often that happened before, so a replay writes the same ids. `epoch_id` is the
audit epoch of the verdict it follows from: the node is told when that one is closed.

    kind                          what it takes back (`undoes`)         what the ledger does
    fined, padding, suspended     -                                     takes
    replaced, strike, escalated,  -                                     nothing (vesting waits by `standings.frozen`)
    cleared, would_suspend
    voided                        one of the above, or nothing at all   gives back what that one took
    restored                      `replaced`, or nothing at all         pays the contribution as accepted
    appeal_denied                 -                                     takes three fetch fees
    begun_again                   -                                     the next documents are the node's bond again
    left_settled, bond_returned   -                                     vests what is pending; pays the bond back
    bond_kept                     -                                     takes the bond

Does not: decide what follows (`standing`), or pay (`rewards`).

Usage: `ConsequenceLog(house, connection, epoch_id).append(node_id, [Consequence("strike")], contribution_id)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final

import sqlalchemy as sa

from aggregator.verification.standings.standing import Consequence
from storage.house import House
from storage.tables.trust import consequences
from windrow_protocol.trust_rules import PPM

FOLDED: Final = frozenset(
    {"escalated", "cleared", "strike", "fined", "padding", "suspended", "would_suspend"}
)
BEGUN_AGAIN: Final = "begun_again"  # a fine took all that a node had at stake


class ConsequenceLog:
    """The log within one write transaction; all rows it appends belong to one audit epoch."""

    def __init__(self, house: House, connection: sa.Connection, epoch_id: int) -> None:
        self._house = house
        self._connection = connection
        self._epoch_id = epoch_id

    def append(self, node_id: str, found: Iterable[Consequence], contribution_id: str) -> None:
        """Append what a fold found to follow for a node from a contribution."""
        for each in found:
            self._append(
                node_id=node_id,
                kind=each.kind,
                contribution_id=contribution_id,
                documents_ppm=round(each.documents * PPM),
                share_ppm=round(each.share * PPM),
            )

    def note(self, node_id: str, kind: str, contribution_id: str = "") -> None:
        """Append a row of a kind that no fold gives and that takes nothing back: an appeal's end, a departure's, …"""
        self._append(node_id=node_id, kind=kind, contribution_id=contribution_id)

    def take_back(self, row: Any, kind: str = "voided") -> None:
        """Append the row that takes another one back."""
        self._append(
            node_id=row.node_id, kind=kind, contribution_id=row.contribution_id, undoes=row.consequence_id
        )

    def _append(
        self,
        *,
        node_id: str,
        kind: str,
        contribution_id: str,
        undoes: str = "",
        documents_ppm: int = 0,
        share_ppm: int = 0,
    ) -> None:
        same = (
            consequences.c.node_id == node_id,
            consequences.c.kind == kind,
            consequences.c.contribution_id == contribution_id,
            consequences.c.undoes == undoes,
        )
        before = sa.select(sa.func.count()).select_from(consequences).where(*same)
        last = sa.select(sa.func.coalesce(sa.func.max(consequences.c.consequence_seq), 0))
        times = self._connection.execute(before).scalar_one()
        named = "\n".join(("windrow/consequence", node_id, kind, contribution_id, undoes, str(times)))
        self._connection.execute(
            sa.insert(consequences).values(
                consequence_seq=self._connection.execute(last).scalar_one() + 1,
                consequence_id="k" + hashlib.sha256(named.encode()).hexdigest()[:31],
                node_id=node_id,
                kind=kind,
                contribution_id=contribution_id,
                documents_ppm=documents_ppm,
                share_ppm=share_ppm,
                undoes=undoes,
                epoch_id=self._epoch_id,
                created_at_ms=self._house.now_ms(),
            )
        )


def in_force(connection: sa.Connection, node_id: str) -> list[Any]:
    """Return a node's consequences that nothing has taken back, in their order."""
    rows = connection.execute(
        sa.select(consequences)
        .where(consequences.c.node_id == node_id)
        .order_by(consequences.c.consequence_seq)
    ).all()
    return still_in_force(rows)


def still_in_force(rows: Iterable[Any]) -> list[Any]:
    """Return those of some rows of the log that none of them takes back."""
    rows = list(rows)
    undone = {row.undoes for row in rows if row.undoes}
    return [row for row in rows if row.consequence_id not in undone]
