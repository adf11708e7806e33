"""What a node would lose and how much it does: what the audit rate of its next contribution follows from.

Rules: counters and folds only, so that ingest can ask for every contribution; the day's count is a sliding window made
of two calendar days (UTC by the house's clock), exact to within how evenly yesterday's work was spread.

Does not: decide the rate (`audit_rate`), or know pay but by what the ledger left in `node_stakes`.

Usage::

    exposure = exposure_of(connection, rules, node_id, host_key, now_ms)   # before the contribution is counted
    count_document(connection, node_id, now_ms)                            # in the transaction that commits it
"""

from __future__ import annotations

import sqlalchemy as sa

from aggregator.verification.audit_rate import Exposure
from aggregator.verification.standing_rows import is_hard, standing_of
from storage.state import get_meta, insert_once
from storage.trust_tables import document_counts, node_stakes
from windrow_protocol.trust_rules import DAY_MS, TrustRules

MEAN_DOCUMENT = "rewards/mean_document_wei"  # meta: what the ledger says a mean document earns


def count_document(connection: sa.Connection, node_id: str, now_ms: int) -> None:
    """Count one more contribution of a node, within the transaction that commits it."""
    day = now_ms // DAY_MS
    row = connection.execute(
        sa.select(document_counts).where(document_counts.c.node_id == node_id)
    ).one_or_none()
    if row is None:
        insert_once(connection, document_counts, node_id=node_id, documents=1, day=day, today=1, yesterday=0)
        return
    today, yesterday = _counted(row.day, row.today, row.yesterday, day)
    connection.execute(
        sa.update(document_counts)
        .where(document_counts.c.node_id == node_id)
        .values(documents=row.documents + 1, day=max(day, row.day), today=today + 1, yesterday=yesterday)
    )


def documents_of(connection: sa.Connection, node_id: str) -> int:
    """Return how many contributions a node ever handed in."""
    count = sa.select(document_counts.c.documents).where(document_counts.c.node_id == node_id)
    return connection.execute(count).scalar() or 0


def exposure_of(
    connection: sa.Connection, rules: TrustRules, node_id: str, host_key: str, now_ms: int
) -> Exposure:
    """Return what bears on the audit rate of a node's next contribution from a host."""
    row = connection.execute(
        sa.select(document_counts).where(document_counts.c.node_id == node_id)
    ).one_or_none()
    return Exposure(
        at_stake=_at_stake(connection, node_id),
        documents_per_day=_of_last_day(row, now_ms) if row else 0.0,
        documents=row.documents if row else 0,
        escalated=rules.on("escalation") and standing_of(connection, node_id).escalation is not None,
        hard_host=rules.on("hard_hosts") and is_hard(connection, host_key),
    )


def _at_stake(connection: sa.Connection, node_id: str) -> float:
    """Return unvested pay and bond in mean documents."""
    row = connection.execute(sa.select(node_stakes).where(node_stakes.c.node_id == node_id)).one_or_none()
    mean = int(get_meta(connection, MEAN_DOCUMENT) or 0)
    return float((row.pending + row.bond) / mean) if row and mean else 0.0


def _counted(counted_day: int, today: int, yesterday: int, day: int) -> tuple[int, int]:
    """Return (today, yesterday) as seen on a day; a clock set back stays on the day already counted."""
    if day <= counted_day:
        return today, yesterday
    return 0, today if day == counted_day + 1 else 0


def _of_last_day(row: sa.Row[tuple[object, ...]], now_ms: int) -> float:
    day, into_day_ms = divmod(now_ms, DAY_MS)
    today, yesterday = _counted(row.day, row.today, row.yesterday, day)
    return today + yesterday * (1 - into_day_ms / DAY_MS)
