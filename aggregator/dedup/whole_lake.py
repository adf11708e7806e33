"""The duplicates of a whole lake judged again in one batch, and held against what was judged as the texts came.

Rules: nothing in the lake or the state changes; what is found goes into a file of its own. Rows differ where a text was
erased that others copied, and where a truth was judged in the place of a rejected contribution, before its own number;
anything else that differs is a mistake of the house or of this.

Does not: pay, correct, or look at texts of hard hosts. Usage: `duplicates_again(house, lake, Path("again.parquet"))`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aggregator.dedup.batch import HARD, SCHEMA, cluster_all
from storage.house import House
from storage.lake import Lake
from storage.lake.groups import groups_of
from storage.lake.manifest import files_of, latest_snapshot
from windrow_protocol.errors import WindrowError


def duplicates_again(house: House, lake: Lake, file: Path | None = None) -> dict[str, Any]:
    """Judge all texts of the lake, write `batch.SCHEMA` where a file is named, and return the counts.

    Raises OSError, WindrowError `bad_usage` for a file that is there, `cluster_failed`.
    """
    if file is not None and file.exists():
        raise WindrowError("bad_usage", f"{file} is there already; name a new file")
    with house.state.read() as connection:
        snapshot = latest_snapshot(connection)
        groups = groups_of(lake.files_by_name, [each.path for each in files_of(connection)])
    found = cluster_all(house.runner, groups)
    if file is not None:
        house.env.disk.write_durably(file, _encoded(found))
    kinds = {each["values"]: each["counts"] for each in found["dup_kind"].value_counts().to_pylist()}
    judged = pa.concat_tables([SCHEMA.empty_table(), *(group.read(SCHEMA.names) for group in groups)])
    judged = judged.filter(pc.fill_null(pc.not_equal(judged["dup_kind"], HARD), True)).sort_by("seq")
    return {"rows": found.num_rows, **kinds, "differing": _differing(found, judged), "snapshot": snapshot}


def _encoded(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def _differing(found: pa.Table, judged: pa.Table) -> int:
    """Return how many rows are not the same in both; nulls are unlike everything."""
    same = pa.array([True] * found.num_rows)
    for name in SCHEMA.names:
        same = pc.and_(same, pc.fill_null(pc.equal(found[name], judged[name]), False))
    return sum(1 for each in same.to_pylist() if not each)
