"""Pages that say nothing without their scripts: fetched once as they are, and leased once more to a browser.

Rules: a node hands in what the bytes say (the frame), says beside it that a browser is needed, and is judged by the
frame like anybody, so that the mark changes no verdict. A marked page is opened once more, for other hands that have a
browser: only where every operator's validator has one too (what nobody can check would be free to invent), and only for
as many pages as a node may mark: a tenth of its answers of a day, or a few.

Does not: judge, or look at pages (the node does: `contributor_node/extraction/page_shell.py`).

Usage: `urls = shells_among(connection, closings, now_ms)`, after their leases were closed.

Source: docs/adr/0043-frames-with-a-mark.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa

from aggregator.roster import every_operator_has_a_browser
from storage.tables.contributions import frontier, leases
from windrow_protocol.limits import BROWSER_MARKS_PER_DAY_MIN, BROWSER_MARKS_PPM_MAX, LEASE_MEMORY_MS
from windrow_protocol.trust_rules import PPM


def shells_among(connection: sa.Connection, marked: Iterable[Any], now_ms: int) -> set[str]:
    """Return the URLs, by id, of marked leases (their rows) that are to be leased once more, to a browser."""
    asked = [lease for lease in marked if lease.render == "http"]
    if not asked or not every_operator_has_a_browser(connection):
        return set()
    trusted = {
        node_id for node_id in {lease.node_id for lease in asked} if _may_mark(connection, node_id, now_ms)
    }
    return {lease.url_id for lease in asked if lease.node_id in trusted}


def show_in_browser(connection: sa.Connection, url_ids: Collection[str]) -> None:
    """Have the next leases of these URLs ask for a browser."""
    if url_ids:
        connection.execute(sa.update(frontier).where(frontier.c.url_id.in_(url_ids)).values(render="browser"))


def _may_mark(connection: sa.Connection, node_id: str, now_ms: int) -> bool:
    """Say whether a node has marked no more pages than it may; those of now are counted already."""
    marks = sa.func.sum(sa.case((leases.c.needs_browser, 1), else_=0))
    of_day = leases.c.closed_at_ms > now_ms - LEASE_MEMORY_MS
    counted = sa.select(sa.func.count(), marks).where(
        leases.c.node_id == node_id, leases.c.state == "answered", of_day
    )
    answers, marked = connection.execute(counted).one()
    return bool((marked or 0) <= max(BROWSER_MARKS_PER_DAY_MIN, answers * BROWSER_MARKS_PPM_MAX // PPM))
