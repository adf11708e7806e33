"""Who is in the console: sessions of browsers, by a cookie that changes while they last.

Rules: the database has the SHA-256 of a cookie, never the cookie. A session ends after twelve hours, after an hour
without use, when it is ended, or when a cookie comes that it has not had for a minute: then somebody copied it.

Does not: speak HTTP, or know what an account may do. Usage: `session = sessions.find(cookie)`.

Source: OWASP Session Management Cheat Sheet (renewal, reuse).
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import sqlalchemy as sa

from storage.house import House
from storage.tables.console import console_sessions
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    CONSOLE_SESSION_GRACE_MS,
    CONSOLE_SESSION_IDLE_MS,
    CONSOLE_SESSION_LIFE_MS,
    CONSOLE_SESSION_RENEW_MS,
    CONSOLE_SESSIONS_MAX,
)

_s = console_sessions.c


class Session(NamedTuple):
    """One browser that is in; `cookie` is what it gets from now on, empty where it keeps its own."""

    session_id: str
    address: str
    form_token: str
    cookie: str = ""


class Sessions:
    """All sessions of a house."""

    def __init__(self, house: House) -> None:
        self._house = house

    def begin(self, address: str) -> Session:
        """Let a browser in. The oldest session of an account with too many ends."""
        cookie, now_ms = self._secret(), self._house.now_ms()
        session = Session(self._house.new_id("s"), address, self._secret(), cookie)
        row = {
            "session_id": session.session_id,
            "address": address,
            "secret_sha256": digest(cookie),
            "former_sha256": "",
            "form_token": session.form_token,
            "begun_at_ms": now_ms,
            "renewed_at_ms": now_ms,
            "ended_at_ms": 0,
            "ended_by": "",
        }
        with self._house.state.write() as connection:
            open_ones = connection.execute(
                sa.select(_s.session_id)
                .where(_s.address == address, _s.ended_at_ms == 0)
                .order_by(_s.begun_at_ms.desc(), _s.session_id)
                .offset(CONSOLE_SESSIONS_MAX - 1)
            ).scalars()
            for crowded in open_ones.all():
                self._end(connection, crowded, "crowded")
            connection.execute(sa.insert(console_sessions).values(**row))
        return session

    def find(self, cookie: str, *, renew: bool = True) -> Session:
        """Return the session that a cookie is of, renewed where it is time and wanted.

        Raises WindrowError `signed_out`.
        """
        now_ms, sent = self._house.now_ms(), digest(cookie)
        known = sa.select(console_sessions).where(
            sa.or_(_s.secret_sha256 == sent, _s.former_sha256 == sent), _s.ended_at_ms == 0
        )
        with self._house.state.read() as connection:
            row = connection.execute(known).first()
        if not cookie or row is None or not _lasts(row, now_ms):
            raise WindrowError("signed_out")
        session = Session(row.session_id, row.address, row.form_token)
        if row.secret_sha256 != sent:
            if now_ms - row.renewed_at_ms > CONSOLE_SESSION_GRACE_MS:
                self.end(row.session_id, "copied")
                raise WindrowError("signed_out", "its cookie was used twice, so the session was ended")
            return session
        is_due = now_ms - row.renewed_at_ms >= CONSOLE_SESSION_RENEW_MS
        return self._renewed(session, sent) if renew and is_due else session

    def owner(self, session_id: str) -> str:
        """Return the account of a session that goes on. Raises WindrowError `signed_out`."""
        known = sa.select(console_sessions).where(_s.session_id == session_id, _s.ended_at_ms == 0)
        with self._house.state.read() as connection:
            row = connection.execute(known).first()
        if row is None or not _lasts(row, self._house.now_ms()):
            raise WindrowError("signed_out")
        return str(row.address)

    def _renewed(self, session: Session, sent: str) -> Session:
        cookie = self._secret()
        change = (
            sa.update(console_sessions)
            .where(_s.session_id == session.session_id, _s.secret_sha256 == sent, _s.ended_at_ms == 0)
            .values(secret_sha256=digest(cookie), former_sha256=sent, renewed_at_ms=self._house.now_ms())
        )
        with self._house.state.write() as connection:
            done = connection.execute(change).rowcount
        return session._replace(cookie=cookie) if done else session  # another request was first

    def end(self, session_id: str, by: str) -> None:
        """End a session. Raises WindrowError `not_found` when none of this id goes on."""
        with self._house.state.write() as connection:
            if not self._end(connection, session_id, by):
                raise WindrowError("not_found", f"no session {session_id} goes on")

    def end_all(self, address: str) -> int:
        """End every session of an account and return how many those were."""
        of_account = sa.update(console_sessions).where(_s.address == address, _s.ended_at_ms == 0)
        ended = of_account.values(ended_at_ms=self._house.now_ms(), ended_by="revoked")
        with self._house.state.write() as connection:
            return int(connection.execute(ended).rowcount)

    def listed(self) -> list[dict[str, Any]]:
        """Return the sessions that go on, the newest first."""
        now_ms = self._house.now_ms()
        query = sa.select(console_sessions).where(_s.ended_at_ms == 0).order_by(_s.begun_at_ms.desc())
        with self._house.state.read() as connection:
            rows = [row for row in connection.execute(query) if _lasts(row, now_ms)]
        shown = ("session_id", "address", "begun_at_ms", "renewed_at_ms")
        return [{name: row._mapping[name] for name in shown} for row in rows]

    def _end(self, connection: sa.Connection, session_id: str, by: str) -> int:
        ended = (
            sa.update(console_sessions)
            .where(_s.session_id == session_id, _s.ended_at_ms == 0)
            .values(ended_at_ms=self._house.now_ms(), ended_by=by)
        )
        return int(connection.execute(ended).rowcount)

    def _secret(self) -> str:
        return self._house.env.randomness.token(32).hex()


def digest(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _lasts(row: Any, now_ms: int) -> bool:
    used_lately = now_ms - row.renewed_at_ms < CONSOLE_SESSION_IDLE_MS
    return bool(used_lately) and now_ms - row.begun_at_ms < CONSOLE_SESSION_LIFE_MS
