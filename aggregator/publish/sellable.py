"""Which documents may be sold by now, and which of those sold before may not be any more.

    sellable    accepted, or unaudited, in an audit epoch that is closed, and its node is not in doubt; `vested` says
                that its pay was released; nothing of a host that was taken down
    withdrawn   paid for or sold once, and then found to differ from what validators fetched, or erased

A row sold out of an epoch under way would tell its contributor what an audit found. Whether a recipe sells what nobody
audited before it has vested, or at all, is the recipe's setting. What a node in doubt handed in waits: whoever fakes
rarely loses by it, and yet what nobody drew of it would be sold (docs/adr/0023, docs/adr/0032). Such a node may learn
by it of audits of the epoch under way, a day early; buyers come first.

Rules: a view for DuckDB, filled from the state; what is withdrawn stands on the signed list of removals of every later
version. Does not: judge, or read the lake.

Usage: `open_engine(recipe, lake=lake, sellable=sellable(connection, rules))`.
"""

from __future__ import annotations

import pyarrow as pa
import sqlalchemy as sa

from aggregator.assignment.withheld import stored_of, withheld_hosts
from aggregator.verification.standings.standing_rows import nodes_in_doubt
from storage.tables.contributions import ledger, verdicts
from storage.tables.lake import erasures
from storage.tables.personal import withdrawals
from storage.tables.trust import consequences
from storage.told import is_told
from windrow_protocol.trust_rules import TrustRules

SCHEMA = pa.schema([("contribution_id", pa.string()), ("vested", pa.bool_())])


def sellable(connection: sa.Connection, rules: TrustRules) -> pa.Table:
    """Return every document that may be sold, as an Arrow table of `SCHEMA`."""
    released = (ledger.c.cause == verdicts.c.contribution_id) & (ledger.c.reason == "released")
    gone = consequences.c.contribution_id == verdicts.c.contribution_id
    statement = sa.select(verdicts.c.contribution_id, sa.exists().where(released), verdicts.c.node_id).where(
        verdicts.c.verdict.in_(("accepted", "unaudited")),
        is_told(verdicts.c.epoch_id),
        ~sa.exists().where(gone, _is_in_force()),
    )
    doubted = nodes_in_doubt(connection, rules)
    taken_down = set(stored_of(connection, withheld_hosts(connection)))
    found = (row for row in connection.execute(statement) if row.node_id not in doubted)
    rows = [row for row in found if row.contribution_id not in taken_down]
    ids, vested = [row[0] for row in rows], [bool(row[1]) for row in rows]
    return pa.table([pa.array(ids, pa.string()), pa.array(vested, pa.bool_())], schema=SCHEMA)


def withdrawn(connection: sa.Connection) -> list[str]:
    """Return the contributions replaced after a good verdict, erased or taken back, in the order of their ids."""
    statement = (
        sa.select(consequences.c.contribution_id)
        .join(verdicts, verdicts.c.contribution_id == consequences.c.contribution_id)
        .where(verdicts.c.verdict.in_(("accepted", "unaudited")), _is_in_force())
        .distinct()
    )
    erased = sa.select(erasures.c.contribution_id)
    taken_back = sa.select(withdrawals.c.contribution_id)
    return sorted(
        {
            *connection.execute(statement).scalars(),
            *connection.execute(erased).scalars(),
            *connection.execute(taken_back).scalars(),
        }
    )


def _is_in_force() -> sa.ColumnElement[bool]:
    """A replacement that nothing took back."""
    undone = consequences.alias("undone")
    taken_back = sa.exists().where(undone.c.undoes == consequences.c.consequence_id)
    return (consequences.c.kind == "replaced") & ~taken_back
