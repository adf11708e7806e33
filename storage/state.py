"""The house's small mutable state: one SQLAlchemy Core code base over SQLite or PostgreSQL.

Rules: one process writes, inside `write()`, one transaction at a time; readers use `read()` and never block it.
SQLite runs in WAL mode with synchronous=FULL, because NORMAL may lose acknowledged commits. The URL alone chooses the
engine; what differs between them is here, in `postgresql`, and in the types of `tables`.

Does not: know what the tables mean, nor hold documents (see `segments` and `lake`).

Usage::

    state = State.open("sqlite:///…/state.db")
    with state.write() as connection:
        connection.execute(sa.insert(tables.nodes).values(...))
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from storage.copying import copy_rows
from storage.migrations import bring_up_to_date
from storage.postgresql import OneWriter, reader_engine, require_usable, writer_engine
from storage.prepared import Prepared
from storage.tables.console import metadata
from storage.tables.contributions import cursors, meta
from windrow_protocol.errors import WindrowError

_LOG = logging.getLogger(__name__)
_KEY: sa.BindParameter[str] = sa.bindparam("of_key")
_POSITION = Prepared(sa.select(cursors.c.position).where(cursors.c.name == _KEY))
_MOVE = Prepared(sa.update(cursors).where(cursors.c.name == _KEY))
_BEGIN_AT = Prepared(sa.insert(cursors))
_VALUE = Prepared(sa.select(meta.c.value).where(meta.c.key == _KEY))
_CHANGE = Prepared(sa.update(meta).where(meta.c.key == _KEY))
_REMEMBER = Prepared(sa.insert(meta))
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "busy_timeout=10000",
    "foreign_keys=ON",
    "secure_delete=ON",
)
# With SQLite's own 2 MB and 4 MB a page of an index is read, and brought from the log into the file, several times in
# some thousand documents: half of what ingest brought to the disk (docs/adr/0075). In KiB if negative, and in pages.
_OF_THE_WRITER = ("cache_size=-32768", "wal_autocheckpoint=4000")


class State:
    """Open state; safe to use from several threads of the one writing process."""

    def __init__(self, writer: sa.Engine, reader: sa.Engine) -> None:
        self._writer = writer
        self._reader = reader
        self._lock = threading.RLock()

    @classmethod
    def open(cls, url: str, *schemas: sa.MetaData, only_writer: bool = False) -> State:
        """Open the database, migrate it and create what is missing, the tables of further `schemas` included.

        `only_writer` keeps other processes from writing to a PostgreSQL database; of a SQLite file, which lies in a
        home, the home's lock does. Raises WindrowError `home_unwritable` when a file cannot be opened for writing,
        `home_locked` when another process writes, `database_failed` for a database that will not do, `home_newer` or
        `home_too_old` as `bring_up_to_date` does.
        """
        only = OneWriter() if only_writer else None
        writer, reader = _engines(url, only)
        try:
            with _writing(writer) as connection:
                if writer.dialect.name == "postgresql":
                    require_usable(connection)
                migrated = bring_up_to_date(connection, [metadata, *schemas])
                if only is not None:
                    set_meta(connection, *only.begin(get_meta(connection, OneWriter.KEY)))
        except BaseException as error:
            writer.dispose()
            reader.dispose()
            if isinstance(error, sa.exc.OperationalError) and writer.dialect.name == "sqlite":
                raise WindrowError("home_unwritable", str(error.orig)) from error
            raise
        for sentence in migrated:
            _LOG.warning("the database of an earlier version was migrated: %s", sentence)
        return cls(writer, reader)

    @classmethod
    def open_readonly(cls, url: str) -> State:
        """Open an existing database of a house that may be running; whoever tries to write is refused by it."""
        parsed = sa.make_url(url)
        lite = parsed.get_backend_name() == "sqlite"
        reader = (
            _sqlite_engine(parsed, ("query_only=ON", "busy_timeout=10000")) if lite else reader_engine(parsed)
        )
        return cls(reader, reader)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction, committed durably at the end of the block or rolled back whole."""
        with self._lock, _writing(self._writer) as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent snapshot."""
        with self._reader.connect() as connection:
            connection.begin()  # ends with the connection
            _say(connection, "BEGIN")
            yield connection

    def forget_bytes(self) -> None:
        """Bring overwritten values out of the write-ahead log too; on PostgreSQL that is left to its VACUUM."""
        if self._writer.dialect.name == "sqlite":
            with self._lock:
                raw = self._writer.raw_connection()
                try:
                    raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                finally:
                    raw.close()

    def copy_to(self, path: Path, at_that_moment: Callable[[], None]) -> None:
        """Write the database as it is at one moment into a new SQLite file, while others go on writing.

        `at_that_moment` runs while nothing can be committed. Source: SQLite's online backup API.
        """
        if self._writer.dialect.name != "sqlite":
            self._copy_rows_to(path, at_that_moment)
            return
        source = sqlite3.connect(str(self._writer.url.database), isolation_level=None)
        try:
            with self._lock:
                at_that_moment()
                source.execute("BEGIN")
                source.execute(
                    "SELECT count(*) FROM sqlite_schema"
                ).fetchone()  # the snapshot begins with a read
            with closing(sqlite3.connect(path)) as target:
                source.backup(target)
        finally:
            source.close()

    def _copy_rows_to(self, path: Path, at_that_moment: Callable[[], None]) -> None:
        with self.read() as source:
            with self._lock:
                at_that_moment()
                get_meta(source, "network")  # the snapshot begins with a read
            copy = State.open(sqlite_url(path))
            try:
                with copy.write() as target:
                    copy_rows(source, target, metadata)
            finally:
                copy.close()

    def close(self) -> None:
        """Close all connections."""
        self._writer.dispose()
        self._reader.dispose()


def move_into(path: Path, url: str) -> None:
    """Write a SQLite file's rows into an empty database, and remove the file.

    Raises WindrowError `backup_in_way` for a database with rows in it, and as `State.open` does.
    """
    source, moved = State.open(sqlite_url(path)), State.open(url)
    try:
        with source.read() as rows, moved.write() as target:
            copy_rows(rows, target, metadata)
    finally:
        source.close()
        moved.close()
    path.unlink()


def sqlite_url(path: Path) -> str:
    """Return the URL of a SQLite file."""
    return f"sqlite:///{path}"


@contextmanager
def _writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.begin() as connection:
        _say(connection, "BEGIN IMMEDIATE")
        yield connection


def _say(connection: sa.Connection, begin: str) -> None:
    """Begin SQLite's transaction, which its driver is kept from doing by itself.

    Said here and not by a listener of the engine: with one of those every statement asks for listeners, which
    is an eighth of what a statement costs.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(begin)


