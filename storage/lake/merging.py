"""Several sorted files become one: a portion of rows at a time, in bounded memory.

Rules: each input is sorted, so only one row group of each is held: the rows that come before the last row held of
every input are final, and are written in order. The result is the same rows in the same order, whatever the
portions.

Does not: choose what is merged (`compaction`), list files, or make them durable.

Usage::

    merge = Merge([read_groups(lake.files_by_name, name) for name in names], temporary)
    while merge.step(): ...
    merge.rows
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from storage.lake.groups import with_columns
from storage.lake.layout import GroupWriter
from storage.lake.schema import LAKE_SCHEMA, ORDER, in_order

_LAST: int = 2**63 - 1
Keep = Callable[[pa.Table], pa.Table]


def read_groups(
    files: pafs.FileSystem, name: str, keep: Keep | None = None
) -> Generator[pa.Table, None, None]:
    """Yield a file's row groups as tables of `LAKE_SCHEMA`; columns that it does not have are null."""
    with pq.ParquetFile(name, filesystem=files) as file:
        for number in range(file.num_row_groups):
            # of an earlier version too
            table = in_order(with_columns(file.read_row_group(number, use_threads=False), LAKE_SCHEMA.names))
            table = table if keep is None else keep(table)
            if table.num_rows:
                yield table


class Merge:
    """One merge under way."""

    def __init__(self, sources: Sequence[Generator[pa.Table, None, None]], output: Path) -> None:
        """Begin to merge what generators give, each its rows in order, into a file of this machine."""
        self.output = output
        self._sources = sources
        self._heads: list[pa.Table | None] = [next(source, None) for source in self._sources]
        self._writer = GroupWriter(output)
        self.first_ms: int | None = None
        self.last_ms: int | None = None
        self.rows = 0

    def step(self) -> bool:
        """Write the rows that are final now; False when all are written and the file is closed."""
        bound = min((_last(head) for head in self._heads if head is not None), default=None)
        if bound is None:
            self._writer.close()
            return False
        final = []
        for place, head in enumerate(self._heads):
            if head is not None:
                before, after = _split(head, bound)
                final.append(before)
                self._heads[place] = after if after.num_rows else next(self._sources[place], None)
        self._write(in_order(pa.concat_tables(final)))
        return True

    def abandon(self) -> None:
        """Let go of all files; the output is of no use."""
        for source in self._sources:
            source.close()
        self._writer.close()

    def _write(self, table: pa.Table) -> None:
        times = pc.min_max(table[ORDER[0]]).as_py()
        if times["min"] is not None:
            self.first_ms = times["min"] if self.first_ms is None else self.first_ms
            self.last_ms = times["max"]
        self._writer.add(table)
        self.rows += table.num_rows


def _key(table: pa.Table, row: int) -> tuple[int, int]:
    time, seq = (table[name][row].as_py() for name in ORDER)
    return (_LAST if time is None else time, _LAST if seq is None else seq)


def _last(table: pa.Table) -> tuple[int, int]:
    return _key(table, table.num_rows - 1)


def _split(table: pa.Table, bound: tuple[int, int]) -> tuple[pa.Table, pa.Table]:
    """Return the rows up to and with a key, and those after it."""
    low, high = 0, table.num_rows
    while low < high:
        middle = (low + high) // 2
        if _key(table, middle) <= bound:
            low = middle + 1
        else:
            high = middle
    return table.slice(0, low), table.slice(low)
