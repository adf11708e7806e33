"""Durable ingest: from a batch of submissions to signed receipts.

Rules: check → append to the segment → fsync → one transaction {index, lease, audit, watermark, nonce} → only then
answer. Batches that arrive together share one fsync and one transaction; where it fails, each is tried alone, so that
one that fails costs the others nothing. A record that cannot be accepted is answered with its reason and never
silently dropped. The same submission again gets the same receipt; another one for the same lease is refused.

Does not: judge content, pay, wait for others (see `shared_commit`), or read the clock except through the house.

Usage: `answers = ingest.accept(caller, body)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import sqlalchemy as sa

from aggregator.admission import Admitted, admit
from aggregator.log_entries import LogEntries
from aggregator.prepared_batches import Fault, PreparedBatch, PreparedRecord, Preparer
from aggregator.requests import Caller, spend
from aggregator.roster import check_not_gone, rows_of
from storage.house import House
from storage.prepared import Prepared
from storage.segments import Place, Segments
from storage.tables.contributions import leases, submissions
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import Contribution

Answers = list[dict[str, Any]]
Batch = tuple[Caller, bytes | PreparedBatch]  # as it was sent, or as a gate prepared it
_LEASES = Prepared(sa.select(leases).where(leases.c.lease_id.in_(sa.bindparam("ids", expanding=True))))
_PLACES = Prepared(
    sa.select(submissions.c.seq, submissions.c.segment, submissions.c.offset, submissions.c.length).where(
        submissions.c.seq.in_(sa.bindparam("seqs", expanding=True))
    )
)


@dataclass(frozen=True)
class _Batch:
    """A batch that can be read; of each record what is logged, or the answer that is known already."""

    caller: Caller
    checked: list[Admitted | dict[str, Any]]

    @property
    def admitted(self) -> list[Admitted]:
        return [each for each in self.checked if isinstance(each, Admitted)]


_Opened = _Batch | WindrowError
_Places = dict[tuple[str, str], Place]  # by lease and digest


class Ingest:
    """The one writer of the contributions log."""

    def __init__(self, house: House, segments: Segments) -> None:
        self._house = house
        self._segments = segments
        self._preparer = Preparer()

    def accept(self, caller: Caller, body: bytes) -> Answers:
        """Make a batch durable and return one answer for each record, in order.

        An answer is `{lease_id, ok: true, receipt}` or `{lease_id, ok: false, error, sentence, …}`. Raises
        WindrowError for the batch as a whole (`unknown_node`, `node_left`, `too_large`, `bad_compression`,
        `decompression_bomb`, `replayed`).
        """
        (answers,) = self.accept_together([(caller, body)])
        if isinstance(answers, Exception):
            raise answers
        return answers

    def accept_together(self, batches: Sequence[Batch]) -> list[Answers | Exception]:
        """Make batches durable with one fsync and one commit; each gets its answers, or the exception it alone caused.

        What fails for all of them (the disk, the database) is raised, and then none of them is acknowledged.
        """
        opened = self._open(batches)
        readable = [batch for batch in opened if isinstance(batch, _Batch)]
        if not readable:
            return [
                batch for batch in opened if not isinstance(batch, _Batch)
            ]  # strangers' batches take no turn at the one writer
        places = self._append(readable)
        try:
            return self._log(opened, places)
        except Exception:
            if len(opened) == 1:
                raise
        return [self._log_alone(batch, places) for batch in opened]  # it may be the fault of one of them

    def _open(self, batches: Sequence[Batch]) -> list[_Opened]:
        now_ms = self._house.now_ms()
        with self._house.state.read() as connection:
            members = rows_of(connection, {caller.node_id for caller, _ in batches})
            prepared = self._prepared(members, batches)
            named = {each.facts.lease_id for records in prepared for each in _readable(records)}
            known = {row.lease_id: row for row in _LEASES.rows(connection, ids=list(named))}
            return [
                records
                if isinstance(records, WindrowError)
                else _Batch(
                    caller, [self._check(connection, known, caller.node_id, each, now_ms) for each in records]
                )
                for (caller, _), records in zip(batches, prepared, strict=True)
            ]

    def _prepared(
        self, members: dict[str, Any], batches: Sequence[Batch]
    ) -> list[PreparedBatch | WindrowError]:
        """Prepare what no gate has, together; what a stranger sent is not even unpacked."""
        strangers = [_gone(members.get(caller.node_id), caller) for caller, _ in batches]
        sent = [
            (caller.node_id, body)
            for (caller, body), stranger in zip(batches, strangers, strict=True)
            if stranger is None and isinstance(body, bytes)
        ]
        made = iter(self._preparer.prepare(sent))
        return [
            stranger or (next(made) if isinstance(body, bytes) else body)
            for (_, body), stranger in zip(batches, strangers, strict=True)
        ]

    def _check(
        self,
        connection: sa.Connection,
        known: dict[str, Any],
        node_id: str,
        record: PreparedRecord | Fault,
        now_ms: int,
    ) -> Admitted | dict[str, Any]:
        if isinstance(record, Fault):
            return {"lease_id": "", "ok": False, **record.as_error().as_dict()}
        lease_id = record.facts.lease_id
        try:
            each = admit(record, known.get(lease_id), node_id, now_ms)
            if each.lease.state == "answered":
                return self._answered_before(connection, lease_id, record.sha256)
        except WindrowError as error:
            return {"lease_id": lease_id, "ok": False, **error.as_dict()}
        return each

    def _answered_before(self, connection: sa.Connection, lease_id: str, digest: str) -> dict[str, Any]:
        row = connection.execute(
            sa.select(submissions.c.record_sha256, submissions.c.receipt).where(
                submissions.c.lease_id == lease_id
            )
        ).one()
        if row.record_sha256 != digest:
            raise WindrowError("lease_closed", lease_id)
        return {"lease_id": lease_id, "ok": True, "receipt": row.receipt}

    def _append(self, batches: list[_Batch]) -> _Places:
        """Write each different record once, durably, and return where."""
        fresh = {_key(each): each.record.packed for batch in batches for each in batch.admitted}
        places = dict(zip(fresh, self._segments.append_packed(list(fresh.values())), strict=True))
        if places:
            self._segments.sync()
        return places

    def _log(self, opened: Sequence[_Opened], places: _Places) -> list[Answers | Exception]:
        results: list[Answers | Exception] = []
        with self._house.state.write() as connection:
            admitted = [each for batch in opened if isinstance(batch, _Batch) for each in batch.admitted]
            entries = LogEntries(
                self._house, connection, admitted, partial(read_text, connection, self._segments)
            )
            for batch in opened:
                if isinstance(batch, WindrowError):
                    results.append(batch)
                else:
                    refused = _spent(connection, batch.caller)
                    results.append(refused or _enter(entries, batch, places))
            entries.write()
            self._segments.commit(connection)
        return results

    def _log_alone(self, batch: _Opened, places: _Places) -> Answers | Exception:
        try:
            return self._log([batch], places)[0]
        except Exception as error:
            return error


def _spent(connection: sa.Connection, caller: Caller) -> WindrowError | None:
    """Spend a batch's nonce, or return why nothing of it is entered."""
    try:
        spend(connection, caller)
    except WindrowError as error:
        return error
    return None


