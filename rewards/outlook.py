"""What a contributor is told of pay to come: what waits, what is still missing, and a date.

Rules: everything here follows from the ledger and from audit epochs that are closed; handed-in documents of the epoch
under way are one number, whatever was found about them. A date is an estimate: the node's passed audits go on coming as
far apart as its latest ones did.

Does not: say whether a node is watched, or promise.

Usage: `outlook = outlook_of(connection, house.rules, node_ids, now_ms)`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from rewards.accountant import CURSOR
from rewards.stakes import Stake, read_stakes
from rewards.vesting import audits_missing, expected_at_ms
from storage.state import get_cursor
from storage.tables.contributions import contributions, ledger
from storage.tables.pay import pending_pay
from windrow_protocol.trust_rules import TrustRules


def outlook_of(
    connection: sa.Connection, rules: TrustRules, node_ids: Collection[str], now_ms: int
) -> dict[str, Any]:
    """Return `{waiting, vesting}`: how many documents wait for the epoch's close, and for each node what is pending."""
    return {
        "waiting": {
            "documents": _waiting(connection, node_ids),
            "sentence": "Handed in, and told about when the audit epoch is closed",
        },
        "vesting": [
            vesting
            for node_id in sorted(node_ids)
            if (vesting := _vesting(connection, rules, node_id, now_ms))
        ],
    }


def _waiting(connection: sa.Connection, node_ids: Collection[str]) -> int:
    statement = (
        sa.select(sa.func.count())
        .select_from(contributions)
        .where(
            contributions.c.node_id.in_(node_ids),
            contributions.c.kind != "truth",
            contributions.c.seq > get_cursor(connection, CURSOR),
            ~sa.exists().where(ledger.c.cause == contributions.c.contribution_id),
        )
    )
    return connection.execute(statement).scalar_one()


def _vesting(
    connection: sa.Connection, rules: TrustRules, node_id: str, now_ms: int
) -> dict[str, Any] | None:
    """Return what one node has pending: the oldest document vests next, the newest last."""
    of_node = pending_pay.c.node_id == node_id
    pending = sa.select(pending_pay.c.seq, pending_pay.c.received_at_ms).where(of_node)
    oldest = connection.execute(pending.order_by(pending_pay.c.seq).limit(1)).one_or_none()
    newest = connection.execute(pending.order_by(pending_pay.c.seq.desc()).limit(1)).one_or_none()
    if oldest is None or newest is None:
        return None
    stake = read_stakes(connection, [node_id])[node_id]
    count = connection.execute(sa.select(sa.func.count()).select_from(pending_pay).where(of_node))
    missing, vests_at_ms = _expected(rules, stake, newest, now_ms)
    return {
        "node_id": node_id,
        "documents": count.scalar_one(),
        "pending_wei": str(stake.pending),
        "audits_wanted": rules.vest_audits,
        "audits_missing": missing,
        "next_vests_at_ms": _expected(rules, stake, oldest, now_ms)[1],
        "vests_at_ms": vests_at_ms,
    }


def _expected(rules: TrustRules, stake: Stake, item: Any, now_ms: int) -> tuple[int, int | None]:
    missing = 0 if stake.settled else audits_missing(rules, stake.passed_seqs, item.seq)
    received = [at_ms for _, at_ms in stake.passed]
    every_ms = (received[-1] - received[0]) // (len(received) - 1) if len(received) > 1 else None
    return missing, expected_at_ms(
        rules, missing, item.received_at_ms, now_ms=now_ms, audit_every_ms=every_ms
    )
