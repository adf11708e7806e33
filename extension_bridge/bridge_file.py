"""The file on a person's disk that holds what they look through and what they gave: `bridge.db` in the node's home.

Rules: readable by its owner only; a change is durable before it is spoken of (SQLite, WAL, synchronous=FULL); a text
that is dropped leaves no bytes behind. Several processes may hold it open; each change is one transaction.

Does not: know what a row means (see `drafts` and `outbox`).

Usage::

    with open_bridge_file(home / "bridge.db") as file, file.change() as connection: ...
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from windrow_protocol.errors import WindrowError

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS donations (
    contribution_id TEXT PRIMARY KEY,
    consent_receipt_id TEXT NOT NULL,
    consent_jws TEXT NOT NULL,
    url TEXT NOT NULL,
    title TEXT NOT NULL,
    text_sha256 TEXT NOT NULL,
    given_at_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    body BLOB,
    receipt TEXT NOT NULL DEFAULT '',
    withdrawal_jws TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    sentence TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS drafts (
    draft_id TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    url TEXT NOT NULL,
    title TEXT NOT NULL,
    text TEXT NOT NULL,
    captured_at_ms INTEGER NOT NULL,
    redactions TEXT NOT NULL,
    state TEXT NOT NULL,
    body BLOB,
    given_at_ms INTEGER NOT NULL DEFAULT 0,
    leaves_at_ms INTEGER NOT NULL DEFAULT 0,
    place INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS drafts_in_order ON drafts (state, place);
"""
# Columns that files of earlier versions lack: table, name, kind.
_LATER_COLUMNS: Final = (
    ("donations", "withdrawal_receipt", "TEXT NOT NULL DEFAULT ''"),
    ("donations", "source", "TEXT NOT NULL DEFAULT ''"),
    ("drafts", "amount", "TEXT NOT NULL DEFAULT ''"),
)
_LOCK_WAIT_S: Final = 10.0


class BridgeFile:
    """One open connection to the file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Hold one durable transaction. Raises WindrowError `home_unwritable`."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise WindrowError("home_unwritable", str(error)) from error

    def rows(self, query: str, *values: object) -> list[Any]:
        """Return what a query finds. Raises WindrowError `home_unwritable`."""
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise WindrowError("home_unwritable", str(error)) from error

    def forget_log(self) -> None:
        """Take what was dropped out of the write-ahead log as well. Raises WindrowError `home_unwritable`."""
        self.rows("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def open_bridge_file(path: Path) -> Iterator[BridgeFile]:
    """Open (and create) the file until the block ends. Raises WindrowError `home_unwritable`."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        # a user from several threads holds a lock of its own
        connection = sqlite3.connect(
            path, timeout=_LOCK_WAIT_S, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")
        _bring_up_to_date(connection)
    except (OSError, sqlite3.Error) as error:
        raise WindrowError("home_unwritable", f"{path.parent}: {error}") from error
    try:
        yield BridgeFile(connection)
    finally:
        connection.close()


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    if not _lacking(connection):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        for table, name, kind in _lacking(connection):  # asked again: another process may have been faster
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _lacking(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """Return the later columns that the file does not have; the newest version has none."""
    return [
        (table, name, kind)
        for table, name, kind in _LATER_COLUMNS
        if name not in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    ]
