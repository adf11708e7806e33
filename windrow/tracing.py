"""`windrow trace`: what became of one lease or contribution, from the page to the payout, in the order it happened.

Rules: only reads, by key; works beside a running house. Each step is a row of a log with its time and one sentence;
what has not happened yet is not told. A donation's trace holds no word of it.

Does not: judge, or show texts. Usage: `for step in trace(settings, "c949c011…"): print(step.at, step.name, step.what)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from marketplace.rendering import units_text as whole_tokens
from rewards.known_assets import decimals_of
from rewards.rates import sentence_of
from storage.published import published_files
from storage.tables.contributions import (
    consents,
    contributions,
    duplicates,
    epochs,
    exports,
    leases,
    ledger,
    nodes,
    payouts,
    sales,
    submissions,
    verdicts,
)
from storage.tables.trust import appeals, audits, consequences, truth_requests
from windrow.home import disk_of, reading_state, usable_files
from windrow.settings import HouseSettings
from windrow_protocol.amounts import OWN_ASSET, units_text
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import PROVENANCE_NAME


class Step(NamedTuple):
    """One thing that happened; `at_ms` is 0 where its log keeps no time."""

    at_ms: int
    name: str
    what: str


def trace(settings: HouseSettings, item_id: str) -> list[Step]:
    """Return the steps of a lease's or a contribution's life.

    Raises WindrowError `not_found`, `no_house`, `database_failed` or `files_failed`.
    """
    with usable_files(settings), reading_state(settings) as connection:
        return _Life(connection, settings, item_id).steps()


class _Life:
    """All that is said of one item."""

    def __init__(self, connection: sa.Connection, settings: HouseSettings, item_id: str) -> None:
        self._connection, self._home, self._disk = connection, Path(settings.home), disk_of(settings)
        given = self._one(contributions, contributions.c.contribution_id == item_id)
        given = given or self._one(contributions, contributions.c.lease_id == item_id)
        self._given = given
        self._id = given.contribution_id if given else item_id
        self._lease_id = given.lease_id if given else item_id

    def steps(self) -> list[Step]:
        found = [*self._fetched(), *self._donated(), *self._audited(), *self._judged(), *self._sold()]
        found = [*found, *self._paid()]
        if not found:
            raise WindrowError("not_found", f"no lease, contribution or donation {self._id[:64]!r}")
        known = 0
        ordered = []
        for step in found:  # a step without a time stands after the one that is told before it
            known = step.at_ms or known
            ordered.append((known, step))
        return [step for _, step in sorted(ordered, key=lambda each: each[0])]

    def _fetched(self) -> Iterator[Step]:
        lease = self._one(leases, leases.c.lease_id == self._lease_id)
        if lease:
            yield Step(
                lease.issued_at_ms, "leased", f"{lease.kind}, {lease.render}, to {lease.node_id}: {lease.url}"
            )
            if lease.closed_at_ms:
                said = f"{lease.outcome or 'no answer'}, HTTP {lease.http_status}, {lease.bytes_wire} bytes"
                yield Step(lease.closed_at_ms, lease.state, said)
        for row in self._all(submissions, submissions.c.lease_id == self._lease_id, submissions.c.seq):
            yield Step(
                row.received_at_ms, "acknowledged", f"{row.kind}, log entry {row.seq}, head {row.head}"
            )
        if self._given:
            digest = f"text of {self._given.text_bytes} bytes, SHA-256 {self._given.text_sha256}"
            yield Step(0, "handed in", f"{self._id}: {digest}, robots.txt: {self._given.robots_state}")

    def _donated(self) -> Iterator[Step]:
        for row in self._all(consents, consents.c.contribution_id == self._id, consents.c.received_at_ms):
            said = f"{row.items} items of {row.source} for {row.purpose}, consent {row.consent_receipt_id}"
            yield Step(row.received_at_ms, "donated", said)

    def _audited(self) -> Iterator[Step]:
        for row in self._all(audits, audits.c.contribution_id == self._id, audits.c.seq):
            rate = f"{row.rate_ppm / 10_000:g} %"
            yield Step(
                row.opened_at_ms, "committed", f"to audit epoch {row.epoch_id}, rate {rate}: {row.state}"
            )
        of_it = truth_requests.c.contribution_id == self._id
        for row in self._all(truth_requests, of_it, truth_requests.c.ordinal):
            whose = row.operator or "any operator"
            lease = f" by lease {row.lease_id}" if row.lease_id else ""
            yield Step(row.opened_at_ms, "truth", f"no. {row.ordinal} of {whose}{lease}: {row.state}")

    def _judged(self) -> Iterator[Step]:
        for row in self._all(verdicts, verdicts.c.contribution_id == self._id, verdicts.c.seq):
            alike = "" if row.similarity is None else f", similarity {row.similarity:.3f}"
            yield Step(row.decided_at_ms, "verdict", f"{row.verdict}: {_said(row.reason)}{alike}")
        for row in self._all(duplicates, duplicates.c.contribution_id == self._id, duplicates.c.seq):
            of = "" if row.first_contribution_id == self._id else f" of {row.first_contribution_id}"
            yield Step(0, "novelty", f"{row.kind}{of}, {row.unique_bytes} new bytes")
        of_it = consequences.c.contribution_id == self._id
        for row in self._all(consequences, of_it, consequences.c.consequence_seq):
            yield Step(row.created_at_ms, "consequence", f"{row.kind} for {row.node_id}")
        for row in self._all(appeals, appeals.c.contribution_id == self._id, appeals.c.received_at_ms):
            yield Step(row.received_at_ms, "appeal", f"{row.state}: {_said(row.reason)}")

    def _sold(self) -> Iterator[Step]:
        for row in self._all(exports, sa.true(), exports.c.created_at_ms):
            files = published_files(self._disk, self._home, row.dataset, row.version)
            try:
                if not files.table(PROVENANCE_NAME, ["id"], filters=[("id", "=", self._id)]).num_rows:
                    continue
            except FileNotFoundError:  # of what was about people and was taken back, or is in no backup
                continue
            yield Step(row.created_at_ms, "published", f"a row of {row.dataset} {row.version}")
            of_it = (sales.c.dataset == row.dataset) & (sales.c.version == row.version)
            for sale in self._all(sales, of_it, sales.c.sold_at_ms):
                price, shared = (self._amount(each, sale.asset) for each in (sale.price, sale.royalties))
                split = f"{price}, {shared} to its rows' owners"
                yield Step(sale.sold_at_ms, "sold", f"sale {sale.sale_id} to {sale.buyer} for {split}")

    def _paid(self) -> Iterator[Step]:
        last = 0
        for row in self._all(ledger, ledger.c.cause == self._id, ledger.c.entry_seq):
            last = row.entry_seq
            moved = f"{self._amount(row.amount, row.asset)} from {row.debit} to {row.credit}"
            yield Step(row.created_at_ms, "ledger", f"entry {row.entry_seq}: {moved}: {_said(row.reason)}")
        covers = (epochs.c.entry_seq >= last) & (epochs.c.asset == OWN_ASSET)  # work is paid in that
        covering = sa.select(epochs).where(covers).order_by(epochs.c.epoch_id).limit(1)
        epoch = self._connection.execute(covering).one_or_none() if last else None
        if epoch is None:
            return
        yield Step(epoch.closed_at_ms, "epoch", f"{epoch.epoch_id}, {epoch.state}, root {epoch.root}")
        node_id = self._given.node_id if self._given else ""
        node = self._one(nodes, nodes.c.node_id == node_id)
        account = node.payout_address if node else ""
        of_it = (payouts.c.account == account) & (payouts.c.epoch_id >= epoch.epoch_id)
        of_it &= payouts.c.asset == OWN_ASSET
        for row in self._all(payouts, of_it, payouts.c.paid_at_ms):
            paid = f"{self._amount(row.paid, row.asset)} of all its work to {row.account}"
            yield Step(row.paid_at_ms, "claimed", f"{paid}, transaction {row.tx_hash}")

    def _amount(self, units: int, asset: str) -> str:
        """Return an amount in whole tokens, or in the asset's smallest unit where its decimals are not known."""
        decimals = decimals_of(self._connection, [asset]).get(asset)
        return units_text(units, asset) if decimals is None else f"{whole_tokens(units, decimals)} {asset}"

    def _one(self, table: sa.Table, condition: sa.ColumnElement[bool]) -> Any:
        return self._connection.execute(sa.select(table).where(condition)).first()

    def _all(self, table: sa.Table, condition: sa.ColumnElement[bool], order: sa.Column[Any]) -> list[Any]:
        return list(self._connection.execute(sa.select(table).where(condition).order_by(order)))


def _said(reason: str) -> str:
    try:
        return f"{sentence_of(reason)} ({reason})"
    except KeyError:
        return reason
