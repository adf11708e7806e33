"""Tells a database or a place for files that is away for now (try again) from what is wrong (our fault).

    PostgreSQL    the connection is gone or none can be had; the server stops, starts, is full or in recovery;
                  a lock, a deadlock or a serialization was lost
    SQLite        somebody else held the lock for longer than is waited; the disk cannot be read, written or is full
    files         the server that holds segments, lake and exports does not answer, or says that it cannot for now

Does not: try again. Usage: `refusal = refusal_of(error)` → WindrowError `database_away`, `files_away`, or None.

Source: PostgreSQL, "Appendix A. Error Codes"; SQLite, "Result and Error Codes"; SQLAlchemy, "Disconnect Handling".
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa

from windrow_protocol.errors import WindrowError

# Connection, insufficient resources, rollback, shut down or starting, system error; lost lock; read-only stand-by.
_SQLSTATES: Final = ("08", "53", "40", "57P", "58", "55P03", "25006")
_SQLITE_CODES: Final = {
    sqlite3.SQLITE_BUSY: "another process has held its lock for too long",
    sqlite3.SQLITE_LOCKED: "it is locked",
    sqlite3.SQLITE_IOERR: "its disk cannot be read or written",
    sqlite3.SQLITE_FULL: "its disk is full",
    sqlite3.SQLITE_CANTOPEN: "its file cannot be opened",
}
_OF_THE_DISK: Final = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN)

_FILES: Final = tuple(  # as Arrow names what AWS's own library says
    f"AWS Error {name}"
    for name in (
        *("NETWORK_CONNECTION", "SERVICE_UNAVAILABLE", "INTERNAL_FAILURE"),
        *("REQUEST_TIMEOUT", "SLOW_DOWN", "THROTTLING"),
    )
)


class FilesAwayError(OSError):
    """The server that holds files does not answer for now; what was asked of it may or may not have happened."""


@contextmanager
def telling_outages() -> Iterator[None]:
    """Turn what Arrow, or DuckDB above it, raises here where the server does not answer into FilesAwayError."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, FilesAwayError) and any(sign in str(error) for sign in _FILES):
            raise FilesAwayError(str(error)) from error
        raise


def refusal_of(error: BaseException) -> WindrowError | None:
    """Return what cannot be had for now (`database_away`, `files_away`) with its cause; None for any other failure.

    The cause is one of our own sentences: what drivers say names hosts, users and statements.
    """
    if isinstance(error, FilesAwayError):
        return WindrowError("files_away", "nothing of this request was acknowledged")
    if isinstance(error, sa.exc.TimeoutError):
        return WindrowError("database_away", "no connection to it was free in time")
    if not isinstance(error, sa.exc.DBAPIError):
        return None
    if isinstance(error.orig, sqlite3.Error):
        cause = _SQLITE_CODES.get(_code_of(error.orig), "")
        return WindrowError("database_away", cause) if cause else None
    state = getattr(error.orig, "sqlstate", None) or ""
    if error.connection_invalidated or (not state and isinstance(error, sa.exc.OperationalError)):
        return WindrowError("database_away", "the connection to it is lost")
    if state.startswith(_SQLSTATES):
        return WindrowError("database_away", f"it answers {state}")
    return None


def is_of_the_disk(error: BaseException) -> bool:
    """Say whether SQLite failed because its disk is full or cannot be used, which whoever runs the machine can mend."""
    orig = getattr(error, "orig", None)
    return isinstance(orig, sqlite3.Error) and _code_of(orig) in _OF_THE_DISK


def _code_of(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
