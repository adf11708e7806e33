"""Makes the lines of an audit epoch from the house's tables and its log.

Rules: every place of the epoch's stretch of the log gets its line, so that nothing can be left out unseen; verdicts
that belong to this epoch about answers of earlier ones come first. What was audited is given as the records themselves.

Does not: check or count (`epoch_fold`), or write files.

Usage: `for row in published_rows(connection, segments, epoch): ...`
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa

from aggregator.ingest import read_text
from aggregator.verification.comparing.weighing import REFUSALS, Weighed
from aggregator.verification.drawing.audit_epochs import EpochRow
from aggregator.verification.epochs.audit_rows import (
    AuditRow,
    PublishedNeighbour,
    PublishedTruth,
    PublishedVerdict,
)
from storage.segments import Place, Segments
from storage.tables.contributions import contributions, leases, submissions, verdicts
from storage.tables.trust import audits, draws, truth_requests
from windrow_protocol.messages import Outcome

_BATCH: Final = 500
_UNWEIGHED: Final = frozenset({"unaudited"})
Kind = Literal["entry", "truth", "canary", "undrawn", "imported"]


def published_rows(connection: sa.Connection, segments: Segments, epoch: EpochRow) -> Iterator[AuditRow]:
    """Yield a sealed epoch's lines in the order of the log."""
    assert epoch.last_seq is not None
    for row in connection.execute(_late(epoch)).all():
        yield _late_row(connection, segments, row)
    for first_seq in range(epoch.first_seq, epoch.last_seq + 1, _BATCH):
        upto_seq = min(first_seq + _BATCH - 1, epoch.last_seq)
        found = connection.execute(_places(epoch, first_seq, upto_seq)).all()
        drawn = _draws(connection, [row.lease_id for row in found])
        for row in found:
            yield _row(connection, segments, row, *drawn[row.lease_id])


def _places(epoch: EpochRow, first_seq: int, upto_seq: int) -> sa.Select[Any]:
    own = sa.and_(verdicts.c.seq == submissions.c.seq, verdicts.c.epoch_id == epoch.epoch_id)
    return (
        sa.select(*_COLUMNS)
        .select_from(
            submissions.outerjoin(leases, leases.c.lease_id == submissions.c.lease_id)
            .outerjoin(audits, audits.c.seq == submissions.c.seq)
            .outerjoin(verdicts, own)
        )
        .where(submissions.c.seq >= first_seq, submissions.c.seq <= upto_seq)
        .order_by(submissions.c.seq)
    )


def _late(epoch: EpochRow) -> sa.Select[Any]:
    return (
        sa.select(*_COLUMNS)
        .select_from(
            audits.join(verdicts, verdicts.c.seq == audits.c.seq)
            .join(submissions, submissions.c.seq == audits.c.seq)
            .join(leases, leases.c.lease_id == audits.c.lease_id)
        )
        .where(verdicts.c.epoch_id == epoch.epoch_id, audits.c.seq < epoch.first_seq)
        .order_by(audits.c.seq)
    )


_COLUMNS: Final = (
    submissions.c.seq,
    submissions.c.lease_id,
    submissions.c.node_id,
    submissions.c.segment,
    submissions.c.offset,
    submissions.c.length,
    submissions.c.record_sha256,
    leases.c.kind,
    audits.c.contribution_id,
    audits.c.outcome,
    audits.c.content_sha256,
    audits.c.share_ppm,
    audits.c.epoch_id,
    audits.c.weighed,
    verdicts.c.verdict,
    verdicts.c.reason,
    verdicts.c.similarity,
    verdicts.c.confirmed_ppm,
    verdicts.c.truth_sha256,
)


def _draws(
    connection: sa.Connection, lease_ids: Collection[str]
) -> defaultdict[str, tuple[list[str], list[str]]]:
    """Return who drew each lease, and who drew it double, in the order of their ids."""
    found: defaultdict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    statement = sa.select(draws).where(draws.c.lease_id.in_(lease_ids)).order_by(draws.c.validator_id)
    for row in connection.execute(statement):
        drawn_by, doubled_by = found[row.lease_id]
        drawn_by.append(row.validator_id)
        if row.doubled:
            doubled_by.append(row.validator_id)
    return found


