"""Reads the rows that a statement may need, from one read-only snapshot, and takes hold of the lake's files.

Rules: SQLite is opened with `mode=ro`, PostgreSQL in a read-only repeatable-read transaction. The lake's files are
mapped and closed, so that afterwards nothing has to be opened. A value that its type cannot hold (a time beyond the
year 9999, which a node may have claimed) becomes null; an amount never does: it fails.

Does not: decide what may be read, or import pandas (and, on SQLite, SQLAlchemy), which costs most of a second.

Usage: `tables, log_seq = load_sources(job)`; `hold_files(job, engine, tables)`.

Source: SQLite "URI Filenames" (mode=ro), PostgreSQL SET TRANSACTION.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from itertools import chain
from typing import Any, Final
from urllib.parse import quote

from aggregator.sql.job import Job
from windrow_protocol.errors import WindrowError

LAST_MOMENT_MS: Final = 253_402_300_799_999  # the end of the year 9999, the last that Python can show
_WHOLE_MAX: Final = 2**63 - 1
_AMOUNT_MAX: Final = 10**38 - 1
_LOG_SEQ: Final = "SELECT coalesce(max(seq), 0) FROM submissions"
_BUSY_S: Final = 5.0
_REST: Final = "rest_of_"  # the name of a table that no statement may say

Read = Callable[[str], list[Any]]


class _NoPandas:
    """Says that pandas is not there: pyarrow would import it, at 0.4 s of CPU, though nothing here uses it."""

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not loaded here", name=name)


def import_arrow() -> Any:
    """Import pyarrow with its datasets, few threads and no pandas."""
    sys.meta_path.insert(0, _NoPandas())
    import pyarrow as pa
    import pyarrow.dataset  # DuckDB imports it while it scans, when no file can be opened any more

    pa.set_cpu_count(2)
    pa.set_io_thread_count(2)
    return pa


def load_sources(job: Job) -> tuple[dict[str, Any], int]:
    """Return an Arrow table for each source, and the newest entry of the log in the same snapshot.

    Raises WindrowError `sql_failed` when the state cannot be read or an amount has more than 38 digits.
    """
    if not job.address:
        return {}, 0
    with _snapshot(job) as read:
        log_seq = int(read(_LOG_SEQ)[0][0])
        rows = {source.name: read(source.query) for source in job.sources}
    return {
        source.name: arrow_table(source.columns, rows.pop(source.name)) for source in job.sources
    }, log_seq


@contextmanager
def _snapshot(job: Job) -> Iterator[Read]:
    if job.store == "sqlite":
        try:
            with closing(_open_sqlite(job.address)) as lite:
                yield lambda query: lite.execute(query).fetchall()
        except sqlite3.Error as error:
            raise WindrowError("sql_failed", f"the state cannot be read: {error}") from error
        return
    import sqlalchemy as sa  # here alone, because it is slow to import and SQLite is the default

    try:
        engine = sa.create_engine(job.address, poolclass=sa.NullPool, isolation_level="REPEATABLE READ")
        with engine.connect() as plain:
            served = plain.execution_options(postgresql_readonly=True)
            yield lambda query: list(served.exec_driver_sql(query))
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        raise WindrowError("sql_failed", f"the state cannot be read: {type(error).__name__}") from error


def _open_sqlite(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(path)}?mode=ro", uri=True, timeout=_BUSY_S, isolation_level=None
    )
    connection.execute("BEGIN")  # the snapshot begins at the first read
    return connection


def arrow_table(named: Sequence[tuple[str, str]], rows: Sequence[Any]) -> Any:
    """Return rows of the state as an Arrow table; `named` are the columns' names and DuckDB types.

    Raises WindrowError `sql_failed` when an amount has more than 38 digits.
    """
    import pyarrow as pa

    types = arrow_types()
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(named)
    arrays, fields = [], []
    for values, (name, kind) in zip(columns, named, strict=True):
        convert = _CONVERTERS.get(kind)
        made = values if convert is None else [None if value is None else convert(value) for value in values]
        arrays.append(pa.array(made, types[kind]))
        fields.append(pa.field(name, types[kind]))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def arrow_types() -> dict[str, Any]:
    """Return the Arrow type of each DuckDB type that a view may have."""
    import pyarrow as pa

    return {
        "VARCHAR": pa.string(),
        "VARCHAR[]": pa.list_(pa.string()),
        "INTEGER[]": pa.list_(pa.int32()),
        "INTEGER": pa.int32(),
        "BIGINT": pa.int64(),
        "DOUBLE": pa.float64(),
        "BOOLEAN": pa.bool_(),
        "TIMESTAMP": pa.timestamp("us"),
        "DECIMAL(38,0)": pa.decimal128(38, 0),
    }


def _microseconds(value: int) -> int | None:
    return value * 1000 if 0 <= value <= LAST_MOMENT_MS else None


def _wei(value: Any) -> Decimal:
    amount = int(value)
    if amount > _AMOUNT_MAX:
        raise WindrowError("sql_failed", f"an amount has {len(str(amount))} digits, 38 can be counted")
    return Decimal(amount)


_CONVERTERS: Final[dict[str, Callable[[Any], Any]]] = {
    "TIMESTAMP": _microseconds,
    "DECIMAL(38,0)": _wei,
    "BOOLEAN": bool,
    "BIGINT": lambda value: value if abs(value) <= _WHOLE_MAX else None,
}


def hold_files(job: Job, engine: Any, tables: dict[str, Any]) -> None:
    """Give an engine its views over files, which are mapped and closed, and over what the files lack.

    `tables` holds the rows of each source that are in no file. Raises WindrowError `sql_failed` when a file is gone or
    is no Parquet.
    """
    import duckdb

    from aggregator.sql.held_files import HeldFiles
    from aggregator.sql.served_files import asked_files

    try:
        asked = asked_files(job.served_descriptor, job.served_sizes) if job.served_sizes else []
        held = HeldFiles(
            {view.name: (view.files, view.empty) for view in job.files}, {job.served_view: asked}
        )
        engine.register_filesystem(held)
        for view in job.files:
            query = f"SELECT {view.shown} FROM read_parquet({held.names[view.name]!r}, union_by_name = true)"
            if view.name in tables:
                rest = f"{_REST}{view.name}"
                engine.register(rest, tables.pop(view.name))
                query += f" UNION ALL SELECT {view.computed} FROM {rest}"
            engine.execute(f"CREATE VIEW {view.name} AS {query}")
        engine.execute(f"SET allowed_paths = {[*chain(*held.names.values())]!r}")
    except (OSError, ValueError, duckdb.Error) as error:
        raise WindrowError("sql_failed", "a file of the lake cannot be read; ask again") from error
