"""What may be told by now: money follows only what audit epochs that are closed have decided.

Whoever could see a verdict of the open epoch, a fine, or pay that stopped vesting, could cheat until the first audit
that met it, and be honest from then on. So nothing is posted before the epoch in which it was decided is closed, and
every public door may show the whole ledger.

Rules: epoch 0 is that of a house without audit epochs, always told. Does not: close epochs.

Usage: `sa.select(verdicts).where(is_told(verdicts.c.epoch_id))`.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from storage.state import get_cursor, set_cursor
from storage.tables.contributions import submissions
from storage.tables.trust import audit_epochs

CLOSED = "closed"
_CLOSED_AT: Final = "audits/closed"


def is_told(epoch_id: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Return the condition that a column's audit epoch is not under way."""
    return ~sa.exists().where(audit_epochs.c.epoch_id == epoch_id, audit_epochs.c.state != CLOSED)


def untold_from(connection: sa.Connection) -> int | None:
    """Return a place of the log that all that is told lies before, None where all of the log may be told.

    An epoch's answers lie before the place that the next one began with. The truths about them may come later, but
    before the epoch was closed.
    """
    under_way = sa.select(sa.func.min(audit_epochs.c.first_seq)).where(audit_epochs.c.state != CLOSED)
    began: int | None = connection.execute(under_way).scalar()
    return None if began is None else max(began, get_cursor(connection, _CLOSED_AT) + 1)


def note_closed(connection: sa.Connection) -> None:
    """Remember how long the log was when an epoch was closed; in the same transaction."""
    last = connection.execute(sa.select(sa.func.max(submissions.c.seq))).scalar()
    set_cursor(connection, _CLOSED_AT, last or 0)


def newest_closed(connection: sa.Connection) -> int | None:
    """Return the newest closed audit epoch; 0 in a house without audit epochs, None before the first is closed."""
    newest = sa.select(sa.func.max(audit_epochs.c.epoch_id))
    if connection.execute(newest).scalar() is None:
        return 0
    found: int | None = connection.execute(newest.where(audit_epochs.c.state == CLOSED)).scalar()
    return found
