"""Offers: leases that went out in one answer, until their node says that the answer arrived.

    a node says which offer it got last    all leases of that offer are heard
    it answers one lease of an offer       the same: an answer arrives whole or not at all
    it asks and has said neither           the very same leases come again, before any new one
    a lease lapses unheard                 as far as `allowance` forgives it, it counts neither way

Rules: what comes again takes no further page, no slot of a host and no place in a day's counts, and it is held like any
other lease until it ends; so nothing is had by not hearing. A node that never says what it heard (`heard` left out) has
heard everything.

Does not: choose pages (`leases`), or say how much a node may hold (`allowance`).

Usage::

    note_heard(connection, node_id, wish.heard)
    again = come_again(house, connection, node_id, offer, renders, count)       # signed leases

Source: docs/protocol.md, "Lease".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from storage.house import House
from storage.prepared import Prepared
from storage.tables.contributions import leases
from windrow_protocol.limits import (
    FETCH_BODY_BYTES_MAX,
    FETCH_DECODED_BYTES_MAX,
    FETCH_REDIRECTS_MAX,
    FETCH_TIME_S_MAX,
    LEASE_MEMORY_MS,
    LEASE_WORTH_SENDING_MS,
)
from windrow_protocol.messages import Lease

HEARD: Final = ""  # the offer of a lease that its node is known to have
# As the index `leases_unheard` has it.
UNHEARD: Final = leases.c.offer != sa.literal_column("''")
# What a lease has of its row; the rest are the same bounds for all.
_OF_LEASE: Final = (
    *("lease_id", "node_id", "url", "render", "nonce"),
    *("issued_at_ms", "expires_at_ms", "not_before_ms"),
)
_HEAR = Prepared(
    sa.update(leases)
    .where(leases.c.node_id == sa.bindparam("of_node"), leases.c.offer == sa.bindparam("said"), UNHEARD)
    .values(offer=HEARD)
)


def note_heard(connection: sa.Connection, node_id: str, offer: str | None) -> None:
    """Note that an offer (named as it was) arrived at its node; nothing where none is named."""
    if offer:
        _HEAR.run(connection, [{"of_node": node_id, "said": offer}])


def heard_of(connection: sa.Connection, answered: Iterable[Any]) -> None:
    """Note that the offers arrived that some answered leases (rows) came in."""
    for node_id, offer in sorted({(row.node_id, row.offer) for row in answered if row.offer != HEARD}):
        note_heard(connection, node_id, offer)


def any_unheard(node_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Say in SQL whether a node has open leases that it has not heard of."""
    return sa.exists().where(leases.c.node_id == node_id, UNHEARD, leases.c.state == "leased")


def come_again(
    house: House, connection: sa.Connection, node_id: str, offer: str, renders: Collection[str], count: int
) -> list[str]:
    """Return open leases that a node has not heard of, signed again, and put them into a new offer."""
    open_long_enough = leases.c.expires_at_ms > house.now_ms() + LEASE_WORTH_SENDING_MS
    unheard = (leases.c.node_id == node_id, UNHEARD, leases.c.state == "leased")
    found = (
        sa.select(leases)
        .where(*unheard, open_long_enough, leases.c.render.in_(list(renders)))
        .order_by(leases.c.not_before_ms, leases.c.lease_id)
        .limit(count)
    )
    rows = connection.execute(found).mappings().all()
    if rows:
        ids = [row["lease_id"] for row in rows]
        connection.execute(sa.update(leases).where(leases.c.lease_id.in_(ids)).values(offer=offer))
    return [signed_lease(house, {**row}) for row in rows]


def lapsed_unheard(connection: sa.Connection, node_id: str, now_ms: int) -> tuple[int, bool]:
    """Return how many leases of a day lapsed unheard by a node, and whether it has heard nothing since."""
    lapsed = (
        leases.c.node_id == node_id,
        UNHEARD,
        leases.c.state == "expired",
        leases.c.closed_at_ms > now_ms - LEASE_MEMORY_MS,
    )
    count, last_ms = connection.execute(
        sa.select(sa.func.count(), sa.func.max(leases.c.issued_at_ms)).where(*lapsed)
    ).one()
    if not count:  # of nearly everybody
        return 0, False
    heard = (leases.c.node_id == node_id, leases.c.offer == HEARD, leases.c.issued_at_ms >= last_ms)
    return count, not connection.execute(sa.select(sa.exists().where(*heard))).scalar_one()


def signed_lease(house: House, row: Mapping[str, Any]) -> str:
    """Return the lease of a row of `leases` as its node gets it: a JWS of purpose `lease`."""
    lease = Lease(
        **{name: row[name] for name in _OF_LEASE},
        body_bytes_max=FETCH_BODY_BYTES_MAX,
        decoded_bytes_max=FETCH_DECODED_BYTES_MAX,
        time_s_max=FETCH_TIME_S_MAX,
        redirects_max=FETCH_REDIRECTS_MAX,
    )
    life_ms = lease.expires_at_ms - house.now_ms()
    return house.sign("lease", lease.node_id, msgspec.to_builtins(lease), life_ms=life_ms)
