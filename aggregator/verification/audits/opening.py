"""Opens an audit for each answer that a node hands in, in the transaction that commits it.

    outcome of the lease                                            audited as
    fetched                                                         a contribution
    robots_denied, optout_denied, blocked, not_found, too_large,
    unsafe_address                                                  a refusal, so that nobody keeps only the easy leases
    anything else (a timeout, no budget, …)                         not at all: the page goes to another node anyway

Rules: the rate is fixed here, before anybody can draw: from what the node has at stake and what the text may be worth
(its bytes up to a cap, over the running mean). At a rate of one, truths are asked for at once, of an operator chosen by
a keyed lot; below it, the audit waits for the validators' draws (`settling`).

Does not: draw, fetch, decide.

Usage: `opener = AuditOpener(house, connection)`, `opener.open(lease, record, record_sha256, seq)` for each answer, and
at the end of the transaction `opener.close(documents, text_bytes)`.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from aggregator.verification.audits.canaries import AnsweredAt, judge_canary
from aggregator.verification.audits.truth_requests import ask, ask_another
from aggregator.verification.audits.verdict_log import Subject, write_verdict
from aggregator.verification.comparing.weighing import REFUSALS
from aggregator.verification.drawing.audit_epochs import open_epoch
from aggregator.verification.drawing.draws import drawing_validators
from aggregator.verification.standings.audit_rate import audit_rate_ppm
from aggregator.verification.standings.exposure import count_document, exposure_of
from storage.house import House
from storage.state import get_meta, set_meta
from storage.trust_tables import audits
from windrow_protocol.audit_draw import share_of_one_ppm
from windrow_protocol.limits import AUDIT_VALUE_BYTES_MAX
from windrow_protocol.messages import Contribution, Outcome, Submission, contribution_id_for
from windrow_protocol.trust_rules import PPM
from windrow_protocol.urls import host_key

_FOLD: Final = "audits/value"  # documents and counted bytes of all texts so far


class AuditOpener:
    """Opens the audits of one transaction; what is the same for all of them is read once."""

    def __init__(self, house: House, connection: sa.Connection) -> None:
        self._house = house
        self._connection = connection
        self._epoch_id = open_epoch(connection)
        self._validators = drawing_validators(connection, house.rules, self._epoch_id, house.now_ms())
        self._documents, self._bytes = map(int, (get_meta(connection, _FOLD) or "0 0").split())

    def open(self, lease: Any, record: Submission, record_sha256: str, seq: int) -> int:
        """Open the audit of one answer to work, unless an outcome like it is not audited; judge one to a control page.

        Returns for how many bytes the text counts in the running mean.
        """
        if lease.kind == "work":
            return self._open(lease, record, record_sha256, seq)
        if lease.kind == "canary" and isinstance(record, Contribution):
            at = AnsweredAt(record.fetched_at_ms, self._house.now_ms())
            ruling = judge_canary(self._house, lease, record.text, at)
            subject = Subject(record.contribution_id, lease.node_id, seq)
            write_verdict(self._house, self._connection, subject, ruling, self._epoch_id)
        return 0

    def _open(self, lease: Any, record: Submission, record_sha256: str, seq: int) -> int:
        rules, now = self._house.rules, self._house.now_ms()
        if isinstance(record, Contribution):
            outcome, content_sha256 = Outcome.FETCHED, record.text_sha256
            counted = min(len(record.text.encode()), AUDIT_VALUE_BYTES_MAX)
        elif record.outcome in REFUSALS and rules.on("refusal_audits"):
            outcome, content_sha256, counted = record.outcome, record_sha256, 0
        else:
            return 0
        contribution_id = contribution_id_for(lease.lease_id, lease.node_id)
        value_ppm = self._value_ppm(counted) if outcome is Outcome.FETCHED else PPM
        exposure = exposure_of(self._connection, rules, lease.node_id, host_key(lease.url), now)
        rate_ppm = audit_rate_ppm(rules, exposure, value_ppm / PPM)
        self._connection.execute(
            sa.insert(audits).values(
                contribution_id=contribution_id,
                seq=seq,
                lease_id=lease.lease_id,
                node_id=lease.node_id,
                outcome=outcome.value,
                content_sha256=content_sha256,
                epoch_id=self._epoch_id,
                rate_ppm=rate_ppm,
                share_ppm=share_of_one_ppm(rate_ppm, self._validators),
                value_ppm=value_ppm,
                state="drawing" if rate_ppm < PPM else "wanted",
                opened_at_ms=now,
            )
        )
        if outcome is Outcome.FETCHED:
            count_document(self._connection, lease.node_id, now)
        if rate_ppm >= PPM:
            self._ask(contribution_id)
        return counted

    def close(self, documents: int, text_bytes: int) -> None:
        """Add the texts of this transaction to the running mean, their bytes as `open` counted them."""
        if documents:
            set_meta(self._connection, _FOLD, f"{self._documents + documents} {self._bytes + text_bytes}")

    def _value_ppm(self, counted_bytes: int) -> int:
        return counted_bytes * self._documents * PPM // self._bytes if self._bytes else PPM

    def _ask(self, contribution_id: str) -> None:
        ask(self._house, self._connection, contribution_id)
        lot = int.from_bytes(self._house.keyed("double", contribution_id)[:8], "big")
        if lot * PPM < self._house.rules.doubled_ppm << 64:
            ask_another(self._house, self._connection, contribution_id)
