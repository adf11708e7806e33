"""Writes the Parquet of an export: shards of a bounded size, row groups of a bounded size, the same bytes every time.

Rules: zstd, page index, page checksums, content-defined chunking (so that the next version shares most chunks with
this one). A row group never exceeds `ROW_GROUP_BYTES_MAX` in memory. Shards are named once their number is known.

Does not: know what the rows mean, or make anything durable (the caller adopts the whole folder).

Usage::

    writer = ShardWriter(folder / "data", schema, shard_bytes=512_000_000)
    places = writer.add(table)
    names = writer.finish()

Source: Apache Parquet format, page index; Arrow C++ content-defined chunking.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from windrow_protocol.limits import ROW_GROUP_BYTES_MAX

# What waits is below this when a piece of at most this is added, so a row group stays below the bound.
ROW_GROUP_BYTES: Final = ROW_GROUP_BYTES_MAX // 2
# A dictionary of values that hardly repeat only costs space and time.
_UNIQUE_COLUMNS: Final = {
    *("id", "text", "url", "date", "content_sha256", "row_sha256", "text_sha256"),
    *("receipt", "verdict", "lease_id", "contribution_id"),
}


def _layout(schema: pa.Schema) -> dict[str, Any]:
    repeating = [
        field.name
        for field in schema
        if field.name not in _UNIQUE_COLUMNS and not pa.types.is_nested(field.type)
    ]
    return {
        "compression": "zstd",
        "compression_level": 9,
        "write_page_index": True,
        "write_page_checksum": True,
        "use_content_defined_chunking": True,
        "use_dictionary": repeating,
    }


class GroupedFile:
    """One Parquet file that is written row group by row group, never holding more than one in memory."""

    def __init__(self, path: Path, schema: pa.Schema, group_bytes: int = ROW_GROUP_BYTES) -> None:
        self._group_bytes = group_bytes
        self._file = path.open("wb")
        self._writer = pq.ParquetWriter(self._file, schema, **_layout(schema))
        self._waiting: list[pa.Table] = []
        self._waiting_bytes = 0

    def add(self, table: pa.Table) -> None:
        """Append rows; a row group is written once enough of them wait."""
        for piece in _pieces(table, self._group_bytes):
            self._waiting.append(piece)
            self._waiting_bytes += piece.nbytes
            if self._waiting_bytes >= self._group_bytes:
                self._flush()

    @property
    def bytes_written(self) -> int:
        """How large the file is so far, without the rows that wait."""
        return self._file.tell()

    def close(self) -> None:
        """Write what waits and the footer."""
        self._flush()
        self._writer.close()
        self._file.close()

    def _flush(self) -> None:
        if self._waiting:
            group = pa.concat_tables(self._waiting)
            self._writer.write_table(group, row_group_size=group.num_rows)
            self._waiting, self._waiting_bytes = [], 0


def _pieces(table: pa.Table, piece_bytes: int) -> Iterator[pa.Table]:
    """Cut a table until each piece has at most that many bytes; a single row is never cut."""
    if table.nbytes <= piece_bytes or table.num_rows <= 1:
        if table.num_rows:
            yield table
        return
    half = table.num_rows // 2
    yield from _pieces(table.slice(0, half), piece_bytes)
    yield from _pieces(table.slice(half), piece_bytes)


class ShardWriter:
    """Writes rows into `train-NNNNN-of-NNNNN.parquet` below one folder."""

    def __init__(
        self, folder: Path, schema: pa.Schema, shard_bytes: int, group_bytes: int = ROW_GROUP_BYTES
    ) -> None:
        self._group_bytes = group_bytes
        self._folder = folder
        self._schema = schema
        self._shard_bytes = shard_bytes
        self._current: GroupedFile | None = None
        self._rows: list[int] = []
        self.row_bytes = 0  # what all rows take in memory, uncompressed
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, table: pa.Table) -> list[tuple[int, int]]:
        """Append rows and return the (shard, row in the shard) of each."""
        if self._current is None:
            self._rows.append(0)
            self._current = GroupedFile(self._unnamed(len(self._rows) - 1), self._schema, self._group_bytes)
        shard, start = len(self._rows) - 1, self._rows[-1]
        self._current.add(table)
        self._rows[-1] += table.num_rows
        self.row_bytes += table.nbytes
        if self._current.bytes_written >= self._shard_bytes:
            self._close()
        return [(shard, start + i) for i in range(table.num_rows)]

    def finish(self) -> list[tuple[str, int]]:
        """Close the last shard, give all their names and return (name, rows) of each."""
        self._close()
        total = len(self._rows)
        named = []
        for index, rows in enumerate(self._rows):
            name = f"train-{index:05d}-of-{total:05d}.parquet"
            self._unnamed(index).rename(self._folder / name)
            named.append((name, rows))
        return named

    def _unnamed(self, index: int) -> Path:
        return self._folder / f"{index:05d}.unnamed"

    def _close(self) -> None:
        if self._current is not None:
            self._current.close()
            self._current = None


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write one whole table with the export's layout."""
    file = GroupedFile(path, table.schema)
    file.add(table)
    file.close()
