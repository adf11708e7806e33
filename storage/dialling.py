"""Connects to a PostgreSQL server that may be gone, without everybody waiting for it again and again.

Rules: a host that says nothing is given up after seconds and then left alone for a while (`rest`).

Does not: know what the connection is for. Usage: `engine = Dialling().attach(sa.create_engine(url))`.

Source: PostgreSQL, libpq, "Parameter Key Words"; SQLAlchemy, `DialectEvents.do_connect`.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from storage.rest import Rest

_DIAL_S: Final = 3  # a host that is off says nothing, and meanwhile everybody waits
_REACHED: Final[dict[str, Any]] = {
    "client_encoding": "utf8",
    "connect_timeout": _DIAL_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,  # ms until what was sent has arrived
}


class Dialling:
    """Connects, and rests after a failure that took long."""

    def __init__(self, rest: Rest | None = None) -> None:
        self._rest = rest or Rest()

    def attach(self, engine: sa.Engine) -> sa.Engine:
        """Let this engine connect so; what the address says about time limits holds before ours."""
        sa.event.listen(engine, "do_connect", self._dial)
        return engine

    def _dial(self, dialect: sa.Dialect, _record: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        failure = dialect.loaded_dbapi.OperationalError
        self._rest.require_over(failure)
        with self._rest.attempt(failure):
            return dialect.connect(*given, **{**_REACHED, **named})
