"""Closes audit epochs: seals those that need not wait any more, publishes their files, and writes their dividends.

Rules: epochs close in order, each step of `audit_epochs.STEPS` by itself, so that a kill anywhere is made good by doing
it again: of a sealed epoch nothing changes, and its files are served only when it is closed. What is published is
computed by `epoch_fold`, the same that anybody replays; a difference there is logged, never hidden. A stretch of the
log in which nothing was committed needs no files.

Does not: end epochs or decide how long to wait (`audit_epochs`), or post money (`rewards` reads `dividends`).

Usage: `left = close_epochs(house, segments, patience_ms=house.rules.draw_wait_ms)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog

from aggregator.verification.drawing.audit_epochs import (
    EpochRow,
    advance,
    epochs_in,
    head_at,
    is_awaited,
    seal_epoch,
)
from aggregator.verification.drawing.draws import Signed
from aggregator.verification.epochs.audit_files import audit_folder, write_rows
from aggregator.verification.epochs.audit_rows import (
    HEADER,
    PURPOSE,
    SIGNED,
    AuditRow,
    Header,
    PublishedDividend,
    PublishedValidator,
    header_bytes,
)
from aggregator.verification.epochs.epoch_fold import EpochFold, Folded, Range, label_of
from aggregator.verification.epochs.published_rows import published_rows
from storage.house import House
from storage.segments import Segments
from storage.state import insert_once
from storage.tables.contributions import leases, nodes, submissions, verdicts
from storage.tables.trust import audit_epochs, audit_secrets, dividends
from storage.told import note_closed
from windrow_protocol.trust_rules import TrustRules

log = structlog.get_logger(__name__)


def close_epochs(house: House, segments: Segments, patience_ms: int) -> int:
    """Bring every ended epoch as far as it can go and return how many still wait. `patience_ms`: see `is_awaited`."""
    with house.state.read() as connection:
        ended = epochs_in(connection, "revealing", "sealed")
        awaited = {epoch.epoch_id for epoch in ended if _waits(house, connection, epoch, patience_ms)}
    for number, epoch in enumerate(ended):
        if epoch.epoch_id in awaited:
            return len(ended) - number
        if epoch.state == "revealing":
            seal_epoch(house, epoch)
        publish_epoch(house, segments, epoch.epoch_id)
    return 0


def _waits(house: House, connection: sa.Connection, epoch: EpochRow, patience_ms: int) -> bool:
    return epoch.state == "revealing" and is_awaited(house, connection, epoch, patience_ms)


def publish_epoch(house: House, segments: Segments, epoch_id: int) -> None:
    """Write a sealed epoch's files and dividends and close it; what is closed already stays as it is."""
    with house.state.read() as connection:
        sealed = [epoch for epoch in epochs_in(connection, "sealed") if epoch.epoch_id == epoch_id]
        if not sealed:
            return
        (epoch,) = sealed
        folder = audit_folder(house.home, epoch_id)
        header = _write_audits(house, connection, segments, epoch, folder)
    data = header_bytes(header)
    header_sha256 = hashlib.sha256(data).hexdigest()
    house.env.disk.write_durably(folder / HEADER, data)
    signed = {"epoch_id": epoch_id, "header_sha256": header_sha256, "audits_sha256": header.audits_sha256}
    house.env.disk.write_durably(folder / SIGNED, house.sign(PURPOSE, str(epoch_id), signed).encode())
    with house.state.write() as connection:
        for row in header.dividends:
            insert_once(connection, dividends, epoch_id=epoch_id, **msgspec.to_builtins(row))
        advance(connection, epoch, "publish", audits_sha256=header.audits_sha256, header_sha256=header_sha256)
        note_closed(connection)
    log.info("audit_epoch_closed", epoch_id=epoch_id, entries=header.entries, audited=header.audited)


