"""Which pages a node may get: keyed by the coordinator, spread over hosts, never back to the same hands.

Rules: a node chooses nothing. Where it begins among the hosts, and which of a host's oldest open pages come first,
follows from the day's seed, the node and the minute; who has the seed and the tables can replay it. Each host gives one
page before any gives two. No page goes again to a node, its /24 (/48) or its owner. Only a bounded number of hosts and
pages is looked at, however large the frontier.

Does not: pace (`pacing`), count (`allowance`, `sybil`), or sign (`leases`).

Usage: `for page in candidates(house, connection, node_row, ["http"], now): ...`

Source: docs/protocol.md, "Lease".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from storage.house import House
from storage.tables.contributions import frontier, frontier_hosts, leases, nodes
from windrow_protocol.limits import (
    CANDIDATE_HOSTS_MAX,
    CANDIDATES_PER_HOST_MIN,
    LEASES_PER_REQUEST_MAX,
)
from windrow_protocol.trust_rules import DAY_MS

_MINUTE_MS: Final = 60_000


class Page(NamedTuple):
    """An open page."""

    url_id: str
    url: str
    render: str


def day_of(now_ms: int) -> int:
    """Return the day of a time, in days since 1970-01-01 UTC."""
    return now_ms // DAY_MS


def day_seed(house: House, day: int) -> bytes:
    """Return what a day's assignment and lottery follow from: secret until the day is over, published then."""
    return house.keyed("assignment", str(day))


def seed_commitment(seed: bytes) -> str:
    """Return the digest that is published while the day runs."""
    return hashlib.sha256(b"windrow/assignment-seed/" + seed).hexdigest()


def keyed_place(seed: bytes, *words: str) -> str:
    """Return a place in an order that nobody without the seed can foresee: 64 hex digits, evenly spread."""
    return hmac.new(seed, "\n".join(words).encode(), "sha256").hexdigest()


def host_place(host_key: str) -> str:
    """Return a host's fixed place among all hosts."""
    return hashlib.sha256(host_key.encode()).hexdigest()


def candidates(
    house: House, connection: sa.Connection, node: Any, renders: Sequence[str], now_ms: int
) -> Iterator[Page]:
    """Yield open pages for a node (its row of `nodes`), in the order in which they are to be given."""
    seed = day_seed(house, day_of(now_ms))
    start = keyed_place(seed, "start", node.node_id, str(now_ms // _MINUTE_MS))
    may_have: list[sa.ColumnElement[bool]] = [frontier.c.render.in_(renders)]
    if house.rules.on("placement"):
        may_have.append(~_had(node))
    hosts = _hosts_from(connection, start)
    size = max(CANDIDATES_PER_HOST_MIN, LEASES_PER_REQUEST_MAX // max(1, len(hosts)) + 1)
    pools = [_pool(connection, (seed, node.node_id), host_key, may_have, size) for host_key in hosts]
    yield from in_turns(pools)


def in_turns(pools: Sequence[Iterator[Page]]) -> Iterator[Page]:
    """Yield from each pool in turn until all are empty."""
    left = list(pools)
    while left:
        still = []
        for pool in left:
            page = next(pool, None)
            if page is not None:
                still.append(pool)
                yield page
        left = still


def _hosts_from(connection: sa.Connection, start: str) -> list[str]:
    """Return hosts with open pages, beginning at a place and going round."""
    is_open = sa.exists().where(frontier.c.host_key == frontier_hosts.c.host_key, frontier.c.state == "open")
    found: list[str] = []
    for part in (frontier_hosts.c.place >= start, frontier_hosts.c.place < start):
        rows = sa.select(frontier_hosts.c.host_key).where(part, is_open).order_by(frontier_hosts.c.place)
        found += connection.execute(rows.limit(CANDIDATE_HOSTS_MAX - len(found))).scalars()
        if len(found) == CANDIDATE_HOSTS_MAX:
            break
    return found


def _pool(
    connection: sa.Connection,
    key: tuple[bytes, str],
    host_key: str,
    may_have: Sequence[sa.ColumnElement[bool]],
    size: int,
) -> Iterator[Page]:
    """Yield a host's oldest open pages in keyed order; nothing is read before the first is asked for."""
    rows = (
        sa.select(frontier.c.url_id, frontier.c.url, frontier.c.render)
        .where(frontier.c.state == "open", frontier.c.host_key == host_key, *may_have)
        .order_by(frontier.c.added_at_ms, frontier.c.url_id)
        .limit(size)
    )
    pages = [Page(*row) for row in connection.execute(rows)]
    seed, node_id = key
    yield from sorted(pages, key=lambda page: keyed_place(seed, "page", node_id, page.url_id))


def in_same_hands(node: Any) -> sa.ColumnElement[bool]:
    """Whether a lease was given to a node (its row of `nodes`), its neighbours or its owner's other nodes."""
    hands = [leases.c.node_id == node.node_id]
    if node.prefix:
        hands.append(leases.c.prefix == node.prefix)
    if node.owner:
        owned = sa.select(nodes.c.node_id).where(nodes.c.owner == node.owner)
        hands.append(leases.c.node_id.in_(owned))
    return sa.or_(*hands)


def _had(node: Any) -> sa.ColumnElement[bool]:
    """Whether a page was given to the same hands before."""
    return sa.exists().where(
        leases.c.url_id == frontier.c.url_id, leases.c.kind == "work", in_same_hands(node)
    )
