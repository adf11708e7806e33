"""Audits of pages that only a browser shows, while no validator has one: they end, and the operator sees why.

    a truth of such a page is wanted, and no validator at work that renders was heard of      since when is kept
    meanwhile                                                                                 no such page is leased
    for longer than `BROWSER_WAIT_MS`                                                         those truths are given up
    a validator that renders speaks again                                                     forgotten

Rules: what was given up is *no evidence* (`truth_unavailable`), never the node's fault, and its page goes to
somebody else when there is a browser again. While the house itself is away nobody is waited for.

Does not: decide audits (`judging`), or keep who renders (`roster`).

Usage: `look_for_browsers(house, connection)` now and then; `is_waiting(connection)` before such pages are leased.

Source: docs/protocol.md, "Audit".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from aggregator.verification.audits import truth_requests
from storage.house import House
from storage.state import get_cursor, set_cursor
from storage.tables.contributions import leases, nodes
from storage.tables.trust import audits
from storage.tables.trust import truth_requests as requests
from windrow_protocol.limits import BROWSER_WAIT_MS, NODE_SEEN_STEP_MS

_SINCE: Final = "audits/no_browser_since_ms"
_OPEN = (
    sa.select(requests.c.contribution_id, requests.c.ordinal)
    .join(audits, audits.c.contribution_id == requests.c.contribution_id)
    .join(leases, leases.c.lease_id == audits.c.lease_id)
    .where(requests.c.state == "wanted", leases.c.render == "browser")
)


@dataclass(frozen=True, slots=True)
class Browserless:
    """Audits that wait for a browser, and since when no validator has one (0: one has, or none was needed)."""

    waiting: int
    since_ms: int


def look_for_browsers(house: House, connection: sa.Connection, *, was_away: bool = False) -> int:
    """Note whether a browser is lacking; give up what has waited too long for one and return how much that was."""
    now, since_ms = house.now_ms(), get_cursor(connection, _SINCE)
    wanted = connection.execute(_OPEN).all()
    if not wanted and not since_ms:
        return 0
    if _is_one_at_work(connection, now):
        if since_ms:
            set_cursor(connection, _SINCE, 0)
        return 0
    if not since_ms or was_away:
        set_cursor(connection, _SINCE, now)
        return 0
    if now - since_ms < BROWSER_WAIT_MS:
        return 0
    for contribution_id, ordinal in wanted:
        truth_requests.give_up(connection, contribution_id, ordinal)
    return len(wanted)


def is_waiting(connection: sa.Connection) -> bool:
    """Say whether a page that needs a browser could not be audited now."""
    return get_cursor(connection, _SINCE) > 0


def browserless(connection: sa.Connection) -> Browserless:
    """Return what an operator should know."""
    wanted = {row.contribution_id for row in connection.execute(_OPEN)}
    return Browserless(len(wanted), get_cursor(connection, _SINCE))


def _is_one_at_work(connection: sa.Connection, now_ms: int) -> bool:
    """Say whether a validator that renders was heard of; one that asks and gets nothing is noted once in a step."""
    rendering = sa.exists().where(
        nodes.c.role == "validator",
        nodes.c.state == "active",
        nodes.c.has_browser,
        nodes.c.seen_at_ms > now_ms - 2 * NODE_SEEN_STEP_MS,
    )
    return bool(connection.execute(sa.select(rendering)).scalar_one())
