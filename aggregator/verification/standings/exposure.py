"""What a node would lose and how much it does: what the audit rate of its next contribution follows from.

Rules: counters and folds only, so that ingest can ask for every contribution. Probation counts documents that passed an
audit, and begins again when a fine has emptied the bond. The day's count is a sliding window made
of two calendar days (UTC by the house's clock), exact to within how evenly yesterday's work was spread.

Does not: decide the rate (`audit_rate`), or know pay but by what the ledger left in `node_stakes`.

Usage::

    exposure = exposure_of(connection, rules, node_id, host_key, now_ms)   # before the contribution is counted
    count_document(connection, node_id, now_ms)                            # in the transaction that commits it
"""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from aggregator.verification.standings.audit_rate import Exposure
from aggregator.verification.standings.standing import Standing
from storage.state import get_meta
from storage.tables import meta, nodes
from storage.trust_tables import document_counts, host_standings, node_stakes, standings
from windrow_protocol.trust_rules import DAY_MS, TrustRules

MEAN_DOCUMENT = "rewards/mean_document_wei"  # meta: what the ledger says a mean document earns

_DAY: sa.BindParameter[int] = sa.bindparam("on_day")
_SAME_DAY = document_counts.c.day >= _DAY  # a clock set back stays on the day already counted
_COUNT = (
    sa.update(document_counts)
    .where(document_counts.c.node_id == sa.bindparam("of_node"))
    .values(
        documents=document_counts.c.documents + 1,
        day=sa.case((_SAME_DAY, document_counts.c.day), else_=_DAY),
        today=sa.case((_SAME_DAY, document_counts.c.today + 1), else_=1),
        yesterday=sa.case(
            (_SAME_DAY, document_counts.c.yesterday),
            (document_counts.c.day + 1 == _DAY, document_counts.c.today),
            else_=0,
        ),
    )
)
_SEEN = (
    sa.select(
        document_counts.c.passed,
        document_counts.c.day,
        document_counts.c.today,
        document_counts.c.yesterday,
        node_stakes.c.pending,
        node_stakes.c.bond,
        standings.c.standing,
        host_standings.c.hard,
        meta.c.value.label("mean_wei"),
    )
    .select_from(
        nodes.outerjoin(document_counts, document_counts.c.node_id == nodes.c.node_id)
        .outerjoin(node_stakes, node_stakes.c.node_id == nodes.c.node_id)
        .outerjoin(standings, standings.c.node_id == nodes.c.node_id)
        .outerjoin(host_standings, host_standings.c.host_key == sa.bindparam("of_host"))
        .outerjoin(meta, meta.c.key == MEAN_DOCUMENT)
    )
    .where(nodes.c.node_id == sa.bindparam("of_node"))
)


def count_document(connection: sa.Connection, node_id: str, now_ms: int) -> None:
    """Count one more contribution of a node, within the transaction that commits it."""
    day = now_ms // DAY_MS
    if not connection.execute(_COUNT, {"of_node": node_id, "on_day": day}).rowcount:
        first = {"node_id": node_id, "documents": 1, "day": day, "today": 1, "yesterday": 0}
        connection.execute(sa.insert(document_counts), first)


def count_passed(connection: sa.Connection, node_id: str) -> None:
    """Count a document that passed its audit: so many as probation asks for end it, and garbage does not."""
    own = sa.update(document_counts).where(document_counts.c.node_id == node_id)
    connection.execute(own.values(passed=document_counts.c.passed + 1))


def begin_again(connection: sa.Connection, node_id: str, fined: float) -> None:
    """Put a node back into probation when a fine (in mean documents) takes all that it had at stake."""
    stake = sa.select(node_stakes).where(node_stakes.c.node_id == node_id)
    row = connection.execute(stake).one_or_none()
    mean_wei = int(get_meta(connection, MEAN_DOCUMENT) or 0)
    if row is None or fined * mean_wei >= row.pending + row.bond:
        own = sa.update(document_counts).where(document_counts.c.node_id == node_id)
        connection.execute(own.values(passed=0))


def documents_of(connection: sa.Connection, node_id: str) -> int:
    """Return how many contributions a node ever handed in."""
    count = sa.select(document_counts.c.documents).where(document_counts.c.node_id == node_id)
    return connection.execute(count).scalar() or 0


def exposure_of(
    connection: sa.Connection, rules: TrustRules, node_id: str, host_key: str, now_ms: int
) -> Exposure:
    """Return what bears on the audit rate of a registered node's next contribution from a host."""
    row = connection.execute(_SEEN, {"of_node": node_id, "of_host": host_key}).one()
    standing = msgspec.json.decode(row.standing, type=Standing) if row.standing else Standing()
    return Exposure(
        at_stake=_at_stake(row),
        documents_per_day=_of_last_day(row, now_ms),
        documents=row.passed or 0,
        escalated=rules.on("escalation") and standing.escalation is not None,
        hard_host=rules.on("hard_hosts") and bool(row.hard),
    )


def _at_stake(row: Any) -> float:
    """Return unvested pay and bond in mean documents."""
    mean = int(row.mean_wei or 0)
    return float((row.pending + row.bond) / mean) if mean and row.pending is not None else 0.0


def _of_last_day(row: Any, now_ms: int) -> float:
    day, into_day_ms = divmod(now_ms, DAY_MS)
    if row.day is None or day > row.day + 1:
        return 0.0
    today, yesterday = (row.today, row.yesterday) if day <= row.day else (0, row.today)
    return float(today + yesterday * (1 - into_day_ms / DAY_MS))
