"""Audit epochs: the stretches of the log whose draws are revealed, checked and published together.

    open       answers are committed, validators draw
    revealing  ended: validators draw what is left and reveal their secrets; the next epoch is open already
    sealed     nothing more is taken: draws, secrets and verdicts of this epoch are fixed for good
    closed     its files are published, its dividends written, and its verdicts may be disclosed

Rules: `STEPS` is that table. An answer belongs to the epoch that is open when it is committed, a verdict to its
answer's epoch as long as that is not sealed and to the open one afterwards. An epoch in which nothing was committed
goes on. It ends when the operator closes or after `rules.epoch_ms`.

Does not: publish (`audit_closing`), or know ledger epochs, which count for themselves.

Usage: `epoch_id = open_epoch(connection)`; `end_epoch(house)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa

from aggregator.verification.drawing.audit_steps import UNDECIDED
from storage.house import House
from storage.pay_terms import UNNOTED, note_terms
from storage.prepared import Prepared
from storage.state import get_cursor, insert_once
from storage.tables.contributions import nodes, submissions
from storage.tables.trust import audit_epochs, audit_secrets, audits
from windrow_protocol.errors import WindrowError
from windrow_protocol.trust_rules import TrustRules

# (state, event) → next state
STEPS: dict[tuple[str, str], str] = {
    ("open", "end"): "revealing",
    ("revealing", "seal"): "sealed",
    ("sealed", "publish"): "closed",
}
GENESIS_HEAD = "0" * 64
_OPEN = Prepared(sa.select(audit_epochs.c.epoch_id).where(audit_epochs.c.state == "open"))


@dataclass(frozen=True, slots=True)
class EpochRow:
    """One epoch; `last_seq` is None while it is open, times are milliseconds."""

    epoch_id: int
    state: str
    first_seq: int
    last_seq: int | None
    opened_at_ms: int
    ended_at_ms: int | None
    sealed_at_ms: int | None
    rules: TrustRules | None
    terms_version: int
    audits_sha256: str
    header_sha256: str


def open_epoch(connection: sa.Connection) -> int:
    """Return the number of the open epoch; the first one begins with the log. In a writing transaction."""
    found: int | None = _OPEN.value(connection)
    if found is None:
        insert_once(
            connection,
            audit_epochs,
            epoch_id=1,
            state="open",
            first_seq=1,
            opened_at_ms=0,
            terms_version=UNNOTED,
        )
    return found or 1


def noting_epoch(connection: sa.Connection) -> int:
    """Return the epoch that what follows now belongs to: the open one, or the last while nothing is committed in it.

    An epoch in which nothing is committed is never ended, and what it held would never be told or paid.
    """
    opened = epoch_of(connection, open_epoch(connection))
    is_empty = get_cursor(connection, "submissions") < opened.first_seq
    return opened.epoch_id - 1 if is_empty and opened.epoch_id > 1 else opened.epoch_id


def verdict_epoch(connection: sa.Connection, entry_epoch_id: int) -> int:
    """Return the epoch that a verdict decided now belongs to: its entry's, or the open one when that is sealed."""
    state = connection.execute(
        sa.select(audit_epochs.c.state).where(audit_epochs.c.epoch_id == entry_epoch_id)
    ).scalar()
    return entry_epoch_id if state in ("open", "revealing") else open_epoch(connection)


def begun_epoch(house: House, connection: sa.Connection) -> EpochRow:
    """Return the open epoch, its time, rules and terms noted by the house's clock. In a writing transaction."""
    found = epoch_of(connection, open_epoch(connection))
    if found.opened_at_ms:
        return found
    connection.execute(
        sa.update(audit_epochs)
        .where(audit_epochs.c.epoch_id == found.epoch_id)
        .values(opened_at_ms=house.now_ms(), **_in_force(house, connection, found.epoch_id))
    )
    return epoch_of(connection, found.epoch_id)


def epoch_of(connection: sa.Connection, epoch_id: int) -> EpochRow:
    """Return one epoch. Raises WindrowError `unknown_epoch`."""
    row = connection.execute(sa.select(audit_epochs).where(audit_epochs.c.epoch_id == epoch_id)).one_or_none()
    if row is None:
        raise WindrowError("unknown_epoch", str(epoch_id))
    return _epoch(row)


def epochs_in(connection: sa.Connection, *states: str) -> list[EpochRow]:
    """Return the epochs in some states, the oldest first."""
    statement = sa.select(audit_epochs).where(audit_epochs.c.state.in_(states))
    return [_epoch(row) for row in connection.execute(statement.order_by(audit_epochs.c.epoch_id))]


