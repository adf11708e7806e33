"""SQL on a free sample: the rows as the market gives them, in a view called `sample`, in the sandbox of `windrow sql`.

Rules: the market's Parquet is not opened; its JSON rows are written into a file of our own with the types that the
catalogue names. The statement is an agent's, so it runs contained, like a stranger's.

Does not: fetch the sample. Usage: `answer = ask_sample(described, rows, "SELECT avg(token_count) FROM sample")`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from aggregator.sql.job import Answer
from aggregator.sql.sandbox import query_rows
from windrow_protocol.errors import WindrowError

SAMPLE: Final = "sample"
ROWS_MAX: Final = 200
_KINDS: Final[dict[str, tuple[pa.DataType, str]]] = {
    "string": (pa.string(), "VARCHAR"),
    "int32": (pa.int32(), "INTEGER"),
    "int64": (pa.int64(), "BIGINT"),
    "float64": (pa.float64(), "DOUBLE"),
    "bool": (pa.bool_(), "BOOLEAN"),
    "timestamp_ms": (pa.timestamp("ms"), "TIMESTAMP"),
    "list<string>": (pa.list_(pa.string()), "VARCHAR[]"),
}


def ask_sample(columns: Sequence[dict[str, str]], rows: Sequence[dict[str, Any]], statement: str) -> Answer:
    """Return the answer to one SELECT over the view `sample`.

    `columns` is the catalogue's list of `{name, type}`. Raises WindrowError `sql_refused`, `sql_failed`, `sql_limits`,
    or `wrong_schema` when the rows are not of these columns.
    """
    unknown = [each["type"] for each in columns if each["type"] not in _KINDS]
    if unknown:
        raise WindrowError("wrong_schema", f"the catalogue names the types {unknown}"[:200])
    kinds = {each["name"]: _KINDS[each["type"]] for each in columns}
    schema = pa.schema([(name, arrow) for name, (arrow, _) in kinds.items()])
    times = {name for name, (arrow, _) in kinds.items() if pa.types.is_timestamp(arrow)}
    try:
        table = pa.Table.from_pylist([_timed(row, times) for row in rows], schema=schema)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise WindrowError("wrong_schema", f"the sample's rows: {error}"[:200]) from error
    with tempfile.TemporaryDirectory(prefix="windrow-sample-") as folder:
        file = Path(folder) / "sample.parquet"
        pq.write_table(table, file)
        named = [(name, kind) for name, (_, kind) in kinds.items()]
        return query_rows(SAMPLE, named, file, statement, rows_max=ROWS_MAX)


def _timed(row: dict[str, Any], times: set[str]) -> dict[str, Any]:
    """Turn the times of a row of JSON (ISO 8601) back into times, in UTC."""
    return {
        name: datetime.fromisoformat(value).replace(tzinfo=None) if name in times and value else value
        for name, value in row.items()
    }
