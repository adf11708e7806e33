"""Explained money: every row that concerns one payout address, and totals that the rows add up to.

Rules: an address's money lies in `pending:<its nodes>`, `bond:<its nodes>`, `held:<address>` (for months of history),
`posted:<address>` and `claimed:<address>`.
What crosses the border of these accounts from outside is *earned* (or *refused*, when it is nothing), or *returned*
when a penalty is taken back; what crosses it outwards is *taken*, or *moved* when it went to an address the node had
before or after. What moves between them is *released* or *claimed* and changes no total. So the rows sum to pending +
bond + held + posted + claimed, always. The ledger holds nothing of an audit epoch under way, so all of it may be shown.

Does not: price, post, or ask the chain.

Usage: `statement = account_statement(house, connection, "0xAbc…", limit=100)`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from rewards.known_assets import decimals_of
from rewards.ledger import ASSET, Entry, claimed_account, held_account, posted_account
from rewards.outlook import outlook_of
from rewards.rates import sentence_of
from storage.house import House
from storage.tables.contributions import ledger, nodes
from windrow_protocol.limits import ACCOUNT_ENTRIES_MAX
from windrow_protocol.merkle import checksum_address

_WITHIN = frozenset({"released", "claimed"})


def account_statement(
    house: House,
    connection: sa.Connection,
    payout: str,
    *,
    before_seq: int | None = None,
    limit: int = 100,
    asset: str = ASSET,
) -> dict[str, Any]:
    """Return what an account has of one asset.

    That is `{account, asset, assets, decimals, totals, waiting, vesting, reasons, entries, next_before_seq}`, newest
    entries first. `assets` are all in which the account has entries, `decimals` those of each that is known. What waits
    for audits and vests is WIND. Amounts are decimal strings of the asset's smallest unit. Raises WindrowError
    `bad_payout_address`.
    """
    account = checksum_address(payout)
    node_ids = _nodes_of(connection, account)
    own = {held_account(account), posted_account(account), claimed_account(account)}
    own |= {f"{kind}:{node_id}" for node_id in node_ids for kind in ("pending", "bond")}
    rows = _entries_of(connection, own, asset)
    shown = [entry for entry in rows if before_seq is None or entry.entry_seq < before_seq]
    shown = shown[: max(1, min(limit, ACCOUNT_ENTRIES_MAX))]
    more = bool(shown) and bool(rows) and shown[-1].entry_seq > rows[-1].entry_seq
    assets = _assets_of(connection, own)
    return {
        "account": account,
        "asset": asset,
        "assets": assets,
        "decimals": decimals_of(connection, assets),
        "totals": _totals(rows, own),
        **outlook_of(connection, house.rules, node_ids, house.now_ms()),
        "reasons": _reasons(rows, own),
        "entries": [_shown(entry, own) for entry in shown],
        "next_before_seq": shown[-1].entry_seq if more else None,
    }


def _nodes_of(connection: sa.Connection, account: str) -> list[str]:
    statement = sa.select(nodes.c.node_id).where(sa.func.lower(nodes.c.payout_address) == account.lower())
    return list(connection.execute(statement).scalars())


def _assets_of(connection: sa.Connection, own: set[str]) -> list[str]:
    concerned = sa.or_(ledger.c.debit.in_(own), ledger.c.credit.in_(own))
    return sorted(connection.execute(sa.select(ledger.c.asset).where(concerned).distinct()).scalars())


def _entries_of(connection: sa.Connection, own: set[str], asset: str) -> list[Entry]:
    concerned = sa.or_(ledger.c.debit.in_(own), ledger.c.credit.in_(own))
    statement = sa.select(ledger).where(concerned, ledger.c.asset == asset)
    return [Entry(*row) for row in connection.execute(statement.order_by(ledger.c.entry_seq.desc()))]


def _totals(rows: list[Entry], own: set[str]) -> dict[str, str]:
    held = dict.fromkeys(("pending", "bond", "held", "posted", "claimed"), 0)
    for entry in rows:
        for account, change in ((entry.credit, entry.amount), (entry.debit, -entry.amount)):
            if account in own:
                held[account.partition(":")[0]] += change
    return {
        **{f"{kind}_wei": str(amount) for kind, amount in held.items()},
        "earned_wei": str(sum(held.values())),
    }


def _reasons(rows: list[Entry], own: set[str]) -> list[dict[str, Any]]:
    counted: dict[str, list[int]] = {}
    for entry in rows:
        if _kind(entry, own) not in _WITHIN:
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
        "held": entry.credit.partition(":")[0],
        "reason": entry.reason,
        "sentence": sentence_of(entry.reason),
        "cause": entry.cause,
        "amount_wei": str(entry.amount),
        "earned_wei": str(_change(entry, own)),
        "rule_version": entry.rule_version,
        "created_at_ms": entry.created_at_ms,
    }


def _kind(entry: Entry, own: set[str]) -> str:
    if entry.debit in own:
        if entry.credit in own:
            return "claimed" if entry.credit.startswith("claimed:") else "released"
        return "taken" if entry.credit in ("fines", "personal") else "moved"
    if entry.debit == "fines":
        return "returned"
    return "earned" if entry.amount else "refused"


def _change(entry: Entry, own: set[str]) -> int:
    return entry.amount * ((entry.credit in own) - (entry.debit in own))
