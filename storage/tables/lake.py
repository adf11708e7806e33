"""The tables of the lake: which files it has had in which of its snapshots, what was erased, what was imported.

Rules: a file is part of the snapshots from `added_in` up to, and without, `removed_in`; so the files of a snapshot
are one condition on two numbers, and nothing is copied when the next one is made. `lake_files` lists every file
that is on the disk for a reason; `erasures` and `imports` are logs.

Does not: hold rows of documents (Parquet files do), or rules about merging and keeping (`storage/lake`).

Usage: `from storage.tables.lake import lake_files`; `State.open` creates them with the rest.
"""

import sqlalchemy as sa

from storage.tables.pay import metadata

__all__ = ["metadata"]  # with these tables in it


def _time(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


lake_files = sa.Table(
    "lake_files",
    metadata,
    sa.Column("path", sa.Text, primary_key=True),  # relative to the lake folder
    sa.Column("first_seq", sa.BigInteger, nullable=False),  # places of the log that it covers
    sa.Column("last_seq", sa.BigInteger, nullable=False),
    _time("first_ms", nullable=True),  # earliest and latest receipt of its rows
    _time("last_ms", nullable=True),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("added_in", sa.BigInteger, nullable=False),  # the first snapshot with it
    sa.Column("removed_in", sa.BigInteger, nullable=True, index=True),  # the first one without it again
    _time("added_at_ms"),
)
lake_snapshots = sa.Table(
    "lake_snapshots",
    metadata,
    sa.Column("snapshot_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),  # append | compact | erase | annotate
    sa.Column("files", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    _time("made_at_ms"),
)
# Why a snapshot is kept longer than others: an export was made of it.
lake_references = sa.Table(
    "lake_references",
    metadata,
    sa.Column("reference", sa.Text, primary_key=True),  # export:dataset/version
    sa.Column("snapshot_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("digest", sa.Text, nullable=False),  # of the snapshot's files when the reference was made
    _time("made_at_ms"),
)
erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("contribution_id", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False, unique=True),
    sa.Column("segment", sa.Text, nullable=False),  # where its body lay
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("length", sa.BigInteger, nullable=False),
    # so that it is not new once more
    sa.Column("text_sha256", sa.Text, nullable=False, default="", index=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, index=True),  # wanted | done
    _time("asked_at_ms"),
    _time("done_at_ms", nullable=True),
)
# Columnar copies of rows of the state that change no more; whatever is listed here can be made again from the state.
view_blocks = sa.Table(
    "view_blocks",
    metadata,
    sa.Column("path", sa.Text, primary_key=True),  # relative to the folder of blocks
    sa.Column("view", sa.Text, nullable=False),
    # keys that it covers, whether each has a row or not
    sa.Column("first_key", sa.BigInteger, nullable=False),
    sa.Column("last_key", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    _time("made_at_ms"),
)
imports = sa.Table(
    "imports",
    metadata,
    sa.Column("contribution_id", sa.Text, primary_key=True),  # follows from record id, URL and payload
    sa.Column("seq", sa.BigInteger, nullable=False, unique=True),
    sa.Column("record_id", sa.Text, nullable=False),
    sa.Column("file_sha256", sa.Text, nullable=False, index=True),
    sa.Column("file_name", sa.Text, nullable=False),
    _time("imported_at_ms"),
)
