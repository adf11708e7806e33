"""Admission: whether one record of a batch may be entered in the log, decided by values alone.

    the lease is unknown, another node's, or closed with another record    refused
    the text is empty, not in normal form, or not what its digest says     refused (seen by `prepared_batches`)
    fetched before its lease was issued, or in the future                  refused
    anything else                                                          admitted

Does not: read or write anything, or judge content. Usage: `each = admit(record, lease, node_id, now_ms)`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from aggregator.prepared_batches import PreparedRecord
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CLOCK_SKEW_MS_MAX, SUBMISSION_GRACE_MS
from windrow_protocol.messages import Contribution, Outcome

_FETCHED: Final = Outcome.FETCHED  # an enumeration's members are slow to look up


class Admitted(msgspec.Struct, frozen=True):
    """A record with its lease (a row of `leases`) and what it says became of it."""

    record: PreparedRecord
    lease: Any
    outcome: Outcome


def admit(record: PreparedRecord, lease: Any, node_id: str, now_ms: int) -> Admitted:
    """Return what is to be logged; whether its lease was answered before is the caller's to see.

    Raises WindrowError `unknown_lease`, `not_your_lease`, `lease_expired`, `url_mismatch`, `wrong_time`,
    `wrong_contribution_id`, `empty_text`, `wrong_digest` or `unknown_outcome`.
    """
    facts = record.facts
    if lease is None:
        raise WindrowError("unknown_lease", facts.lease_id)
    if lease.node_id != node_id:
        raise WindrowError("not_your_lease", facts.lease_id)
    is_text = isinstance(facts, Contribution)
    admitted = Admitted(record, lease, _FETCHED if isinstance(facts, Contribution) else facts.outcome)
    if lease.state == "answered":
        return admitted
    if lease.state == "expired" or lease.expires_at_ms + SUBMISSION_GRACE_MS < now_ms:
        raise WindrowError("lease_expired", f"{facts.lease_id} ended at {lease.expires_at_ms}")
    if facts.url != lease.url:
        raise WindrowError("url_mismatch", facts.lease_id)
    if not lease.issued_at_ms - CLOCK_SKEW_MS_MAX <= facts.fetched_at_ms <= now_ms + CLOCK_SKEW_MS_MAX:
        raise WindrowError("wrong_time", str(facts.fetched_at_ms))
    if record.fault is not None:
        raise record.fault.as_error()
    if admitted.outcome is _FETCHED and not is_text:
        raise WindrowError("unknown_outcome", "`fetched` needs a contribution with its text")
    return admitted
