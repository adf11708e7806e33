"""How the columnar blocks of a view are laid out as Parquet.

Rules: the columns are what the view shows, those that follow from others included. What people ask for by its whole
value never repeats: it has a Bloom filter and no dictionary.

Does not: write files, or read the state.

Usage: `pq.ParquetWriter(path, block_schema(view), **block_layout(view))`.

Source: Apache Parquet format: page index, split-block Bloom filters.
"""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from aggregator.sql.loading import arrow_types
from aggregator.sql.view_table import View
from windrow_protocol.limits import VIEW_BLOCK_GROUP_ROWS

_SOUGHT: Final = frozenset({"contribution_id", "lease_id", "url", "text_sha256", "entry_id", "cause"})
_FALSE_POSITIVES: Final = 0.01
_PAGE_BYTES: Final = 64 << 20  # more than a column of a row group has


def block_schema(view: View) -> pa.Schema:
    """Return the columns of a view's blocks: all that it shows."""
    types = arrow_types()
    return pa.schema([(column.name, types[column.kind]) for column in view.columns])


def empty_block(view: View) -> bytes:
    """Return a file without rows: every column and its type."""
    sink = pa.BufferOutputStream()
    pq.write_table(block_schema(view).empty_table(), sink)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def block_layout(view: View) -> dict[str, Any]:
    """Return how `pyarrow.parquet` writes them: in small row groups, and with Bloom filters on what is asked for.

    A column of a row group is one page, because DuckDB skips whole row groups only and each page costs it time; and
    level 1 is read faster than 3 at the same size (ADR 0101).
    """
    names = [column.name for column in view.columns]
    return {
        "compression": "zstd",
        "compression_level": 1,
        "data_page_size": _PAGE_BYTES,
        "max_rows_per_page": VIEW_BLOCK_GROUP_ROWS,
        "write_page_checksum": True,
        "use_dictionary": [
            column.name for column in view.columns if column.kind == "VARCHAR" and column.name not in _SOUGHT
        ],
        "bloom_filter_options": {
            name: {"ndv": VIEW_BLOCK_GROUP_ROWS, "fpp": _FALSE_POSITIVES} for name in names if name in _SOUGHT
        },
    }
