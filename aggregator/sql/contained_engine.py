"""The engine of one statement, with its views, its settings locked, and in a process that has given up its rights.

Rules: views are read from one snapshot before the rights go; what DuckDB imports for values is imported before that,
too. Only then is the statement parsed, and exactly one SELECT begins.

Does not: write answers (see `child` for rows, `columns` for Arrow and Parquet).

Usage::

    engine, log_seq = prepared(job, ready)
    with told_why(job):
        rows = ask(engine, job).fetchall()
"""

from __future__ import annotations

import datetime  # noqa: F401  DuckDB imports these for values, when no file can be opened any more
import uuid  # noqa: F401
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import duckdb

from aggregator.sql.containment import contain
from aggregator.sql.engine import Ready, opened
from aggregator.sql.job import Job
from aggregator.sql.loading import hold_files, import_arrow, load_sources
from aggregator.sql.printable import one_sentence
from aggregator.sql.statements import check_statement
from windrow_protocol.errors import WindrowError

with suppress(ImportError):
    import pytz  # type: ignore[import-untyped]  # noqa: F401

_SETTINGS = (
    "threads = 2",
    "TimeZone = 'UTC'",
    "enable_external_access = false",
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "python_enable_replacements = false",
    "lock_configuration = true",
)


def prepared(job: Job, ready: Ready | None = None) -> tuple[Any, int]:
    """Return the engine that holds the job's views, contained, with its statement checked, and the newest log entry."""
    if job.sources or job.form != "rows":
        import_arrow()
    if job.form == "parquet":
        import pyarrow.parquet  # noqa: F401  when no file can be opened any more it is too late
    tables, log_seq = load_sources(job)
    engine, network = ready or opened()
    engine.execute(f"SET memory_limit = '{job.memory_bytes_max}B'")
    if job.files:
        hold_files(job, engine, tables)
    contain(job.memory_bytes_max, job.time_s_max, network)
    lock(engine, tables, job.derived)
    views = {*tables, *dict(job.derived), *(view.name for view in job.files)}
    unknown = sorted(check_statement(engine, job.statement) - views)
    if unknown:
        raise WindrowError(
            "sql_refused", f"there is no view `{one_sentence(unknown[0])}`; there are {', '.join(job.known)}"
        )
    return engine, log_seq


def lock(engine: Any, tables: dict[str, Any], derived: Sequence[tuple[str, str]] = ()) -> None:
    """Give an engine its tables, the views over them and its settings, and lock them."""
    for name, table in tables.items():
        engine.register(name, table)
    for name, query in derived:
        engine.execute(f"CREATE VIEW {name} AS {query}")
    for setting in _SETTINGS:
        engine.execute(f"SET {setting}")


def ask(engine: Any, job: Job) -> Any:
    """Begin the statement, or ask how it would be answered."""
    return engine.execute(f"EXPLAIN {job.statement}" if job.explain else job.statement)


@contextmanager
def told_why(job: Job) -> Iterator[None]:
    """Turn what an engine says against a statement into WindrowError `sql_limits` or `sql_failed`."""
    memory = WindrowError("sql_limits", f"it needs more than {job.memory_bytes_max // 10**6} MB of memory")
    try:
        yield
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise memory from error
    except Exception as error:  # DuckDB passes on errors of Arrow, and of Python's own types
        if "out of memory" in str(error).lower() or "bad_alloc" in str(error) or "malloc" in str(error):
            raise memory from error
        raise WindrowError("sql_failed", one_sentence(str(error))) from error


def distinct(names: list[str]) -> list[str]:
    """Number the columns that share a name, so that an object of JSON loses none."""
    seen: set[str] = set()
    for place, name in enumerate(names):
        number = 1
        while names[place] in seen:
            number += 1
            names[place] = f"{name}_{number}"
        seen.add(names[place])
    return names
