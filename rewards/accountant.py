"""The accountant: reads what was judged, prices it, and posts it once.

The story, for each contribution in the order of the log: wait until it is judged (its verdict and, when accepted, its
novelty; for a truth the verdict of what it is about) → price → emission to `pending:<node>`, a line for each reason →
what was earned is released to `posted:<payout>`. In this version the release follows at once; vesting will put time
between the two, and the accounts stay the same. Refusals are lines of amount 0.

Rules: an entry is dated by the judgement that caused it, so a replay of the same logs gives the same bytes. One
undecided contribution holds up nobody else's pay. A batch and the cursor are one transaction.

Does not: judge, choose rates (`rates`), or pay on chain (`settlement`).

Usage: `entries = run_accountant(house)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy as sa

from rewards.ledger import Transfer, post, posted_account
from rewards.rates import CURRENT, Priced, price_truth, price_work
from storage.house import House
from storage.state import get_cursor, set_cursor
from storage.tables import consents, contributions, duplicates, ledger, nodes, verdicts
from windrow_protocol.limits import ACCOUNTING_BATCH_MAX

CURSOR = "rewards/contributions"  # everything up to here is priced; above it, some may be


def run_accountant(house: House, batch: int = ACCOUNTING_BATCH_MAX) -> int:
    """Price and post everything that is judged and return how many entries that gave."""
    posted, more = 0, True
    while more:
        with house.state.write() as connection:
            judged = _judged_and_unpriced(connection, batch)
            posted += post(connection, (t for row in judged for t in _transfers(row, _price(row))))
            _advance(connection)
        more = len(judged) == batch
    return posted + _note_personal(house)


def _judged_and_unpriced(connection: sa.Connection, batch: int) -> list[Any]:
    about = sa.func.coalesce(contributions.c.audit_of, contributions.c.contribution_id)
    statement = (
        sa.select(
            contributions.c.contribution_id,
            contributions.c.node_id,
            contributions.c.kind,
            contributions.c.text_sha256,
            nodes.c.payout_address,
            verdicts.c.verdict,
            verdicts.c.reason,
            verdicts.c.truth_sha256,
            verdicts.c.decided_at_ms,
            duplicates.c.kind.label("duplicate_kind"),
            duplicates.c.unique_bytes,
        )
        .join(verdicts, verdicts.c.contribution_id == about)
        .join(nodes, nodes.c.node_id == contributions.c.node_id)
        .outerjoin(duplicates, duplicates.c.contribution_id == contributions.c.contribution_id)
        .where(contributions.c.seq > get_cursor(connection, CURSOR), _unpriced(contributions))
        .where(
            sa.or_(
                contributions.c.kind == "truth",
                verdicts.c.verdict != "accepted",
                duplicates.c.contribution_id.is_not(None),
            )
        )
        .order_by(contributions.c.seq)
        .limit(batch)
    )
    return list(connection.execute(statement))


def _unpriced(table: sa.Table) -> sa.ColumnElement[bool]:
    return ~sa.exists().where(ledger.c.cause == table.c.contribution_id)


def _price(row: Any) -> list[Priced]:
    if row.kind == "truth":
        return price_truth(row.text_sha256 in msgspec.json.decode(row.truth_sha256, type=list[str]))
    return price_work(
        row.verdict, row.reason, duplicate_kind=row.duplicate_kind or "", unique_bytes=row.unique_bytes or 0
    )


def _transfers(row: Any, prices: list[Priced]) -> Iterator[Transfer]:
    pending = f"pending:{row.node_id}"
    steps = [("emission", pending, line.amount_wei, line.rule, line.reason) for line in prices]
    earned = sum(line.amount_wei for line in prices)
    if earned:
        steps.append((pending, posted_account(row.payout_address), earned, "release", "released"))
    for debit, credit, amount, rule, reason in steps:
        yield Transfer(
            debit,
            credit,
            amount,
            cause=row.contribution_id,
            rule=rule,
            reason=reason,
            created_at_ms=row.decided_at_ms,
            rule_version=CURRENT.version,
        )


def _advance(connection: sa.Connection) -> None:
    """Move the cursor to just before the first contribution that is not priced yet."""
    before = get_cursor(connection, CURSOR)
    above = contributions.c.seq > before
    first = connection.execute(
        sa.select(sa.func.min(contributions.c.seq)).where(above, _unpriced(contributions))
    ).scalar()
    last = connection.execute(sa.select(sa.func.max(contributions.c.seq)).where(above)).scalar()
    reached = first - 1 if first is not None else (last or before)
    if reached > before:
        set_cursor(connection, CURSOR, reached)


def _note_personal(house: House) -> int:
    """Give each personal donation its row of amount 0, so that its owner sees why it earned nothing by itself."""
    statement = (
        sa.select(consents.c.contribution_id, consents.c.node_id, consents.c.received_at_ms)
        .where(_unpriced(consents))
        .order_by(consents.c.received_at_ms, consents.c.contribution_id)
    )
    with house.state.write() as connection:
        donations = connection.execute(statement).all()
        return post(
            connection,
            (
                Transfer(
                    "emission",
                    f"pending:{row.node_id}",
                    0,
                    cause=row.contribution_id,
                    rule="personal",
                    reason="personal_by_sales",
                    created_at_ms=row.received_at_ms,
                    rule_version=CURRENT.version,
                )
                for row in donations
            ),
        )
