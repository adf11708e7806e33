"""Admission: whether one record of a batch may be entered in the log, decided by values alone.

    the lease is unknown, another node's, or closed with another record    refused
    the text is empty, not in normal form, or not what its digest says     refused
    fetched before its lease was issued, or in the future                  refused
    anything else                                                          admitted

Does not: read or write anything, or judge content. Usage: `each = admit(record, lease, node_id, now_ms)`.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from windrow_protocol.content import is_normal_text
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CLOCK_SKEW_MS_MAX, SUBMISSION_GRACE_MS
from windrow_protocol.messages import (
    Contribution,
    Outcome,
    Submission,
    canonical_record,
    contribution_id_for,
)

_FETCHED: Final = Outcome.FETCHED  # an enumeration's members are slow to look up


class Admitted(msgspec.Struct, frozen=True):
    """A record with its lease (a row of `leases`), what it says became of it, its exact bytes and their digest.

    `text_bytes` is 0 in a report.
    """

    record: Submission
    lease: Any
    outcome: Outcome
    data: bytes
    sha256: str
    text_bytes: int = 0


def admit(record: Submission, lease: Any, node_id: str, now_ms: int) -> Admitted:
    """Return what is to be logged; whether its lease was answered before is the caller's to see.

    Raises WindrowError `unknown_lease`, `not_your_lease`, `lease_expired`, `url_mismatch`, `wrong_time`,
    `wrong_contribution_id`, `empty_text`, `wrong_digest` or `unknown_outcome`.
    """
    if lease is None:
        raise WindrowError("unknown_lease", record.lease_id)
    if lease.node_id != node_id:
        raise WindrowError("not_your_lease", record.lease_id)
    data = canonical_record(record)
    sha256 = hashlib.sha256(data).hexdigest()
    outcome = _FETCHED if isinstance(record, Contribution) else record.outcome
    if lease.state == "answered":
        return Admitted(record, lease, outcome, data, sha256)
    if lease.state == "expired" or lease.expires_at_ms + SUBMISSION_GRACE_MS < now_ms:
        raise WindrowError("lease_expired", f"{record.lease_id} ended at {lease.expires_at_ms}")
    if record.url != lease.url:
        raise WindrowError("url_mismatch", record.lease_id)
    if not lease.issued_at_ms - CLOCK_SKEW_MS_MAX <= record.fetched_at_ms <= now_ms + CLOCK_SKEW_MS_MAX:
        raise WindrowError("wrong_time", str(record.fetched_at_ms))
    if isinstance(record, Contribution):
        return Admitted(record, lease, outcome, data, sha256, _checked_text(record, node_id))
    if outcome is _FETCHED:
        raise WindrowError("unknown_outcome", "`fetched` needs a contribution with its text")
    return Admitted(record, lease, outcome, data, sha256)


def _checked_text(record: Contribution, node_id: str) -> int:
    if record.contribution_id != contribution_id_for(record.lease_id, node_id):
        raise WindrowError("wrong_contribution_id", record.contribution_id)
    if not record.text.strip():
        raise WindrowError("empty_text", record.lease_id)
    if not is_normal_text(record.text):
        raise WindrowError("wrong_digest", "the text is not in normal form")
    text = record.text.encode()
    if hashlib.sha256(text).hexdigest() != record.text_sha256:
        raise WindrowError("wrong_digest", "text_sha256")
    return len(text)
