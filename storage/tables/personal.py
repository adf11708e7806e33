"""The tables of personal data: wrapped keys, which donation is sealed under which, withdrawals and fingerprints.

Rules: a body without its row in `personal_bodies` is noise for ever, because that row holds the only copy of its key.
`withdrawals` and `never_came` are logs. Nothing here is readable personal data.

Does not: hold the operator's key (see `storage.wrapping_keys`), or bodies (segments do).

Usage: `from storage.tables.personal import personal_keys`; `State.open` creates them with the rest.
"""

import sqlalchemy as sa

from storage.tables.lake import metadata

__all__ = ["metadata"]  # with these tables in it

personal_keys = sa.Table(
    "personal_keys",
    metadata,
    sa.Column("node_id", sa.Text, primary_key=True),
    sa.Column("wrapped", sa.Text, nullable=False),  # the contributor's data key under the operator's, base64
    sa.Column("operator_key_id", sa.Text, nullable=False, index=True),
    sa.Column("made_at_ms", sa.BigInteger, nullable=False),
)
personal_bodies = sa.Table(
    "personal_bodies",
    metadata,
    sa.Column("contribution_id", sa.Text, primary_key=True),
    sa.Column("node_id", sa.Text, nullable=False, index=True),
    sa.Column("wrapped", sa.Text, nullable=False),  # the body's key under its contributor's, base64
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("expires_at_ms", sa.BigInteger, nullable=False, index=True),
)
# Places in the segments whose bytes are still to be overwritten, because they were sealed elsewhere.
personal_tombs = sa.Table(
    "personal_tombs",
    metadata,
    sa.Column("segment", sa.Text, primary_key=True),
    sa.Column("offset", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("length", sa.BigInteger, nullable=False),
)
withdrawals = sa.Table(
    "withdrawals",
    metadata,
    sa.Column("contribution_id", sa.Text, primary_key=True),
    sa.Column("node_id", sa.Text, nullable=False, index=True),
    sa.Column("reason", sa.Text, nullable=False),  # withdrawn | expired
    sa.Column("withdrawal_jws", sa.Text, nullable=False),  # the person's word; empty where its time was over
    sa.Column("receipt", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, index=True),  # wanted | done
    sa.Column("asked_at_ms", sa.BigInteger, nullable=False),
)
# What a node took back before it came: its own word about its own donation, which says nothing of anybody else's.
never_came = sa.Table(
    "never_came",
    metadata,
    sa.Column("node_id", sa.Text, primary_key=True),
    sa.Column("contribution_id", sa.Text, primary_key=True),
    sa.Column("withdrawal_jws", sa.Text, nullable=False),
    sa.Column("receipt", sa.Text, nullable=False),
    sa.Column("asked_at_ms", sa.BigInteger, nullable=False),
)
personal_fingerprints = sa.Table(
    "personal_fingerprints",
    metadata,
    sa.Column("fingerprint", sa.Text, primary_key=True),  # keyed: says nothing without the coordinator's key
    sa.Column("node_id", sa.Text, nullable=False),
    sa.Column("until_ms", sa.BigInteger, nullable=False, index=True),
)
