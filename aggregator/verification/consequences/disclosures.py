"""Disclosures: what a node is told about its audits, and when.

Rules: a verdict or a consequence is told when the audit epoch it belongs to is closed, never before: whoever could see
that a fake was caught would stop until the watch is over. What is added up (`standing`) is added up from what is told,
not from what is known. Everything of a closed epoch is told, reasons included. The order is that of epochs, then of
decision, so that a reader who goes on from `next` misses nothing.

Does not: decide, sign verdicts (they are kept signed), or tell others than the node itself.

Usage: `answer = disclosed_to(connection, node_id, DisclosureRequest())`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from aggregator.verification.consequences.consequence_log import still_in_force
from storage.tables.contributions import verdicts
from storage.tables.trust import appeals, audit_outcomes, consequences, departures
from storage.told import is_told
from windrow_protocol.errors import REASONS
from windrow_protocol.messages import DisclosureRequest

_FIRST = "0-0-0-0"


def disclosed_to(connection: sa.Connection, node_id: str, request: DisclosureRequest) -> dict[str, Any]:
    """Return one page of what a node may know of its verdicts and consequences, and what they add up to."""
    after = [int(part) for part in (request.after or _FIRST).split("-")]
    told = _page(connection, node_id, verdicts, verdicts.c.decided_seq, after[:2], request.count)
    followed = _page(
        connection, node_id, consequences, consequences.c.consequence_seq, after[2:], request.count
    )
    upto_verdict = (told[-1].epoch_id, told[-1].decided_seq) if told else after[:2]
    upto_consequence = (followed[-1].epoch_id, followed[-1].consequence_seq) if followed else after[2:]
    return {
        "verdicts": [row.jws for row in told],
        "consequences": [_shown(row) for row in followed],
        "standing": _standing(connection, node_id),
        "appeals": _appeals(connection, node_id),
        "departure": _departure(connection, node_id),
        "next": "-".join(map(str, (*upto_verdict, *upto_consequence))),
    }


def _page(
    connection: sa.Connection,
    node_id: str,
    table: sa.Table,
    place: sa.Column[Any],
    after: list[int],
    count: int,
) -> list[Any]:
    later = sa.or_(table.c.epoch_id > after[0], sa.and_(table.c.epoch_id == after[0], place > after[1]))
    return list(
        connection.execute(
            sa.select(table)
            .where(table.c.node_id == node_id, later, is_told(table.c.epoch_id))
            .order_by(table.c.epoch_id, place)
            .limit(count)
        )
    )


def _shown(row: Any) -> dict[str, Any]:
    reason = REASONS[row.kind]
    return {
        "consequence_id": row.consequence_id,
        "kind": row.kind,
        "contribution_id": row.contribution_id,
        "sentence": reason.sentence,
        "remedy": reason.remedy,
        "documents_ppm": row.documents_ppm,
        "share_ppm": row.share_ppm,
        "undoes": row.undoes,
        "epoch_id": row.epoch_id,
        "at_ms": row.created_at_ms,
    }


def _standing(connection: sa.Connection, node_id: str) -> dict[str, Any]:
    """Add up what is told."""
    mine = (audit_outcomes.c.node_id == node_id, is_told(audit_outcomes.c.epoch_id))
    kinds = connection.execute(
        sa.select(audit_outcomes.c.kind, sa.func.count()).where(*mine).group_by(audit_outcomes.c.kind)
    )
    audits = {str(kind): int(number) for kind, number in kinds}
    rows = connection.execute(
        sa.select(consequences)
        .where(consequences.c.node_id == node_id, is_told(consequences.c.epoch_id))
        .order_by(consequences.c.consequence_seq)
    ).all()
    standing = [row.kind for row in still_in_force(rows)]
    watch = [kind for kind in standing if kind in ("escalated", "cleared")]
    return {
        "audits": sum(audits.values()),
        "matches": audits.get("match", 0),
        "mismatches": audits.get("mismatch", 0),
        "taken_back": len({row.contribution_id for row in rows if row.kind in ("voided", "restored")}),
        "strikes": standing.count("strike"),
        "fines": standing.count("fined"),
        "vesting": "waits" if watch and watch[-1] == "escalated" else "runs",
        "suspended": "suspended" in standing,
        "would_be_suspended": "would_suspend" in standing,
    }


def _appeals(connection: sa.Connection, node_id: str) -> list[dict[str, Any]]:
    rows = connection.execute(
        sa.select(appeals).where(appeals.c.node_id == node_id).order_by(appeals.c.received_at_ms)
    )
    return [
        {
            "contribution_id": row.contribution_id,
            "state": row.state,
            "received_at_ms": row.received_at_ms,
            "decided_at_ms": row.decided_at_ms,
        }
        for row in rows
    ]


def _departure(connection: sa.Connection, node_id: str) -> dict[str, Any] | None:
    row = connection.execute(sa.select(departures).where(departures.c.node_id == node_id)).one_or_none()
    if row is None:
        return None
    kept = ("state", "asked_at_ms", "settle_by_ms", "bond_due_at_ms")
    return {name: getattr(row, name) for name in kept}
