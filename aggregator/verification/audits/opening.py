"""Opens an audit for each answer that a node hands in, in the transaction that commits it.

    outcome of the lease                                            audited as
    fetched                                                         a contribution
    robots_denied, optout_denied, blocked, not_found, too_large,
    unsafe_address                                                  a refusal, so that nobody keeps only the easy leases
    anything else (a timeout, no budget, …)                         not at all: the page goes to another node anyway

Rules: the rate is fixed here, before anybody can draw: from what the node has at stake and what the text may be worth
(its bytes up to a cap, over the running mean). At a rate of one, truths are asked for at once, of two operators chosen
by a keyed lot: a friend of a newcomer's could otherwise vouch for it alone. Below it, the audit waits for the
validators' draws (`settling`). Of the answer to a turned page the rate is zero or one (`turned_pages`).

Does not: draw, fetch, decide.

Usage::

    opener = AuditOpener(house, connection, leases, read)
    opener.open(lease, record, seq)                 # for each answer
    opener.write()                                  # at the end of the transaction
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

import sqlalchemy as sa

from aggregator.prepared_batches import PreparedRecord
from aggregator.verification.audits.canaries import AnsweredAt, judge_canary
from aggregator.verification.audits.truth_requests import FirstTruth, ask_first
from aggregator.verification.audits.turned_pages import KIND, TurnedPages
from aggregator.verification.audits.verdict_log import Subject, write_verdict
from aggregator.verification.comparing.weighing import REFUSALS
from aggregator.verification.drawing.audit_epochs import open_epoch
from aggregator.verification.drawing.draws import drawing_validators
from aggregator.verification.standings.audit_rate import audit_rate_ppm
from aggregator.verification.standings.exposure import Exposures
from storage.house import House
from storage.prepared import Prepared
from storage.state import get_meta, set_meta
from storage.tables.trust import audits
from windrow_protocol.audit_draw import share_of_one_ppm
from windrow_protocol.limits import AUDIT_VALUE_BYTES_MAX
from windrow_protocol.messages import Contribution, Outcome, contribution_id_for
from windrow_protocol.trust_rules import PPM
from windrow_protocol.urls import host_key, site_of

_AUDITED: Final = frozenset({"work", KIND})
_FOLD: Final = "audits/value"  # documents and counted bytes of all texts so far
_INSERT_AUDITS = Prepared(sa.insert(audits))


class AuditOpener:
    """Opens the audits of one transaction; what they follow from is read once, and what is opened is written once."""

    def __init__(
        self,
        house: House,
        connection: sa.Connection,
        leases: Collection[Any],
        read: Callable[[int], str],
    ) -> None:
        """Read what bears on answers to these leases (rows); `read` gives the text at a place of the log."""
        self._house = house
        self._connection = connection
        self._now_ms = now = house.now_ms()
        self._epoch_id = open_epoch(connection)
        self._validators = drawing_validators(connection, house.rules, self._epoch_id, now)
        self._documents, self._bytes = map(int, (get_meta(connection, _FOLD) or "0 0").split())
        work = [lease for lease in leases if lease.kind in _AUDITED]
        self._turned = TurnedPages(house, connection, work, read)
        self._hosts = {lease.lease_id: host_key(site_of(lease.url)) for lease in work}
        nodes = {lease.node_id for lease in work}
        self._exposures = Exposures(connection, house.rules, nodes, set(self._hosts.values()))
        self._new_documents = self._new_bytes = 0
        self._rows: list[dict[str, Any]] = []
        self._asked: list[FirstTruth] = []

    def open(self, lease: Any, record: PreparedRecord, seq: int) -> None:
        """Open the audit of one answer to work if an outcome like it is audited; judge one to a control page."""
        if lease.kind in _AUDITED:
            self._open(lease, record, seq)
        elif lease.kind == "canary" and isinstance(record.facts, Contribution):
            at = AnsweredAt(record.facts.fetched_at_ms, self._now_ms)
            ruling = judge_canary(self._house, lease, record.text(), at)
            subject = Subject(record.facts.contribution_id, lease.node_id, seq)
            write_verdict(self._house, self._connection, subject, ruling, self._epoch_id)

    def write(self) -> None:
        """Write the audits, whom they are asked of, and the running mean, which the texts of this transaction join."""
        _INSERT_AUDITS.run(self._connection, self._rows)
        ask_first(self._house, self._connection, self._asked)
        self._exposures.write()
        if self._new_documents:
            documents, text_bytes = self._documents + self._new_documents, self._bytes + self._new_bytes
            set_meta(self._connection, _FOLD, f"{documents} {text_bytes}")

    def _open(self, lease: Any, record: PreparedRecord, seq: int) -> None:
        rules, now, facts = self._house.rules, self._now_ms, record.facts
        if isinstance(facts, Contribution):
            outcome, content_sha256 = Outcome.FETCHED, facts.text_sha256
            contribution_id = facts.contribution_id  # which admission has checked
            counted = min(record.text_bytes, AUDIT_VALUE_BYTES_MAX)
            value_ppm = counted * self._documents * PPM // self._bytes if self._bytes else PPM
            self._new_documents += 1
            self._new_bytes += counted
        elif facts.outcome in REFUSALS and rules.on("refusal_audits"):
            outcome, content_sha256, value_ppm = facts.outcome, record.sha256, PPM
            contribution_id = contribution_id_for(lease.lease_id, lease.node_id)
        else:
            return
        exposure = self._exposures.of(lease.node_id, self._hosts[lease.lease_id], now)
        rate_ppm = audit_rate_ppm(rules, exposure, value_ppm / PPM)
        if isinstance(facts, Contribution):
            rate_ppm = self._told(lease, record, contribution_id, rate_ppm)
        self._rows.append(
            {
                "contribution_id": contribution_id,
                "seq": seq,
                "lease_id": lease.lease_id,
                "node_id": lease.node_id,
                "outcome": outcome.value,
                "content_sha256": content_sha256,
                "epoch_id": self._epoch_id,
                "rate_ppm": rate_ppm,
                "share_ppm": share_of_one_ppm(rate_ppm, self._validators),
                "value_ppm": value_ppm,
                "state": "drawing" if rate_ppm < PPM else "wanted",
                "opened_at_ms": now,
            }
        )
        if outcome is Outcome.FETCHED:
            self._exposures.count(lease.node_id, now)
        if rate_ppm >= PPM:
            doubled = rules.doubled_ppm > 0  # what makes somebody known, two operators look at (ADR 0023)
            self._asked.append(FirstTruth(contribution_id, lease.node_id, doubled))

    def _told(self, lease: Any, record: PreparedRecord, contribution_id: str, rate_ppm: int) -> int:
        """Note whether a page is said to have turned; return the rate, of the answer to a turned page its own."""
        if lease.kind == KIND:
            return self._turned.rate_ppm(lease, record.text())
        self._turned.of_work(lease, record, contribution_id, self._epoch_id)
        return rate_ppm
