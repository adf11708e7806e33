"""What an audit says about where its page is: read from the truths that were asked for, and how those ended.

    host       by `host_event`: truths that agree or not, or none while the host refused validators
    domain     shut out: no truth, and validators of several operators were refused there or heard nothing

Rules: a timeout may be the validator's own line, so it counts only for an operator whose validators got other pages in
the same hour: while our own side is down nothing is said about anybody's domain. One operator alone is a suspect.

Does not: fold (`folding`), or know standings.

Usage: `event = shut_out_event(connection, verdict_row)`.

Source: docs/protocol.md, "Audit" (hard hosts).
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from aggregator.ingest import read_text
from aggregator.verification.standings.host_events import host_event
from aggregator.verification.standings.hosts import HostEvent
from storage.segments import Segments
from storage.tables.contributions import contributions, leases
from storage.tables.trust import truth_requests
from windrow_protocol.messages import Outcome

# What a host does to a validator that it does not want; a timeout may as well be our own line.
_REFUSED: Final = (
    Outcome.FETCHED,  # and yet no truth: a block page
    Outcome.BLOCKED,
    Outcome.ROBOTS_DENIED,
    Outcome.OPTOUT_DENIED,
    Outcome.NOT_FOUND,
    Outcome.TOO_LARGE,
)
_SILENT: Final = (Outcome.TIMEOUT, Outcome.SERVER_ERROR)
_AWAKE_MS: Final = 3_600_000  # an operator that got a page elsewhere so lately was on line


def host_event_of(connection: sa.Connection, segments: Segments, row: Any, network: int) -> HostEvent | None:
    """Return what the truths about a verdict (its row) say about the host; None where that is nothing."""
    truths = connection.execute(
        sa.select(contributions.c.seq, truth_requests.c.operator)
        .join(truth_requests, truth_requests.c.lease_id == contributions.c.lease_id)
        .where(contributions.c.audit_of == row.contribution_id, truth_requests.c.state == "answered")
        .order_by(contributions.c.seq)
    ).all()
    if len(truths) == 1:
        return None  # one truth by itself says nothing about the host, and most audits have one
    return host_event(
        row.epoch_id,
        truths=[(truth.operator, read_text(connection, segments, truth.seq)) for truth in truths],
        refused=_failed(connection, row.contribution_id, _REFUSED),
        operators=network,
    )


def shut_out_event(connection: sa.Connection, row: Any) -> HostEvent | None:
    """Return that no validator got a page, where a verdict (its row) says so and it was not their lines."""
    if row.reason != "truth_unavailable":
        return None
    refused = set(_failed(connection, row.contribution_id, _REFUSED))
    silent = set(_failed(connection, row.contribution_id, _SILENT)) - refused
    kept_out = sorted(refused | _awake(connection, silent, row.decided_at_ms))
    if not kept_out:
        return None
    return HostEvent("unavailable", row.epoch_id, suspects=tuple(kept_out) if len(kept_out) == 1 else ())


def _failed(connection: sa.Connection, contribution_id: str, outcomes: tuple[Outcome, ...]) -> list[str]:
    """Return the operators whose truths of a contribution failed so, in the order in which they were asked."""
    found = (
        sa.select(truth_requests.c.operator)
        .join(leases, leases.c.lease_id == truth_requests.c.lease_id)
        .where(truth_requests.c.contribution_id == contribution_id, truth_requests.c.state == "failed")
        .where(leases.c.outcome.in_([outcome.value for outcome in outcomes]))
        .order_by(truth_requests.c.ordinal)
    )
    return list(connection.execute(found).scalars())


def _awake(connection: sa.Connection, operators: set[str], at_ms: int) -> set[str]:
    """Return which of some operators got the text of another page in the hour before a time."""
    if not operators:
        return set()
    got = (
        sa.select(truth_requests.c.operator)
        .distinct()
        .join(leases, leases.c.lease_id == truth_requests.c.lease_id)
        .where(leases.c.state == "answered", leases.c.kind == "audit")
        .where(leases.c.expires_at_ms > at_ms - _AWAKE_MS, leases.c.closed_at_ms > at_ms - _AWAKE_MS)
        .where(leases.c.outcome == Outcome.FETCHED.value, truth_requests.c.operator.in_(operators))
    )
    return set(connection.execute(got).scalars())