def _write_audits(
    house: House, connection: sa.Connection, segments: Segments, epoch: EpochRow, folder: Path
) -> Header:
    """Write the lines and return the header that they add up to."""
    assert epoch.last_seq is not None
    rules = epoch.rules or house.rules
    stretch = Range(epoch.epoch_id, epoch.first_seq, epoch.last_seq, head_at(connection, epoch.first_seq - 1))
    validators = _validators(connection, epoch)
    fold = EpochFold(stretch, validators, rules)
    rows = _folding(fold, published_rows(connection, segments, epoch))
    audits_sha256 = write_rows(house.env.disk, folder, rows)
    folded = fold.result()
    if folded.differences:
        facts = {"epoch_id": epoch.epoch_id, "differences": len(folded.differences)}
        log.error("audit_epoch_differs", first=folded.differences[0], **facts)
    return _header(house, connection, epoch, stretch, rules, validators, folded, audits_sha256)


def _folding(fold: EpochFold, rows: Iterator[AuditRow]) -> Iterator[AuditRow]:
    for row in rows:
        fold.add(row)
        yield row


def _header(
    house: House,
    connection: sa.Connection,
    epoch: EpochRow,
    stretch: Range,
    rules: TrustRules,
    validators: list[PublishedValidator],
    folded: Folded,
    audits_sha256: str,
) -> Header:
    return Header(
        network=house.network,
        coordinator_id=house.coordinator_id,
        epoch_id=epoch.epoch_id,
        opened_at_ms=epoch.opened_at_ms,
        ended_at_ms=epoch.ended_at_ms or 0,
        sealed_at_ms=epoch.sealed_at_ms or 0,
        first_seq=stretch.first_seq,
        last_seq=stretch.last_seq,
        first_head=stretch.first_head,
        last_head=folded.last_head,
        rules=msgspec.to_builtins(rules),
        trust=label_of(validators, rules),
        validators=validators,
        entries=folded.entries,
        drawn=folded.drawn,
        audited=folded.audited,
        found=folded.found,
        dividends=[PublishedDividend(**asdict(each)) for each in folded.dividends],
        audits_sha256=audits_sha256,
        previous_header_sha256=_previous(connection, epoch.epoch_id),
    )


def _previous(connection: sa.Connection, epoch_id: int) -> str:
    statement = sa.select(audit_epochs.c.header_sha256).where(audit_epochs.c.epoch_id == epoch_id - 1)
    return connection.execute(statement).scalar() or ""


def _validators(connection: sa.Connection, epoch: EpochRow) -> list[PublishedValidator]:
    """Return who committed for an epoch, and whoever else answered as a validator in it or for its verdicts."""
    own = sa.and_(audit_secrets.c.validator_id == nodes.c.node_id, audit_secrets.c.epoch_id == epoch.epoch_id)
    in_it = (
        sa.select(leases.c.node_id)
        .join(submissions, submissions.c.lease_id == leases.c.lease_id)
        .where(leases.c.kind == "audit", submissions.c.seq >= epoch.first_seq)
        .where(submissions.c.seq <= epoch.last_seq)
    )
    for_it = (
        sa.select(leases.c.node_id)
        .join(verdicts, verdicts.c.contribution_id == leases.c.audit_of)
        .where(verdicts.c.epoch_id == epoch.epoch_id)
    )
    statement = (
        sa.select(nodes.c.node_id, nodes.c.operator, audit_secrets)
        .outerjoin(audit_secrets, own)
        .where(
            sa.or_(
                audit_secrets.c.validator_id.is_not(None),
                nodes.c.node_id.in_(in_it),
                nodes.c.node_id.in_(for_it),
            )
        )
        .order_by(nodes.c.node_id)
    )
    return [_validator(row) for row in connection.execute(statement)]


def _validator(row: Any) -> PublishedValidator:
    operator = row.operator or row.node_id[:8]
    if row.commitment is None:
        return PublishedValidator(row.node_id, operator)
    return PublishedValidator(
        validator_id=row.node_id,
        operator=operator,
        commitment=row.commitment,
        from_seq=row.from_seq,
        drawn_seq=row.drawn_seq,
        secret=row.secret,
        committed=msgspec.json.decode(row.committed, type=Signed),
        revealed=msgspec.json.decode(row.revealed, type=Signed) if row.revealed else None,
    )
