"""How a house is doing, counted from its tables: what waits, for how long, and who is there.

Rules: every figure follows from the tables and the clock at the time of asking; nothing is remembered beside them.

Does not: format (`metrics`), or say what is bad (the alert rules do). Usage: `health_of(house)`.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from aggregator.judgement import CURSOR as JUDGED
from storage.house import House
from storage.state import get_cursor
from storage.tables.contributions import contributions, nodes, sales, submissions
from storage.tables.trust import audit_epochs
from windrow.summary import under_way

ACTIVE_MS: Final = 600_000
_ROLES: Final = ("contributor", "validator")


@dataclass(frozen=True)
class HouseHealth:
    """Figures of one moment; times in seconds, 0 where nothing waits."""

    under_way: dict[str, int]
    nodes_active: dict[str, int]  # by role, heard of within `ACTIVE_MS`
    log_seq: int
    judged_seq: int
    unjudged_s: float  # how long the next contribution to judge has been waiting
    epoch_s: float  # how long the oldest audit epoch that is not closed has been open
    sales: int
    disk_free_bytes: int


def health_of(house: House) -> HouseHealth:
    """Count everything."""
    now_ms = house.now_ms()
    with house.state.read() as connection:
        judged = get_cursor(connection, JUDGED)
        waiting = sa.select(contributions.c.received_at_ms).where(
            contributions.c.kind == "work", contributions.c.seq > judged
        )
        opened = sa.select(sa.func.min(audit_epochs.c.opened_at_ms)).where(
            audit_epochs.c.state != "closed", audit_epochs.c.opened_at_ms > 0
        )
        return HouseHealth(
            under_way=under_way(connection),
            nodes_active=_active(connection, now_ms - ACTIVE_MS),
            log_seq=connection.execute(sa.select(sa.func.max(submissions.c.seq))).scalar() or 0,
            judged_seq=judged,
            unjudged_s=_since_s(connection, waiting.order_by(contributions.c.seq).limit(1), now_ms),
            epoch_s=_since_s(connection, opened, now_ms),
            sales=connection.execute(sa.select(sa.func.count()).select_from(sales)).scalar() or 0,
            disk_free_bytes=shutil.disk_usage(house.home).free,
        )


def _active(connection: sa.Connection, since_ms: int) -> dict[str, int]:
    heard = sa.select(nodes.c.role, sa.func.count()).where(nodes.c.seen_at_ms > since_ms)
    counts = dict.fromkeys(_ROLES, 0)
    counts.update({row[0]: row[1] for row in connection.execute(heard.group_by(nodes.c.role))})
    return counts


def _since_s(connection: sa.Connection, moment: sa.Select[Any], now_ms: int) -> float:
    at_ms = connection.execute(moment).scalar()
    return max(0, now_ms - at_ms) / 1000 if at_ms else 0.0
