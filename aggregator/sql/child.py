"""The process in which one statement runs: `python -m aggregator.sql.child`, job on stdin, answer on stdout.

As rows the answer is one JSON object; as Arrow or Parquet it is a line of JSON, then the bytes.

Rules: it reads the views whose names stand in the statement, from one snapshot, read-only; gives up its rights; and
only then parses the statement and runs exactly one SELECT in a DuckDB that can reach no file, no network, no setting.

Does not: trust the statement, format answers, or live longer than one question.

Usage: see `sandbox.run_query`.
"""

from __future__ import annotations

import datetime  # noqa: F401  DuckDB imports these for values, when no file can be opened any more
import math
import os
import sys
import uuid  # noqa: F401
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import duckdb
import msgspec

from aggregator.sql.containment import contain
from aggregator.sql.engine import Ready, opened, warmed
from aggregator.sql.job import Answer, Job, Refusal
from aggregator.sql.loading import hold_files, import_arrow, load_sources
from aggregator.sql.printable import one_sentence
from aggregator.sql.statements import check_statement
from windrow_protocol.errors import WindrowError

with suppress(ImportError):
    import pytz  # type: ignore[import-untyped]  # noqa: F401

_EXACT_MAX = 2**53
_SETTINGS = (
    "threads = 2",
    "TimeZone = 'UTC'",
    "enable_external_access = false",
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "python_enable_replacements = false",
    "lock_configuration = true",
)


def run(job: Job, ready: Ready | None = None) -> Answer:
    """Answer one job as rows. Raises WindrowError `sql_refused`, `sql_failed` or `sql_limits`."""
    engine, log_seq = prepared(job, ready)
    return execute(engine, job, log_seq)


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


def execute(engine: Any, job: Job, log_seq: int) -> Answer:
    """Run the statement and take its first rows."""
    with told_why(job):
        result = ask(engine, job)
        columns = distinct([column[0] for column in result.description])
        kinds = [str(column[1]) for column in result.description]
        rows = result.fetchmany(job.rows_max + 1)
    shown = [[plain(value) for value in row] for row in rows[: job.rows_max]]
    return Answer(columns, kinds, shown, log_seq=log_seq, truncated=len(rows) > job.rows_max)


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


def plain(value: Any) -> Any:
    """Return a value that JSON can hold without loss: what a double cannot hold becomes a string."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return value if abs(value) <= _EXACT_MAX else str(value)
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    return value.hex() if isinstance(value, bytes) else str(value)


def reply_to(job: Job, ready: Ready | None = None) -> bytes:
    """Return the encoded answer, or the encoded reason why there is none."""
    try:
        encoded = msgspec.json.encode(run(job, ready))
    except WindrowError as error:
        return msgspec.json.encode(Refusal(error.code, error.detail))
    except MemoryError:
        return msgspec.json.encode(Refusal("sql_limits", "its answer needs more memory than is allowed"))
    except RecursionError:
        return msgspec.json.encode(Refusal("sql_refused", "it is nested too deeply"))
    if len(encoded) <= job.answer_bytes_max:
        return encoded
    detail = f"the answer has {len(encoded) // 10**6} MB, {job.answer_bytes_max // 10**6} MB are allowed"
    return msgspec.json.encode(Refusal("sql_limits", detail))


def main() -> None:
    """Read the job, write the answer or the refusal; with `--ready`, have an engine while nobody waits."""
    ready = warmed() if "--ready" in sys.argv else None
    asked = sys.stdin.buffer.read()
    if not asked:  # who kept it ready is gone
        return
    job = msgspec.json.decode(asked, type=Job)
    code = 0
    if job.form == "rows":
        sys.stdout.buffer.write(reply_to(job, ready))
    else:
        from aggregator.sql.columns import write_columns  # which begins with pyarrow, as rows need not

        code = write_columns(job, sys.stdout.buffer, ready)
    sys.stdout.buffer.flush()
    if code == 0:  # whoever reads learns that it is whole before this process has given its memory back
        os.close(1)
        os.close(2)
    os._exit(code)  # nothing is left to tidy, and DuckDB's threads may be in the middle of something large


if __name__ == "__main__":
    main()
