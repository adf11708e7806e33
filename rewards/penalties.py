"""What the consequences of audits cost, and what taking them back returns: the table of consequences, in money.

    kind            money
    fined           documents_ppm millionths of that epoch's mean document → fines
    padding         share_ppm of what pending documents earned for new text → fines
    replaced        what the document itself has pending (it was paid before it was audited) → fines
    suspended       all that is pending, and the bond → fines
    begun_again     nothing moves, but the next documents are the node's bond, as its first were
    appeal_denied   three fetch fees → fines
    restored        what the consequence it undoes took comes back; the document is paid as if accepted at once
    voided          what the consequence it undoes took comes back; the document stays unpaid
    left_settled    nothing moves, but all that is pending vests
    bond_returned   the bond becomes the owner's to claim
    bond_kept       the bond → fines

Every other kind costs nothing. All is capped by pending plus bond, pending first.

Rules: consequences are read in their order, each once, and none of an audit epoch under way (`told`). A penalty that
finds nothing is still a row, of amount 0.

Does not: decide consequences (the aggregator does), or release pay (`releases`).

Usage: `entries = run_penalties(house)`.

Source: docs/protocol.md, "Consequences".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa

from rewards.books import Books, Document, Penalty
from rewards.epochs.pay import mean_documents_wei
from rewards.epochs.rates import EpochRates
from rewards.ledger import posted_account
from rewards.rates import Novelty, Priced, Rates, price_work
from storage.house import House
from storage.state import get_cursor, set_cursor
from storage.tables.contributions import contributions, duplicates, ledger, nodes
from storage.tables.trust import consequences
from storage.told import is_told
from windrow_protocol.limits import ACCOUNTING_BATCH_MAX
from windrow_protocol.trust_rules import PPM

CURSOR: Final = "rewards/consequences"
APPEAL_FEES: Final = 3  # fetch fees, for the fresh fetches of an appeal that was lost


@dataclass(frozen=True)
class _Desk:
    """What a consequence is booked with."""

    connection: sa.Connection
    books: Books
    rates: EpochRates


def run_penalties(house: House, batch: int = ACCOUNTING_BATCH_MAX) -> int:
    """Book every consequence that is told by now and return how many entries that gave."""
    posted, more = 0, True
    while more:
        with house.state.write() as connection:
            rows = _waiting(connection, batch)
            desk = _Desk(connection, Books(connection, house.rules), EpochRates(connection, house))
            desk.books.stakes.read({row.node_id for row in rows})
            for row in rows:
                if row.kind in STEPS:
                    STEPS[row.kind](desk, row)
                    posted += desk.books.close()  # one by one: the next may undo it
            if rows:
                set_cursor(connection, CURSOR, rows[-1].consequence_seq)
        more = len(rows) == batch
    return posted


def _waiting(connection: sa.Connection, batch: int) -> list[Any]:
    """Return the next consequences in their order, up to the first that may not be told yet."""
    after = consequences.c.consequence_seq > get_cursor(connection, CURSOR)
    untold = sa.select(sa.func.min(consequences.c.consequence_seq)).where(
        after, ~is_told(consequences.c.epoch_id)
    )
    bound = connection.execute(untold).scalar()
    statement = sa.select(consequences).where(after).order_by(consequences.c.consequence_seq).limit(batch)
    if bound is not None:
        statement = statement.where(consequences.c.consequence_seq < bound)
    return list(connection.execute(statement))


def _penalty(desk: _Desk, row: Any) -> Penalty:
    version = desk.rates.of(row.epoch_id).version
    return Penalty(row.consequence_id, row.node_id, row.kind, row.created_at_ms, version)


def _fine(desk: _Desk, row: Any) -> None:
    desk.books.take(_penalty(desk, row), _mean_wei(desk, row.epoch_id, row.documents_ppm))


def _pad(desk: _Desk, row: Any) -> None:
    desk.books.take_novelty(_penalty(desk, row), row.share_ppm)


def _replace(desk: _Desk, row: Any) -> None:
    desk.books.take_document(_penalty(desk, row), row.contribution_id)


def _forfeit(desk: _Desk, row: Any) -> None:
    stake = desk.books.stakes.of(row.node_id)
    desk.books.take(_penalty(desk, row), stake.pending + stake.bond)


def _begin_again(desk: _Desk, row: Any) -> None:
    desk.books.stakes.of(row.node_id).bonded = 0


def _keep_bond(desk: _Desk, row: Any) -> None:
    desk.books.take_bond(_penalty(desk, row))


def _charge_appeal(desk: _Desk, row: Any) -> None:
    desk.books.take(_penalty(desk, row), APPEAL_FEES * desk.rates.of(row.epoch_id).fetch_fee_wei)


def _undo(desk: _Desk, row: Any) -> None:
    desk.books.give_back(row.undoes, _document(desk, row))


def _restore(desk: _Desk, row: Any) -> None:
    """Give back, and pay the document unless its row says that it was paid already.

    It is paid by the terms that its refusal names, as if it had been accepted then.
    """
    document = _document(desk, row)
    desk.books.give_back(row.undoes, document)
    credits = sa.select(ledger.c.amount, ledger.c.rule_version).where(
        ledger.c.cause == row.contribution_id, ledger.c.debit == "emission"
    )
    entries = desk.connection.execute(credits).all()
    if entries and not any(entry.amount for entry in entries):
        rates = desk.rates.of_version(entries[0].rule_version)
        lines = price_work("accepted", "restored", _restored_text(desk, row, rates), rates=rates)
        desk.books.earn(
            replace(document, terms_version=rates.version),
            [Priced(each.rule, "restored_pay", each.amount_wei) for each in lines],
            slot="restored:",
        )


def _settle(desk: _Desk, row: Any) -> None:
    desk.books.stakes.of(row.node_id).settled = True


def _return_bond(desk: _Desk, row: Any) -> None:
    payout = desk.connection.execute(
        sa.select(nodes.c.payout_address).where(nodes.c.node_id == row.node_id)
    ).scalar_one()
    desk.books.move(
        f"bond:{row.node_id}",
        posted_account(payout),
        desk.books.stakes.of(row.node_id).bond,
        cause=row.consequence_id,
        rule="bond",
        reason=row.kind,
        at_ms=row.created_at_ms,
        version=desk.rates.of(row.epoch_id).version,
    )


def _document(desk: _Desk, row: Any) -> Document:
    """Return the document that a consequence is about, dated by the consequence."""
    found = desk.connection.execute(
        sa.select(contributions.c.seq, contributions.c.received_at_ms).where(
            contributions.c.contribution_id == row.contribution_id
        )
    ).one_or_none()
    seq, received_at_ms = (found.seq, found.received_at_ms) if found else (0, row.created_at_ms)
    return Document(
        row.contribution_id,
        row.node_id,
        seq,
        received_at_ms,
        judged_at_ms=row.created_at_ms,
        terms_version=desk.rates.of(row.epoch_id).version,
    )


def _restored_text(desk: _Desk, row: Any, rates: Rates) -> Novelty:
    """Return the novelty of a document that was never judged because a truth took its place.

    The truth is the same page: what it brought that was new, the document would have brought, up to its own size. Where
    no truth took its place, it earned what a mean document of its epoch earned.
    """
    own = sa.select(contributions.c.text_bytes).where(contributions.c.contribution_id == row.contribution_id)
    text_bytes = desk.connection.execute(own).scalar() or 0
    judged = (
        sa.select(duplicates.c.kind, duplicates.c.unique_bytes)
        .join(contributions, contributions.c.contribution_id == duplicates.c.contribution_id)
        .where(
            sa.or_(
                contributions.c.contribution_id == row.contribution_id,
                contributions.c.audit_of == row.contribution_id,
            )
        )
        .limit(1)
    )
    found = desk.connection.execute(judged).one_or_none()
    if found is not None:
        return Novelty(found.kind, min(found.unique_bytes, text_bytes))
    beyond_fee = max(0, _mean_wei(desk, row.epoch_id, PPM) - rates.fetch_fee_wei)
    return Novelty("unique", beyond_fee // rates.novelty_byte_wei if rates.novelty_byte_wei else 0)


def _mean_wei(desk: _Desk, epoch_id: int, documents_ppm: int) -> int:
    fetch_fee_wei = desk.rates.of(epoch_id).fetch_fee_wei
    return mean_documents_wei(desk.connection, epoch_id, documents_ppm, fetch_fee_wei)


STEPS: Final[dict[str, Callable[[_Desk, Any], None]]] = {
    "fined": _fine,
    "padding": _pad,
    "replaced": _replace,
    "suspended": _forfeit,
    "appeal_denied": _charge_appeal,
    "restored": _restore,
    "voided": _undo,
    "left_settled": _settle,
    "bond_returned": _return_bond,
    "bond_kept": _keep_bond,
    "begun_again": _begin_again,
}
