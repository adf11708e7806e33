"""How the lake's Parquet is laid out: sorted rows, small row groups, Bloom filters on ids, the same bytes every time.

Rules: a row group ends at `LAKE_GROUP_ROWS_MAX` rows or `LAKE_GROUP_BYTES_MAX` bytes of memory, so that a question
about one day or one id reads little, and a merge holds little. Ids, URLs and digests have Bloom filters instead of
dictionaries, which a column of values that never repeat only pays for.

Does not: make anything durable, name files, or know which files there are.

Usage::

    data = encode(table)                       # one small file in memory
    with GroupWriter(path) as writer:          # a large one, row group by row group
        writer.add(table)

Source: Apache Parquet format: page index, split-block Bloom filters.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from storage.lake.schema import LAKE_SCHEMA
from windrow_protocol.limits import LAKE_GROUP_BYTES_MAX, LAKE_GROUP_ROWS_MAX

_SOUGHT: Final = ("contribution_id", "url", "text_sha256")  # what people ask for by its whole value
_UNIQUE: Final = frozenset(
    {
        *_SOUGHT,
        *("final_url", "raw_sha256", "title", "text", "signals", "dup_cluster_id", "dup_first_id"),
        *("warc_record_id", "seq", "fetched_at_ms", "received_at_ms"),
    }
)
_FALSE_POSITIVES: Final = 0.01


def _layout(rows: int) -> dict[str, Any]:
    repeating = [
        field.name
        for field in LAKE_SCHEMA
        if field.name not in _UNIQUE and not pa.types.is_nested(field.type)
    ]
    return {
        "compression": "zstd",
        "compression_level": 3,
        "write_page_index": True,
        "write_page_checksum": True,
        "use_dictionary": repeating,
        "bloom_filter_options": {name: {"ndv": max(rows, 1), "fpp": _FALSE_POSITIVES} for name in _SOUGHT},
    }


def encode(table: pa.Table) -> bytes:
    """Return a small table of `LAKE_SCHEMA` as the bytes of one file."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=LAKE_GROUP_ROWS_MAX,
        **_layout(min(table.num_rows, LAKE_GROUP_ROWS_MAX)),
    )
    data: bytes = sink.getvalue().to_pybytes()
    return data


class GroupWriter:
    """One file that is written row group by row group and never holds more than one."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(str(path), LAKE_SCHEMA, **_layout(LAKE_GROUP_ROWS_MAX))
        self._waiting: list[pa.Table] = []
        self._rows = self._bytes = 0
        self.rows = 0

    def add(self, table: pa.Table) -> None:
        """Append rows that come after all before them; a row group is written once enough of them wait."""
        for piece in _pieces(table):
            self._waiting.append(piece)
            self._rows += piece.num_rows
            self._bytes += piece.nbytes
            if self._rows >= LAKE_GROUP_ROWS_MAX or self._bytes >= LAKE_GROUP_BYTES_MAX:
                self._flush()

    def _flush(self) -> None:
        if self._waiting:
            group = pa.concat_tables(self._waiting)
            self._writer.write_table(group, row_group_size=max(group.num_rows, 1))
            self.rows += group.num_rows
            self._waiting, self._rows, self._bytes = [], 0, 0

    def close(self) -> None:
        """Write what waits and the footer."""
        self._flush()
        self._writer.close()

    def __enter__(self) -> GroupWriter:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, whatever happened."""
        self.close()


def _pieces(table: pa.Table) -> list[pa.Table]:
    """Cut a table into pieces of which a few fill a row group; a single row is never cut."""
    rows = max(1, min(LAKE_GROUP_ROWS_MAX // 4, table.num_rows))
    while rows > 1 and table.nbytes * rows // max(table.num_rows, 1) > LAKE_GROUP_BYTES_MAX // 4:
        rows //= 2
    return [table.slice(start, rows) for start in range(0, table.num_rows, rows)]
