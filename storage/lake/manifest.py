"""The lake's manifest: its snapshots, the files of each, and which of both are still needed.

    append   some rows came, in a file of their own
    compact  several files became one with the same rows
    annotate a file was replaced by one with the same documents, judged again
    erase    a document went: the file it was in was replaced, in this snapshot and in all earlier ones

Rules: snapshots are numbered from 1 without gaps, each made in the transaction that changes the files. A snapshot
is kept for `LAKE_SNAPSHOT_KEEP_MS`, for ever when an export was made of it, and the newest always. A file is kept
while a kept snapshot has it; only when no row lists it any more it is deleted, after the commit, so a crash between
the two leaves an orphan and never a hole.

Does not: open files, write Parquet, or begin transactions.

Usage::

    snapshot = begin_snapshot(connection, "append", now_ms)
    add_file(connection, file, snapshot, now_ms)
    finish_snapshot(connection, snapshot)
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from storage.state import put_rows
from storage.tables.lake import lake_files, lake_references, lake_snapshots
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import LAKE_SNAPSHOT_KEEP_MS

Kind = Literal["append", "compact", "erase", "annotate"]


@dataclass(frozen=True)
class LakeFile:
    """One immutable Parquet file of the lake; `path` is relative to the lake's folder."""

    path: str
    first_seq: int
    last_seq: int
    first_ms: int | None
    last_ms: int | None
    rows: int
    bytes: int
    sha256: str


def begin_snapshot(connection: sa.Connection, kind: Kind, now_ms: int) -> int:
    """Make the next snapshot, whose files are so far those of the one before, and return its number."""
    snapshot = latest_snapshot(connection) + 1
    row = {"snapshot_id": snapshot, "kind": kind, "files": 0, "rows": 0, "bytes": 0, "made_at_ms": now_ms}
    connection.execute(sa.insert(lake_snapshots).values(row))
    return snapshot


def finish_snapshot(connection: sa.Connection, snapshot: int) -> None:
    """Count what the snapshot holds."""
    counts = sa.select(
        sa.func.count(), sa.func.coalesce(sa.func.sum(lake_files.c.rows), 0), _sum(lake_files.c.bytes)
    ).where(is_in(snapshot))
    files, rows, size = connection.execute(counts).one()
    connection.execute(
        sa.update(lake_snapshots)
        .where(lake_snapshots.c.snapshot_id == snapshot)
        .values(files=files, rows=rows, bytes=size)
    )


def _sum(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.func.coalesce(sa.func.sum(column), 0)


def add_file(
    connection: sa.Connection,
    file: LakeFile,
    added_in: int,
    now_ms: int,
    removed_in: int | None = None,
) -> None:
    """List a file that is durable."""
    values = {**vars(file), "added_in": added_in, "removed_in": removed_in, "added_at_ms": now_ms}
    connection.execute(sa.insert(lake_files).values(values))


def remove_files(connection: sa.Connection, paths: Sequence[str], snapshot: int) -> int:
    """Take files out of the lake from a snapshot on and return how many of them were in it."""
    statement = sa.update(lake_files).where(lake_files.c.path.in_(paths), lake_files.c.removed_in.is_(None))
    return int(connection.execute(statement.values(removed_in=snapshot)).rowcount)


def is_in(snapshot: int) -> sa.ColumnElement[bool]:
    """Say of a row of `lake_files` whether the snapshot has it."""
    removed = lake_files.c.removed_in
    return sa.and_(lake_files.c.added_in <= snapshot, sa.or_(removed.is_(None), removed > snapshot))


def latest_snapshot(connection: sa.Connection) -> int:
    """Return the newest snapshot's number, 0 for a lake that never had a file."""
    return connection.execute(sa.select(sa.func.max(lake_snapshots.c.snapshot_id))).scalar() or 0


def files_of(connection: sa.Connection, snapshot: int | None = None) -> list[LakeFile]:
    """Return the files of a snapshot, or of the lake as it is, in the order of the log.

    Raises WindrowError `no_snapshot` for one that never was or is not kept any more.
    """
    wanted = lake_files.c.removed_in.is_(None) if snapshot is None else is_in(snapshot)
    if snapshot is not None:
        require_snapshot(connection, snapshot)
    columns = [lake_files.c[name] for name in LakeFile.__dataclass_fields__]
    rows = connection.execute(sa.select(*columns).where(wanted).order_by(lake_files.c.first_seq))
    return [LakeFile(**row._mapping) for row in rows]


def require_snapshot(connection: sa.Connection, snapshot: int) -> None:
    """Raise WindrowError `no_snapshot` unless it is kept."""
    known = connection.execute(sa.select(sa.func.min(lake_snapshots.c.snapshot_id))).scalar()
    statement = sa.select(lake_snapshots.c.snapshot_id).where(lake_snapshots.c.snapshot_id == snapshot)
    if connection.execute(statement).scalar() is None:
        kept = f"{known} to {latest_snapshot(connection)}" if known else "none"
        raise WindrowError("no_snapshot", f"{snapshot}; kept are {kept}")


def digest_of(files: Sequence[LakeFile]) -> str:
    """Return one digest of some files: SHA-256 over their digests and rows, sorted."""
    lines = sorted(f"{file.sha256} {file.rows}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def refer(connection: sa.Connection, reference: str, snapshot: int, now_ms: int) -> None:
    """Keep a snapshot for as long as something that was made of it."""
    row = {
        "reference": reference,
        "snapshot_id": snapshot,
        "digest": digest_of(files_of(connection, snapshot)),
        "made_at_ms": now_ms,
    }
    put_rows(connection, lake_references, [row])


def has_expired(connection: sa.Connection, now_ms: int) -> bool:
    """Say whether there is a snapshot, or a file, that need not be kept any more."""
    old = sa.select(lake_snapshots.c.snapshot_id).where(_is_expired(connection, now_ms)).limit(1)
    file = sa.select(lake_files.c.path).where(_is_unneeded()).limit(1)
    return any(connection.execute(statement).scalar() is not None for statement in (old, file))


def expire(connection: sa.Connection, now_ms: int) -> list[str]:
    """Forget the snapshots that need not be kept, and return the files that nothing lists any more.

    The caller deletes the files after its commit.
    """
    connection.execute(sa.delete(lake_snapshots).where(_is_expired(connection, now_ms)))
    paths = list(connection.execute(sa.select(lake_files.c.path).where(_is_unneeded())).scalars())
    if paths:
        connection.execute(sa.delete(lake_files).where(_is_unneeded()))
    return paths


def _is_expired(connection: sa.Connection, now_ms: int) -> sa.ColumnElement[bool]:
    """Say of a snapshot whether a later one is old enough, and nothing refers to it."""
    since = lake_snapshots.c.made_at_ms < now_ms - LAKE_SNAPSHOT_KEEP_MS
    following = connection.execute(sa.select(sa.func.max(lake_snapshots.c.snapshot_id)).where(since)).scalar()
    snapshot = lake_snapshots.c.snapshot_id
    referred = sa.select(lake_references.c.snapshot_id)
    return sa.and_(snapshot < (following or 0), snapshot.not_in(referred))


def _is_unneeded() -> sa.ColumnElement[bool]:
    snapshot = lake_snapshots.c.snapshot_id
    needed = sa.exists().where(snapshot >= lake_files.c.added_in, snapshot < lake_files.c.removed_in)
    return sa.and_(lake_files.c.removed_in.is_not(None), ~needed)
