"""Judges stored documents again by the present curation: new files of the lake with the same documents and new columns.

Rules: documents do not change, nor their order; what of a row follows from its text and its fetch is computed anew, and
`annotation_version` says by which version. A file is rewritten a row group at a time outside every transaction; one
transaction swaps it, if it still is in the lake, in a snapshot of its own, so earlier snapshots keep the earlier
judgements. A file whose rows all have the present version is left alone. After a crash the next call goes on.

Does not: judge duplicates or verdicts again, run by itself, or wait.

Usage::

    recompute = Recompute(state, lake, HostLists(home / FOLDER))
    while recompute.step(): ...
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from aggregator.curation.annotations import VERSION, Fetched, annotate_all
from aggregator.curation.host_lists import HostLists
from aggregator.sql.view_blocks import let_go
from storage.lake import Lake
from storage.lake.compaction import adopt, are_live
from storage.lake.groups import Group, groups_of
from storage.lake.manifest import (
    LakeFile,
    add_file,
    begin_snapshot,
    files_of,
    finish_snapshot,
    remove_files,
)
from storage.lake.merging import Merge
from storage.lake.schema import ID, LAKE_SCHEMA, in_order
from storage.runner import LocalRunner, Runner
from storage.state import State
from storage.tables import contributions as tables

_COLUMN = "annotation_version"


@dataclass
class _Running:
    file: LakeFile
    merge: Merge


class Recompute:
    """The files that are judged again; remembers only the one that is under way. `everything` leaves none alone."""

    def __init__(
        self,
        state: State,
        lake: Lake,
        host_lists: HostLists,
        *,
        everything: bool = False,
        runner: Runner | None = None,
    ) -> None:
        self._runner = runner or LocalRunner()
        self._state = state
        self._lake = lake
        self._host_lists = host_lists
        self._everything = everything
        self._done: set[str] = set()
        self._running: _Running | None = None
        self.rows = 0

    def step(self) -> int:
        """Do one portion and return how much there was to do; 0 means that all rows are judged by this version.

        Raises OSError.
        """
        if self._running is None:
            return self._begin()
        if not self._running.merge.step():
            running, self._running = self._running, None
            self._swap(running)
        return 1

    def _begin(self) -> int:
        with self._state.read() as connection:
            files = files_of(connection)
        for file in files:
            if file.path not in self._done and (self._everything or _is_behind(self._lake, file.path)):
                temporary = self._lake.folder / f".annotating-{self._lake.env.randomness.token(4).hex()}.tmp"
                merge = Merge([self._judged_again(file)], temporary)
                self._running = _Running(file, merge)
                return 1
        return 0

    def _judged_again(self, file: LakeFile) -> Generator[pa.Table, None, None]:
        """Yield a file's row groups with their new judgements, which the state has by then."""
        groups = groups_of(self._lake.files_by_name, [file.path])
        with closing(self._runner.map(partial(judge_group, self._host_lists), groups)) as judged:
            for table, notes in judged:
                self._tell_state(table[ID].to_pylist(), table["seq"].to_pylist(), notes)
                self.rows += len(notes)
                if table.num_rows:
                    yield table

    def _tell_state(
        self, ids: Sequence[str], numbers: Sequence[int], notes: Sequence[dict[str, Any]]
    ) -> None:
        """Let the views over the state show the same; a crash before the swap does both again."""
        wanted = tables.annotations.c.contribution_id == sa.bindparam("_id")
        values = [{"_id": each, **note} for each, note in zip(ids, notes, strict=True)]
        if values:
            with self._state.write() as connection:
                names: dict[str, Any] = {name: sa.bindparam(name) for name in values[0] if name != "_id"}
                connection.execute(sa.update(tables.annotations).where(wanted).values(names), values)
                let_go(connection, ["contributions"], numbers)

    def _swap(self, running: _Running) -> None:
        old, now_ms = running.file, self._lake.env.clock.now_ms()
        # A file of an earlier snapshot may hold the same bytes, judged when things were as they are now again.
        file = adopt(self._lake, running.merge, [old], mark=self._lake.env.randomness.token(4).hex())
        if file.rows != old.rows:
            raise OSError(f"{file.path} has {file.rows} rows, and not those of {old.path}")
        if file.sha256 == old.sha256:
            self._done.add(old.path)
            self._lake.env.disk.remove(self._lake.folder / file.path)
            return
        self._done.add(file.path)
        with self._state.write() as connection:
            if not are_live(connection, [old.path]):  # it was merged or erased from meanwhile
                self._lake.env.disk.remove(self._lake.folder / file.path)
                return
            snapshot = begin_snapshot(connection, "annotate", now_ms)
            remove_files(connection, [old.path], snapshot)
            add_file(connection, file, snapshot, now_ms)
            finish_snapshot(connection, snapshot)


def judge_group(host_lists: HostLists, group: Group) -> tuple[pa.Table, list[dict[str, Any]]]:
    """Return the rows of a group with new judgements, and what the state is told of each."""
    table = in_order(group.read())
    rows = table.select(["text", "final_url", "robots_state", "optout_signals"]).to_pylist()
    notes = annotate_all([_fetched(row) for row in rows], host_lists)
    columns = [note.columns for note in notes]
    for name in columns[0] if columns else ():
        field = LAKE_SCHEMA.field(name)
        values = pa.array([each[name] for each in columns], field.type)
        table = table.set_column(LAKE_SCHEMA.get_field_index(name), field, values)
    return table, [note.state for note in notes]


def _fetched(row: dict[str, Any]) -> Fetched:
    return Fetched(
        row["text"], row["final_url"] or "", row["robots_state"] or "", row["optout_signals"] or []
    )


def _is_behind(lake: Lake, name: str) -> bool:
    """Say whether a row of a file was judged by another version."""
    with pq.ParquetFile(name, filesystem=lake.files_by_name) as file:
        if _COLUMN not in file.schema_arrow.names:
            return True
        column = file.read([_COLUMN])[_COLUMN]
    return bool(column.null_count or not pc.all(pc.equal(column, VERSION)).as_py()) and len(column) > 0
