"""Copies rows of the state that change no more into columnar blocks, which questions read instead.

    rows of the state ── final ──→ block of 1,024 keys ──→ of 8,192 ──→ of 65,536 ──→ of 262,144

Rules: the largest aligned range that is final is written first, out of the smaller blocks inside it and, where there
is none, out of the state. It has its name only when all of it is on the disk; one transaction lists it and unlists
the smaller ones inside it, which stay for a minute, because somebody may just be opening them. What a crash leaves
unlisted is deleted, and a listed file that is gone is made again. A step is one block: the caller holds erasure still
meanwhile.

Does not: decide what is final (`view_table.Growth` says), change rows, or run by itself.

Usage: `while sealer.step(): ...`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from aggregator.judgement import CURSOR
from aggregator.sql.block_layout import block_layout, block_schema
from aggregator.sql.loading import arrow_table
from aggregator.sql.view_blocks import BLOCK_KEYS, FOLDER
from aggregator.sql.view_table import Growth, View
from aggregator.sql.views import GROWING
from storage.house import House
from storage.state import get_cursor
from storage.tables.lake import view_blocks
from windrow_protocol.limits import VIEW_BLOCK_GROUP_ROWS, VIEW_BLOCK_KEEP_MS

_READ_KEYS: Final = BLOCK_KEYS[0]


@dataclass(frozen=True)
class _Wanted:
    view: View
    grows: Growth
    first: int
    last: int


class BlockSealer:
    """The blocks of one house. Remembers only which files nobody lists, and since when."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.folder = house.home / FOLDER
        self.folder.mkdir(exist_ok=True)
        self._unlisted: dict[str, int] = {}
        self._is_swept = False

    def step(self) -> int:
        """Write one block and return 1, or delete what nobody needs any more and return 0. Raises OSError."""
        if not self._is_swept:
            self._unlist_missing()
        wanted = self._next()
        if wanted is None:
            self._sweep()
            return 0
        self._seal(wanted)
        return 1

    def _next(self) -> _Wanted | None:
        """Return the first range that is final and in no block, or in smaller ones than it could be in."""
        with self._house.state.read() as connection:
            rows = connection.execute(sa.select(view_blocks)).all()
            for name, view in GROWING.items():
                assert view.grows is not None
                sizes = {row.first_key: row.last_key - row.first_key + 1 for row in rows if row.view == name}
                found = _first_unsealed(sizes, _final(connection, view.grows))
                if found is not None:
                    return _Wanted(view, view.grows, *found)
        return None

    def _seal(self, wanted: _Wanted) -> None:
        view = wanted.view
        token = self._house.env.randomness.token(4).hex()
        name = f"{view.name}-{wanted.first:012d}-{wanted.last:012d}-{token}.parquet"
        temporary = self.folder / f".{name}.tmp"
        rows = self._write(wanted, temporary)
        size = temporary.stat().st_size
        self._house.env.disk.adopt_durably(temporary, self.folder / name)
        with self._house.state.write() as connection:
            inside = view_blocks.c.first_key.between(wanted.first, wanted.last)
            connection.execute(sa.delete(view_blocks).where(view_blocks.c.view == view.name, inside))
            connection.execute(
                sa.insert(view_blocks).values(
                    path=name,
                    view=view.name,
                    first_key=wanted.first,
                    last_key=wanted.last,
                    rows=rows,
                    bytes=size,
                    made_at_ms=self._house.now_ms(),
                )
            )

    def _write(self, wanted: _Wanted, path: Path) -> int:
        schema, rows = block_schema(wanted.view), 0
        with pq.ParquetWriter(str(path), schema, **block_layout(wanted.view)) as writer:
            for table in _grouped(self._tables(wanted)):
                writer.write_table(table.cast(schema), row_group_size=VIEW_BLOCK_GROUP_ROWS)
                rows += table.num_rows
        return rows

    def _tables(self, wanted: _Wanted) -> Iterator[pa.Table]:
        """Yield the rows in the order of their keys, some thousands at a time: out of smaller blocks, or the state."""
        with self._house.state.read() as connection:
            inside = view_blocks.c.first_key.between(wanted.first, wanted.last)
            found = connection.execute(
                sa.select(view_blocks).where(view_blocks.c.view == wanted.view.name, inside)
            )
            blocks = {row.first_key: row for row in found}
        first = wanted.first
        while first <= wanted.last:
            block = blocks.get(first)
            if block is None:
                yield self._from_state(wanted, first, first + _READ_KEYS - 1)
                first += _READ_KEYS
            else:
                yield from _row_groups(self.folder / block.path)
                first = block.last_key + 1

    def _from_state(self, wanted: _Wanted, first: int, last: int) -> pa.Table:
        view, key = wanted.view, wanted.grows.key
        with self._house.state.read() as connection:
            rows = connection.execute(view.select.where(key.between(first, last)).order_by(key)).all()
        table = arrow_table(view.stored, rows)
        if not view.is_computed:
            return table
        with duckdb.connect(":memory:", config={"threads": 1}) as engine:
            engine.register("stored", table)
            return engine.execute(f"SELECT {view.shown} FROM stored").to_arrow_table()

    def _unlist_missing(self) -> None:
        with self._house.state.read() as connection:
            paths = connection.execute(sa.select(view_blocks.c.path)).scalars().all()
        missing = [path for path in paths if not (self.folder / path).is_file()]
        if missing:
            with self._house.state.write() as connection:
                connection.execute(sa.delete(view_blocks).where(view_blocks.c.path.in_(missing)))

    def _sweep(self) -> None:
        """Delete files that have been listed by nobody for a minute, or at the first time at all."""
        with self._house.state.read() as connection:
            listed = set(connection.execute(sa.select(view_blocks.c.path)).scalars())
        now_ms = self._house.now_ms()
        found = {path.name for path in self.folder.iterdir()} - listed
        self._unlisted = {name: self._unlisted.get(name, now_ms) for name in found}
        keep_ms = VIEW_BLOCK_KEEP_MS if self._is_swept else 0
        for name in [name for name, since in self._unlisted.items() if now_ms - since >= keep_ms]:
            self._house.env.disk.remove(self.folder / name)
            del self._unlisted[name]
        self._is_swept = True


def _final(connection: sa.Connection, grows: Growth) -> int:
    """Return the last key up to which no row is added or changed any more."""
    if grows.final == "judged":
        return get_cursor(connection, CURSOR)
    return connection.execute(sa.select(sa.func.max(grows.key))).scalar() or 0


def _first_unsealed(sizes: Mapping[int, int], final: int) -> tuple[int, int] | None:
    """Return the first and last key of what is to be sealed next, from the sizes of blocks by their first keys."""
    first = 0
    while first + BLOCK_KEYS[0] <= final + 1:
        fitting = max(size for size in BLOCK_KEYS if first % size == 0 and first + size <= final + 1)
        if sizes.get(first, 0) < fitting:
            return first, first + fitting - 1
        first += sizes[first]
    return None


def _row_groups(path: Path) -> Iterator[pa.Table]:
    with pq.ParquetFile(path, memory_map=True) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number)


def _grouped(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Put tables together until they fill a row group."""
    waiting: list[pa.Table] = []
    for table in chain(tables, [None]):
        if table is not None:
            waiting.append(table)
        if waiting and (table is None or sum(each.num_rows for each in waiting) >= VIEW_BLOCK_GROUP_ROWS):
            yield pa.concat_tables(waiting)
            waiting = []
