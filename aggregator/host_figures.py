"""What the network asked of one host lately, for its publisher: counts of pages, bytes and the pace kept.

Rules: counts only, never a page's address or a node's. A bounded number of pages is looked at.

Does not: judge a host. Usage: `host_figures(connection, "www.example.org", now_ms)`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from aggregator.assignment.frontier import STATES
from aggregator.assignment.withheld import withheld_hosts
from storage.tables.contributions import frontier, leases
from storage.tables.trust import host_paces
from windrow_protocol.limits import HOST_FIGURES_PAGES_MAX
from windrow_protocol.trust_rules import DAY_MS
from windrow_protocol.urls import host_key

_SPANS_MS = {"24_hours": DAY_MS, "30_days": 30 * DAY_MS}


def host_figures(connection: sa.Connection, host: str, now_ms: int) -> dict[str, Any]:
    """Return figures of a host named as it is paced: pages by state, those asked for by outcome, pace and order."""
    keys = {host_key(f"{scheme}://{host}/") for scheme in ("http", "https")}
    # All states are named because the table is found by state and host: anybody may ask, so nothing is gone through.
    of_host = frontier.c.state.in_(sorted(STATES)) & frontier.c.host_key.in_(keys)
    known = (
        sa.select(frontier.c.url_id, frontier.c.state).where(of_host).limit(HOST_FIGURES_PAGES_MAX).subquery()
    )
    states = connection.execute(sa.select(known.c.state, sa.func.count()).group_by(known.c.state))
    pace = connection.execute(sa.select(host_paces).where(host_paces.c.host == host)).one_or_none()
    order = withheld_hosts(connection).covering(f"http://{host}/")
    return {
        "host": host,
        "pages": {row[0]: row[1] for row in states},
        "asked": {name: _asked(connection, known, now_ms - span) for name, span in _SPANS_MS.items()},
        "crawl_delay_ms": pace.crawl_delay_ms if pace else 0,
        "paused_until_ms": pace.paused_until_ms if pace and pace.paused_until_ms > now_ms else 0,
        "withheld_since_ms": order.at_ms if order else 0,
    }


def _asked(connection: sa.Connection, known: sa.Subquery, since_ms: int) -> dict[str, Any]:
    """Count the answers of nodes and validators about some pages since a time, and their bytes."""
    statement = (
        sa.select(leases.c.outcome, sa.func.count(), sa.func.sum(leases.c.bytes_wire))
        .join(known, known.c.url_id == leases.c.url_id)
        .where(leases.c.closed_at_ms > since_ms, leases.c.outcome.is_not(None))
        .group_by(leases.c.outcome)
    )
    rows = connection.execute(statement).all()
    return {
        "by_outcome": {outcome: count for outcome, count, _ in rows},
        "bytes": int(sum(size or 0 for _, _, size in rows)),
    }
