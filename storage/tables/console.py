"""Who may use the operator's console, who is in it, what programs may ask, and the questions that were saved.

Rules: secrets are here as SHA-256 only. What has ended stays as a row, so that it is known who was in when.

Does not: decide who may do what (`windrow.console.roles`).

Usage: `from storage.tables.console import console_people`; `State.open` creates it with the rest.
"""

from __future__ import annotations

import sqlalchemy as sa

from storage.tables.tills import metadata

__all__ = ["metadata"]  # with these tables in it

console_people = sa.Table(
    "console_people",
    metadata,
    sa.Column("address", sa.Text, primary_key=True),  # EIP-55
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("granted_at_ms", sa.BigInteger, nullable=False),
)
console_sessions = sa.Table(
    "console_sessions",
    metadata,
    sa.Column("session_id", sa.Text, primary_key=True),  # no secret
    sa.Column("address", sa.Text, nullable=False, index=True),
    sa.Column("secret_sha256", sa.Text, nullable=False, unique=True),  # of the cookie
    sa.Column("former_sha256", sa.Text, nullable=False, index=True),  # of the cookie before it, or empty
    sa.Column("form_token", sa.Text, nullable=False),  # what its forms carry
    sa.Column("begun_at_ms", sa.BigInteger, nullable=False),
    sa.Column("renewed_at_ms", sa.BigInteger, nullable=False),
    sa.Column("ended_at_ms", sa.BigInteger, nullable=False),  # 0: it has not
    sa.Column("ended_by", sa.Text, nullable=False),  # signed_out | revoked | copied | crowded, or empty
)
console_tokens = sa.Table(
    "console_tokens",
    metadata,
    sa.Column("token_id", sa.Text, primary_key=True),  # no secret
    sa.Column("address", sa.Text, nullable=False, index=True),
    sa.Column("secret_sha256", sa.Text, nullable=False, unique=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("made_at_ms", sa.BigInteger, nullable=False),
    sa.Column("expires_at_ms", sa.BigInteger, nullable=False),
    sa.Column("revoked_at_ms", sa.BigInteger, nullable=False),  # 0: it is not
)
console_questions = sa.Table(
    "console_questions",
    metadata,
    sa.Column("question_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("statement", sa.Text, nullable=False),
    sa.Column("plot", sa.Text, nullable=False),  # none | bars | line
    sa.Column("saved_by", sa.Text, nullable=False),
    sa.Column("saved_at_ms", sa.BigInteger, nullable=False),
)