def _enter(entries: LogEntries, batch: _Batch, places: _Places) -> Answers:
    return [
        each if isinstance(each, dict) else _answer(each, *entries.add(each, places[_key(each)]))
        for each in batch.checked
    ]


def _gone(member: Any, caller: Caller) -> WindrowError | None:
    """Return why nothing is taken from a sender, or None."""
    try:
        check_not_gone(caller.node_id, member)
    except WindrowError as error:
        return error
    return None


def _readable(records: PreparedBatch | WindrowError) -> list[PreparedRecord]:
    if isinstance(records, WindrowError):
        return []
    return [record for record in records if isinstance(record, PreparedRecord)]


def _key(each: Admitted) -> tuple[str, str]:
    return each.lease.lease_id, each.record.sha256


def _answer(each: Admitted, entered_sha256: str, receipt: str) -> dict[str, Any]:
    lease_id = each.lease.lease_id
    if entered_sha256 != each.record.sha256:
        return {"lease_id": lease_id, "ok": False, **WindrowError("lease_closed", lease_id).as_dict()}
    return {"lease_id": lease_id, "ok": True, "receipt": receipt}


def read_text(connection: sa.Connection, segments: Segments, seq: int) -> str:
    """Return the text of the contribution at one place of the log."""
    return read_texts(connection, segments, [seq])[seq]


def read_texts(connection: sa.Connection, segments: Segments, seqs: Sequence[int]) -> dict[int, str]:
    """Return the texts of contributions by their places of the log. Raises KeyError for no such place."""
    rows = {row.seq: row for row in _PLACES.rows(connection, seqs=list(seqs))}
    texts = {}
    for seq in seqs:
        data = segments.read(Place(rows[seq].segment, rows[seq].offset, rows[seq].length))
        texts[seq] = msgspec.json.decode(data, type=Contribution).text
    return texts
