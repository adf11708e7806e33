"""What a statement's process has before it knows the statement: an engine with one thread, and an empty network.

Rules: it has one thread until its process is contained, because the ones that follow inherit what it may not do. What
makes it ready is known before any question: it holds nobody's data and has seen no stranger's word.

Does not: hold views or lock settings (see `child`).

Usage: `ready = warmed()`, or `opened()` where somebody waits already.
"""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from typing import Any, Final, NamedTuple

import duckdb

from aggregator.sql.containment import empty_network
from aggregator.sql.statements import check_statement

_SETTINGS: Final = (
    "parquet_metadata_cache = true",  # a footer is read once, though views are bound twice
    "enable_external_file_cache = false",  # it copies what lies in this machine's memory already
)
_ROWS: Final = "SELECT 'a', 0, '1' UNION ALL SELECT 'b', 1, '2'"
_QUESTION: Final = """
    SELECT name, date_trunc('day', made_at) AS day, count(*), sum(amount) FILTER (name LIKE 'a%')
    FROM warm JOIN (SELECT DISTINCT name FROM warm) USING (name) WHERE made_at >= TIMESTAMP '2000-01-01'
    GROUP BY ALL ORDER BY ALL LIMIT 1"""


class Ready(NamedTuple):
    """An engine without memory limit, views or locks, and the descriptor of an empty network where there is one."""

    engine: Any
    network: int | None = None


def opened() -> Ready:
    """Return a new engine."""
    engine = duckdb.connect(":memory:", config={"threads": 1})
    for setting in _SETTINGS:
        engine.execute(f"SET {setting}")
    return Ready(engine)


def warmed() -> Ready:
    """Return an engine that has answered a question of ours over a file in memory, so that its code is loaded."""
    import pyarrow.parquet as pq

    from aggregator.sql.held_files import HeldFiles
    from aggregator.sql.loading import arrow_table, import_arrow

    engine, _ = opened().engine, import_arrow()
    with closing(sqlite3.connect(":memory:")) as lite:
        found = lite.execute(_ROWS).fetchall()
    rows = arrow_table((("name", "VARCHAR"), ("made_at", "TIMESTAMP"), ("amount", "DECIMAL(38,0)")), found)
    sink = io.BytesIO()
    pq.write_table(rows, sink, compression="zstd")
    held = HeldFiles({"warm": ([], sink.getvalue())})
    engine.register_filesystem(held)
    engine.register("warm_rest", rows)
    parts = f"FROM read_parquet({held.names['warm']!r}, union_by_name = true) UNION ALL FROM warm_rest"
    engine.execute(f"CREATE VIEW warm AS {parts}")
    check_statement(engine, _QUESTION)
    engine.execute(_QUESTION).fetchall()
    engine.execute("DROP VIEW warm")
    engine.unregister("warm_rest")
    engine.unregister_filesystem(held.protocol)
    return Ready(engine, empty_network())
