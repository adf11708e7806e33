"""Leases: signed leave for one node to make one request, and what becomes of it.

Rules: a lease's life is the table `STEPS`. A node never chooses its URLs, holds at most `LEASES_OUTSTANDING_MAX` leases
and undecided contributions together, and never gets a URL twice. A validator's audit lease looks exactly like work:
only the coordinator's table knows which contribution it is about.

Does not: register nodes, accept answers (see `ingest`), or fetch.

Usage: `tokens = issue_leases(house, connection, node_id, role, LeaseRequest(count=20))`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from aggregator.assignment import frontier
from aggregator.verification import truth_requests
from aggregator.verification.truth_requests import WantedTruth
from storage.house import House
from storage.tables import contributions, leases, nodes, verdicts
from storage.tables import frontier as urls
from windrow_protocol.limits import (
    FETCH_BODY_BYTES_MAX,
    FETCH_DECODED_BYTES_MAX,
    FETCH_REDIRECTS_MAX,
    FETCH_TIME_S_MAX,
    LEASE_LIFE_MS,
    LEASES_OUTSTANDING_MAX,
    SUBMISSION_GRACE_MS,
)
from windrow_protocol.messages import Lease, LeaseRequest, Outcome

# (state, event) → next state
STEPS: dict[tuple[str, str], str] = {
    ("leased", "answer"): "answered",
    ("leased", "expire"): "expired",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A page that a node is given; for a validator with the truth that it is asked for."""

    url_id: str
    url: str
    render: str
    truth: WantedTruth | None = None


def issue_leases(
    house: House,
    connection: sa.Connection,
    node_id: str,
    role: str,
    request: LeaseRequest,
    life_ms: int = LEASE_LIFE_MS,
) -> list[str]:
    """Return signed leases (JWS, purpose `lease`) for a node: audits for a validator, work for a contributor."""
    count = min(request.count, LEASES_OUTSTANDING_MAX - outstanding(connection, node_id))
    if count <= 0:
        return []
    renders = list(request.render)
    chosen: Sequence[Choice]
    if role == "validator":
        validator = connection.execute(sa.select(nodes).where(nodes.c.node_id == node_id)).one()
        truths = truth_requests.wanted(house, connection, validator, renders, count)
        chosen = [Choice(truth.url_id, truth.url, truth.render, truth) for truth in truths]
    else:
        rows = frontier.candidates(connection, node_id, renders, count)
        chosen = [Choice(row.url_id, row.url, row.render) for row in rows]
    return [_issue(house, connection, node_id, each, life_ms=life_ms) for each in chosen]


def outstanding(connection: sa.Connection, node_id: str) -> int:
    """Return how many leases and contributions without a verdict a node has."""
    held = sa.select(sa.func.count()).where(leases.c.node_id == node_id, leases.c.state == "leased")
    undecided = (
        sa.select(sa.func.count())
        .select_from(
            contributions.outerjoin(verdicts, verdicts.c.contribution_id == contributions.c.contribution_id)
        )
        .where(
            contributions.c.node_id == node_id,
            contributions.c.kind == "work",
            verdicts.c.contribution_id.is_(None),
        )
    )
    return (connection.execute(held).scalar() or 0) + (connection.execute(undecided).scalar() or 0)


def _issue(
    house: House,
    connection: sa.Connection,
    node_id: str,
    choice: Choice,
    *,
    life_ms: int,
) -> str:
    now = house.now_ms()
    lease = Lease(
        lease_id=house.new_id("l"),
        node_id=node_id,
        url=choice.url,
        render="browser" if choice.render == "browser" else "http",
        body_bytes_max=FETCH_BODY_BYTES_MAX,
        decoded_bytes_max=FETCH_DECODED_BYTES_MAX,
        time_s_max=FETCH_TIME_S_MAX,
        redirects_max=FETCH_REDIRECTS_MAX,
        nonce=house.env.randomness.token(16).hex(),
        issued_at_ms=now,
        expires_at_ms=now + life_ms,
    )
    connection.execute(
        sa.insert(leases).values(
            lease_id=lease.lease_id,
            url_id=choice.url_id,
            url=choice.url,
            node_id=node_id,
            kind="work" if choice.truth is None else "audit",
            audit_of=None if choice.truth is None else choice.truth.contribution_id,
            state="leased",
            render=lease.render,
            nonce=lease.nonce,
            issued_at_ms=lease.issued_at_ms,
            expires_at_ms=lease.expires_at_ms,
        )
    )
    if choice.truth is None:
        frontier.advance(connection, choice.url_id, "lease")
    else:
        validator = connection.execute(sa.select(nodes).where(nodes.c.node_id == node_id)).one()
        truth_requests.leased(connection, choice.truth, lease.lease_id, validator)
    return house.sign("lease", node_id, msgspec.to_builtins(lease), life_ms=life_ms)


def close_lease(
    connection: sa.Connection,
    lease: sa.Row[tuple[object, ...]],
    event: str,
    outcome: Outcome,
    now_ms: int,
    **facts: object,
) -> None:
    """Move a lease along `STEPS` and its URL or audit with it."""
    following = STEPS[(lease.state, event)]
    connection.execute(
        sa.update(leases)
        .where(leases.c.lease_id == lease.lease_id)
        .values(state=following, outcome=outcome.value, closed_at_ms=now_ms, **facts)
    )
    if lease.audit_of is not None:
        truth_requests.answered(connection, lease, outcome)
        return
    attempts = sa.select(urls.c.attempts).where(urls.c.url_id == lease.url_id)
    used = connection.execute(attempts).scalar() or 0
    frontier.advance(connection, lease.url_id, frontier.event_for(outcome, used))


def expire_leases(house: House, connection: sa.Connection) -> int:
    """Expire every lease whose time, and the grace for answers on their way, is over; return how many there were."""
    now = house.now_ms()
    overdue = sa.select(leases).where(
        leases.c.state == "leased", leases.c.expires_at_ms < now - SUBMISSION_GRACE_MS
    )
    rows = list(connection.execute(overdue))
    for row in rows:
        close_lease(connection, row, "expire", Outcome.EXPIRED, now)
    return len(rows)
