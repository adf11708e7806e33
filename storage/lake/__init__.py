"""The lake: judged contributions as immutable, sorted Parquet files, listed by a manifest and never by a glob.

Rules: a file is written under a temporary name, made durable, renamed, and exists only once its row stands in
`lake_files`, in the same transaction as the cursor of whoever wrote it. Files that no row lists are swept at start.

Does not: decide what is in it (the pipeline does), update rows, or open Parquet from strangers.

Usage::

    file = lake.write(rows, first_seq, last_seq)
    with state.write() as connection:
        lake.commit(connection, file)
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.fs as pafs
import sqlalchemy as sa

from storage.env import Env
from storage.lake.layout import encode
from storage.lake.manifest import (
    LakeFile,
    add_file,
    begin_snapshot,
    expire,
    files_of,
    finish_snapshot,
    has_expired,
)
from storage.lake.schema import LAKE_SCHEMA, TIME, in_order
from storage.tables.lake import lake_files

__all__ = ["LAKE_SCHEMA", "Lake", "LakeFile", "dataset_of", "listed_files"]


class Lake:
    """The Parquet files below one folder."""

    def __init__(self, env: Env, folder: Path) -> None:
        self.env = env
        self.folder = folder
        self.files_by_name = env.disk.arrow(folder)
        # also where finished files lie elsewhere: merges are written here
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, rows: list[dict[str, Any]], first_seq: int, last_seq: int) -> LakeFile:
        """Write rows of `LAKE_SCHEMA` durably; the file is not part of the lake before `commit`."""
        table = in_order(pa.Table.from_pylist(rows, schema=LAKE_SCHEMA))
        data = encode(table)
        digest = hashlib.sha256(data).hexdigest()
        name = file_name(first_seq, last_seq, digest)
        self.env.disk.write_durably(self.folder / name, data)
        return LakeFile(name, first_seq, last_seq, *times_of(table), table.num_rows, len(data), digest)

    def commit(self, connection: sa.Connection, file: LakeFile) -> None:
        """List a written file in a snapshot of its own, within the caller's transaction; twice is once."""
        known = sa.select(lake_files.c.path).where(lake_files.c.path == file.path)
        if connection.execute(known).scalar() is not None:
            return
        now_ms = self.env.clock.now_ms()
        snapshot = begin_snapshot(connection, "append", now_ms)
        add_file(connection, file, snapshot, now_ms)
        finish_snapshot(connection, snapshot)

    def files(self, connection: sa.Connection, snapshot: int | None = None) -> list[Path]:
        """Return the files of a snapshot, or of the lake as it is. Raises WindrowError `no_snapshot`."""
        return listed_files(connection, self.folder, snapshot)

    def dataset(self, connection: sa.Connection, snapshot: int | None = None) -> pads.Dataset:
        """Return the lake as a pyarrow dataset (empty, but with its schema, when nothing is listed)."""
        return dataset_of(self.files_by_name, files_of(connection, snapshot))

    def expirable(self, connection: sa.Connection) -> bool:
        """Say whether `expire` would forget anything."""
        return has_expired(connection, self.env.clock.now_ms())

    def expire(self, connection: sa.Connection) -> list[str]:
        """Forget old snapshots and return the files to give to `delete` after the commit."""
        return expire(connection, self.env.clock.now_ms())

    def delete(self, names: list[str]) -> None:
        """Delete files that no committed row lists."""
        for name in names:
            self.env.disk.remove(self.folder / name)

    def sweep(self, connection: sa.Connection) -> list[str]:
        """Remove files that a crash left unlisted and return their names."""
        listed = set(connection.execute(sa.select(lake_files.c.path)).scalars())
        orphans = sorted(set(self.env.disk.names(self.folder)) - listed)
        self.delete(orphans)
        return orphans


def file_name(first_seq: int, last_seq: int, digest: str) -> str:
    """Return the name of a file: the places of the log that it covers, and the head of its digest."""
    return f"rows-{first_seq:012d}-{last_seq:012d}-{digest[:16]}.parquet"


def times_of(table: pa.Table) -> tuple[int | None, int | None]:
    """Return the earliest and the latest receipt among some rows."""
    found = pc.min_max(table[TIME]).as_py()
    return found["min"], found["max"]


def dataset_of(system: pafs.FileSystem, files: Sequence[LakeFile]) -> pads.Dataset:
    """Return some files of a lake as a pyarrow dataset, empty where there are none."""
    if not files:
        return pads.InMemoryDataset(LAKE_SCHEMA.empty_table())
    return pads.dataset(
        [file.path for file in files], schema=LAKE_SCHEMA, format="parquet", filesystem=system
    )


def listed_files(connection: sa.Connection, folder: Path, snapshot: int | None = None) -> list[Path]:
    """Return the files that a lake's manifest lists, in the order of the log."""
    return [folder / file.path for file in files_of(connection, snapshot)]