def _engines(url: str, only: OneWriter | None) -> tuple[sa.Engine, sa.Engine]:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed, _PRAGMAS + _OF_THE_WRITER), _sqlite_engine(parsed)
    return writer_engine(parsed, only), reader_engine(parsed)


def _sqlite_engine(url: sa.URL, pragmas: Sequence[str] = _PRAGMAS) -> sa.Engine:
    engine = sa.create_engine(url)

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").close()

    return engine


def insert_once(connection: sa.Connection, table: sa.Table, **values: Any) -> bool:
    """Insert a row unless one of its unique keys is there already; say whether it was inserted."""
    return bool(_insert_unless_there(table, connection.dialect.name).run(connection, [values]))


@lru_cache(maxsize=256)
def _insert_unless_there(table: sa.Table, dialect: str) -> Prepared:
    return Prepared(_insert_into(table, dialect).on_conflict_do_nothing())


def _insert_into(table: sa.Table, dialect: str) -> Any:
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as insert_pg

        return insert_pg(table)
    from sqlalchemy.dialects.sqlite import insert as insert_lite

    return insert_lite(table)


def put_rows(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, or replace those whose primary key is there; all rows name the same columns."""
    if not rows:
        return
    _insert_or_replace(table, connection.dialect.name, tuple(rows[0])).run(connection, rows)


@lru_cache(maxsize=256)
def _insert_or_replace(table: sa.Table, dialect: str, names: tuple[str, ...]) -> Prepared:
    statement = _insert_into(table, dialect)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in names if name not in keys}
    return Prepared(statement.on_conflict_do_update(index_elements=keys, set_=changed))


def get_cursor(connection: sa.Connection, name: str) -> int:
    """Return how far a reader of a log has come (0 at the start)."""
    return _POSITION.value(connection, of_key=name) or 0


def set_cursor(connection: sa.Connection, name: str, position: int) -> None:
    """Remember how far a reader has come; in the same transaction as what it made of the entries."""
    if not _MOVE.run(connection, [{"of_key": name, "position": position}]):
        _BEGIN_AT.run(connection, [{"name": name, "position": position}])


def get_meta(connection: sa.Connection, key: str) -> str | None:
    """Return one remembered value."""
    found: str | None = _VALUE.value(connection, of_key=key)
    return found


def set_meta(connection: sa.Connection, key: str, value: str) -> None:
    """Remember one value."""
    if not _CHANGE.run(connection, [{"of_key": key, "value": value}]):
        _REMEMBER.run(connection, [{"key": key, "value": value}])
