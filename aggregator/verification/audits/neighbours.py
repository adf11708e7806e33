"""The page of the same host that a contribution's text resembles most, among those that the house held before it.

Rules: looked at are `NEIGHBOURS_READ_MAX` accepted texts of other URLs of the host that stand in the log before the
contribution; of the pages that came into the frontier nearest to it, those whose addresses are most like its own, since
pages of one kind share the shape of their address. A text counts as a neighbour's if the rule would take it for the
contribution. Nothing later is looked at, so that nobody can add a neighbour to what was handed in.

Does not: say what a neighbour means (`comparing/own_part`), or fetch one.

Usage: `seq = neighbour_of(connection, segments, lease, audit.seq, text)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import sqlalchemy as sa

from aggregator.ingest import read_texts
from aggregator.verification.comparing.comparison import similarity
from storage.segments import Segments
from storage.tables import frontier, leases, verdicts
from windrow_protocol.limits import MATCH_SIMILARITY_MIN, NEIGHBOURS_READ_MAX, NEIGHBOURS_SEEN_MAX
from windrow_protocol.messages import contribution_id_for
from windrow_protocol.urls import host_key

_HELD: Final = ("accepted", "unaudited")


def neighbour_of(
    connection: sa.Connection, segments: Segments, lease: Any, before_seq: int, text: str
) -> int | None:
    """Return the place of the log of the neighbour's text, or None where no page is alike enough."""
    places = _held_texts(connection, _urls_nearby(connection, lease), before_seq)
    texts = read_texts(connection, segments, places)
    alike = [(similarity(text, texts[seq]).two_sided, seq) for seq in places if texts[seq]]
    best, seq = max(alike, default=(0.0, 0))
    return seq if best >= MATCH_SIMILARITY_MIN else None


def nearest_addresses(url: str, found: Mapping[str, str]) -> list[str]:
    """Return the names of the addresses that are most like one, the best first, as many as are read."""
    ranked = sorted(found, key=lambda name: (-address_likeness(url, found[name]), name))
    return ranked[:NEIGHBOURS_READ_MAX]


def address_likeness(a: str, b: str) -> int:
    """Return how many parts two addresses share, counted from their beginnings and from their ends."""
    one, other = _parts(a), _parts(b)
    if len(one) != len(other):
        return 0
    return sum(x == y for x, y in zip(one, other, strict=True))


def _parts(url: str) -> list[str]:
    """Return the parts of an address's path and the names of what it asks for."""
    split = urlsplit(url)
    asked = sorted(each.partition("=")[0] for each in split.query.split("&") if each)
    return [*split.path.split("/"), *asked]


def _urls_nearby(connection: sa.Connection, lease: Any) -> list[str]:
    """Return the ids of the host's answered pages that are most like the lease's own by address, the best first."""
    added = sa.select(frontier.c.added_at_ms).where(frontier.c.url_id == lease.url_id).scalar_subquery()
    answered = sa.select(frontier.c.url_id, frontier.c.url).where(
        frontier.c.state == "done",
        frontier.c.host_key == host_key(lease.url),
        frontier.c.url_id != lease.url_id,
    )
    time, name = frontier.c.added_at_ms, frontier.c.url_id
    found = {
        row.url_id: row.url
        for statement in (
            answered.where(time <= added).order_by(time.desc(), name.desc()),
            answered.where(time > added).order_by(time, name),
        )
        for row in connection.execute(statement.limit(NEIGHBOURS_SEEN_MAX))
    }
    return nearest_addresses(lease.url, found)


def _held_texts(connection: sa.Connection, url_ids: Sequence[str], before_seq: int) -> list[int]:
    """Return the places of the newest texts of pages that the house held before a place of the log."""
    of_pages = sa.select(leases.c.lease_id, leases.c.node_id, leases.c.url_id).where(
        leases.c.url_id.in_(url_ids), leases.c.state == "answered", leases.c.outcome == "fetched"
    )
    page_of = {
        contribution_id_for(row.lease_id, row.node_id): row.url_id for row in connection.execute(of_pages)
    }
    held = sa.select(verdicts.c.contribution_id, verdicts.c.seq).where(
        verdicts.c.contribution_id.in_(page_of), verdicts.c.verdict.in_(_HELD), verdicts.c.seq < before_seq
    )
    newest: dict[str, int] = {}
    for row in connection.execute(held.order_by(verdicts.c.seq)):
        newest[page_of[row.contribution_id]] = row.seq
    return sorted(newest.values())
