"""What work has lately earned, for somebody who wonders whether to begin: totals of the last epochs, nobody's rows.

Rules: sums of what was priced in the newest audit epochs; beside them what a page weighs on the wire, as nodes report
it over the newest submissions, fruitless ones included. Nothing is promised by it.

Does not: tell what a new node will earn (its first documents are its bond). Usage: `recent_pay(connection)`.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from storage.tables.contributions import leases, submissions
from storage.tables.pay import epoch_pay

EPOCHS: Final = 7
SUBMISSIONS: Final = 1_000


def recent_pay(connection: sa.Connection) -> dict[str, Any]:
    """Return `{epochs, documents, earned_wei, bytes_wire_mean}`, all zero before anything was paid."""
    newest = sa.select(epoch_pay.c.documents, epoch_pay.c.earned).order_by(epoch_pay.c.epoch_id.desc())
    rows = connection.execute(newest.limit(EPOCHS)).all()
    return {
        "epochs": len(rows),
        "documents": sum(row.documents for row in rows),
        "earned_wei": str(sum(row.earned for row in rows)),
        "bytes_wire_mean": _bytes_of_a_page(connection),
    }


def _bytes_of_a_page(connection: sa.Connection) -> int:
    newest = (
        sa.select(leases.c.outcome, leases.c.bytes_wire)
        .join(submissions, submissions.c.lease_id == leases.c.lease_id)
        .order_by(submissions.c.seq.desc())
        .limit(SUBMISSIONS)
    )
    rows = connection.execute(newest).all()
    pages = sum(row.outcome == "fetched" for row in rows)
    return sum(row.bytes_wire for row in rows) // pages if pages else 0
