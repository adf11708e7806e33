"""The page of the same host that a contribution's text resembles most, among those that the house held before it.

Rules: looked at are accepted texts of other URLs of the host that stand in the log before the contribution, of the
pages that came into the frontier nearest to it. Read are those nearest in size to the contribution and those nearest in
size to the truth: pages of one template that differ in a name are of nearly one size, and whoever pads a text has no
say in the second. A text counts as a neighbour's if the rule would take it for the contribution. Nothing later is
looked at, so that nobody can add a neighbour to what was handed in.

Does not: say what a neighbour means (`comparing/own_part`), or fetch one.

Usage: `seq = neighbour_of(connection, segments, lease, audit.seq, text, truths[0].text)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from aggregator.ingest import read_texts
from aggregator.verification.comparing.comparison import similarity
from storage.segments import Segments
from storage.tables.contributions import contributions, frontier, leases, verdicts
from windrow_protocol.limits import MATCH_SIMILARITY_MIN, NEIGHBOURS_READ_MAX, NEIGHBOURS_SEEN_MAX
from windrow_protocol.messages import contribution_id_for
from windrow_protocol.urls import host_key

_HELD: Final = ("accepted", "unaudited")


def neighbour_of(
    connection: sa.Connection, segments: Segments, lease: Any, before_seq: int, text: str, truth: str
) -> int | None:
    """Return the place of the log of the neighbour's text, or None where no page is alike enough."""
    sizes = _held_sizes(connection, _pages_nearby(connection, lease), before_seq)
    places = nearest_in_size(sizes, text, truth)
    texts = read_texts(connection, segments, places)
    alike = [(similarity(text, texts[seq]).two_sided, seq) for seq in places if texts[seq]]
    best, seq = max(alike, default=(0.0, 0))
    return seq if best >= MATCH_SIMILARITY_MIN else None


def nearest_in_size(sizes: Mapping[int, int], *texts: str) -> list[int]:
    """Return which of the sizes (bytes by place) are nearest to each text's, as many of each as are read, sorted."""
    chosen: set[int] = set()
    for text in texts:
        wanted = len(text.encode())
        chosen.update(
            sorted(sizes, key=lambda place: (abs(sizes[place] - wanted), place))[:NEIGHBOURS_READ_MAX]
        )
    return sorted(chosen)


def _pages_nearby(connection: sa.Connection, lease: Any) -> list[str]:
    """Return the ids of the host's answered pages that were added nearest to the lease's own."""
    added = sa.select(frontier.c.added_at_ms).where(frontier.c.url_id == lease.url_id).scalar_subquery()
    answered = sa.select(frontier.c.url_id).where(
        frontier.c.state == "done",
        frontier.c.host_key == host_key(lease.url),
        frontier.c.url_id != lease.url_id,
    )
    time, name = frontier.c.added_at_ms, frontier.c.url_id
    before = answered.where(time <= added).order_by(time.desc(), name.desc())
    after = answered.where(time > added).order_by(time, name)
    return [
        url_id
        for statement in (before, after)
        for url_id in connection.execute(statement.limit(NEIGHBOURS_SEEN_MAX)).scalars()
    ]


def _held_sizes(connection: sa.Connection, url_ids: Sequence[str], before_seq: int) -> dict[int, int]:
    """Return the newest texts of pages that the house held before a place of the log: their places and sizes."""
    of_pages = sa.select(leases.c.lease_id, leases.c.node_id, leases.c.url_id).where(
        leases.c.url_id.in_(url_ids), leases.c.state == "answered", leases.c.outcome == "fetched"
    )
    page_of = {
        contribution_id_for(row.lease_id, row.node_id): row.url_id for row in connection.execute(of_pages)
    }
    held = (
        sa.select(verdicts.c.contribution_id, verdicts.c.seq, contributions.c.text_bytes)
        .join(contributions, contributions.c.contribution_id == verdicts.c.contribution_id)
        .where(
            verdicts.c.contribution_id.in_(page_of),
            verdicts.c.verdict.in_(_HELD),
            verdicts.c.seq < before_seq,
        )
        .order_by(verdicts.c.seq)
    )
    newest = {page_of[row.contribution_id]: row for row in connection.execute(held)}
    return {row.seq: row.text_bytes for row in newest.values()}
