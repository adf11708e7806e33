"""The accountant: reads what was judged, prices it, and posts it once.

The story, whenever an audit epoch is closed (and in a house without audit epochs at once): price what was decided, in
the order of the log, from emission to `bond:<node>` in an identity's probation and to `pending:<node>` after it → take
and give back what the consequences say (`penalties`) → pay the validators' dividends (`dividend_pay`) → release to
`posted:<payout>` what has vested (`releases`). Refusals are lines of amount 0. Consequences come before releases, so
that nobody is paid past a penalty.

Rules: a verdict is priced by the terms of its audit epoch (`storage/pay_terms.py`), whenever that is done. Nothing of
an audit epoch under way is posted (`told`). An entry is dated by the judgement or the consequence that caused it, so a
replay of the same logs gives the same bytes. One undecided contribution holds up nobody else's pay. A batch, its folds
and the cursor are one transaction.

Does not: judge, choose rates (`rates`), or pay on chain (`settlement`).

Usage: `entries = run_accountant(house)`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from rewards.books import Books, Document
from rewards.dividend_pay import pay_dividends
from rewards.epochs.pay import EpochPay
from rewards.epochs.rates import EpochRates
from rewards.ledger import Transfer, post
from rewards.novelty_rooms import NoveltyRooms
from rewards.penalties import run_penalties
from rewards.rates import PAID, Novelty, Priced, Rates, paid_bytes, price_truth, price_work
from rewards.releases import run_releases
from storage.house import House
from storage.pay_terms import terms_at
from storage.state import get_cursor, set_cursor
from storage.tables.contributions import consents, contributions, duplicates, ledger, verdicts
from storage.told import is_told, untold_from
from windrow_protocol.limits import ACCOUNTING_BATCH_MAX

CURSOR: Final = "rewards/contributions"  # everything up to here is priced; above it, some may be
_NO_DOCUMENT: Final = frozenset({"canary", "turned"})  # nobody is paid by the byte for what nobody gets


def run_accountant(house: House, batch: int = ACCOUNTING_BATCH_MAX) -> int:
    """Price, penalise, release and post everything that is told by now and return how many entries that gave."""
    posted = _price_all(house, batch)
    posted += run_penalties(house, batch)
    posted += pay_dividends(house)
    posted += run_releases(house, batch)
    return posted + _note_personal(house)


@dataclass(frozen=True)
class _Desk:
    """What one transaction prices with: the book and the folds."""

    books: Books
    rooms: NoveltyRooms
    pay: EpochPay
    rates: EpochRates
    pays_copies: bool  # as only an experiment without the defence "novelty" does


def _price_all(house: House, batch: int) -> int:
    posted, more = 0, True
    while more:
        with house.state.write() as connection:
            judged = _judged_and_unpriced(connection, batch)
            desk = _Desk(
                Books(connection, house.rules),
                NoveltyRooms(connection, house.rules, house.ranked),
                EpochPay(connection),
                EpochRates(connection, house),
                pays_copies=not house.rules.on("novelty"),
            )
            desk.books.stakes.read({row.node_id for row in judged})
            desk.rooms.read((row.epoch_id, row.url) for row in judged if row.duplicate_kind)
            for row in judged:
                _book(desk, row)
            desk.rooms.save()
            desk.pay.save()
            posted += desk.books.close()
            _advance(connection)
        more = len(judged) == batch
    return posted


def _judged_and_unpriced(connection: sa.Connection, batch: int) -> list[Any]:
    about = sa.func.coalesce(contributions.c.audit_of, contributions.c.contribution_id)
    statement = (
        sa.select(
            contributions.c.contribution_id,
            contributions.c.node_id,
            contributions.c.seq,
            contributions.c.received_at_ms,
            contributions.c.kind,
            contributions.c.url,
            contributions.c.text_sha256,
            contributions.c.text_bytes,
            verdicts.c.verdict,
            verdicts.c.reason,
            verdicts.c.epoch_id,
            verdicts.c.confirmed_ppm,
            verdicts.c.truth_sha256,
            verdicts.c.decided_at_ms,
            duplicates.c.kind.label("duplicate_kind"),
            duplicates.c.unique_bytes,
        )
        .join(verdicts, verdicts.c.contribution_id == about)
        .outerjoin(duplicates, duplicates.c.contribution_id == contributions.c.contribution_id)
        .where(contributions.c.seq > get_cursor(connection, CURSOR), _unpriced(contributions))
        .where(is_told(verdicts.c.epoch_id))
        .where(
            sa.or_(
                contributions.c.kind != "work",
                verdicts.c.verdict.not_in(PAID),
                duplicates.c.contribution_id.is_not(None),
            )
        )
        .order_by(contributions.c.seq)
        .limit(batch)
    )
    bound = untold_from(connection)
    if bound is not None:
        statement = statement.where(contributions.c.seq < bound)
    return list(connection.execute(statement))


def _unpriced(table: sa.Table) -> sa.ColumnElement[bool]:
    return ~sa.exists().where(ledger.c.cause == table.c.contribution_id)


def _book(desk: _Desk, row: Any) -> None:
    rates = desk.rates.of(row.epoch_id)
    document = Document(
        row.contribution_id,
        row.node_id,
        row.seq,
        row.received_at_ms,
        judged_at_ms=row.decided_at_ms,
        terms_version=rates.version,
    )
    if row.kind == "truth":
        used = row.text_sha256 in msgspec.json.decode(row.truth_sha256, type=list[str])
        desk.books.earn(document, price_truth(used))
        return
    lines = _price(desk, row, rates)
    desk.books.earn(document, lines)
    desk.pay.count(row.epoch_id, sum(line.amount_wei for line in lines))
    stake = desk.books.stakes.of(row.node_id)
    stake.documents += 1
    if row.verdict == "accepted" and row.kind not in _NO_DOCUMENT:
        stake.pass_audit(row.seq, row.received_at_ms)


def _price(desk: _Desk, row: Any, rates: Rates) -> list[Priced]:
    if row.kind in _NO_DOCUMENT or row.verdict not in PAID:
        return price_work(row.verdict, row.reason, rates=rates)
    kind, novel_bytes = (
        ("unique", row.text_bytes) if desk.pays_copies else (row.duplicate_kind, row.unique_bytes)
    )
    room = desk.rooms.left(row.epoch_id, row.url)
    text = Novelty(
        kind, novel_bytes, confirmed_ppm=row.confirmed_ppm, room_bytes=room.bytes_left, bound=room.bound
    )
    asked = paid_bytes(row.reason, replace(text, room_bytes=None), rates)
    desk.rooms.use(row.epoch_id, row.url, paid_bytes(row.reason, text, rates), asked)
    return price_work(row.verdict, row.reason, text, rates=rates)


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
        version = terms_at(connection, house, house.now_ms()).version if donations else 0
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
                    rule_version=version,
                )
                for row in donations
            ),
        )
