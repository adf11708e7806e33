"""Durable ingest: from a batch of submissions to signed receipts.

Rules: check → append to the segment → fsync → one transaction {index, lease, audit, watermark, nonce} → only then
answer. Batches that arrive together share one fsync and one transaction; each stands in a savepoint of its own, so
that one that fails costs the others nothing. A record that cannot be accepted is answered with its reason and never
silently dropped. The same submission again gets the same receipt; another one for the same lease is refused.

Does not: judge content, pay, wait for others (see `shared_commit`), or read the clock except through the house.

Usage: `answers = ingest.accept(caller, body)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import sqlalchemy as sa

from aggregator.assignment.leases import close_lease
from aggregator.assignment.pacing import Heard, note_report
from aggregator.requests import Caller, spend
from aggregator.verification.audits.opening import AuditOpener
from storage.house import House
from storage.segments import Place, Segments
from storage.state import get_cursor, get_meta, set_cursor, set_meta
from storage.tables import contributions, leases, submissions
from windrow_protocol.content import normalise_text, text_sha256
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CLOCK_SKEW_MS_MAX, SUBMISSION_GRACE_MS
from windrow_protocol.messages import (
    Contribution,
    Outcome,
    Receipt,
    Submission,
    canonical_record,
    contribution_id_for,
    decode_batch,
)

GENESIS_HEAD = "0" * 64
# Made once: building a statement with so many values costs more than SQLite takes to run it.
_INSERT_SUBMISSION = sa.insert(submissions)
_INSERT_CONTRIBUTION = sa.insert(contributions)
_LEASE = sa.select(leases).where(leases.c.lease_id == sa.bindparam("lease"))


def next_head(head: str, record_sha256: str) -> str:
    """Return the log's head after one more record: SHA-256(head ‖ digest of the record)."""
    return hashlib.sha256(bytes.fromhex(head) + bytes.fromhex(record_sha256)).hexdigest()


Answers = list[dict[str, Any]]


@dataclass(frozen=True)
class _Accepted:
    record: Submission
    lease: Any
    data: bytes
    sha256: str


@dataclass(frozen=True)
class _Batch:
    caller: Caller
    checked: list[_Accepted | dict[str, Any]]


@dataclass(frozen=True)
class _Logged:
    """What one group has logged so far: the log's end, (digest, receipt) of each lease it closed, and its texts."""

    seq: int
    head: str
    receipts: dict[str, tuple[str, str]]
    documents: int = 0
    text_bytes: int = 0


