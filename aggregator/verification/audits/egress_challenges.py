"""Egress challenges: does a node fetch from where it says it is, as the network's own control hosts see it.

    a leased control page is asked for from                            seen
    the /24 or /48 that the lease was given to, or where its node      here
    is at work by now
    another family of addresses than both                              other_family: it says nothing
    anywhere else                                                      elsewhere

Rules: the challenge is the lease of a control page, which looks like any other, is held by one node at a time, and
whose address only that lease and the site's own list name. What others ask for besides takes nothing from the node:
of several sightings the one that is best for it stays. Only pages that are leased at the moment leave a row, one each.

Does not: judge texts (`canaries`), or say what follows (`earned_standing`).

Usage: `note_fetch(house, "http://host/page", request.peer)`, from the control host.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, Literal

import sqlalchemy as sa

from aggregator.prefixes import address_prefix
from storage.house import House
from storage.state import insert_once
from storage.tables.contributions import leases, nodes
from storage.tables.trust import egress_challenges
from windrow_protocol.limits import SUBMISSION_GRACE_MS
from windrow_protocol.urls import canonical_url, url_sha256

Seen = Literal["here", "other_family", "elsewhere"]
_WORSE: Final[dict[str, Collection[str]]] = {
    "here": ("other_family", "elsewhere"),
    "other_family": ("elsewhere",),
    "elsewhere": (),
}


def seen_as(fetched_from: str, asked_from: str, speaks_from: str) -> Seen:
    """Return what a fetch from a prefix means for a node whose lease was asked for from one and who speaks from one."""
    if fetched_from in (asked_from, speaks_from):
        return "here"
    families = {_family(each) for each in (asked_from, speaks_from)}
    return "elsewhere" if _family(fetched_from) in families else "other_family"


def _family(prefix: str) -> int:
    return 6 if ":" in prefix else 4


def note_fetch(house: House, url: str, peer: str) -> None:
    """Write down that an address asked for a control page, where that page is leased at the moment."""
    fetched_from = address_prefix(peer)
    if not fetched_from:
        return
    with house.state.read() as connection:
        lease = _held(house, connection, url_sha256(canonical_url(url)))
    if lease is None:
        return
    seen = seen_as(fetched_from, lease.prefix, lease.speaks_from)
    if lease.seen is not None and lease.seen not in _WORSE[seen]:
        return  # most of what strangers ask
    values = {"seen": seen, "seen_from": fetched_from, "seen_at_ms": house.now_ms()}
    with house.state.write() as connection:
        if insert_once(
            connection, egress_challenges, lease_id=lease.lease_id, node_id=lease.node_id, **values
        ):
            return
        better = egress_challenges.c.lease_id == lease.lease_id, egress_challenges.c.seen.in_(_WORSE[seen])
        connection.execute(sa.update(egress_challenges).where(*better).values(**values))


def _held(house: House, connection: sa.Connection, url_id: str) -> Any:
    """Return the open lease of a control page, its node's prefix of now and what was seen of it so far, or None.

    Where a node only queues it has no place: else it would take its leases at one address and fetch from another's.
    """
    speaks_from = sa.case((nodes.c.state == "active", nodes.c.prefix), else_=leases.c.prefix)
    asked = (
        sa.select(
            leases.c.lease_id,
            leases.c.node_id,
            leases.c.prefix,
            speaks_from.label("speaks_from"),
            egress_challenges.c.seen,
        )
        .join(nodes, nodes.c.node_id == leases.c.node_id)
        .outerjoin(egress_challenges, egress_challenges.c.lease_id == leases.c.lease_id)
        .where(leases.c.url_id == url_id, leases.c.kind == "canary", leases.c.state == "leased")
        .where(leases.c.expires_at_ms > house.now_ms() - SUBMISSION_GRACE_MS)
        .order_by(leases.c.issued_at_ms.desc())
        .limit(1)
    )
    return connection.execute(asked).one_or_none()
