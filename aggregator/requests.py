"""Who is asking: checks a request's signature, purpose and freshness, and spends its nonce.

Rules: the nonce is spent in the same transaction as the effect, so that a crash between them changes nothing;
nonces are kept until their signature has expired.

Does not: know what is asked.

Usage: `caller = authenticate(house, request, "submit")`, then `spend(connection, caller)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from storage.env import Request
from storage.prepared import Prepared
from storage.state import insert_once
from storage.tables.contributions import nonces
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CLOCK_SKEW_MS_MAX, NONCE_CHARS_MAX
from windrow_protocol.signing import SIGNATURE_HEADER, Statement, verify_request

_SPENT = Prepared(
    sa.select(nonces.c.node_id, nonces.c.nonce).where(
        nonces.c.node_id.in_(sa.bindparam("ids", expanding=True)),
        nonces.c.nonce.in_(sa.bindparam("said", expanding=True)),
    )
)


@dataclass(frozen=True)
class Caller:
    """A node whose signature was checked, with the statement it signed."""

    node_id: str
    statement: Statement


class Verifying(Protocol):
    """What a signature is checked against: a house, or a gate of it."""

    @property
    def network(self) -> str:
        """The network's name."""
        ...

    def now_ms(self) -> int:
        """The time now in milliseconds since the Unix epoch."""
        ...


def authenticate(house: Verifying, request: Request, purpose: str) -> Caller:
    """Return who signed a request. Raises WindrowError as `verify_request` does, or `wrong_schema`."""
    node_id, statement = verify_request(
        request.header(SIGNATURE_HEADER),
        network=house.network,
        purpose=purpose,
        body=request.body,
        now_ms=house.now_ms(),
    )
    if len(statement.nonce) > NONCE_CHARS_MAX:
        raise WindrowError("wrong_schema", f"a nonce has at most {NONCE_CHARS_MAX} characters")
    return Caller(node_id, statement)


def spend(connection: sa.Connection, caller: Caller) -> None:
    """Use up the request's nonce. Raises WindrowError `replayed`."""
    row = {"node_id": caller.node_id, "nonce": caller.statement.nonce}
    if not insert_once(connection, nonces, **row, expires_at_ms=nonce_kept_until_ms(caller)):
        raise WindrowError("replayed")


def nonce_kept_until_ms(caller: Caller) -> int:
    """Return until when a request's nonce is remembered."""
    return caller.statement.expires_at_ms + CLOCK_SKEW_MS_MAX


def spent_before(connection: sa.Connection, callers: Sequence[Caller]) -> set[tuple[str, str]]:
    """Return which nonces of some callers are used up, each with its node."""
    said = [each.statement.nonce for each in callers]
    return {tuple(row) for row in _SPENT.rows(connection, ids=[each.node_id for each in callers], said=said)}


def forget_nonces(connection: sa.Connection, now_ms: int) -> None:
    """Drop nonces whose signatures have expired."""
    connection.execute(sa.delete(nonces).where(nonces.c.expires_at_ms < now_ms))
