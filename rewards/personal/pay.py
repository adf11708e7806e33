"""Pays for months of history: from sales and stated budgets to `held`, and after thirty days to their owner.

    royalties of a sale ─┐                    ┌── 30 days ──▶ posted:<payout>
                         ├──▶ held:<payout> ──┤
    personal (a budget) ─┘                    └── taken back ──▶ personal

Rules: nothing of it is emission, and no account here is ever below zero. One genuine month of one person is one unit,
or the part of one that its breadth is (`month_breadth`), whatever else it holds; a person gets at most
`owner_share_ppm` of a sale's royalties or of a round's pool; what that leaves stays in `personal` for other months.
Budgets are shared out once a round, each month once, and wait while a full month would get less than a thousandth of
its most. Going back comes before release, so that nobody is paid for what was taken back in time. Every entry is dated
by what caused it.

Does not: judge months, publish, or move tokens on chain.

Usage: `entries = run_personal_pay(house)`; `pay_sale(connection, sale, months)` within the sale's transaction.

Source: docs/protocol.md, "Pay" and "Personal data".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from rewards.ledger import ASSET, Transfer, balance_of, held_account, post, posted_account
from rewards.personal.months import items_left
from rewards.rates import PersonalRates, personal_rates_of
from storage.house import House
from storage.pay_terms import terms_at
from storage.state import get_cursor, set_cursor
from storage.tables.contributions import ledger
from storage.tables.person_months import (
    export_months,
    month_donations,
    month_jobs,
    month_results,
    personal_pending,
)
from storage.tables.personal import withdrawals
from windrow_protocol.limits import (
    BUDGET_MONTH_PARTS_MAX,
    HISTORY_ITEMS_MIN,
    HISTORY_MONTH_VISITS,
    HISTORY_TAKEN_FREE_PPM,
)
from windrow_protocol.trust_rules import DAY_MS, PPM

POOL: Final = "personal"
CURSOR: Final = "rewards/personal_round_ms"  # when the round began that was shared out last
_WEEKS: Final = "rewards/personal_round"  # the same in weeks, as long as every round was one
PERSONAL_MOVES: Final = frozenset(
    {
        ("buyers", POOL),
        ("royalties", POOL),
        ("royalties", "held"),
        (POOL, "held"),
        ("held", "posted"),
        ("held", POOL),
    }
)


@dataclass(frozen=True, slots=True)
class Month:
    """One genuine month of one person, and where its pay goes. Who delegated nothing is capped by payout address."""

    job_id: str
    person: str
    payout_address: str
    share_ppm: int = PPM  # of a full month

    @property
    def capped_as(self) -> str:
        """Whose cap it counts towards: the wallet's, or else the payout address's."""
        return self.person if self.person.startswith("0x") else self.payout_address.lower()


@dataclass(frozen=True, slots=True)
class Allotted:
    """What one month gets of a sum, in wei, and why not more."""

    month: Month
    amount: int
    reason: str


def allot(
    pool: int, months: Sequence[Month], rates: PersonalRates, *, month_wei_max: int | None = None
) -> list[Allotted]:
    """Share a sum among months by how much of a full one each is; the rest is not shared out.

    A full month gets at most the cap of a person and a part of one that part of it, so that parts under several names
    come to no more than the whole; a person's months together get at most the cap. Raises ValueError for a negative
    sum.
    """
    if pool < 0:
        raise ValueError(f"cannot share out {pool}")
    full = pool * PPM // max(PPM, sum(month.share_ppm for month in months))
    if month_wei_max is not None:
        full = min(full, month_wei_max)
    cap = pool * rates.owner_share_ppm // PPM
    spent: defaultdict[str, int] = defaultdict(int)
    shared = []
    for month in sorted(months, key=lambda each: each.job_id):
        fair = full * month.share_ppm // PPM
        amount = min(min(full, cap) * month.share_ppm // PPM, cap - spent[month.capped_as])
        spent[month.capped_as] += amount
        shared.append(Allotted(month, amount, "person_month" if amount == fair else "owner_cap"))
    return shared


def sold_months(connection: sa.Connection, dataset: str, version: str) -> list[Month] | None:
    """Return the months that an export's rows are from and that were not taken back; None for other exports."""
    of_it = (export_months.c.dataset == dataset) & (export_months.c.version == version)
    sold = sa.select(export_months.c.job_id).where(of_it)
    if connection.execute(sold.limit(1)).first() is None:
        return None
    return _months(connection, sold)


