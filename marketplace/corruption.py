"""Names the rows that a changed shard lost, so that a buyer knows what to fetch again.

Rules: provenance must be intact (its digest is the manifest's); it holds each row's own digest. What still decodes is
compared row by row, page checksums aside, since that names rows where a checksum only condemns a page; what does not
decode is named from the first row of its page on.

Does not: repair, or say who changed it.

Usage: `sentence = describe_damage(folder, "data/train-00000-of-00001.parquet", shard=0)`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from windrow_protocol.exports import PROVENANCE_NAME, row_sha256

_ROWS_SHOWN: Final = 3
# What reading a damaged Parquet file raises, text that is none and times beyond all calendars among it.
FAULTS: Final = (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError)


def describe_damage(folder: Path, path: str, shard: int) -> str:
    """Return which rows of a damaged shard are changed or cannot be read, as far as that can be told."""
    try:
        file = pq.ParquetFile(folder / path)
    except FAULTS:
        return "its footer cannot be read, so no row can"
    rows, unreadable = _readable_rows(file)
    expected = _expected(folder, shard)
    changed = [
        (number, row.get("id"))
        for number, row in enumerate(rows)
        if number >= len(expected) or row_sha256(row) != expected[number][1]
    ]
    said = []
    if changed:
        named = ", ".join(f"row {number} ({identity})" for number, identity in changed[:_ROWS_SHOWN])
        said.append(f"{len(changed)} rows are changed: {named}")
    if unreadable is not None:
        column, start, end = unreadable
        first = expected[start][0] if start < len(expected) else "?"
        said.append(
            f"rows {start} to {end} cannot be read in column `{column}`, from row {start} ({first}) on"
        )
    return "; ".join(said) or "no row is changed, only bytes between them"


def _readable_rows(file: pq.ParquetFile) -> tuple[list[dict[str, Any]], tuple[str, int, int] | None]:
    """Return the rows before the first broken page, and (column, first row, last row) of what cannot be read."""
    rows: list[dict[str, Any]] = []
    for group in range(file.num_row_groups):
        whole = file.metadata.row_group(group).num_rows
        read = {name: _read_until_fault(file, group, name) for name in file.schema_arrow.names}
        column, intact = min(((name, len(values)) for name, values in read.items()), key=lambda pair: pair[1])
        rows += [{name: values[i] for name, values in read.items()} for i in range(intact)]
        if intact < whole:
            return rows, (column, len(rows), len(rows) + whole - intact - 1)
    return rows, None


def _read_until_fault(file: pq.ParquetFile, group: int, column: str) -> list[Any]:
    values: list[Any] = []
    try:
        return list(file.read_row_group(group, columns=[column]).column(0).to_pylist())
    except FAULTS:
        pass  # one by one, then, up to the fault
    try:
        for batch in file.iter_batches(batch_size=1, row_groups=[group], columns=[column]):
            values += batch.column(0).to_pylist()
    except FAULTS:
        return values
    return values


def _expected(folder: Path, shard: int) -> list[tuple[str, str]]:
    """Return (id, digest) of each row of a shard, in order."""
    table = pads.dataset(folder / PROVENANCE_NAME, format="parquet").to_table(
        columns=["row", "id", "row_sha256"], filter=pads.field("shard") == shard
    )
    ordered = sorted(table.to_pylist(), key=lambda row: row["row"])
    return [(row["id"], row["row_sha256"]) for row in ordered]
