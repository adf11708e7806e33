"""Keeps when the months that were paid were active, sealed, so that no second part of the same stream is paid.

Rules: what lies on the disk is AES-256-GCM under a key that follows from the coordinator's; it is read only to judge a
month of the same calendar month, and ends with the marks of its month. Only months of other persons are compared, the
newest first, `HISTORY_COMPARED_MAX` of them at most.

Does not: say which months are one stream (`month_breadth`), or pay.

Usage::

    keep_spans(connection, house, job, packed)
    paid = paid_part_ppm(connection, house, job, spans)   # of the same stream, under other names
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from rewards.personal.month_breadth import same_stream, unpack_spans
from rewards.personal.month_jobs import MonthJob
from storage.house import House
from storage.tables.person_months import month_jobs, month_results, month_spans
from storage.wrapping_keys import seal, unseal
from windrow_protocol.limits import HISTORY_COMPARED_MAX
from windrow_protocol.trust_rules import PPM

_PURPOSE: Final = "history_spans"


def keep_spans(connection: sa.Connection, house: House, job: MonthJob, packed: bytes) -> None:
    """Keep when a genuine month was active, sealed to its job."""
    sealed = seal(house.keyed(_PURPOSE), packed, job.job_id.encode(), house.env.randomness.token)
    values = {"job_id": job.job_id, "month": job.month, "sealed": sealed, "until_ms": None}
    connection.execute(sa.insert(month_spans).values(**values))


def paid_part_ppm(connection: sa.Connection, house: House, job: MonthJob, spans: int) -> int:
    """Return how much of a month other persons were paid for parts of the same stream, at most a million."""
    paid = 0
    for row in connection.execute(_others(job)):
        other = unpack_spans(unseal(house.keyed(_PURPOSE), row.sealed, row.job_id.encode()))
        if same_stream(spans, other, job.month):
            paid += row.share_ppm
            if paid >= PPM:
                return PPM
    return paid


def end_spans(connection: sa.Connection, job_ids: set[str], until_ms: int) -> None:
    """Let the spans of months that were taken back end at a time."""
    of_them = month_spans.c.job_id.in_(sorted(job_ids))
    connection.execute(sa.update(month_spans).where(of_them).values(until_ms=until_ms))


def forget_spans(connection: sa.Connection, now_ms: int) -> None:
    """Delete spans whose time is over."""
    connection.execute(sa.delete(month_spans).where(month_spans.c.until_ms < now_ms))


def _others(job: MonthJob) -> sa.Select[tuple[str, bytes, int]]:
    return (
        sa.select(month_spans.c.job_id, month_spans.c.sealed, month_results.c.share_ppm)
        .join(month_jobs, month_jobs.c.job_id == month_spans.c.job_id)
        .join(month_results, month_results.c.job_id == month_spans.c.job_id)
        .where(month_spans.c.month == job.month, month_jobs.c.person != job.person)
        .order_by(month_results.c.decided_at_ms.desc(), month_spans.c.job_id)
        .limit(HISTORY_COMPARED_MAX)
    )
