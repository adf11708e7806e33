"""The validators' pay: the fees of an audit epoch's truths, divided by the dividends that were computed at its close.

Rules: one entry for each validator and epoch, of amount 0 with its reason where it earned nothing; from emission to
`posted` at once, because a dividend is known only after secrets were revealed and every draw was checked: nothing that
comes later could take it away, and a validator's operator stands in the operator's configuration, not in a lottery of
identities. The pot is a fee for each truth that verdicts used, of those who have a share: what a validator that is
refused its dividend had fetched is not minted. Epochs are paid in their order, each once.

Does not: compute dividends (the aggregator does, from published files).

Usage: `entries = pay_dividends(house)`.

Source: docs/protocol.md, "Audit" and "Pay".
"""

from __future__ import annotations

import hashlib
from typing import Final

import sqlalchemy as sa

from rewards.ledger import Transfer, post, posted_account
from rewards.rates import audit_pot_wei, rates_of
from storage.house import House
from storage.pay_terms import PayTerms, terms_of_epoch
from storage.state import get_cursor, set_cursor
from storage.tables.contributions import nodes
from storage.tables.trust import audit_epochs, dividends
from storage.told import CLOSED
from windrow_protocol.errors import REASONS
from windrow_protocol.trust_rules import PPM

CURSOR: Final = "rewards/dividends"


def dividend_id(epoch_id: int, validator_id: str) -> str:
    """Return the id that names a validator's dividend in the ledger."""
    return "d" + hashlib.sha256(f"windrow/dividend/{epoch_id}/{validator_id}".encode()).hexdigest()[:31]


def pay_dividends(house: House) -> int:
    """Post the dividends of every audit epoch closed since the last time and return how many entries that gave."""
    posted = 0
    with house.state.write() as connection:
        closed = (
            sa.select(audit_epochs.c.epoch_id, audit_epochs.c.ended_at_ms, audit_epochs.c.opened_at_ms)
            .where(audit_epochs.c.state == CLOSED, audit_epochs.c.epoch_id > get_cursor(connection, CURSOR))
            .order_by(audit_epochs.c.epoch_id)
        )
        for epoch in connection.execute(closed).all():
            at_ms = epoch.ended_at_ms or epoch.opened_at_ms
            terms = terms_of_epoch(connection, house, epoch.epoch_id)
            posted += post(connection, _transfers(connection, epoch.epoch_id, at_ms, terms))
            set_cursor(connection, CURSOR, epoch.epoch_id)
    return posted


def _transfers(connection: sa.Connection, epoch_id: int, at_ms: int, terms: PayTerms) -> list[Transfer]:
    shares = (
        sa.select(dividends, nodes.c.payout_address)
        .join(nodes, nodes.c.node_id == dividends.c.validator_id)
        .where(dividends.c.epoch_id == epoch_id)
        .order_by(dividends.c.validator_id)
    )
    rows = connection.execute(shares).all()
    pot = audit_pot_wei(sum(row.audits for row in rows if row.share_ppm), rates_of(terms))
    return [
        Transfer(
            "emission",
            posted_account(row.payout_address),
            pot * row.share_ppm // PPM,
            cause=dividend_id(epoch_id, row.validator_id),
            rule="dividend",
            reason=row.reason if row.reason in REASONS else "dividend",
            created_at_ms=at_ms,
            rule_version=terms.version,
        )
        for row in rows
    ]
