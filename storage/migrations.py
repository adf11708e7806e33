"""How a database made by an earlier version becomes one of this version, and what of that is written down.

Rules: everything happens in the transaction that opens the database, so that it happens whole or not at all. Tables and
indexes that are missing are made; columns that are missing are added with their default. What that cannot do is a step
of `MIGRATIONS`, run once, in order, before the rest. Each leaves a row in the table `migrations`; a database of a newer
version is not touched.

Does not: change Parquet files or segments, which say themselves what columns they have.

Usage: `bring_up_to_date(connection, [metadata])`, as `State.open` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from storage.tables.lake import lake_snapshots
from storage.tables.personal import never_came
from windrow_protocol.errors import WindrowError

migrations = sa.Table(
    "migrations",
    sa.MetaData(),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("applied_at", sa.Text, nullable=False, server_default=sa.func.current_timestamp()),  # UTC
)


@dataclass(frozen=True)
class Migration:
    """One step: the version that it leads to, what it does in words, and how."""

    version: int
    what: str
    apply: Callable[[sa.Connection], None]


def _drop_seen_tables(connection: sa.Connection) -> None:
    for name in sa.inspect(connection).get_table_names():
        if name in ("seen_texts", "seen_bands", "seen_contributions"):
            sa.Table(name, sa.MetaData()).drop(connection)


def _begin_snapshots(connection: sa.Connection) -> None:
    inspector = sa.inspect(connection)
    if "lake_files" not in inspector.get_table_names():
        return
    if "added_in" in {column["name"] for column in inspector.get_columns("lake_files")}:
        return
    connection.execute(sa.text("ALTER TABLE lake_files ADD COLUMN added_in BIGINT NOT NULL DEFAULT 1"))
    lake_snapshots.create(connection, checkfirst=True)
    first = sa.text(
        "INSERT INTO lake_snapshots (snapshot_id, kind, files, rows, bytes, made_at_ms) "
        "SELECT 1, 'append', count(*), sum(rows), sum(bytes), max(added_at_ms) FROM lake_files HAVING count(*) > 0"
    )
    connection.execute(first)


def _keep_digests_of_the_erased(connection: sa.Connection) -> None:
    inspector = sa.inspect(connection)
    if "erasures" not in inspector.get_table_names():
        return
    if "text_sha256" in {column["name"] for column in inspector.get_columns("erasures")}:
        return
    connection.execute(sa.text("ALTER TABLE erasures ADD COLUMN text_sha256 TEXT NOT NULL DEFAULT ''"))
    connection.execute(
        sa.text(
            "UPDATE erasures SET text_sha256 = coalesce((SELECT contributions.text_sha256 FROM contributions "
            "WHERE contributions.seq = erasures.seq), '')"
        )
    )


def _part_what_never_came(connection: sa.Connection) -> None:
    """A word about a donation that never came stood among the withdrawals, where it kept its giver from giving it."""
    if not {"withdrawals", "consents"} <= set(sa.inspect(connection).get_table_names()):
        return
    never_came.create(connection, checkfirst=True)
    stranded = "FROM withdrawals WHERE contribution_id NOT IN (SELECT contribution_id FROM consents)"
    columns = "node_id, contribution_id, withdrawal_jws, receipt, asked_at_ms"
    connection.execute(sa.text(f"INSERT INTO never_came ({columns}) SELECT {columns} {stranded}"))
    connection.execute(sa.text(f"DELETE {stranded}"))


MIGRATIONS: Final = (
    Migration(1, "the index of seen texts is in files now: its tables are dropped", _drop_seen_tables),
    Migration(2, "all files of the lake belong to its first snapshot", _begin_snapshots),
    Migration(3, "the digests of erased texts stand beside them", _keep_digests_of_the_erased),
    Migration(
        4, "what was taken back before it came stands apart from the withdrawals", _part_what_never_came
    ),
)


def bring_up_to_date(connection: sa.Connection, schemas: Sequence[sa.MetaData]) -> list[str]:
    """Migrate a database within a transaction and return what was done, in sentences.

    Raises WindrowError `home_newer` for a database of a later version, and `home_too_old` when a column that is missing
    has no default.
    """
    existing = set(sa.inspect(connection).get_table_names())
    migrations.create(connection, checkfirst=True)
    done = [] if not existing else _run_steps(connection)
    for schema in schemas:
        done += [] if not existing else _add_columns(connection, schema, existing)
        schema.create_all(connection)
        if existing:
            _add_indexes(connection, schema)
    _note(connection, [step for step in MIGRATIONS if step.version > _version(connection)], ran=False)
    return done


def _run_steps(connection: sa.Connection) -> list[str]:
    at, newest = _version(connection), MIGRATIONS[-1].version
    if at > newest:
        raise WindrowError("home_newer", f"its database is of version {at}, this program knows {newest}")
    steps = [step for step in MIGRATIONS if step.version > at]
    for step in steps:
        step.apply(connection)
    _note(connection, steps, ran=True)
    return [step.what for step in steps]


def _version(connection: sa.Connection) -> int:
    return connection.execute(sa.select(sa.func.max(migrations.c.version))).scalar() or 0


def _note(connection: sa.Connection, steps: Sequence[Migration], *, ran: bool) -> None:
    for step in steps:
        what = step.what if ran else f"made with it: {step.what}"
        connection.execute(sa.insert(migrations).values(version=step.version, what=what))


def _add_columns(connection: sa.Connection, schema: sa.MetaData, existing: set[str]) -> list[str]:
    inspector, done = sa.inspect(connection), []
    for table in schema.sorted_tables:
        if table.name not in existing:
            continue
        there = {column["name"] for column in inspector.get_columns(table.name)}
        for column in (each for each in table.columns if each.name not in there):
            connection.execute(sa.text(_added(connection, table, column)))
            done.append(f"the column `{column.name}` was added to `{table.name}`")
    return done


def _added(connection: sa.Connection, table: sa.Table, column: sa.Column[Any]) -> str:
    dialect = connection.dialect
    name = dialect.identifier_preparer.format_column(column)
    kind = column.type.compile(dialect)
    said = f"ALTER TABLE {dialect.identifier_preparer.format_table(table)} ADD COLUMN {name} {kind}"
    if column.nullable:
        return said
    if not isinstance(column.default, sa.ColumnDefault) or not column.default.is_scalar:
        raise WindrowError(
            "home_too_old", f"`{table.name}` has no column `{column.name}`, which has no default"
        )
    value = sa.literal(column.default.arg, column.type)
    default = value.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    return f"{said} NOT NULL DEFAULT {default}"


def _add_indexes(connection: sa.Connection, schema: sa.MetaData) -> None:
    for table in schema.sorted_tables:
        for index in table.indexes:
            index.create(connection, checkfirst=True)
