"""Which hosts are left alone because their publishers asked: the last order about each, and what it covers.

Rules: a host is named as it is paced, by its name and a port that is not the usual one. An order about a host covers
all its ports, or the one that it names; with `subdomains` every host below it too. A release ends an order about
exactly the same host.

Does not: write orders, or erase (`takedowns`).

Usage::

    withheld = withheld_hosts(connection)
    withheld.covers("https://www.example.org/a")
    list(stored_of(connection, withheld))
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from aggregator.assignment.pacing import pace_key
from storage.tables.contributions import contributions
from storage.tables.hosts import host_orders
from storage.tables.lake import erasures
from windrow_protocol.limits import WITHHELD_NAMED_MAX


@dataclass(frozen=True, slots=True)
class WithheldHosts:
    """The orders in force, by host (rows of `host_orders`)."""

    orders: dict[str, Any]

    def covering(self, url: str) -> Any | None:
        """Return the order that covers a URL's host, None where nobody asked. Raises WindrowError `bad_url`."""
        host = pace_key(url)
        for asked in (host, _without_port(host)):
            name = asked
            while name:
                order = self.orders.get(name)
                if order is not None and (order.subdomains or name == asked):
                    return order
                name = name.partition(".")[2]
        return None

    def covers(self, url: str) -> bool:
        """Say whether a URL's host is to be left alone. Raises WindrowError `bad_url`."""
        return self.covering(url) is not None

    def named_in(self, *columns: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        """Return a condition that holds of every row with a covered URL in a column, and of few others.

        With more orders than an expression may have terms it holds of all rows: `covers` decides in any case.
        """
        if len(self.orders) > WITHHELD_NAMED_MAX:
            return sa.true()
        terms = (column.contains(host, autoescape=True) for host in self.orders for column in columns)
        return sa.or_(sa.false(), *terms)


def withheld_hosts(connection: sa.Connection) -> WithheldHosts:
    """Fold the log of orders."""
    rows: Sequence[Any] = connection.execute(sa.select(host_orders).order_by(host_orders.c.order_id)).all()
    last = {row.host: row for row in rows}
    return WithheldHosts({host: row for host, row in last.items() if row.event == "takedown"})


def stored_of(connection: sa.Connection, withheld: WithheldHosts) -> Iterator[str]:
    """Yield the ids of the documents that are stored of withheld hosts, asked for there or found there at last."""
    if not withheld.orders:
        return
    columns = (contributions.c.contribution_id, contributions.c.url, contributions.c.final_url)
    gone = sa.exists().where(erasures.c.contribution_id == contributions.c.contribution_id)
    named = withheld.named_in(*columns[1:])
    rows = sa.select(*columns).where(contributions.c.audit_of.is_(None), ~gone, named)
    for row in connection.execute(rows.order_by(contributions.c.seq)):
        if withheld.covers(row.url) or withheld.covers(row.final_url):
            yield row.contribution_id


def _without_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    return name if port.isdigit() else host
