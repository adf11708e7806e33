"""A real state and a real lake with a few rows in every table, for questions in SQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from state_database import state_url

from storage.lake import LAKE_SCHEMA, Lake
from storage.real_env import real_env
from storage.state import State
from storage.tables import contributions as tables

MOMENT_MS = 1_767_225_600_123  # 2026-01-01 00:00:00.123 UTC
WEI = 10**24 + 1  # a double cannot hold it
FILLED = (
    "contributions",
    "verdicts",
    "duplicates",
    "nodes",
    "leases",
    "ledger",
    "epochs",
    "payouts",
    "consents",
)
SOLD = ("exports", "sales")


def row_for(table: sa.Table, number: int, **given: Any) -> dict[str, Any]:
    """Return a row whose every value says which column and row it is."""
    row = {column.name: _value(column, number) for column in table.columns}
    return {**row, **given}


def _value(column: sa.Column[Any], number: int) -> Any:
    if isinstance(column.type, tables.Uint256):
        return WEI
    if column.name.endswith("_ms"):
        return MOMENT_MS + number
    if isinstance(column.type, sa.Boolean):
        return number % 2 == 0
    if isinstance(column.type, sa.Float):
        return number / 2
    return number if isinstance(column.type, sa.Integer) else f"{column.name}-{number}"


def document_for(number: int) -> dict[str, Any]:
    """Return one row of the lake."""
    row: dict[str, Any] = {}
    for field in LAKE_SCHEMA:
        kind = str(field.type)
        plain = {"string": f"{field.name}-{number}", "bool": True, "double": number / 2}
        lists = {"optout_signals": ["noai"], "host_lists": ["noai"]}
        row[field.name] = (
            lists.get(field.name, [number]) if kind.startswith("list") else plain.get(kind, number)
        )
    return row


class SqlWorld:
    """A house's state and lake below one folder, closed, as another process would find them."""

    def __init__(self, home: Path, rows: int = 3) -> None:
        home.mkdir(exist_ok=True)
        self.home = home
        self.url = state_url(home)
        state = State.open(self.url)
        lake = Lake(real_env(), home / "lake")
        files = [lake.write([document_for(number)], number, number) for number in range(1, rows + 1)]
        with state.write() as connection:
            for number in range(1, rows + 1):
                connection.execute(sa.insert(tables.submissions).values(row_for(tables.submissions, number)))
                for name in (*FILLED, *SOLD):
                    table = tables.metadata.tables[name]
                    work = {"kind": "work"} if name == "contributions" else {}
                    connection.execute(sa.insert(table).values(row_for(table, number, **work)))
            for file in files:
                lake.commit(connection, file)
            self.files = lake.files(connection)
        state.close()
