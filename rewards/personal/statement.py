"""What a person is told of their months of history: what each was judged to be, what it earned, and when it is theirs.

Rules: only for the node that asks with its own signature: the ledger names an address and an amount, but no month and
no doubt. Every refusal has its sentence. What a month earned are entries of the ledger; nothing is estimated.

Does not: judge, pay, or check who asks.

Usage: `told = person_statement(house, node_id)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from rewards.ledger import ASSET, Transfer
from rewards.personal.months import PERSON
from rewards.rates import personal_rates_of, sentence_of
from storage.house import House
from storage.pay_terms import terms_now
from storage.tables.contributions import ledger, nodes, sales
from storage.tables.person_months import (
    export_months,
    month_jobs,
    month_results,
    personal_months,
    personal_pending,
)
from windrow_protocol.limits import HISTORY_DAY_VISITS_MAX, HISTORY_ITEMS_MIN, HISTORY_MONTH_VISITS
from windrow_protocol.trust_rules import PPM

_WAITING = (
    "Judged a day after the last addition, once the month is over and holds 200 visits with time and address"
)
_FULL = (
    f"{HISTORY_MONTH_VISITS:,} visits, of each day at most {HISTORY_DAY_VISITS_MAX}, in one person's hands"
)
_POSTS_AT_MS = personal_pending.c.held_at_ms + personal_pending.c.pending_ms


def person_statement(house: House, node_id: str) -> dict[str, Any]:
    """Return `{items_min, month_wei_max, owner_share_ppm, pending_ms, months}`, the newest month first.

    Each month has `month, state, items, reason, share_ppm, sentence, held_wei, posted_wei, posts_at_ms`; amounts of
    WIND in wei as decimal strings, `share_ppm` the part of a full month that it is paid as. `state` is waiting,
    judging, genuine or refused.
    """
    with house.state.read() as connection:
        rates = personal_rates_of(terms_now(connection, house))
        person = connection.execute(sa.select(PERSON).where(nodes.c.node_id == node_id)).scalar()
        months = _held_months(connection, person)
        judged = {row.month: row for row in _latest_jobs(connection, person)}
        told = [
            _told(connection, month, months.get(month, 0), judged.get(month))
            for month in sorted({*months, *judged}, reverse=True)
        ]
    return {
        "items_min": HISTORY_ITEMS_MIN,
        "month_wei_max": str(rates.month_wei_max),
        "owner_share_ppm": rates.owner_share_ppm,
        "pending_ms": rates.pending_ms,
        "months": told,
    }


def _held_months(connection: sa.Connection, person: str | None) -> dict[str, int]:
    statement = (
        sa.select(personal_months.c.month, sa.func.sum(personal_months.c["items"]))
        .join(nodes, nodes.c.node_id == personal_months.c.node_id)
        .where(PERSON.in_([person or ""]), personal_months.c.month != "")
        .group_by(personal_months.c.month)
    )
    return {month: int(items) for month, items in connection.execute(statement)}


def _latest_jobs(connection: sa.Connection, person: str | None) -> Sequence[Any]:
    """Return a person's jobs with their results, of each month the newest last."""
    statement = (
        sa.select(
            month_jobs.c.job_id,
            month_jobs.c.month,
            month_results.c.verdict,
            month_results.c.reason,
            month_results.c.share_ppm,
        )
        .outerjoin(month_results, month_results.c.job_id == month_jobs.c.job_id)
        .where(month_jobs.c.person == person)
        .order_by(month_jobs.c.asked_at_ms, month_jobs.c.place)
    )
    return connection.execute(statement).all()


def _told(connection: sa.Connection, month: str, items: int, job: Any) -> dict[str, Any]:
    held, posts_at_ms = _held(connection, job.job_id) if job else (0, None)
    return {
        "month": month,
        "state": "waiting" if job is None else (job.verdict or "judging"),
        "items": items,
        "reason": job.reason if job and job.verdict else "",
        "share_ppm": job.share_ppm if job and job.verdict == "genuine" else 0,
        "sentence": _sentence(job),
        "held_wei": str(held),
        "posted_wei": str(_posted(connection, job.job_id) if job else 0),
        "posts_at_ms": posts_at_ms,
    }


def _sentence(job: Any) -> str:
    if job is None or not job.verdict:
        return _WAITING
    sentence = sentence_of(job.reason)
    if job.verdict != "genuine" or job.share_ppm >= PPM:
        return sentence
    return f"{sentence}; it counts as {job.share_ppm / PPM:.0%} of a full one ({_FULL})"


def _held(connection: sa.Connection, job_id: str) -> tuple[int, int | None]:
    """Return what is pending for a month, and when the first of it will be its owner's."""
    rows = connection.execute(
        sa.select(personal_pending.c.amount, _POSTS_AT_MS.label("posts_at_ms")).where(
            personal_pending.c.job_id == job_id, personal_pending.c.asset == ASSET
        )
    ).all()
    return sum(row.amount for row in rows), min((row.posts_at_ms for row in rows), default=None)


def _posted(connection: sa.Connection, job_id: str) -> int:
    """Return what a month has brought its owner: the releases of its budget and of each sale of its rows."""
    of_export = (export_months.c.dataset == sales.c.dataset) & (export_months.c.version == sales.c.version)
    sold = (
        sa.select(sales.c.sale_id)
        .join(export_months, of_export)
        .where(export_months.c.job_id == job_id, sales.c.asset == ASSET)
    )
    causes = [job_id, *connection.execute(sold).scalars()]
    ids = [
        Transfer("held", "posted", 0, cause, f"release:{job_id}", "released", 0).entry_id for cause in causes
    ]
    amounts = sa.select(ledger.c.amount).where(ledger.c.entry_id.in_(ids))
    return sum(connection.execute(amounts).scalars())