class Ingest:
    """The one writer of the contributions log."""

    def __init__(self, house: House, segments: Segments) -> None:
        self._house = house
        self._segments = segments

    def accept(self, caller: Caller, body: bytes) -> Answers:
        """Make a batch durable and return one answer for each record, in order.

        An answer is `{lease_id, ok: true, receipt}` or `{lease_id, ok: false, error, sentence, …}`. Raises
        WindrowError for the batch as a whole (`too_large`, `bad_compression`, `decompression_bomb`, `replayed`).
        """
        (answers,) = self.accept_together([(caller, body)])
        if isinstance(answers, Exception):
            raise answers
        return answers

    def accept_together(self, batches: Sequence[tuple[Caller, bytes]]) -> list[Answers | Exception]:
        """Make batches durable with one fsync and one commit; each gets its answers, or the exception it alone caused.

        What fails for all of them (the disk, the database) is raised, and then none of them is acknowledged.
        """
        with self._house.state.read() as connection:
            checked = [self._open(connection, caller, body) for caller, body in batches]
        places = self._append([batch for batch in checked if isinstance(batch, _Batch)])
        results: list[Answers | Exception] = []
        with self._house.state.write() as connection:
            logged, opener = _logged_before(connection), AuditOpener(self._house, connection)
            for batch in checked:
                if isinstance(batch, _Batch):
                    answers, logged = self._log_batch(connection, batch, places, logged, opener)
                    results.append(answers)
                else:
                    results.append(batch)
            set_cursor(connection, "submissions", logged.seq)
            set_meta(connection, "submissions/head", logged.head)
            opener.close(logged.documents, logged.text_bytes)
            self._segments.commit(connection)
        return results

    def _open(self, connection: sa.Connection, caller: Caller, body: bytes) -> _Batch | WindrowError:
        try:
            records = list(decode_batch(body))
        except WindrowError as error:
            return error
        return _Batch(caller, [self._check(connection, caller.node_id, record) for record in records])

    def _append(self, batches: list[_Batch]) -> dict[tuple[str, str], Place]:
        """Write each different record once, durably, and return where by (lease, digest)."""
        accepted = [each for batch in batches for each in batch.checked if isinstance(each, _Accepted)]
        fresh = {(each.lease.lease_id, each.sha256): each.data for each in accepted}
        places = {key: self._segments.append(data) for key, data in fresh.items()}
        if places:
            self._segments.sync()
        return places

    def _log_batch(
        self,
        connection: sa.Connection,
        batch: _Batch,
        places: dict[tuple[str, str], Place],
        before: _Logged,
        opener: AuditOpener,
    ) -> tuple[Answers | Exception, _Logged]:
        logged, answers = replace(before, receipts=dict(before.receipts)), []
        try:
            with connection.begin_nested():
                spend(connection, batch.caller)
                for each in batch.checked:
                    if isinstance(each, _Accepted) and each.lease.lease_id not in logged.receipts:
                        place = places[each.lease.lease_id, each.sha256]
                        logged = self._log(connection, each, place, logged, opener)
                    answers.append(_answer(each, logged.receipts))
        except Exception as error:  # of this batch alone: its savepoint is rolled back, the others stand
            return error, before
        return answers, logged

    def _check(
        self, connection: sa.Connection, node_id: str, record: Submission | WindrowError
    ) -> _Accepted | dict[str, Any]:
        if isinstance(record, WindrowError):
            return {"lease_id": "", "ok": False, **record.as_dict()}
        try:
            return self._admit(connection, node_id, record)
        except WindrowError as error:
            return {"lease_id": record.lease_id, "ok": False, **error.as_dict()}

    def _admit(
        self, connection: sa.Connection, node_id: str, record: Submission
    ) -> _Accepted | dict[str, Any]:
        lease = connection.execute(_LEASE, {"lease": record.lease_id}).one_or_none()
        if lease is None:
            raise WindrowError("unknown_lease", record.lease_id)
        if lease.node_id != node_id:
            raise WindrowError("not_your_lease", record.lease_id)
        data = canonical_record(record)
        digest = hashlib.sha256(data).hexdigest()
        if lease.state == "answered":
            return _earlier_receipt(connection, record.lease_id, digest)
        if lease.state == "expired" or lease.expires_at_ms + SUBMISSION_GRACE_MS < self._house.now_ms():
            raise WindrowError("lease_expired", f"{record.lease_id} ended at {lease.expires_at_ms}")
        if record.url != lease.url:
            raise WindrowError("url_mismatch", record.lease_id)
        latest_ms = self._house.now_ms() + CLOCK_SKEW_MS_MAX
        if not lease.issued_at_ms - CLOCK_SKEW_MS_MAX <= record.fetched_at_ms <= latest_ms:
            raise WindrowError("wrong_time", str(record.fetched_at_ms))
        if isinstance(record, Contribution):
            _check_content(record, node_id)
        elif record.outcome is Outcome.FETCHED:
            raise WindrowError("unknown_outcome", "`fetched` needs a contribution with its text")
        return _Accepted(record, lease, data, digest)

    def _log(
        self,
        connection: sa.Connection,
        each: _Accepted,
        place: Place,
        before: _Logged,
        opener: AuditOpener,
    ) -> _Logged:
        record, lease, now = each.record, each.lease, self._house.now_ms()
        seq, head = before.seq + 1, next_head(before.head, each.sha256)
        is_text = isinstance(record, Contribution)
        outcome = Outcome.FETCHED if isinstance(record, Contribution) else record.outcome
        receipt = Receipt(
            lease_id=record.lease_id,
            contribution_id=record.contribution_id if isinstance(record, Contribution) else "",
            url=record.url,
            outcome=outcome,
            content_sha256=record.text_sha256 if isinstance(record, Contribution) else "",
            seq=seq,
            head=head,
            received_at_ms=now,
        )
        token = self._house.sign("receipt", lease.node_id, msgspec.to_builtins(receipt))
        row = {
            "seq": seq,
            "lease_id": record.lease_id,
            "node_id": lease.node_id,
            "kind": "contribution" if is_text else "report",
            "segment": place.segment,
            "offset": place.offset,
            "length": place.length,
            "record_sha256": each.sha256,
            "head": head,
            "received_at_ms": now,
            "receipt": token,
        }
        connection.execute(_INSERT_SUBMISSION, row)
        if isinstance(record, Contribution):
            _index(connection, record, lease, seq, now)
        facts = {"http_status": record.http_status, "bytes_wire": record.bytes_wire}
        detail = "" if isinstance(record, Contribution) else record.detail
        close_lease(connection, lease, "answer", outcome, now, detail=detail, **facts)
        note_report(connection, lease.url, _heard(record, outcome), now)
        text_bytes = opener.open(lease, record, each.sha256, seq)
        before.receipts[lease.lease_id] = (each.sha256, token)
        is_counted = is_text and lease.kind == "work"
        return _Logged(
            seq, head, before.receipts, before.documents + is_counted, before.text_bytes + text_bytes
        )


