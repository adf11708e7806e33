"""Connects to a PostgreSQL server that may be gone, without everybody waiting for it again and again.

Rules: a host that says nothing is given up after seconds, and then left alone for twice as long as that took; one that
refuses at once is asked again at once. This is the driver's edge, so it reads the clock itself.

Does not: know what the connection is for. Usage: `engine = Dialling().attach(sa.create_engine(url))`.

Source: PostgreSQL, libpq, "Parameter Key Words"; SQLAlchemy, `DialectEvents.do_connect`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa

_DIAL_S: Final = 3  # a host that is off says nothing, and meanwhile everybody waits
_REST: Final = 2.0  # times as long as the attempt took that failed
_REACHED: Final[dict[str, Any]] = {
    "client_encoding": "utf8",
    "connect_timeout": _DIAL_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,  # ms until what was sent has arrived
}


class Dialling:
    """Connects, and for a while after a failure refuses instead: who waits for a dead host holds up all others."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s, self._refused_until_s = now_s, 0.0

    def attach(self, engine: sa.Engine) -> sa.Engine:
        """Let this engine connect so; what the address says about time limits holds before ours."""
        sa.event.listen(engine, "do_connect", self._dial)
        return engine

    def _dial(self, dialect: sa.Dialect, _record: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        refused, began_s = dialect.loaded_dbapi.OperationalError, self._now_s()
        if began_s < self._refused_until_s:
            raise refused("the last attempt to reach it has just failed")
        try:
            return dialect.connect(*given, **{**_REACHED, **named})
        except refused:
            ended_s = self._now_s()
            self._refused_until_s = ended_s + _REST * (ended_s - began_s)
            raise