def pay_sale(house: House, connection: sa.Connection, sale: Any, months: Sequence[Month]) -> int:
    """Share a sale's royalties among the months that it sold and return how many entries that gave."""
    rates = personal_rates_of(terms_at(connection, house, sale.sold_at_ms))
    shared = allot(sale.royalties, months, rates)
    rest = sale.royalties - sum(each.amount for each in shared)
    posted = post(
        connection,
        [
            Transfer(
                "royalties",
                POOL,
                rest,
                sale.sale_id,
                "personal_rest",
                "personal_rest",
                created_at_ms=sale.sold_at_ms,
                asset=sale.asset,
                rule_version=rates.version,
            )
        ],
    )
    return posted + _hold(connection, "royalties", sale.sale_id, shared, sale.sold_at_ms, sale.asset, rates)


def fund(connection: sa.Connection, amount: int, tx_hash: str, at_ms: int) -> int:
    """Enter a budget that was sent to the distributor's reserve in a transaction; the same one is entered once."""
    budget = Transfer("buyers", POOL, amount, tx_hash, "budget", "personal_budget", created_at_ms=at_ms)
    return post(connection, [budget])


def run_personal_pay(house: House) -> int:
    """Take back, release and share out what is due now, and return how many entries that gave."""
    now_ms = house.now_ms()
    with house.state.write() as connection:
        rates = personal_rates_of(terms_at(connection, house, now_ms))
        posted = _go_back(connection, rates.version)
        posted += _release(connection, now_ms, rates.version)
        return posted + _share_out(connection, now_ms, rates)


def _go_back(connection: sa.Connection, version: int) -> int:
    """Take back what pending months lost by withdrawals: each keeps pay for what is left of it, dated by the last."""
    touched = (
        sa.select(month_donations.c.job_id)
        .join(withdrawals, withdrawals.c.contribution_id == month_donations.c.contribution_id)
        .where(month_donations.c.job_id.in_(sa.select(personal_pending.c.job_id)))
    )
    of_them = sa.select(personal_pending).where(personal_pending.c.job_id.in_(touched))
    waiting = connection.execute(_in_order(of_them)).all()
    left = items_left(connection, {row.job_id for row in waiting})
    posted = 0
    for row in waiting:
        lost = row.amount - _kept(connection, row, left[row.job_id])
        if lost <= 0:
            continue
        at_ms = max(row.held_at_ms, _broken_at_ms(connection, row.job_id))
        if lost == row.amount:
            posted += _end(connection, [(row, POOL, "back", "month_withdrawn", at_ms)], version)
        else:
            posted += _shrink(connection, row, lost, left[row.job_id], at_ms, version)
    return posted


def _kept(connection: sa.Connection, row: Any, left: int) -> int:
    """Return what of a month's pay its remaining items are worth: a tenth of them may go for nothing."""
    if left < HISTORY_ITEMS_MIN:
        return 0
    held = Transfer(POOL, "held", 0, row.cause, f"month:{row.job_id}", "", 0, asset=row.asset)
    first = connection.execute(sa.select(ledger.c.amount).where(ledger.c.entry_id == held.entry_id))
    statement = sa.select(month_results.c.share_ppm).where(month_results.c.job_id == row.job_id)
    share_ppm = int(connection.execute(statement).scalar_one())
    worth_ppm = left * PPM * PPM // ((PPM - HISTORY_TAKEN_FREE_PPM) * HISTORY_MONTH_VISITS)
    return int(first.scalar_one()) * min(share_ppm, worth_ppm) // share_ppm


def _shrink(connection: sa.Connection, row: Any, lost: int, left: int, at_ms: int, version: int) -> int:
    """Move a part of a pending row back; how many items are left makes each such entry its own."""
    of_it = (personal_pending.c.cause == row.cause) & (personal_pending.c.job_id == row.job_id)
    connection.execute(
        sa.update(personal_pending)
        .where(of_it, personal_pending.c.asset == row.asset)
        .values(amount=row.amount - lost)
    )
    transfer = Transfer(
        held_account(row.payout_address),
        POOL,
        lost,
        row.cause,
        f"back:{row.job_id}:{left}",
        "month_withdrawn",
        created_at_ms=at_ms,
        asset=row.asset,
        rule_version=version,
    )
    return post(connection, [transfer])


def _release(connection: sa.Connection, now_ms: int, version: int) -> int:
    old_enough = personal_pending.c.held_at_ms + personal_pending.c.pending_ms <= now_ms
    due = connection.execute(_in_order(sa.select(personal_pending).where(old_enough))).all()
    return _end(
        connection,
        [
            (
                row,
                posted_account(row.payout_address),
                "release",
                "released",
                row.held_at_ms + row.pending_ms,
            )
            for row in due
        ],
        version,
    )