def _row(
    connection: sa.Connection, segments: Segments, row: Any, drawn_by: list[str], doubled_by: list[str]
) -> AuditRow:
    kind = _kind(row)
    if kind != "entry":
        return AuditRow(
            seq=row.seq,
            kind=kind,
            record_sha256=row.record_sha256,
            validator_id=row.node_id if kind == "truth" else "",
            record=_record(segments, row) if kind == "undrawn" else "",
            verdict=_verdict(connection, segments, row) if kind == "canary" else None,
        )
    return AuditRow(
        seq=row.seq,
        kind="entry",
        record_sha256=row.record_sha256,
        epoch_id=row.epoch_id,
        lease_id=row.lease_id,
        content_sha256=row.content_sha256,
        share_ppm=row.share_ppm,
        drawn_by=drawn_by,
        doubled_by=doubled_by,
        verdict=_verdict(connection, segments, row),
    )


def _late_row(connection: sa.Connection, segments: Segments, row: Any) -> AuditRow:
    return AuditRow(
        seq=row.seq,
        kind="entry",
        record_sha256=row.record_sha256,
        epoch_id=row.epoch_id,
        lease_id=row.lease_id,
        content_sha256=row.content_sha256,
        verdict=_verdict(connection, segments, row),
    )


def _kind(row: Any) -> Kind:
    if row.contribution_id is not None:
        return "entry"
    if row.kind is None:  # an answer to no lease
        return "imported"
    if row.kind == "audit":
        return "truth"
    return "canary" if row.kind == "canary" else "undrawn"


def _verdict(connection: sa.Connection, segments: Segments, row: Any) -> PublishedVerdict | None:
    if row.verdict is None:
        return None
    said = PublishedVerdict(row.verdict, row.reason, row.similarity, row.confirmed_ppm)
    if row.verdict in _UNWEIGHED or row.contribution_id is None or row.weighed is None:
        return said
    weighed = msgspec.json.decode(row.weighed, type=Weighed)
    earlier = None if weighed.earlier_seq is None else read_text(connection, segments, weighed.earlier_seq)
    return msgspec.structs.replace(
        said,
        node_id=row.node_id,
        record=_record(segments, row),
        truths=_truths(connection, segments, row),
        earlier_text=earlier,
        neighbour=_neighbour(connection, segments, weighed.neighbour_seq),
        operators=weighed.operators,
        refused_too=weighed.refused_too,
    )


def _neighbour(connection: sa.Connection, segments: Segments, seq: int | None) -> PublishedNeighbour | None:
    if seq is None:
        return None
    row = connection.execute(sa.select(submissions).where(submissions.c.seq == seq)).one()
    return PublishedNeighbour(seq, _record(segments, row))


def _truths(connection: sa.Connection, segments: Segments, row: Any) -> list[PublishedTruth]:
    """Return the answers that a verdict rests on: the texts it names, and for a refusal the refusals."""
    statement = (
        sa.select(
            submissions,
            truth_requests.c.operator,
            leases.c.outcome,
            contributions.c.text_sha256,
        )
        .select_from(
            truth_requests.join(leases, leases.c.lease_id == truth_requests.c.lease_id)
            .join(submissions, submissions.c.lease_id == truth_requests.c.lease_id)
            .outerjoin(contributions, contributions.c.seq == submissions.c.seq)
        )
        .where(truth_requests.c.contribution_id == row.contribution_id)
        .order_by(truth_requests.c.ordinal)
    )
    named = Counter(msgspec.json.decode(row.truth_sha256, type=list[str]))
    refused = row.outcome != Outcome.FETCHED
    chosen = []
    for answer in connection.execute(statement):
        if answer.text_sha256 is None:
            used = refused and Outcome(answer.outcome) in REFUSALS
        else:
            used = named[answer.text_sha256] > 0
            named[answer.text_sha256] -= used
        if used:
            record = _record(segments, answer)
            chosen.append(PublishedTruth(answer.seq, answer.node_id, answer.operator, record))
    return chosen


def _record(segments: Segments, row: Any) -> str:
    return segments.read(Place(row.segment, row.offset, row.length)).decode()
