"""The tables in which the index of seen texts is kept, on SQLite and PostgreSQL alike.

Rules: one text is one row however many gave it; every contribution is a row of its own, so that an erasure takes a text
only with its last owner. Band keys are signed 64-bit integers, shingles little-endian 64-bit hashes.

Does not: query anything (see `seen_in_sql`).

Usage: `State.open(url, dedup_metadata)`, then `dedup_tables`; or `define_tables(metadata)` for a database of one's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa


@dataclass(frozen=True, slots=True, eq=False)
class DedupTables:
    """The three tables of the index; two are the same only if they are one object."""

    texts: sa.Table
    bands: sa.Table
    contributions: sa.Table


def define_tables(metadata: sa.MetaData) -> DedupTables:
    """Define the tables in `metadata`. Raises sqlalchemy.exc.InvalidRequestError when they are there already."""
    texts = sa.Table(
        "seen_texts",
        metadata,
        sa.Column("ordinal", sa.BigInteger, primary_key=True, autoincrement=False),  # order of first sight
        sa.Column("text_sha256", sa.Text, nullable=False, unique=True),
        sa.Column("cluster_id", sa.Text, nullable=False, index=True),
        sa.Column("shingle_count", sa.Integer, nullable=False),
        sa.Column("shingles", sa.LargeBinary, nullable=False),
    )
    bands = sa.Table(
        "seen_bands",
        metadata,
        sa.Column("band_key", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("ordinal", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    contributions = sa.Table(
        "seen_contributions",
        metadata,
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),  # order of judging
        sa.Column("contribution_id", sa.Text, nullable=False, unique=True),
        sa.Column("ordinal", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),  # unique | exact | near
        sa.Column("cluster_id", sa.Text, nullable=False),
        sa.Column("first_contribution_id", sa.Text, nullable=False),
        sa.Column("similarity", sa.Float, nullable=False),
        sa.Column("unique_bytes", sa.BigInteger, nullable=False),
        sa.Index("seen_contributions_of_text", "ordinal", "position"),
    )
    return DedupTables(texts, bands, contributions)


dedup_metadata = sa.MetaData()
dedup_tables = define_tables(dedup_metadata)