def _share_out(connection: sa.Connection, now_ms: int, rates: PersonalRates) -> int:
    """Share the pool out once a round, among the months judged before it that no budget has paid."""
    begun_at_ms = now_ms - now_ms % rates.round_ms
    if _shared_out_ms(connection) >= begun_at_ms:
        return 0
    paid = sa.exists().where(ledger.c.cause == month_results.c.job_id)
    unpaid = sa.select(month_results.c.job_id).where(
        month_results.c.verdict == "genuine", month_results.c.decided_at_ms < begun_at_ms, ~paid
    )
    months = _months(connection, unpaid)
    pool = balance_of(connection, POOL)
    if not pool or not months:
        return 0  # the round is not over: a budget may still come
    if _full_month(pool, months, rates) < rates.month_wei_max // BUDGET_MONTH_PARTS_MAX:
        return 0  # the rest of a small sale would use up what a later budget pays these months
    shared = allot(pool, months, rates, month_wei_max=rates.month_wei_max)
    posted = _hold(connection, POOL, "", shared, begun_at_ms, ASSET, rates)
    set_cursor(connection, CURSOR, begun_at_ms)
    return posted


def _full_month(pool: int, months: Sequence[Month], rates: PersonalRates) -> int:
    """Return what a full month gets of a pool at most."""
    fair = pool * PPM // max(PPM, sum(month.share_ppm for month in months))
    return min(fair, pool * rates.owner_share_ppm // PPM)


def _shared_out_ms(connection: sa.Connection) -> int:
    """Return when the round began that was shared out last."""
    return get_cursor(connection, CURSOR) or get_cursor(connection, _WEEKS) * 7 * DAY_MS


def _hold(
    connection: sa.Connection,
    debit: str,
    cause: str,
    shared: Sequence[Allotted],
    at_ms: int,
    asset: str,
    rates: PersonalRates,
) -> int:
    """Post what months get to the accounts that hold it, a line for each; without a cause the month is its own."""
    transfers, rows = [], []
    for each in shared:
        month, named = each.month, cause or each.month.job_id
        account = held_account(month.payout_address)
        transfers.append(
            Transfer(
                debit,
                account,
                each.amount,
                named,
                f"month:{month.job_id}",
                each.reason,
                created_at_ms=at_ms,
                asset=asset,
                rule_version=rates.version,
            )
        )
        if each.amount:
            rows.append(
                {
                    "asset": asset,
                    "cause": named,
                    "job_id": month.job_id,
                    "payout_address": month.payout_address,
                    "amount": each.amount,
                    "held_at_ms": at_ms,
                    "pending_ms": rates.pending_ms,
                }
            )
    posted = post(connection, transfers)
    if rows:
        connection.execute(sa.insert(personal_pending), rows)
    return posted


def _end(connection: sa.Connection, endings: Sequence[tuple[Any, str, str, str, int]], version: int) -> int:
    """Move pending rows to where they end, and forget them."""
    transfers = [
        Transfer(
            held_account(row.payout_address),
            credit,
            row.amount,
            row.cause,
            f"{rule}:{row.job_id}",
            reason,
            created_at_ms=at_ms,
            asset=row.asset,
            rule_version=version,
        )
        for row, credit, rule, reason, at_ms in endings
    ]
    for row, *_ in endings:
        of_it = (personal_pending.c.cause == row.cause) & (personal_pending.c.job_id == row.job_id)
        connection.execute(sa.delete(personal_pending).where(of_it, personal_pending.c.asset == row.asset))
    return post(connection, transfers)


def _months(connection: sa.Connection, job_ids: sa.Select[Any]) -> list[Month]:
    """Return the months of some jobs of which enough is left."""
    told = (month_jobs.c.job_id, month_jobs.c.person, month_jobs.c.payout_address, month_results.c.share_ppm)
    statement = (
        sa.select(*told)
        .join(month_results, month_results.c.job_id == month_jobs.c.job_id)
        .where(month_jobs.c.job_id.in_(job_ids))
    )
    months = [Month(*row) for row in connection.execute(statement.order_by(month_jobs.c.job_id))]
    left = items_left(connection, {month.job_id for month in months})
    return [month for month in months if left[month.job_id] >= HISTORY_ITEMS_MIN]


def _broken_at_ms(connection: sa.Connection, job_id: str) -> int:
    """Return when the last of what was taken back of a month was."""
    statement = (
        sa.select(sa.func.max(withdrawals.c.asked_at_ms))
        .join(month_donations, month_donations.c.contribution_id == withdrawals.c.contribution_id)
        .where(month_donations.c.job_id == job_id)
    )
    return int(connection.execute(statement).scalar_one())


def _in_order(statement: sa.Select[Any]) -> sa.Select[Any]:
    return statement.order_by(
        personal_pending.c.held_at_ms, personal_pending.c.cause, personal_pending.c.job_id
    )
