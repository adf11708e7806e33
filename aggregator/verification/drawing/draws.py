"""Validators' draws: the secrets they committed to, the log they draw from, what they drew, and what they revealed.

A commitment is fixed once for each validator and epoch. It may come before its epoch begins or while it is open, and it
counts only for entries committed after it: an entry that is in the log can never be drawn with a secret chosen later,
so whoever could choose the secret cannot choose what it draws.

Rules: the log answers with every entry and its place, and validators sign, with their reveal, the log's head and the
digest of all they were shown; the published files must hold exactly that. A draw posted twice is posted once. What was
drawn is taken as said and checked against the revealed secret when the epoch is published (`epoch_fold`).

Does not: make secrets (validators do), give leases for what was drawn, or judge.

Usage: `page = log_page(house, connection, validator_id, AuditLogRequest(after_seq=0))`.

Source: docs/protocol.md, "Audit".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aggregator.verification.drawing.audit_epochs import EpochRow, begun_epoch, epoch_of, epochs_in, head_at
from storage.house import House
from storage.prepared import Prepared
from storage.state import get_cursor, insert_once
from storage.tables.trust import audit_epochs, audit_secrets, audits, draws
from windrow_protocol.audit_draw import NO_LOG, commitment_of, next_log_digest
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import (
    AuditCommitment,
    AuditDraws,
    AuditEntry,
    AuditEpoch,
    AuditLog,
    AuditLogRequest,
    AuditReveal,
    Message,
)
from windrow_protocol.trust_rules import TrustRules

LAG_WAITS: Final = (
    5  # times `draw_wait_ms`: who has not drawn what is older is not waited for, though it speaks
)
_NEXT = Prepared(
    sa.select(audits.c.opened_at_ms)
    .where(audits.c.epoch_id == sa.bindparam("of_epoch"), audits.c.seq > sa.bindparam("after"))
    .order_by(audits.c.seq)
    .limit(1)
)
_SEEN = Prepared(
    sa.select(audit_secrets.c.seen_at_ms).where(audit_secrets.c.epoch_id == sa.bindparam("of_epoch"))
)


class Signed(Message, frozen=True):
    """A validator's request as it came: the exact body and the signature over it, for anybody to check."""

    body: str
    jws: str


def commit(
    house: House, connection: sa.Connection, validator_id: str, wish: AuditCommitment, signed: Signed
) -> int:
    """Fix a validator's secret for the open epoch or the next; return the place of the log after which it counts.

    The same again is the same.
    Raises WindrowError `unknown_epoch` or `commitment_fixed`.
    """
    current = begun_epoch(house, connection)
    if wish.epoch_id not in (current.epoch_id, current.epoch_id + 1):
        raise WindrowError("unknown_epoch", f"{wish.epoch_id}: {current.epoch_id} is open")
    now = house.now_ms()
    insert_once(
        connection,
        audit_secrets,
        epoch_id=wish.epoch_id,
        validator_id=validator_id,
        commitment=wish.commitment,
        from_seq=get_cursor(connection, "submissions"),
        committed=msgspec.json.encode(signed).decode(),
        committed_at_ms=now,
        seen_at_ms=now,
    )
    secret = _secret_of(connection, wish.epoch_id, validator_id)
    if secret.commitment != wish.commitment:
        raise WindrowError("commitment_fixed", str(wish.epoch_id))
    return int(secret.from_seq)


def log_page(house: House, connection: sa.Connection, validator_id: str, wish: AuditLogRequest) -> AuditLog:
    """Return what may be drawn after a place of the log, in its order, and note that the validator is awake."""
    begun_epoch(house, connection)
    connection.execute(
        sa.update(audit_secrets)
        .where(audit_secrets.c.validator_id == validator_id, audit_secrets.c.revealed_at_ms.is_(None))
        .values(seen_at_ms=house.now_ms())
    )
    end = get_cursor(connection, "submissions")
    entries = list(_entries(connection, wish.after_seq, end, wish.count))
    upto_seq = entries[-1].seq if len(entries) == wish.count else max(end, wish.after_seq)
    return AuditLog(
        epochs=_shown_epochs(house, connection, validator_id),
        entries=entries,
        upto_seq=upto_seq,
        head=head_at(connection, min(upto_seq, end)),
        server_time_ms=house.now_ms(),
    )


