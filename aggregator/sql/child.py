"""The process in which one statement runs: `python -m aggregator.sql.child`, job on stdin, answer on stdout.

Rules: it reads what the statement names, from one snapshot, read-only; gives up its rights; then runs exactly one
SELECT in a DuckDB that can reach no file, no network and no setting.

Does not: trust the statement, format answers, or live longer than one question.

Usage: see `sandbox.run_query`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.dataset as pads
import sqlalchemy as sa

from aggregator.sql.containment import contain
from aggregator.sql.job import Answer, Job, Refusal
from aggregator.sql.statements import check_statement
from aggregator.sql.views import CONVERTERS, VIEWS, View
from storage.lake import LAKE_SCHEMA
from storage.state import State
from storage.tables import submissions
from windrow_protocol.errors import WindrowError

DOCUMENTS = "documents"
_ARROW = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMP": pa.timestamp("us"),
    "DECIMAL(38,0)": pa.decimal128(38, 0),
}


def load_view(connection: sa.Connection, view: View) -> pa.Table:
    """Read one view into memory. Raises WindrowError `sql_failed` when an amount exceeds 38 digits."""
    rows = connection.execute(view.select).all()
    arrays, fields = [], []
    for place, column in enumerate(view.columns):
        convert = CONVERTERS.get(column.kind)
        values = [row[place] if convert is None else convert(row[place]) for row in rows]
        try:
            arrays.append(pa.array(values, _ARROW[column.kind]))
        except pa.ArrowInvalid as error:
            raise WindrowError("sql_failed", f"{view.name}.{column.name}: {error}") from error
        fields.append(pa.field(column.name, _ARROW[column.kind]))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def open_documents(files: list[str]) -> pads.Dataset:
    """Open the lake's files now and name them by descriptor, so that they stay readable after rights are given up."""
    if not files:
        return pads.InMemoryDataset(LAKE_SCHEMA.empty_table())
    if not Path("/proc/self/fd").is_dir():
        return pads.dataset(files, schema=LAKE_SCHEMA, format="parquet")
    names = [f"/proc/self/fd/{os.open(file, os.O_RDONLY)}" for file in files]
    return pads.dataset(names, schema=LAKE_SCHEMA, format="parquet")


def run(job: Job) -> Answer:
    """Answer one job. Raises WindrowError `sql_refused`, `sql_failed` or `sql_limits`."""
    engine = duckdb.connect(":memory:", config={"threads": 2, "memory_limit": f"{job.memory_bytes_max}B"})
    names = check_statement(engine, job.statement)
    unknown = sorted(names - VIEWS.keys() - {DOCUMENTS})
    if unknown:
        known = ", ".join([*VIEWS, DOCUMENTS])
        raise WindrowError("sql_refused", f"there is no view `{unknown[0]}`; there are {known}")
    state = State.open_readonly(job.state_url)
    with state.read() as connection:
        log_seq = connection.execute(sa.select(sa.func.max(submissions.c.seq))).scalar() or 0
        for name in sorted(names & VIEWS.keys()):
            engine.register(name, load_view(connection, VIEWS[name]))
    if DOCUMENTS in names:
        engine.register(DOCUMENTS, open_documents(job.lake_files))
    state.close()
    for setting in (
        "enable_external_access = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "python_enable_replacements = false",
        "lock_configuration = true",
    ):
        engine.execute(f"SET {setting}")
    contain(job.memory_bytes_max, job.time_s_max)
    return _execute(engine, job, log_seq)


def _execute(engine: Any, job: Job, log_seq: int) -> Answer:
    try:
        result = engine.execute(job.statement)
        columns = [column[0] for column in result.description]
        kinds = [str(column[1]) for column in result.description]
        rows = result.fetchmany(job.rows_max + 1)
    except (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError) as error:
        raise WindrowError("sql_limits", f"memory: {str(error)[:200]}") from error
    except (duckdb.Error, pa.ArrowException) as error:
        raise WindrowError("sql_failed", str(error).strip()[:1000]) from error
    shown = [[_plain(value) for value in row] for row in rows[: job.rows_max]]
    return Answer(columns, kinds, shown, log_seq=log_seq, truncated=len(rows) > job.rows_max)


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold without loss: numbers that doubles cannot hold become strings."""
    if value is None or isinstance(value, bool | str | float):
        return value
    if isinstance(value, int):
        return value if abs(value) <= 2**53 else str(value)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return str(value)


def main() -> None:
    """Read the job, write the answer or the refusal."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    try:
        reply: Answer | Refusal = run(job)
    except WindrowError as error:
        reply = Refusal(error.code, error.detail)
    except MemoryError:
        reply = Refusal("sql_limits", "memory")
    sys.stdout.buffer.write(msgspec.json.encode(reply))
    sys.stdout.buffer.flush()
    os._exit(0)  # nothing is left to tidy, and DuckDB's threads may be in the middle of something large


if __name__ == "__main__":
    main()
