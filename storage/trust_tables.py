"""The tables of verification and its consequences, in the same database as the others.

Rules: `draws`, `consequences` and `appeals` are logs; `standings` and `host_standings` are folds kept for speed and can
be made again from the verdicts. Shares are parts per million.

Does not: hold rules about states (each state machine is a table of its own room).

Usage: `from storage.trust_tables import consequences`; `State.open` creates them with the rest.
"""

import sqlalchemy as sa

from storage.tables import metadata

__all__ = ["metadata"]  # with these tables in it


def _time(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


# One row for each truth that somebody is asked for.
truth_requests = sa.Table(
    "truth_requests",
    metadata,
    sa.Column("contribution_id", sa.Text, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True),
    sa.Column("operator", sa.Text, nullable=False, default=""),  # must be this one's; empty: anybody's
    sa.Column("state", sa.Text, nullable=False, index=True),  # wanted | leased | answered | failed
    sa.Column("lease_id", sa.Text, index=True),
    _time("opened_at_ms"),
)
audit_epochs = sa.Table(
    "audit_epochs",
    metadata,
    sa.Column("epoch_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", sa.Text, nullable=False),  # open | revealing | closed
    sa.Column("first_seq", sa.BigInteger, nullable=False),
    sa.Column("last_seq", sa.BigInteger, nullable=True),
    _time("opened_at_ms"),
    _time("ended_at_ms", nullable=True),
    sa.Column("audits_sha256", sa.Text, nullable=False, default=""),  # of the published file
    sa.Column("header_jws", sa.Text, nullable=False, default=""),
)
audit_secrets = sa.Table(
    "audit_secrets",
    metadata,
    sa.Column("epoch_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("validator_id", sa.Text, primary_key=True),
    sa.Column("commitment", sa.Text, nullable=False),
    sa.Column("secret", sa.Text, nullable=False, default=""),  # hex, after it was revealed
    sa.Column("drawn_seq", sa.BigInteger, nullable=False, default=0),  # it has drawn up to here
    _time("committed_at_ms"),
    _time("seen_at_ms"),
    _time("revealed_at_ms", nullable=True),
)
draws = sa.Table(
    "draws",
    metadata,
    sa.Column("validator_id", sa.Text, primary_key=True),
    sa.Column("lease_id", sa.Text, primary_key=True),
    sa.Column("epoch_id", sa.Integer, nullable=False, index=True),
    sa.Column("doubled", sa.Boolean, nullable=False),
    _time("drawn_at_ms"),
)
dividends = sa.Table(
    "dividends",
    metadata,
    sa.Column("epoch_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("validator_id", sa.Text, primary_key=True),
    sa.Column("operator", sa.Text, nullable=False),
    sa.Column("audits", sa.Integer, nullable=False),
    sa.Column("share_ppm", sa.Integer, nullable=False),  # of what the epoch's audits are paid with
    sa.Column("reason", sa.Text, nullable=False, default=""),
)

standings = sa.Table(
    "standings",
    metadata,
    sa.Column("node_id", sa.Text, primary_key=True),
    sa.Column("standing", sa.Text, nullable=False),  # JSON of verification.standing.Standing
    sa.Column("frozen", sa.Boolean, nullable=False, default=False),
    sa.Column("suspended", sa.Boolean, nullable=False, default=False),
    _time("updated_at_ms"),
)
host_standings = sa.Table(
    "host_standings",
    metadata,
    sa.Column("host_key", sa.Text, primary_key=True),
    sa.Column("standing", sa.Text, nullable=False),  # JSON of verification.hosts.HostStanding
    sa.Column("hard", sa.Boolean, nullable=False, default=False),
    _time("updated_at_ms"),
)
consequences = sa.Table(
    "consequences",
    metadata,
    sa.Column("consequence_seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("consequence_id", sa.Text, nullable=False, unique=True),  # follows from kind and cause
    sa.Column("node_id", sa.Text, nullable=False, index=True),
    # replaced | escalated | cleared | strike | fined | padding | suspended | would_suspend | restored | voided | left
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("contribution_id", sa.Text, nullable=False, index=True),  # its cause; empty where there is none
    sa.Column(
        "documents_ppm", sa.BigInteger, nullable=False, default=0
    ),  # a fine, in millionths of a mean document
    sa.Column("share_ppm", sa.Integer, nullable=False, default=0),  # by how much pending novelty shrinks
    sa.Column("undoes", sa.Text, nullable=False, default=""),  # the consequence that this one takes back
    sa.Column("epoch_id", sa.Integer, nullable=False),
    _time("created_at_ms"),
)
appeals = sa.Table(
    "appeals",
    metadata,
    sa.Column("contribution_id", sa.Text, primary_key=True),  # one appeal for each verdict
    sa.Column("node_id", sa.Text, nullable=False, index=True),
    sa.Column("state", sa.Text, nullable=False, index=True),  # waiting | fetching | granted | denied
    sa.Column("reason", sa.Text, nullable=False, default=""),
    _time("received_at_ms"),
    _time("decided_at_ms", nullable=True),
)
delegations = sa.Table(
    "delegations",
    metadata,
    sa.Column("node_id", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False, index=True),
    sa.Column("payout_address", sa.Text, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),  # words joined by blanks
    _time("expires_at_ms"),
    sa.Column("signature", sa.Text, nullable=False),
    _time("received_at_ms"),
)
host_paces = sa.Table(
    "host_paces",
    metadata,
    sa.Column("host_key", sa.Text, primary_key=True),
    sa.Column("next_slot_ms", sa.BigInteger, nullable=False, default=0),
    sa.Column("interval_ms", sa.BigInteger, nullable=False),
    sa.Column("paused_until_ms", sa.BigInteger, nullable=False, default=0),
)
canaries = sa.Table(
    "canaries",
    metadata,
    sa.Column("lease_id", sa.Text, primary_key=True),
    sa.Column("token", sa.Text, nullable=False, unique=True),
    sa.Column("host", sa.Text, nullable=False),
    _time("issued_at_ms"),
)