def record_draws(house: House, connection: sa.Connection, validator_id: str, said: AuditDraws) -> None:
    """Note what a validator drew, and how far it has come.

    Raises WindrowError `no_commitment`, `unknown_epoch` (sealed, or revealed already), or `wrong_draw` for a lease that
    is no entry of that epoch within what the commitment covers.
    """
    epoch = epoch_of(connection, said.epoch_id)
    secret = _secret_of(connection, said.epoch_id, validator_id)
    if epoch.state not in ("open", "revealing") or secret.revealed_at_ms is not None:
        raise WindrowError("unknown_epoch", f"nothing is drawn in {said.epoch_id} any more")
    end = epoch.last_seq if epoch.last_seq is not None else get_cursor(connection, "submissions")
    upto_seq = min(said.upto_seq, end)
    named = set(said.lease_ids)
    _require_entries(connection, said.epoch_id, named | set(said.doubled), secret.from_seq, upto_seq)
    if not named.issuperset(said.doubled):
        raise WindrowError("wrong_draw", "only what is drawn can be doubled")
    _insert_draws(house, connection, validator_id, said)
    connection.execute(
        sa.update(audit_secrets)
        .where(_row(said.epoch_id, validator_id))
        .values(drawn_seq=max(secret.drawn_seq, upto_seq), seen_at_ms=house.now_ms())
    )


def require_revealable(connection: sa.Connection, validator_id: str, said: AuditReveal) -> None:
    """Check a reveal against its commitment and the log. Reads the whole epoch's entries.

    Raises WindrowError `no_commitment`, `unknown_epoch`, `wrong_secret`, or `wrong_log`.
    """
    epoch = epoch_of(connection, said.epoch_id)
    secret = _secret_of(connection, said.epoch_id, validator_id)
    if epoch.state != "revealing" or epoch.last_seq is None:
        raise WindrowError("unknown_epoch", f"{said.epoch_id} is {epoch.state}")
    if commitment_of(bytes.fromhex(said.secret)) != secret.commitment:
        raise WindrowError("wrong_secret", str(said.epoch_id))
    digest = NO_LOG
    for entry in _entries(connection, max(epoch.first_seq - 1, secret.from_seq), epoch.last_seq):
        digest = next_log_digest(digest, entry.seq, entry.lease_id, entry.content_sha256, entry.share_ppm)
    seen = (said.last_seq, said.head, said.log_sha256)
    if seen != (epoch.last_seq, head_at(connection, epoch.last_seq), digest):
        raise WindrowError("wrong_log", f"epoch {said.epoch_id} ends at {epoch.last_seq}")


def record_reveal(
    house: House, connection: sa.Connection, validator_id: str, said: AuditReveal, signed: Signed
) -> None:
    """Keep a secret that `require_revealable` let through; the same again changes nothing.

    Raises WindrowError `unknown_epoch` when the epoch was sealed meanwhile.
    """
    if epoch_of(connection, said.epoch_id).state != "revealing":
        raise WindrowError("unknown_epoch", f"{said.epoch_id} is sealed")
    now = house.now_ms()
    connection.execute(
        sa.update(audit_secrets)
        .where(_row(said.epoch_id, validator_id), audit_secrets.c.revealed_at_ms.is_(None))
        .values(
            secret=said.secret,
            revealed=msgspec.json.encode(signed).decode(),
            revealed_at_ms=now,
            seen_at_ms=now,
        )
    )


def drawing_validators(connection: sa.Connection, rules: TrustRules, epoch_id: int, now_ms: int) -> int:
    """Return among how many validators a rate is shared: those that committed for the epoch and were heard of lately.

    Counting the dead would let the rate sink; where all are silent all are counted, and their entries wait.
    """
    seen = [row.seen_at_ms for row in _SEEN.rows(connection, of_epoch=epoch_id)]
    return sum(each > now_ms - rules.draw_wait_ms for each in seen) or len(seen)


def drawn_upto(connection: sa.Connection, rules: TrustRules, epoch_id: int, now_ms: int) -> int:
    """Return the place of the log up to which nobody's draw is waited for any more.

    That is where the slowest validator has come that was heard of within `rules.draw_wait_ms` and does draw (within
    `LAG_WAITS` of that); where there is none, where the fastest had come: what none has drawn past waits. All of a
    sealed epoch is past.
    """
    epoch = epoch_of(connection, epoch_id)
    end = epoch.last_seq if epoch.last_seq is not None else get_cursor(connection, "submissions")
    if epoch.state in ("sealed", "closed"):
        return end
    rows = connection.execute(sa.select(audit_secrets).where(audit_secrets.c.epoch_id == epoch_id)).all()
    reached = [
        (row, end if row.revealed_at_ms is not None else max(row.drawn_seq, row.from_seq)) for row in rows
    ]
    awake = [
        place
        for row, place in reached
        if row.revealed_at_ms is not None
        or (
            row.seen_at_ms > now_ms - rules.draw_wait_ms
            and not _lags(connection, rules, epoch_id, place, now_ms)
        )
    ]
    return min(awake) if awake else max((place for _, place in reached), default=0)


