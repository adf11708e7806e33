"""New entries of the contributions log: from admitted records to the rows of one transaction.

Rules: entries are numbered and chained in the order in which they are added; what a group needs to know is read once,
each table is written with one statement, and nothing is written before `write`. A lease has one entry.

Does not: admit (`admission`), bring bodies to the disk (`segments`), or begin a transaction.

Usage::

    entries = LogEntries(house, connection, admitted, read)
    receipt = entries.add(each, place)
    entries.write()
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from aggregator.admission import Admitted
from aggregator.assignment.closing import Closing, close_leases
from aggregator.assignment.pacing import Heard, note_reports
from aggregator.verification.audits.opening import AuditOpener
from storage.house import House
from storage.prepared import Prepared
from storage.segments import Place
from storage.state import get_cursor, get_meta, set_cursor, set_meta
from storage.tables.contributions import contributions, submissions
from windrow_protocol.messages import Contribution, Receipt

GENESIS_HEAD = "0" * 64
_INSERT_SUBMISSIONS = Prepared(sa.insert(submissions))
_INSERT_CONTRIBUTIONS = Prepared(sa.insert(contributions))


def next_head(head: str, record_sha256: str) -> str:
    """Return the log's head after one more record: SHA-256(head ‖ digest of the record)."""
    return hashlib.sha256(bytes.fromhex(head) + bytes.fromhex(record_sha256)).hexdigest()


class LogEntries:
    """The entries of one transaction."""

    def __init__(
        self,
        house: House,
        connection: sa.Connection,
        admitted: Sequence[Admitted],
        read: Callable[[int], str],
    ) -> None:
        """Read where the log ends, and what bears on these records; `read` gives the text at a place of the log."""
        self._house = house
        self._connection = connection
        self._now_ms = house.now_ms()
        self._seq = get_cursor(connection, "submissions")
        self._head = get_meta(connection, "submissions/head") or GENESIS_HEAD
        self._opener = AuditOpener(house, connection, [each.lease for each in admitted], read)
        self._receipts: dict[str, tuple[str, str]] = {}  # by lease: the record's digest, the receipt
        self._submissions: list[dict[str, Any]] = []
        self._contributions: list[dict[str, Any]] = []
        self._closings: list[Closing] = []
        self._reports: list[tuple[str, Heard]] = []

    def add(self, each: Admitted, place: Place) -> tuple[str, str]:
        """Enter a record unless its lease has an entry; return the digest that is entered, and its receipt."""
        lease_id = each.lease.lease_id
        if lease_id not in self._receipts:
            self._receipts[lease_id] = (each.record.sha256, self._enter(each, place))
        return self._receipts[lease_id]

    def write(self) -> None:
        """Write the rows of everything that was added, and where the log ends now."""
        _INSERT_SUBMISSIONS.run(self._connection, self._submissions)
        _INSERT_CONTRIBUTIONS.run(self._connection, self._contributions)
        close_leases(self._connection, self._closings, self._now_ms)
        note_reports(self._connection, self._reports, self._now_ms)
        self._opener.write()
        set_cursor(self._connection, "submissions", self._seq)
        set_meta(self._connection, "submissions/head", self._head)

    def _enter(self, each: Admitted, place: Place) -> str:
        record, lease = each.record.facts, each.lease
        self._seq, self._head = self._seq + 1, next_head(self._head, each.record.sha256)
        receipt = self._sign(each)
        self._submissions.append(self._log_row(each, place, receipt))
        if isinstance(record, Contribution):
            self._contributions.append(self._index_row(record, each))
        facts = {
            "http_status": record.http_status,
            "bytes_wire": record.bytes_wire,
            "needs_browser": record.needs_browser is True,
            "detail": "" if isinstance(record, Contribution) else record.detail,
        }
        self._closings.append(Closing(lease, "answer", each.outcome, facts))
        self._reports.append((lease.url, _heard(each)))
        self._opener.open(lease, each.record, self._seq)
        return receipt

    def _sign(self, each: Admitted) -> str:
        record = each.record.facts
        text = record if isinstance(record, Contribution) else None
        receipt = Receipt(
            lease_id=record.lease_id,
            contribution_id=text.contribution_id if text else "",
            url=record.url,
            outcome=each.outcome,
            content_sha256=text.text_sha256 if text else "",
            seq=self._seq,
            head=self._head,
            received_at_ms=self._now_ms,
        )
        return self._house.sign("receipt", each.lease.node_id, receipt)

    def _log_row(self, each: Admitted, place: Place, receipt: str) -> dict[str, Any]:
        return {
            "seq": self._seq,
            "lease_id": each.lease.lease_id,
            "node_id": each.lease.node_id,
            "kind": "contribution" if isinstance(each.record.facts, Contribution) else "report",
            "segment": place.segment,
            "offset": place.offset,
            "length": place.length,
            "record_sha256": each.record.sha256,
            "head": self._head,
            "received_at_ms": self._now_ms,
            "receipt": receipt,
        }

    def _index_row(self, record: Contribution, each: Admitted) -> dict[str, Any]:
        lease = each.lease
        return {
            "contribution_id": record.contribution_id,
            "seq": self._seq,
            "lease_id": record.lease_id,
            "node_id": lease.node_id,
            "kind": "truth" if lease.kind == "audit" else lease.kind,
            "audit_of": lease.audit_of,
            "url": record.url,
            "final_url": record.final_url,
            "http_status": record.http_status,
            "content_type": record.content_type,
            "fetched_at_ms": record.fetched_at_ms,
            "received_at_ms": self._now_ms,
            "robots_state": record.robots_state,
            "optout_signals": msgspec.json.encode(record.optout_signals).decode(),
            "raw_sha256": record.raw_sha256,
            "text_sha256": record.text_sha256,
            "text_bytes": each.record.text_bytes,
            "title": record.title,
            "extractor_version": record.extractor_version,
        }


def _heard(each: Admitted) -> Heard:
    record = each.record.facts
    retry_after_ms = 0 if isinstance(record, Contribution) else record.retry_after_ms
    return Heard(each.outcome, record.http_status, record.crawl_delay_ms, retry_after_ms)
