"""Explained money: every row that concerns one payout address, and totals that the rows add up to.

Rules: an address's money lies in `pending:<its nodes>`, `posted:<address>` and `claimed:<address>`. What crosses the
border of these accounts from outside is *earned* (or *refused*, when it is nothing); what moves between them is
*released* or *claimed* and changes no total. So the earned rows sum to pending + posted + claimed, always.

Does not: price, post, or ask the chain.

Usage: `statement = account_statement(connection, "0xAbc…", limit=100)`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from rewards.ledger import ASSET, Entry, claimed_account, posted_account
from rewards.rates import sentence_of
from storage.tables import ledger, nodes
from windrow_protocol.limits import ACCOUNT_ENTRIES_MAX
from windrow_protocol.merkle import checksum_address


def account_statement(
    connection: sa.Connection, payout: str, *, before_seq: int | None = None, limit: int = 100
) -> dict[str, Any]:
    """Return `{account, asset, totals, reasons, entries, next_before_seq}`, newest entries first.

    Amounts are decimal strings of wei. Raises WindrowError `bad_payout_address`.
    """
    account = checksum_address(payout)
    pending = _pending_accounts(connection, account)
    own = {*pending, posted_account(account), claimed_account(account)}
    rows = _entries_of(connection, own)
    shown = [entry for entry in rows if before_seq is None or entry.entry_seq < before_seq]
    shown = shown[: max(1, min(limit, ACCOUNT_ENTRIES_MAX))]
    more = bool(shown) and bool(rows) and shown[-1].entry_seq > rows[-1].entry_seq
    return {
        "account": account,
        "asset": ASSET,
        "totals": _totals(rows, pending, account),
        "reasons": _reasons(rows, own),
        "entries": [_shown(entry, own) for entry in shown],
        "next_before_seq": shown[-1].entry_seq if more else None,
    }


def _pending_accounts(connection: sa.Connection, account: str) -> set[str]:
    statement = sa.select(nodes.c.node_id).where(sa.func.lower(nodes.c.payout_address) == account.lower())
    return {f"pending:{row.node_id}" for row in connection.execute(statement)}


def _entries_of(connection: sa.Connection, own: set[str]) -> list[Entry]:
    concerned = sa.or_(ledger.c.debit.in_(own), ledger.c.credit.in_(own))
    statement = sa.select(ledger).where(concerned, ledger.c.asset == ASSET)
    return [Entry(*row) for row in connection.execute(statement.order_by(ledger.c.entry_seq.desc()))]


def _totals(rows: list[Entry], pending: set[str], account: str) -> dict[str, str]:
    def held(accounts: set[str]) -> int:
        return sum(e.amount * ((e.credit in accounts) - (e.debit in accounts)) for e in rows)

    parts = {
        "pending_wei": held(pending),
        "posted_wei": held({posted_account(account)}),
        "claimed_wei": held({claimed_account(account)}),
    }
    return {name: str(amount) for name, amount in (*parts.items(), ("earned_wei", sum(parts.values())))}


def _reasons(rows: list[Entry], own: set[str]) -> list[dict[str, Any]]:
    counted: dict[str, list[int]] = {}
    for entry in rows:
        if _kind(entry, own) in ("earned", "refused"):
            counted.setdefault(entry.reason, []).append(_change(entry, own))
    return [
        {
            "reason": reason,
            "sentence": sentence_of(reason),
            "rows": len(amounts),
            "amount_wei": str(sum(amounts)),
        }
        for reason, amounts in sorted(counted.items())
    ]


def _shown(entry: Entry, own: set[str]) -> dict[str, Any]:
    return {
        "entry_seq": entry.entry_seq,
        "entry_id": entry.entry_id,
        "kind": _kind(entry, own),
        "reason": entry.reason,
        "sentence": sentence_of(entry.reason),
        "cause": entry.cause,
        "amount_wei": str(entry.amount),
        "earned_wei": str(_change(entry, own)),
        "rule_version": entry.rule_version,
        "created_at_ms": entry.created_at_ms,
    }


def _kind(entry: Entry, own: set[str]) -> str:
    if _change(entry, own):
        return "earned"
    if entry.debit in own:
        return "claimed" if entry.credit.startswith("claimed:") else "released"
    return "refused"


def _change(entry: Entry, own: set[str]) -> int:
    return entry.amount * ((entry.credit in own) - (entry.debit in own))
