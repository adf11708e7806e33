"""The day's leases, counted by prefix, and what of them young identities may still get.

Rules: counted in the transaction that gives the leases. A prefix takes part in the lottery while its young nodes ask
and have quota left; once they are established, or silent, others move up.

Does not: decide shares or draw (`sybil`). Usage: `left = young_left(house, connection, prefix, now)`, then
`note_given(connection, now, prefix, 12, young=True)`.
"""

from __future__ import annotations

import sqlalchemy as sa

from aggregator.assignment.placement import day_of, day_seed
from aggregator.assignment.sybil import Day, prefix_quota, young_leases_left
from storage.house import House
from storage.state import insert_once
from storage.tables.trust import lease_days
from windrow_protocol.limits import YOUNG_RIVAL_MS


def young_left(house: House, connection: sa.Connection, prefix: str, now_ms: int) -> int:
    """Note that a young identity of a prefix asks, and return how many leases it may get now."""
    day = day_of(now_ms)
    _row(connection, day, prefix)
    here = sa.and_(lease_days.c.day == day, lease_days.c.prefix == prefix)
    connection.execute(sa.update(lease_days).where(here).values(young_asked_at_ms=now_ms))
    of_day = lease_days.c.day == day
    given, young = connection.execute(
        sa.select(sa.func.sum(lease_days.c.given), sa.func.sum(lease_days.c.young)).where(of_day)
    ).one()
    own = connection.execute(sa.select(lease_days.c.young).where(here)).scalar_one()
    asking = sa.select(lease_days.c.prefix).where(
        of_day,
        lease_days.c.young_asked_at_ms > now_ms - YOUNG_RIVAL_MS,
        lease_days.c.young < prefix_quota(house.rules),
    )
    rivals = connection.execute(asking).scalars().all()
    counted = Day(int(given), int(young), own)
    return young_leases_left(house.rules, counted, prefix, rivals, day_seed(house, day))


def note_given(
    connection: sa.Connection, now_ms: int, prefix: str, count: int, *, young: bool, unranked: int = 0
) -> None:
    """Count leases that were given to a prefix, `unranked` of them of domains that no list knows."""
    if not count:
        return
    day = day_of(now_ms)
    _row(connection, day, prefix)
    connection.execute(
        sa.update(lease_days)
        .where(lease_days.c.day == day, lease_days.c.prefix == prefix)
        .values(
            given=lease_days.c.given + count,
            young=lease_days.c.young + (count if young else 0),
            unranked=lease_days.c.unranked + unranked,
        )
    )


def given_on(connection: sa.Connection, now_ms: int) -> tuple[int, int]:
    """Return how many leases were given on the day so far, and how many of them of unranked domains."""
    sums = sa.select(sa.func.sum(lease_days.c.given), sa.func.sum(lease_days.c.unranked))
    given, unranked = connection.execute(sums.where(lease_days.c.day == day_of(now_ms))).one()
    return int(given or 0), int(unranked or 0)


def _row(connection: sa.Connection, day: int, prefix: str) -> None:
    insert_once(
        connection, lease_days, day=day, prefix=prefix, given=0, young=0, unranked=0, young_asked_at_ms=0
    )
