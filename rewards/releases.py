"""Releases what has vested: from `pending:<node>` to `posted:<payout>`, a line for each document.

Rules: done when an audit epoch was closed (always, in a house without audit epochs), after its consequences were
booked: nobody is paid past a penalty, and nobody can watch pending pay stop and learn of a verdict that is not told.
The payout address is the one the node has now. A document is looked at only while it is pending: the node's k-th
latest passed audit bounds what can vest. A line is dated by what let it vest (the epoch's end, or the document's age),
so that a replay gives the same bytes.

Does not: decide what vests (`vesting`), or price.

Usage: `entries = run_releases(house)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from rewards.books import Books
from rewards.vesting import VestingBounds, vesting_bounds
from storage.house import House
from storage.pay_terms import terms_of_epoch
from storage.state import get_cursor, set_cursor
from storage.tables.contributions import nodes
from storage.tables.pay import pending_pay
from storage.tables.trust import audit_epochs, standings
from storage.told import newest_closed
from windrow_protocol.limits import ACCOUNTING_BATCH_MAX

CURSOR: Final = "rewards/vested_epoch"


@dataclass(frozen=True)
class _Close:
    """The close of an audit epoch: which, and when it ended; epoch 0 and no time in a house without audit epochs."""

    epoch_id: int
    ended_at_ms: int


def run_releases(house: House, batch: int = ACCOUNTING_BATCH_MAX) -> int:
    """Post what has vested since an audit epoch was last closed and return how many entries that gave."""
    with house.state.read() as connection:
        close = _close_to_release(connection)
        pending = sa.select(pending_pay.c.node_id).distinct().order_by(pending_pay.c.node_id.desc())
        waiting = list(connection.execute(pending).scalars()) if close else []
    posted = 0
    while close and waiting:
        with house.state.write() as connection:
            posted += _release_some(house, connection, close, waiting, batch)
    if close and close.epoch_id:
        with house.state.write() as connection:
            set_cursor(connection, CURSOR, close.epoch_id)
    return posted


def _close_to_release(connection: sa.Connection) -> _Close | None:
    """Return the newest close if nothing was released since it."""
    closed = newest_closed(connection)
    if closed is None or 0 < closed <= get_cursor(connection, CURSOR):
        return None
    ended = sa.select(audit_epochs.c.ended_at_ms).where(audit_epochs.c.epoch_id == closed)
    return _Close(closed, connection.execute(ended).scalar() or 0)


def _release_some(
    house: House, connection: sa.Connection, close: _Close, waiting: list[str], batch: int
) -> int:
    """Release up to a batch of documents; nodes of which nothing more can vest are taken off the list."""
    books, left = Books(connection, house.rules), batch
    version = terms_of_epoch(connection, house, close.epoch_id).version
    age_ms = house.rules.vest_age_ms if house.rules.on("vesting") else 0
    books.stakes.read(waiting[-batch:])
    while waiting and left > 0:
        node_id = waiting[-1]
        payout, bounds = _terms(house, connection, books, node_id)
        items = _vested(connection, node_id, bounds, left)
        for item in items:
            at_ms = max(close.ended_at_ms, item.earned_at_ms, item.received_at_ms + age_ms)
            books.release(item, payout, at_ms, version)
        left -= len(items)
        if left > 0:
            waiting.pop()
    return books.close()


def _terms(house: House, connection: sa.Connection, books: Books, node_id: str) -> tuple[str, VestingBounds]:
    row: Any = connection.execute(
        sa.select(nodes.c.payout_address, standings.c.frozen, standings.c.suspended)
        .outerjoin(standings, standings.c.node_id == nodes.c.node_id)
        .where(nodes.c.node_id == node_id)
    ).one()
    stake = books.stakes.of(node_id)
    bounds = vesting_bounds(
        house.rules,
        stake.passed_seqs,
        now_ms=house.now_ms(),
        frozen=bool(row.frozen),
        suspended=bool(row.suspended),
        settled=stake.settled,
    )
    return row.payout_address, bounds


def _vested(connection: sa.Connection, node_id: str, bounds: VestingBounds, limit: int) -> list[Any]:
    statement = (
        sa.select(pending_pay)
        .where(
            pending_pay.c.node_id == node_id,
            pending_pay.c.seq < bounds.seq_below,
            pending_pay.c.received_at_ms <= bounds.received_until_ms,
        )
        .order_by(pending_pay.c.seq, pending_pay.c.cause)
        .limit(limit)
    )
    return list(connection.execute(statement))
