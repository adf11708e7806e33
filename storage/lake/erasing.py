"""Rows leave the lake with their bytes: every file that has them is written anew without them, in all snapshots.

Rules: replacements are made durable first; then one transaction lists them in the place of the old files, from the
same snapshot to the same snapshot, and makes a snapshot of its own; then the old files are deleted. So an earlier
snapshot answers from then on as if the rows had never been there, and its counts say so. A crash leaves unlisted
files only.

Does not: choose rows, or touch what lies outside the lake.

Usage::

    replaced = replace_without(lake, files, {contribution_id})
    with state.write() as connection:
        commit_replaced(connection, lake, replaced)
    lake.delete([each.old.path for each in replaced])
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from storage.lake import Lake
from storage.lake.compaction import adopt
from storage.lake.manifest import LakeFile, add_file, begin_snapshot, finish_snapshot
from storage.lake.merging import Merge, read_groups
from storage.lake.schema import ID
from storage.tables.lake import lake_files, lake_snapshots


@dataclass(frozen=True)
class Replaced:
    """A file that goes, and the one with what is left of it: None when nothing is."""

    old: LakeFile
    new: LakeFile | None


def files_with(connection: sa.Connection, lake: Lake, ids: Collection[str]) -> list[LakeFile]:
    """Return every file on the disk, of whatever snapshot, that has one of these documents."""
    columns = [lake_files.c[name] for name in LakeFile.__dataclass_fields__]
    listed = [LakeFile(**row._mapping) for row in connection.execute(sa.select(*columns))]
    return [file for file in listed if _has(lake, file.path, ids)]


def _has(lake: Lake, name: str, ids: Collection[str]) -> bool:
    wanted = pa.array(sorted(ids), pa.string())
    with pq.ParquetFile(name, filesystem=lake.files_by_name) as file:
        groups = (file.read_row_group(number, columns=[ID]) for number in range(file.num_row_groups))
        return any(pc.any(pc.is_in(group[ID], value_set=wanted)).as_py() for group in groups)


def replace_without(lake: Lake, files: Iterable[LakeFile], ids: Collection[str]) -> list[Replaced]:
    """Write each file anew without some documents, durably; nothing is listed yet. Raises OSError."""
    going = pa.array(sorted(ids), pa.string())

    def keep(table: pa.Table) -> pa.Table:
        return table.filter(pc.invert(pc.is_in(table[ID], value_set=going)))

    replaced = []
    for file in files:
        temporary = lake.folder / f".erasing-{lake.env.randomness.token(4).hex()}.tmp"
        merge = Merge([read_groups(lake.files_by_name, file.path, keep)], temporary)
        while merge.step():
            pass
        if merge.rows:
            replaced.append(Replaced(file, adopt(lake, merge, [file])))
        else:
            lake.env.disk.remove(temporary)
            replaced.append(Replaced(file, None))
    return replaced


def commit_replaced(connection: sa.Connection, lake: Lake, replaced: Iterable[Replaced]) -> None:
    """List the new files in the place of the old ones, within the caller's transaction."""
    now_ms = lake.env.clock.now_ms()
    snapshot = begin_snapshot(connection, "erase", now_ms)
    for each in replaced:
        path = lake_files.c.path == each.old.path
        row = connection.execute(sa.select(lake_files.c.added_in, lake_files.c.removed_in).where(path)).one()
        connection.execute(sa.delete(lake_files).where(path))
        if each.new is not None:
            add_file(connection, each.new, row.added_in, now_ms, row.removed_in)
        _recount(connection, each, row.added_in, row.removed_in)
    finish_snapshot(connection, snapshot)


def _recount(connection: sa.Connection, each: Replaced, added_in: int, removed_in: int | None) -> None:
    rows = each.old.rows - (each.new.rows if each.new else 0)
    size = each.old.bytes - (each.new.bytes if each.new else 0)
    counted = sa.update(lake_snapshots).where(lake_snapshots.c.snapshot_id >= added_in)
    if removed_in is not None:
        counted = counted.where(lake_snapshots.c.snapshot_id < removed_in)
    connection.execute(
        counted.values(
            rows=lake_snapshots.c.rows - rows,
            bytes=lake_snapshots.c.bytes - size,
            files=lake_snapshots.c.files - (0 if each.new else 1),
        )
    )
