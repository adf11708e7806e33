"""Turned pages: real pages of which an answer says that they are other ones now, leased again while only who fetches
them can know.

    an answer to such a lease                    audited at     then
    like the text that told of it                a rate of 0    the page may be given to the next one
    anything else                                a rate of 1    nobody else is given it

Whoever hands in an old copy, of an archive or of this network, is right as long as the page stands still, and no audit
finds it. A page that has turned makes all old copies of it wrong, and looks like any other. So when a node in good
standing says of a page something clearly unlike the text that the house holds of it (`turning`), the page is leased, at
once and until the audit epoch ends, to some more nodes.

Rules: what one node says is no truth: who differs from it is judged by fresh truths of validators like anybody, and a
node that was right is right. No validator sees the page before, or a ring's could warn its nodes. Never to hands that
had the page before, and never to a second node while the first is awaited or after it differed: two nodes of a ring
that fail on one host would void each other's mismatch. Once the epoch is closed its texts are published, and the page
is good for nothing. Texts that the house holds are what the operator imported: their URLs are published nowhere. The
page is nobody's document twice: it is paid with the fee, and never in the lake again.

Does not: decide (`judging`), or say what follows (`folding`).

Usage::

    told = TurnedPages(house, connection, leases, read)
    told.of_work(lease, text, contribution_id, epoch_id)   # notes a page that turned
    told.rate_ppm(lease, text)                             # of the answer to a lease of one
    url = turned_url(house, connection, node_row, "http")

Source: docs/adr/0038.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from aggregator.assignment.placement import in_same_hands
from aggregator.prepared_batches import PreparedRecord
from aggregator.verification.comparing.comparison import similarity
from aggregator.verification.comparing.turning import Held, has_turned
from aggregator.verification.drawing.audit_epochs import open_epoch
from aggregator.verification.standings.standing import in_good_standing
from aggregator.verification.standings.standing_rows import doubtful_hosts, standing_of
from storage.house import House
from storage.prepared import Prepared
from storage.tables.contributions import contributions, leases, verdicts
from storage.tables.trust import audits, turned_pages
from windrow_protocol.limits import MATCH_SIMILARITY_MIN
from windrow_protocol.trust_rules import PPM
from windrow_protocol.urls import host_key

KIND: Final = "turned"  # of a lease
_LOOKED_AT_MAX: Final = 16
# As the index `imports_of_url` has it, or SQLite passes the index by.
_IMPORT: Final[sa.ColumnElement[str]] = sa.literal_column("'import'")
_IMPORTED = Prepared(
    sa.select(contributions.c.url, contributions.c.seq, contributions.c.fetched_at_ms)
    .where(contributions.c.kind == _IMPORT, contributions.c.url.in_(sa.bindparam("urls", expanding=True)))
    .order_by(contributions.c.fetched_at_ms, contributions.c.seq)
)


class TurnedPages:
    """What answers of one transaction say of pages that turned; nothing is read of pages of which nothing is held."""

    def __init__(
        self, house: House, connection: sa.Connection, answered: Collection[Any], read: Callable[[int], str]
    ) -> None:
        """Look up what is held of the pages of these leases (rows); `read` gives the text at a place of the log."""
        self._house, self._connection, self._read = house, connection, read
        urls = {lease.url for lease in answered if lease.kind == "work"} if _is_on(house) else ()
        self._held = _imported(connection, urls) if urls else {}

    def of_work(self, lease: Any, record: PreparedRecord, contribution_id: str, epoch_id: int) -> None:
        """Note it where an answer to work says that its page has turned."""
        rows = self._held.get(lease.url)
        if not rows:
            return
        house, connection = self._house, self._connection
        held = [Held(row.fetched_at_ms, self._read(row.seq)) for row in rows]
        if (
            has_turned(house.rules, held, record.text(), house.now_ms())
            and in_good_standing(house.rules, standing_of(connection, lease.node_id))
            and not any(doubtful_hosts(connection, [host_key(lease.url)]))
        ):
            page = {"url_id": lease.url_id, "url": lease.url, "render": lease.render, "epoch_id": epoch_id}
            connection.execute(sa.insert(turned_pages).values(contribution_id=contribution_id, **page))

    def rate_ppm(self, lease: Any, text: str) -> int:
        """Return the rate at which the answer to a lease of a turned page is audited."""
        told = (
            sa.select(contributions.c.seq)
            .join(turned_pages, turned_pages.c.contribution_id == contributions.c.contribution_id)
            .where(turned_pages.c.url_id == lease.url_id)
            .order_by(contributions.c.seq.desc())
            .limit(1)
        )
        seq = self._connection.execute(told).scalar_one()
        alike = similarity(text, self._read(seq)).two_sided >= MATCH_SIMILARITY_MIN
        return 0 if alike else PPM


def _is_on(house: House) -> bool:
    return house.rules.on("turned") and house.rules.turned_ppm > 0


def _imported(connection: sa.Connection, urls: Collection[str]) -> Mapping[str, Sequence[Any]]:
    """Return the first and the last text that was imported of each page, by the time of their fetch."""
    found: dict[str, list[Any]] = {}
    for row in _IMPORTED.rows(connection, urls=list(urls)):
        found.setdefault(row.url, []).append(row)
    return {url: [rows[0], rows[-1]] for url, rows in found.items()}


def any_open(house: House, connection: sa.Connection) -> bool:
    """Say whether there is a turned page at all."""
    if not _is_on(house):
        return False
    of_now = turned_pages.c.epoch_id == open_epoch(connection)
    return bool(connection.execute(sa.select(sa.exists().where(of_now))).scalar())


def turned_url(house: House, connection: sa.Connection, node: Any, render: str) -> str | None:
    """Return the URL of a turned page that a node (its row of `nodes`) may be given, by lot, if there is one."""
    of_page = leases.c.url_id == turned_pages.c.url_id
    given = sa.select(sa.func.count()).where(of_page, leases.c.kind == KIND).scalar_subquery()
    denied = sa.exists().where(
        verdicts.c.contribution_id == turned_pages.c.contribution_id,
        verdicts.c.verdict.in_(("rejected", "no_evidence")),
    )
    statement = (
        sa.select(turned_pages.c.url)
        .where(turned_pages.c.epoch_id == open_epoch(connection), turned_pages.c.render == render)
        .where(given < house.rules.turned_leases_max, ~_differs(of_page), ~denied)
        .where(~sa.exists().where(of_page, in_same_hands(node)))
        .order_by(turned_pages.c.contribution_id)
        .limit(_LOOKED_AT_MAX)
    )
    urls = list(connection.execute(statement).scalars())
    lot = int.from_bytes(house.env.randomness.token(8), "big")
    return urls[lot % len(urls)] if urls else None


def _differs(of_page: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Whether somebody was given the page who has not said the same of it since."""
    answers = leases.outerjoin(audits, audits.c.lease_id == leases.c.lease_id)
    return (
        sa.exists()
        .select_from(answers)
        .where(of_page, leases.c.kind == KIND, sa.func.coalesce(audits.c.rate_ppm, PPM) > 0)
        .correlate(turned_pages)
    )