def end_epoch(house: House) -> int | None:
    """End the open epoch and open the next; return which ended, or None when nothing was committed in it."""
    with house.state.write() as connection:
        epoch, now = begun_epoch(house, connection), house.now_ms()
        last_seq = get_cursor(connection, "submissions")
        if last_seq < epoch.first_seq:
            return None
        advance(connection, epoch, "end", last_seq=last_seq, ended_at_ms=now)
        connection.execute(
            sa.insert(audit_epochs).values(
                epoch_id=epoch.epoch_id + 1,
                state="open",
                first_seq=last_seq + 1,
                opened_at_ms=now,
                **_in_force(house, connection, epoch.epoch_id + 1),
            )
        )
    return epoch.epoch_id


def end_if_due(house: House) -> int | None:
    """End the open epoch when its time is over; return which ended."""
    with house.state.read() as connection:
        found = epochs_in(connection, "open")
    epoch = found[0] if found else None
    if epoch is None or (epoch.opened_at_ms and house.now_ms() - epoch.opened_at_ms < house.rules.epoch_ms):
        return None
    if not epoch.opened_at_ms:
        with house.state.write() as connection:
            begun_epoch(house, connection)
        return None
    return end_epoch(house)


def advance(connection: sa.Connection, epoch: EpochRow, event: str, **facts: Any) -> None:
    """Move an epoch along `STEPS`. Raises WindrowError `unknown_epoch` when it is elsewhere by now."""
    following = STEPS[epoch.state, event]
    moved = connection.execute(
        sa.update(audit_epochs)
        .where(audit_epochs.c.epoch_id == epoch.epoch_id, audit_epochs.c.state == epoch.state)
        .values(state=following, **facts)
    )
    if not moved.rowcount:
        raise WindrowError("unknown_epoch", f"{epoch.epoch_id} is not {epoch.state} any more")


def is_awaited(house: House, connection: sa.Connection, epoch: EpochRow, patience_ms: int) -> bool:
    """Say whether an ended epoch should wait for reveals or verdicts before it is sealed.

    Never for longer than `rules.reveal_wait_ms`; for a validator as long as it was heard of within `patience_ms`; for
    undecided audits as long as a validator is there to fetch, and for `patience_ms` at most.
    """
    now = house.now_ms()
    waited_ms = now - (epoch.ended_at_ms or now)
    if waited_ms >= house.rules.reveal_wait_ms:
        return False
    if _silent_since(connection, epoch.epoch_id, now - patience_ms):
        return True
    unfinished = audits.c.state.in_(UNDECIDED)
    undecided = sa.select(sa.exists().where(audits.c.epoch_id == epoch.epoch_id, unfinished))
    awake = sa.select(sa.exists().where(audit_secrets.c.seen_at_ms > now - house.rules.draw_wait_ms))
    return waited_ms < patience_ms and all(connection.execute(each).scalar() for each in (awake, undecided))


def _silent_since(connection: sa.Connection, epoch_id: int, since_ms: int) -> bool:
    """Say whether a validator heard of since then has not revealed."""
    unrevealed = (
        sa.select(audit_secrets.c.validator_id)
        .join(nodes, nodes.c.node_id == audit_secrets.c.validator_id)
        .where(
            audit_secrets.c.epoch_id == epoch_id,
            audit_secrets.c.revealed_at_ms.is_(None),
            audit_secrets.c.seen_at_ms > since_ms,
            nodes.c.role == "validator",
        )
    )
    return connection.execute(unrevealed.limit(1)).first() is not None


def seal_epoch(house: House, epoch: EpochRow) -> None:
    """Fix an ended epoch for good."""
    with house.state.write() as connection:
        advance(connection, epoch, "seal", sealed_at_ms=house.now_ms())


def head_at(connection: sa.Connection, seq: int) -> str:
    """Return the log's head at one place. Raises WindrowError `not_found` for a place that does not exist."""
    if seq == 0:
        return GENESIS_HEAD
    head = connection.execute(sa.select(submissions.c.head).where(submissions.c.seq == seq)).scalar()
    if head is None:
        raise WindrowError("not_found", f"the log has no entry {seq}")
    return str(head)


def _epoch(row: Any) -> EpochRow:
    values = dict(row._mapping)
    return EpochRow(**{**values, "rules": _rules_of(values["rules"])})


@lru_cache(maxsize=64)
def _rules_of(said: str) -> TrustRules | None:
    """Read an epoch's rules; every validator that asks for the log has them read."""
    return known_rules(msgspec.json.decode(said)) if said else None


def known_rules(said: Mapping[str, Any]) -> TrustRules:
    """Return an epoch's rules, perhaps written by another version: numbers unknown here are none that are used here.

    Raises msgspec.ValidationError or ValueError for values that are no rules.
    """
    names = TrustRules.__struct_fields__
    return msgspec.convert({name: value for name, value in said.items() if name in names}, TrustRules)


def _in_force(house: House, connection: sa.Connection, epoch_id: int) -> dict[str, Any]:
    """Return the columns that say which rules and terms of pay an epoch begins with."""
    return {
        "rules": msgspec.json.encode(house.rules).decode(),
        "terms_version": note_terms(connection, house.economics, epoch_id),
    }
