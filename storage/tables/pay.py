"""The tables beside the ledger: what is pending document by document, and the folds that pricing needs.

Rules: the ledger is the fact; all of these are kept in the transaction that posts to it, and `node_stakes` (of
`trust_tables`) with them. A row of `pending_pay` stands until its pay is posted, even when a penalty left nothing of
it, so that its absence means that the document vested (or that its pay is bond).

Does not: hold rules about vesting or pay (`rewards/`).

Usage: `from storage.tables.pay import pending_pay`; `State.open` creates them with the rest.
"""

import sqlalchemy as sa

from storage.tables.contributions import Uint256
from storage.tables.trust import metadata

__all__ = ["metadata"]  # with these tables in it

pending_pay = sa.Table(
    "pending_pay",
    metadata,
    sa.Column("cause", sa.Text, primary_key=True),  # the contribution, or the penalty that was taken back
    sa.Column("node_id", sa.Text, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),  # the contribution's place in the log
    sa.Column("received_at_ms", sa.BigInteger, nullable=False),
    sa.Column("earned_at_ms", sa.BigInteger, nullable=False),
    sa.Column("fee", Uint256, nullable=False),  # what is left of each, in wei
    sa.Column("novelty", Uint256, nullable=False),
    sa.Index("pending_pay_of_node", "node_id", "seq"),
)
node_pay = sa.Table(
    "node_pay",
    metadata,
    sa.Column("node_id", sa.Text, primary_key=True),
    sa.Column("documents", sa.BigInteger, nullable=False),  # priced so far, whatever they earned
    sa.Column("bonded", sa.BigInteger, nullable=False),  # of these, whose pay is the bond
    sa.Column("settled", sa.Boolean, nullable=False),  # it left, and what was pending is its own
    # JSON [[seq, received_at_ms], …] of the latest passed audits
    sa.Column("passed", sa.Text, nullable=False),
)
# What held when: see storage/pay_terms. A version stands from its first audit epoch until the next one's.
pay_terms = sa.Table(
    "pay_terms",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("first_epoch", sa.Integer, nullable=False),
    sa.Column("halvings", sa.Integer, nullable=False),
    sa.Column("parameters", sa.Text, nullable=False),  # JSON of windrow_protocol.economics, as published
)
epoch_pay = sa.Table(
    "epoch_pay",
    metadata,
    sa.Column("epoch_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("documents", sa.BigInteger, nullable=False),  # that earned something
    sa.Column("earned", Uint256, nullable=False),  # by all of them, in wei
)
novelty_rooms = sa.Table(
    "novelty_rooms",
    metadata,
    sa.Column("epoch_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("scope", sa.Text, primary_key=True),  # domain:…, prefix:…, all or unranked
    sa.Column("bytes_paid", sa.BigInteger, nullable=False),
    sa.Column("bytes_asked", sa.BigInteger, nullable=False, default=0),  # what caps withheld is asked, too
    sa.Column("pages", sa.BigInteger, nullable=False, default=0),
)
