"""Signed payments that were taken and are not settled yet, and what is listed in other assets.

Rules: a row is written before its transfer is sent, and goes when the sale that it made is settled. A void one stays
for a while, without its signature, to say what came to nothing and why.

Does not: hold the states and what moves them (`marketplace.taken_payments`).

Usage: `from storage.tables.tills import taken_payments`; `State.open` creates it with the rest.
"""

from __future__ import annotations

import sqlalchemy as sa

from storage.tables.contributions import Uint256
from storage.tables.hosts import metadata

__all__ = ["metadata"]  # with these tables in it

taken_payments = sa.Table(
    "taken_payments",
    metadata,
    sa.Column("payment_key", sa.Text, primary_key=True),  # market, payer and nonce: the chain takes it once
    sa.Column("market", sa.Text, nullable=False),  # chain id and contract
    sa.Column("export_id", sa.Text, nullable=False),
    sa.Column("payer", sa.Text, nullable=False, index=True),  # lower hex
    sa.Column("value", Uint256, nullable=False),
    sa.Column("valid_after_s", sa.BigInteger, nullable=False),
    sa.Column("valid_before_s", sa.BigInteger, nullable=False),
    sa.Column("nonce", sa.Text, nullable=False),  # 0x and 32 bytes
    sa.Column("signature", sa.Text, nullable=False),  # empty when void
    sa.Column("state", sa.Text, nullable=False, index=True),  # taken | sent | in_block | void
    sa.Column("reason", sa.Text, nullable=False),  # why it is void, or was refused last
    sa.Column("tx_hash", sa.Text, nullable=False),  # in which the sale stood last; empty: no files were given
    sa.Column("taken_at_ms", sa.BigInteger, nullable=False),
    sa.Column("changed_at_ms", sa.BigInteger, nullable=False),
)
asset_listings = sa.Table(
    "asset_listings",
    metadata,
    # chain id and contract, of another asset than the network's own
    sa.Column("market", sa.Text, primary_key=True),
    sa.Column("export_id", sa.Text, primary_key=True),  # whose listing there is settled
)