def _logged_before(connection: sa.Connection) -> _Logged:
    head = get_meta(connection, "submissions/head") or GENESIS_HEAD
    return _Logged(get_cursor(connection, "submissions"), head, {})


def _answer(each: _Accepted | dict[str, Any], receipts: dict[str, tuple[str, str]]) -> dict[str, Any]:
    if isinstance(each, dict):
        return each
    lease_id = each.lease.lease_id
    sha256, receipt = receipts[lease_id]
    if sha256 != each.sha256:
        return {"lease_id": lease_id, "ok": False, **WindrowError("lease_closed", lease_id).as_dict()}
    return {"lease_id": lease_id, "ok": True, "receipt": receipt}


def _earlier_receipt(connection: sa.Connection, lease_id: str, digest: str) -> dict[str, Any]:
    row = connection.execute(
        sa.select(submissions.c.record_sha256, submissions.c.receipt).where(
            submissions.c.lease_id == lease_id
        )
    ).one()
    if row.record_sha256 != digest:
        raise WindrowError("lease_closed", lease_id)
    return {"lease_id": lease_id, "ok": True, "receipt": row.receipt}


def _check_content(record: Contribution, node_id: str) -> None:
    if record.contribution_id != contribution_id_for(record.lease_id, node_id):
        raise WindrowError("wrong_contribution_id", record.contribution_id)
    if not record.text.strip():
        raise WindrowError("empty_text", record.lease_id)
    if normalise_text(record.text) != record.text:
        raise WindrowError("wrong_digest", "the text is not in normal form")
    if text_sha256(record.text) != record.text_sha256:
        raise WindrowError("wrong_digest", "text_sha256")


def _index(connection: sa.Connection, record: Contribution, lease: Any, seq: int, now_ms: int) -> None:
    row = {
        "contribution_id": record.contribution_id,
        "seq": seq,
        "lease_id": record.lease_id,
        "node_id": lease.node_id,
        "kind": "truth" if lease.kind == "audit" else lease.kind,
        "audit_of": lease.audit_of,
        "url": record.url,
        "final_url": record.final_url,
        "http_status": record.http_status,
        "content_type": record.content_type,
        "fetched_at_ms": record.fetched_at_ms,
        "received_at_ms": now_ms,
        "robots_state": record.robots_state,
        "optout_signals": msgspec.json.encode(record.optout_signals).decode(),
        "raw_sha256": record.raw_sha256,
        "text_sha256": record.text_sha256,
        "text_bytes": len(record.text.encode()),
        "title": record.title,
        "extractor_version": record.extractor_version,
    }
    connection.execute(_INSERT_CONTRIBUTION, row)


def _heard(record: Submission, outcome: Outcome) -> Heard:
    retry_after_ms = 0 if isinstance(record, Contribution) else record.retry_after_ms
    return Heard(outcome, record.http_status, record.crawl_delay_ms, retry_after_ms)


def read_text(connection: sa.Connection, segments: Segments, seq: int) -> str:
    """Return the text of the contribution at one place of the log."""
    row = connection.execute(
        sa.select(submissions.c.segment, submissions.c.offset, submissions.c.length).where(
            submissions.c.seq == seq
        )
    ).one()
    record = msgspec.json.decode(segments.read(Place(row.segment, row.offset, row.length)), type=Contribution)
    return record.text
