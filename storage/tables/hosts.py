"""What publishers asked about their hosts.

Rules: `host_orders` is a log; what holds of a host is its last row. Does not: say what follows from an order
(`aggregator.takedowns`).

Usage: `from storage.tables.hosts import host_orders`; `State.open` creates it with the rest.
"""

from __future__ import annotations

import sqlalchemy as sa

from storage.tables.person_months import metadata

__all__ = ["metadata"]  # with this table in it

host_orders = sa.Table(
    "host_orders",
    metadata,
    sa.Column("order_id", sa.Integer, primary_key=True),
    sa.Column("host", sa.Text, nullable=False, index=True),  # its name, with a port that is not the usual one
    sa.Column("event", sa.Text, nullable=False),  # takedown | release
    sa.Column("subdomains", sa.Boolean, nullable=False),  # the hosts below it too
    sa.Column("proof", sa.Text, nullable=False),  # how it is known that its publisher asks
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
)
