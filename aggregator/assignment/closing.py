"""How leases end: answered or expired, and their URLs and audits with them.

Rules: a lease's life is the table `STEPS`; every lease of one transaction is closed with one statement. Nobody could
answer while the house was away: what ended then is marked `EXCUSED` and held against nobody.

Does not: decide whether an answer is taken (`admission`), or log it.

Usage: `close_leases(connection, [Closing(lease, "answer", Outcome.FETCHED, facts)], now_ms)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aggregator.assignment import frontier
from aggregator.assignment.offers import heard_of
from aggregator.assignment.shells import shells_among, show_in_browser
from aggregator.verification.audits import truth_requests
from storage.house import House
from storage.prepared import Prepared
from storage.state import get_cursor, set_cursor
from storage.tables.contributions import leases
from windrow_protocol.limits import HOUSE_AWAKE_STEP_MS, SUBMISSION_GRACE_MS
from windrow_protocol.messages import Outcome

# (state, event) → next state
STEPS: dict[tuple[str, str], str] = {
    ("leased", "answer"): "answered",
    ("leased", "expire"): "expired",
}
EXCUSED: Final = "house away"  # in `detail` of a lease that expired
_AWAKE: Final = "house/awake_ms"
_CLOSE = Prepared(sa.update(leases).where(leases.c.lease_id == sa.bindparam("of_lease")))


class Closing(msgspec.Struct, frozen=True):
    """The end of one lease (its row); `facts` are further columns, the same ones for all that are closed together."""

    lease: Any
    event: str
    outcome: Outcome
    facts: Mapping[str, object] = {}


def close_leases(connection: sa.Connection, closings: Sequence[Closing], now_ms: int) -> None:
    """Move leases along `STEPS`, and their URLs or audits with them."""
    if not closings:
        return
    _CLOSE.run(connection, [_row(each, now_ms) for each in closings])
    heard_of(connection, (each.lease for each in closings if each.event == "answer"))
    for each in closings:
        if each.lease.audit_of is not None:
            truth_requests.answered(connection, each.lease, each.outcome)
    work = [each for each in closings if each.lease.kind == "work"]
    retried = {each.lease.url_id for each in work if each.outcome in frontier.TRANSIENT}
    attempts = frontier.attempts_of(connection, retried)
    marked = [each.lease for each in work if each.facts.get("needs_browser")]
    shells = shells_among(connection, marked, now_ms)
    show_in_browser(connection, shells)
    events = (
        "shell"
        if each.lease.url_id in shells
        else frontier.event_for(each.outcome, attempts.get(each.lease.url_id, 0))
        for each in work
    )
    frontier.advance_all(connection, zip((each.lease.url_id for each in work), events, strict=True))


def _row(each: Closing, now_ms: int) -> dict[str, object]:
    following = STEPS[(each.lease.state, each.event)]
    row = {"of_lease": each.lease.lease_id, "state": following, "outcome": each.outcome.value}
    return {**row, "closed_at_ms": now_ms, **each.facts}


def expire_leases(house: House, connection: sa.Connection, *, excused: bool = False) -> int:
    """Expire every lease whose time, and the grace for answers on their way, is over; return how many there were."""
    now = house.now_ms()
    overdue = sa.select(leases).where(
        leases.c.state == "leased", leases.c.expires_at_ms < now - SUBMISSION_GRACE_MS
    )
    facts = {"detail": EXCUSED if excused else ""}
    rows = list(connection.execute(overdue))
    close_leases(connection, [Closing(row, "expire", Outcome.EXPIRED, facts) for row in rows], now)
    return len(rows)


def note_awake(house: House, connection: sa.Connection) -> bool:
    """Keep when the house was last at work, to `HOUSE_AWAKE_STEP_MS`; say whether it was away for longer before."""
    now, last_ms = house.now_ms(), get_cursor(connection, _AWAKE)
    if now - last_ms >= HOUSE_AWAKE_STEP_MS:
        set_cursor(connection, _AWAKE, now)
    return 0 < last_ms < now - 2 * HOUSE_AWAKE_STEP_MS