def _lags(connection: sa.Connection, rules: TrustRules, epoch_id: int, place: int, now_ms: int) -> bool:
    """Say whether the first entry after a place of the log has waited for long to be drawn."""
    opened_at_ms = _NEXT.value(connection, of_epoch=epoch_id, after=place)
    return opened_at_ms is not None and opened_at_ms < now_ms - LAG_WAITS * rules.draw_wait_ms


def _entries(
    connection: sa.Connection, after_seq: int, upto_seq: int, count: int | None = None
) -> Iterable[AuditEntry]:
    statement = (
        sa.select(
            audits.c.seq,
            audits.c.lease_id,
            audits.c.content_sha256,
            audits.c.share_ppm,
            audits.c.epoch_id,
        )
        .join(audit_epochs, audit_epochs.c.epoch_id == audits.c.epoch_id)
        .where(audits.c.seq > after_seq, audits.c.seq <= upto_seq)
        .where(audit_epochs.c.state.in_(("open", "revealing")))
        .order_by(audits.c.seq)
        .limit(count)
    )
    return (AuditEntry(*row) for row in connection.execute(statement))


def _shown_epochs(house: House, connection: sa.Connection, validator_id: str) -> list[AuditEpoch]:
    """Return the epochs that are not sealed, with what this validator did in them."""
    epochs = epochs_in(connection, "revealing", "open")
    of_these = audit_secrets.c.epoch_id.in_([epoch.epoch_id for epoch in epochs])
    rows = connection.execute(
        sa.select(audit_secrets).where(of_these, audit_secrets.c.validator_id == validator_id)
    )
    own = {row.epoch_id: row for row in rows}
    return [_shown(house, connection, epoch, own.get(epoch.epoch_id)) for epoch in epochs]


def _shown(house: House, connection: sa.Connection, epoch: EpochRow, own: Any) -> AuditEpoch:
    return AuditEpoch(
        epoch_id=epoch.epoch_id,
        state="open" if epoch.state == "open" else "revealing",
        first_seq=epoch.first_seq,
        last_seq=epoch.last_seq or 0,
        last_head=head_at(connection, epoch.last_seq) if epoch.last_seq else "",
        doubled_ppm=(epoch.rules or house.rules).doubled_ppm,
        revealed=bool(own and own.revealed_at_ms is not None),
    )


def _secret_of(connection: sa.Connection, epoch_id: int, validator_id: str) -> Any:
    row = connection.execute(sa.select(audit_secrets).where(_row(epoch_id, validator_id))).one_or_none()
    if row is None:
        raise WindrowError("no_commitment", str(epoch_id))
    return row


def _row(epoch_id: int, validator_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(audit_secrets.c.epoch_id == epoch_id, audit_secrets.c.validator_id == validator_id)


def _require_entries(
    connection: sa.Connection, epoch_id: int, lease_ids: Collection[str], from_seq: int, upto_seq: int
) -> None:
    known = sa.select(sa.func.count()).where(
        audits.c.lease_id.in_(lease_ids),
        audits.c.epoch_id == epoch_id,
        audits.c.seq > from_seq,
        audits.c.seq <= upto_seq,
    )
    if connection.execute(known).scalar() != len(lease_ids):
        raise WindrowError("wrong_draw", f"not all are entries of epoch {epoch_id} up to {upto_seq}")


def _insert_draws(house: House, connection: sa.Connection, validator_id: str, said: AuditDraws) -> None:
    known = set(
        connection.execute(
            sa.select(draws.c.lease_id).where(
                draws.c.validator_id == validator_id, draws.c.lease_id.in_(said.lease_ids)
            )
        ).scalars()
    )
    doubled, now = set(said.doubled), house.now_ms()
    fresh = [lease_id for lease_id in dict.fromkeys(said.lease_ids) if lease_id not in known]
    if fresh:
        connection.execute(
            sa.insert(draws),
            [
                {
                    "validator_id": validator_id,
                    "lease_id": lease_id,
                    "epoch_id": said.epoch_id,
                    "doubled": lease_id in doubled,
                    "drawn_at_ms": now,
                }
                for lease_id in fresh
            ],
        )
