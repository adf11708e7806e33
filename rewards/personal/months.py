"""Has months of history judged: which are due, one job for each, its result taken once, its marks kept.

    waiting ──over, 200 items, nothing new for a day──▶ job ──judged──▶ genuine (paid) | refused (said why)

Rules: a month is judged when it is over and its person has added nothing to it for `HISTORY_QUIET_MS`; once it is
genuine it is never judged again, and refused only with other donations, `HISTORY_TRIES_MAX` times in all. Jobs
are judged in the order in which they were asked for, so that who gave first is paid. A result with its marks is one
transaction; a job that a crash left without one is judged again under the same nonce. A month of which something was
taken back meanwhile is judged by what is left.

Does not: know what makes a month genuine (`month_jobs`), or pay (`personal_pay`).

Usage: `judged = run_person_months(house, vault.read)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import islice
from typing import Any, Final

import sqlalchemy as sa

from rewards.personal.month_jobs import MonthJob, judge, marks_sha256, open_result, seal, target_sha256
from rewards.personal.month_spans import end_spans, forget_spans, keep_spans, paid_part_ppm
from storage.house import House
from storage.tables.contributions import nodes
from storage.tables.person_months import (
    month_donations,
    month_jobs,
    month_marks,
    month_results,
    personal_months,
)
from storage.tables.personal import withdrawals
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    FINGERPRINT_MS,
    HISTORY_ITEMS_MAX,
    HISTORY_ITEMS_MIN,
    HISTORY_MONTHS_AT_ONCE,
    HISTORY_QUIET_MS,
    HISTORY_TRIES_MAX,
)
from windrow_protocol.personal.messages import donation_read, month_of

# Who counts as one: the wallet that delegated to a node, else the node itself. Not its payout address, which anybody
# may name: whoever named another's could spoil, or read about, months that are not theirs.
PERSON: Final = sa.case((nodes.c.owner != sa.literal_column("''"), nodes.c.owner), else_=nodes.c.node_id)
_IDS_AT_ONCE: Final = 5_000
Read = Callable[[str], bytes]


def run_person_months(house: House, read: Read) -> int:
    """Judge the months that are due and return how many that were; `read` gives a donation as it was handed in."""
    open_jobs(house)
    with house.state.read() as connection:
        jobs = [job_of(connection, job_id) for job_id in _unanswered(connection)]
    for job in jobs:
        donations = [
            donation for each in job.donations if (donation := donation_read(read, each)) is not None
        ]
        with house.state.read() as connection:
            judged = judge(
                job,
                donations,
                key=house.keyed("history_marks"),
                known=partial(_known, connection),
                now_ms=house.now_ms(),
                paid_part=partial(paid_part_ppm, connection, house, job),
            )
        accept_result(house, seal(judged.result, house.sign), judged.marks, judged.spans, job_id=job.job_id)
    forget_marks(house)
    return len(jobs)


def open_jobs(house: House) -> int:
    """Ask for the judgement of every month that is due, some at a time, and return how many that were."""
    now_ms = house.now_ms()
    with house.state.write() as connection:
        fitting = ((row, ids) for row in _due(connection, now_ms) if (ids := _new_target(connection, row)))
        due = list(islice(fitting, HISTORY_MONTHS_AT_ONCE))
        for place, (row, ids) in enumerate(due):
            job_id = house.new_id("m")
            connection.execute(
                sa.insert(month_jobs).values(
                    job_id=job_id,
                    nonce=house.env.randomness.token(16).hex(),
                    person=row.person,
                    payout_address=row.payout_address,
                    month=row.month,
                    target_sha256=target_sha256(row.person, row.month, ids),
                    asked_at_ms=now_ms,
                    place=place,
                )
            )
            rows = [{"job_id": job_id, "contribution_id": each, "items": ids[each]} for each in sorted(ids)]
            connection.execute(sa.insert(month_donations), rows)
    return len(due)


def accept_result(
    house: House, token: str, marks: AbstractSet[bytes], spans: bytes = b"", *, job_id: str
) -> None:
    """Take a result on, with what the month leaves, once.

    Raises what `open_result` raises, `not_found` for an unknown job, and `replayed` where the job has its result.
    """
    now_ms = house.now_ms()
    with house.state.write() as connection:
        job = job_of(connection, job_id)
        result = open_result(token, job, signer=house.coordinator_id, network=house.network, now_ms=now_ms)
        if marks_sha256(marks, spans) != result.marks_sha256:
            raise WindrowError("wrong_target", f"{job_id}: other marks")
        if connection.execute(sa.select(month_results).where(month_results.c.job_id == job_id)).first():
            raise WindrowError("replayed", job_id)
        names = ("job_id", "verdict", "reason", "check_name", "items", "share_ppm", "decided_at_ms")
        values = {name: getattr(result, name) for name in names}
        connection.execute(sa.insert(month_results).values(**values, jws=token))
        fresh = sorted(marks - _known(connection, marks))
        if fresh:
            rows = [{"mark": mark.hex(), "job_id": job_id, "until_ms": None} for mark in fresh]
            connection.execute(sa.insert(month_marks), rows)
        if spans:
            keep_spans(connection, house, job, spans)


def job_of(connection: sa.Connection, job_id: str) -> MonthJob:
    """Return a job with its donations. Raises WindrowError `not_found`."""
    row = connection.execute(sa.select(month_jobs).where(month_jobs.c.job_id == job_id)).one_or_none()
    if row is None:
        raise WindrowError("not_found", f"no job {job_id[:32]}")
    ids = sa.select(month_donations.c.contribution_id).where(month_donations.c.job_id == job_id)
    return MonthJob(
        job_id=row.job_id,
        nonce=row.nonce,
        person=row.person,
        payout_address=row.payout_address,
        month=row.month,
        donations=tuple(sorted(connection.execute(ids).scalars())),
        asked_at_ms=row.asked_at_ms,
    )


def items_left(connection: sa.Connection, job_ids: AbstractSet[str]) -> dict[str, int]:
    """Return how many items of some judged months were not taken back and are not past their time."""
    gone = sa.exists().where(withdrawals.c.contribution_id == month_donations.c.contribution_id)
    statement = (
        sa.select(month_donations.c.job_id, sa.func.sum(month_donations.c["items"]))
        .where(month_donations.c.job_id.in_(sorted(job_ids)), ~gone)
        .group_by(month_donations.c.job_id)
    )
    return dict.fromkeys(job_ids, 0) | {row[0]: int(row[1]) for row in connection.execute(statement)}


def forget_marks(house: House) -> int:
    """Let the marks of months that were taken back end after `FINGERPRINT_MS`; return how many ended now."""
    gone = sa.select(withdrawals.c.contribution_id).where(
        withdrawals.c.contribution_id == month_donations.c.contribution_id
    )
    broken = sa.select(month_donations.c.job_id).where(sa.exists(gone)).distinct()
    now_ms = house.now_ms()
    with house.state.write() as connection:
        ending = sa.select(month_marks.c.job_id).where(
            month_marks.c.until_ms.is_(None), month_marks.c.job_id.in_(broken)
        )
        ids = set(connection.execute(ending.distinct()).scalars())
        over = {job_id for job_id, left in items_left(connection, ids).items() if not left}
        connection.execute(
            sa.update(month_marks)
            .where(month_marks.c.job_id.in_(sorted(over)))
            .values(until_ms=now_ms + FINGERPRINT_MS)
        )
        end_spans(connection, over, now_ms + FINGERPRINT_MS)
        forget_spans(connection, now_ms)
        return connection.execute(sa.delete(month_marks).where(month_marks.c.until_ms < now_ms)).rowcount


def _due(connection: sa.Connection, now_ms: int) -> Iterator[Any]:
    """Yield person, payout address and month of what may be judged, who gave first first."""
    genuine = _jobs_with("genuine")
    paid_item = month_donations.c.contribution_id == personal_months.c.contribution_id
    paid = sa.exists().where(paid_item, month_donations.c.job_id.in_(genuine))
    statement = (
        sa.select(
            PERSON.label("person"),
            sa.func.min(nodes.c.payout_address).label("payout_address"),
            personal_months.c.month,
        )
        .join(nodes, nodes.c.node_id == personal_months.c.node_id)
        .where(personal_months.c.month != "", personal_months.c.month < month_of(now_ms), ~paid)
        .group_by(PERSON, personal_months.c.month)
        .having(sa.func.sum(personal_months.c["items"]) >= HISTORY_ITEMS_MIN)
        .having(sa.func.max(personal_months.c.received_at_ms) <= now_ms - HISTORY_QUIET_MS)
        .order_by(sa.func.max(personal_months.c.received_at_ms), PERSON, personal_months.c.month)
    )
    yield from connection.execute(statement).all()


def _new_target(connection: sa.Connection, due: Any) -> dict[str, int]:
    """Return the donations of a month with their items, none when it was judged so, or often enough."""
    of_it = (month_jobs.c.person == due.person) & (month_jobs.c.month == due.month)
    tried = connection.execute(
        sa.select(month_jobs.c.target_sha256, month_results.c.verdict)
        .outerjoin(month_results, month_results.c.job_id == month_jobs.c.job_id)
        .where(of_it)
    ).all()
    if len(tried) >= HISTORY_TRIES_MAX or any(row.verdict in (None, "genuine") for row in tried):
        return {}
    found = connection.execute(
        sa.select(personal_months.c.contribution_id, personal_months.c["items"])
        .join(nodes, nodes.c.node_id == personal_months.c.node_id)
        .where(due.person == PERSON, personal_months.c.month == due.month)
        .order_by(personal_months.c.received_at_ms, personal_months.c.contribution_id)
        .limit(HISTORY_ITEMS_MAX)
    ).all()
    ids: dict[str, int] = {}
    left = HISTORY_ITEMS_MAX
    for contribution_id, items in found:
        left -= items
        if left < 0:
            break
        ids[contribution_id] = items
    known = {row.target_sha256 for row in tried}
    return {} if target_sha256(due.person, due.month, ids) in known else ids


def _jobs_with(verdict: str) -> sa.Select[tuple[str]]:
    return sa.select(month_results.c.job_id).where(month_results.c.verdict == verdict)


def _unanswered(connection: sa.Connection) -> list[str]:
    answered = sa.exists().where(month_results.c.job_id == month_jobs.c.job_id)
    statement = sa.select(month_jobs.c.job_id).where(~answered)
    return list(
        connection.execute(statement.order_by(month_jobs.c.asked_at_ms, month_jobs.c.place)).scalars()
    )


def _known(connection: sa.Connection, marks: AbstractSet[bytes]) -> set[bytes]:
    """Return those of some digests that a month which was paid has left."""
    named, known = sorted(mark.hex() for mark in marks), set()
    for start in range(0, len(named), _IDS_AT_ONCE):
        some = month_marks.c.mark.in_(named[start : start + _IDS_AT_ONCE])
        known |= {
            bytes.fromhex(mark)
            for mark in connection.execute(sa.select(month_marks.c.mark).where(some)).scalars()
        }
    return known
