"""What a state in PostgreSQL needs besides its address: order by bytes, commits that last, and one writer.

Rules: a database whose text is not ordered by its bytes is refused, since two engines would then go through the same
log in different orders; so is a server that says it does not flush. The writer holds an advisory lock while its
connection lives. A host that does not answer is given up after seconds. After a lost connection it takes the lock
again, and goes on only if nobody wrote in between: each opening counts itself in the table `meta`, and whoever finds
another number there has been replaced.

Does not: know the tables, retry what failed, or work behind a pooler that shares connections between transactions.

Usage: `engine = writer_engine(url, OneWriter())`.

Source: PostgreSQL, "Explicit Locking" (advisory locks), "Asynchronous Commit"; SQLAlchemy, "Disconnect Handling".
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from storage.dialling import Dialling
from windrow_protocol.errors import WindrowError

_LOCK: Final = 0x57494E44524F5731  # "WINDROW1"; advisory locks are of one database
_PATIENCE: Final = "5s"  # until the server has noticed that a killed writer is gone
_KEEPALIVE: Final = "tcp_keepalives_idle=30,tcp_keepalives_interval=10,tcp_keepalives_count=3"
_ORDERED: Final = (
    "SELECT 'B' < 'a' AND 'a-c' < 'ab', current_setting('server_encoding'), current_setting('fsync')"
)
_HELD: Final = (
    "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory' "
    "AND datname = current_database() AND (classid::bigint << 32) + objid::bigint = %s"
)
_LASTING: Final = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)


class OneWriter:
    """The hold of one opening on a database."""

    KEY: Final = "opened"  # in `meta`

    def __init__(self) -> None:
        self._number = 0

    def take(self, raw: Any) -> None:
        """Take the lock for a new connection of the driver.

        Raises WindrowError `home_locked` when another process has it or has written since this one did.
        """
        try:
            with raw.cursor() as cursor:
                cursor.execute(f"SET lock_timeout = '{_PATIENCE}'")
                cursor.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
                cursor.execute("RESET lock_timeout")
                if self._number:
                    cursor.execute("SELECT value FROM meta WHERE key = %s", (self.KEY,))
                    self._require_own(cursor.fetchone())
            raw.commit()
        except WindrowError:
            raw.close()
            raise
        except Exception as error:
            raw.close()
            if getattr(error, "sqlstate", "") == "55P03":  # lock_not_available
                detail = "another process writes to this database"
                raise WindrowError("home_locked", detail) from error
            raise

    def begin(self, last: str | None) -> tuple[str, str]:
        """Count this opening after the `last` one; return the name and value to remember in the same transaction."""
        self._number = int(last or 0) + 1
        return self.KEY, str(self._number)

    def _require_own(self, found: tuple[str] | None) -> None:
        if found is None or found[0] != str(self._number):
            raise WindrowError("home_locked", "another process has written to this database meanwhile")


def writer_engine(url: sa.URL, only: OneWriter | None) -> sa.Engine:
    """Return an engine of one connection, whose commits last; with `only` it holds the lock."""
    engine = Dialling().attach(sa.create_engine(url, pool_size=1, max_overflow=0, pool_pre_ping=True))

    @sa.event.listens_for(engine, "connect")
    def _configure(raw: Any, _record: Any) -> None:
        with raw.cursor() as cursor:
            cursor.execute(_LASTING)
            for each in _KEEPALIVE.split(","):
                cursor.execute(f"SET {each}")
        raw.commit()
        if only is not None:
            only.take(raw)

    return engine


def reader_engine(url: sa.URL) -> sa.Engine:
    """Return an engine whose transactions see one moment and change nothing."""
    engine = Dialling().attach(sa.create_engine(url, isolation_level="REPEATABLE READ", pool_pre_ping=True))
    return engine.execution_options(postgresql_readonly=True)


def described(url: sa.URL) -> str:
    """Say in words what serves a database; it need not hold a house yet.

    Raises WindrowError `database_failed` as `require_usable` does, and what SQLAlchemy and the driver raise.
    """
    engine = reader_engine(url)
    try:
        with engine.connect() as connection:
            require_usable(connection)
            version = connection.exec_driver_sql("SHOW server_version").scalar()
            held = connection.exec_driver_sql(_HELD, (_LOCK,)).scalar()
    finally:
        engine.dispose()
    return f"PostgreSQL {version}; " + ("a house writes to it" if held else "no house writes to it now")


def require_usable(connection: sa.Connection) -> None:
    """Raise WindrowError `database_failed` for a database that orders text by a language, or a server that forgets."""
    ordered, encoding, flushed = connection.exec_driver_sql(_ORDERED).one()
    if not ordered or encoding != "UTF8":
        remedy = "make one with createdb --template=template0 --encoding=UTF8 --locale=C"
        raise WindrowError("database_failed", f"it does not order UTF-8 text by its bytes; {remedy}")
    if flushed != "on":
        raise WindrowError("database_failed", "its server has fsync off, so it forgets what it acknowledged")
