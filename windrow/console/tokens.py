"""Tokens by which programs ask: for questions alone, for a time, and as one account.

Rules: a token is shown once, when it is made; the database has its SHA-256. It can do nothing that its account's role
cannot do any more.

Does not: run questions. Usage: `token_id, account = tokens.find(secret)`.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from storage.house import House
from storage.tables.console import console_tokens
from windrow.console.sessions import digest
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CONSOLE_NAME_CHARS_MAX, CONSOLE_TOKEN_LIFE_DAYS_MAX, CONSOLE_TOKENS_MAX

PREFIX: Final = "windrow_query_"  # so that a scanner for leaked secrets can know it
TOKEN_ID: Final = "t"  # how ids of tokens begin, and no session's
_DAY_MS: Final = 86_400_000
_t = console_tokens.c


class Tokens:
    """All tokens of a house."""

    def __init__(self, house: House) -> None:
        self._house = house

    def make(self, address: str, label: str, days: int) -> dict[str, Any]:
        """Make a token. Raises WindrowError `bad_usage` or `too_many_tokens`."""
        if not (0 < len(label) <= CONSOLE_NAME_CHARS_MAX and label.isprintable()):
            raise WindrowError("bad_usage", f"a token's name has 1 to {CONSOLE_NAME_CHARS_MAX} characters")
        if not 0 < days <= CONSOLE_TOKEN_LIFE_DAYS_MAX:
            raise WindrowError("bad_usage", f"a token holds for 1 to {CONSOLE_TOKEN_LIFE_DAYS_MAX} days")
        secret, now_ms = PREFIX + self._house.env.randomness.token(32).hex(), self._house.now_ms()
        row = {
            "token_id": self._house.new_id(TOKEN_ID),
            "address": address,
            "secret_sha256": digest(secret),
            "label": label,
            "made_at_ms": now_ms,
            "expires_at_ms": now_ms + days * _DAY_MS,
            "revoked_at_ms": 0,
        }
        with self._house.state.write() as connection:
            of_account = sa.select(sa.func.count()).select_from(console_tokens).where(_t.address == address)
            if connection.execute(of_account.where(*_holds(now_ms))).scalar_one() >= CONSOLE_TOKENS_MAX:
                raise WindrowError("too_many_tokens", f"{CONSOLE_TOKENS_MAX}")
            connection.execute(sa.insert(console_tokens).values(**row))
        return {"token_id": row["token_id"], "token": secret, "expires_at_ms": row["expires_at_ms"]}

    def find(self, secret: str) -> tuple[str, str]:
        """Return a token's id and account. Raises WindrowError `bad_token`."""
        query = sa.select(_t.token_id, _t.address).where(
            _t.secret_sha256 == digest(secret), *_holds(self._house.now_ms())
        )
        with self._house.state.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise WindrowError("bad_token")
        return row.token_id, row.address

    def owner(self, token_id: str) -> str:
        """Return the account of a token that holds. Raises WindrowError `bad_token`."""
        query = sa.select(_t.address).where(_t.token_id == token_id, *_holds(self._house.now_ms()))
        with self._house.state.read() as connection:
            address = connection.execute(query).scalar()
        if address is None:
            raise WindrowError("bad_token")
        return str(address)

    def revoke(self, token_id: str, address: str = "") -> None:
        """End a token; with `address` only one of that account. Raises WindrowError `not_found`."""
        change = sa.update(console_tokens).where(_t.token_id == token_id, _t.revoked_at_ms == 0)
        change = change.where(_t.address == address) if address else change
        with self._house.state.write() as connection:
            if not connection.execute(change.values(revoked_at_ms=self._house.now_ms())).rowcount:
                raise WindrowError("not_found", f"no token {token_id}")

    def revoke_all(self, address: str) -> int:
        """End every token of an account and return how many those were."""
        change = sa.update(console_tokens).where(_t.address == address, _t.revoked_at_ms == 0)
        with self._house.state.write() as connection:
            return int(connection.execute(change.values(revoked_at_ms=self._house.now_ms())).rowcount)

    def listed(self, address: str = "") -> list[dict[str, Any]]:
        """Return the tokens that hold, of one account or of all, the newest first."""
        query = sa.select(console_tokens).where(*_holds(self._house.now_ms())).order_by(_t.made_at_ms.desc())
        query = query.where(_t.address == address) if address else query
        shown = ("token_id", "address", "label", "made_at_ms", "expires_at_ms")
        with self._house.state.read() as connection:
            return [{name: row._mapping[name] for name in shown} for row in connection.execute(query)]


def _holds(now_ms: int) -> tuple[sa.ColumnElement[bool], ...]:
    return _t.revoked_at_ms == 0, _t.expires_at_ms > now_ms
