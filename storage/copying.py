"""All rows of one state written into another database, whichever engine each has.

Rules: rows go through the types of the tables, so an amount is the same number on both sides. The source is read in one
transaction, the target written in one. A target that holds anything is refused.

Does not: copy what the tables do not describe, nor segments and the lake's files.

Usage: `copy_rows(source, target, metadata)`, as `State.copy_to` and `move_into` do.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from windrow_protocol.errors import WindrowError

_ROWS: Final = 2_000  # in memory at once


def copy_rows(source: sa.Connection, target: sa.Connection, schema: sa.MetaData) -> None:
    """Copy every table of `schema`. Raises WindrowError `backup_in_way` where the target has a row already."""
    for table in schema.sorted_tables:
        if target.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None:
            raise WindrowError("backup_in_way", f"the database has rows in `{table.name}`")
    for table in schema.sorted_tables:
        found = source.execute(sa.select(table), execution_options={"yield_per": _ROWS})
        for part in found.mappings().partitions():
            target.execute(sa.insert(table), [dict(row) for row in part])
        _count_on(target, table)


def _count_on(target: sa.Connection, table: sa.Table) -> None:
    """Let a column that the database numbers go on after the rows that came numbered; SQLite does by itself."""
    column: sa.Column[Any] | None = table.autoincrement_column
    if column is None or target.dialect.name != "postgresql":
        return
    sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
    following = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
    target.execute(sa.select(sa.func.setval(sequence, following, False)))
