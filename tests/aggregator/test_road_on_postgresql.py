"""From lease to published epoch and dataset on a real PostgreSQL that is killed on the way: 0 lost, 0 double.

What comes out is compared with the same road on SQLite, where nothing is killed.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from postgres_line import KillingLine, When
from postgres_server import PostgresServer, needs_postgres
from whole_road import TEXTS, gone

from aggregator.sql.sandbox import run_query

# Each commit by its number, and whether it is lost or only its answer: a lease, a submission, a judgement, prices of
# the accountant, the frozen epoch, the entry of an export.
KILLS: dict[int, When] = {9: "answer", 14: "answer", 21: "answer", 31: "before", 39: "answer", 43: "answer"}


@needs_postgres
def test_the_road_from_lease_to_epoch_survives_kills_of_the_server(tmp_path: Path) -> None:
    on_sqlite = asyncio.run(gone(tmp_path / "sqlite"))
    server = PostgresServer()  # of its own: after a kill a server looks through every database that it has
    try:
        server.create("road")
        with KillingLine(server, KILLS) as line:
            on_postgresql = asyncio.run(gone(tmp_path / "postgresql", line.url("road")))
            assert line.killed == list(KILLS)
        assert on_postgresql == on_sqlite
        answer = run_query(server.url("road"), [], "SELECT count(*) AS n FROM contributions")
        assert answer.rows == [[len(TEXTS)]]
    finally:
        server.stop()
