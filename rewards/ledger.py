"""The ledger: an append-only, hash-chained list of transfers between named accounts, in integer base units.

Rules: double entry as one row (amount moves from `debit` to `credit`), so debits equal credits by shape. An entry's id
follows from its cause and rule, so any retry in any order posts at most once. Corrections are new entries. A
refusal is an entry of amount 0. Sums are made in Python: SQLite would add amounts as floats.

    emission, buyers              sources outside the ledger; the only balances that may be negative
    sales, royalties              clearing; zero after every transaction
    treasury                      fees of sales
    burned                        what sales destroyed: nobody has it, and nothing leaves this account
    fines                         what penalties took; a penalty taken back returns from here
    pending:<node id>             earned, not yet vested
    bond:<node id>                pay of an identity's first documents, until it leaves
    posted:<payout address>       vested, not yet claimed
    claimed:<payout address>      paid on chain
    personal                      what sales and budgets left for months of history
    held:<payout address>         earned by a month of history, until it is too late to take the month back

    head of entry n = SHA-256 of the lines: head of n-1, entry_seq, entry_id, debit, credit, asset, amount, cause,
    reason, rule_version, created_at_ms, joined by a line feed; the head before the first entry is 64 zeros.

Does not: price, decide who is owed, or open transactions. `rewards/ledger_checks.py` verifies it.

Usage::

    with state.write() as connection:
        posted = post(connection, [Transfer("emission", f"pending:{node_id}", 5, cause=..., rule="fetch", ...)])
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa

from storage.tables.contributions import ledger
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import checksum_address

ASSET: Final = "WIND"
SOURCES: Final = frozenset({"emission", "buyers"})
CLEARING: Final = frozenset({"sales", "royalties"})
BURNED: Final = "burned"
FIRST_HEAD: Final = "0" * 64
_ACCOUNT = re.compile(
    r"emission|buyers|sales|royalties|treasury|burned|fines|personal|(pending|bond):[0-9a-f]{64}"
    r"|(posted|claimed|held):0x[0-9a-fA-F]{40}"
)
_ONE_LINE = re.compile(r"[!-~]+")  # visible ASCII: nothing that could blur where a field ends
_FETCHED_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer to be posted. `rule` is the slot it fills: one entry for each asset, cause and rule."""

    debit: str
    credit: str
    amount: int
    cause: str
    rule: str
    reason: str
    created_at_ms: int
    asset: str = ASSET
    rule_version: int = 1

    @property
    def entry_id(self) -> str:
        """The id that makes a second posting of the same cause impossible: 64 hex digits."""
        named = "\n".join(("windrow/entry", self.asset, self.cause, self.rule))
        return hashlib.sha256(named.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """One posted row."""

    entry_seq: int
    entry_id: str
    debit: str
    credit: str
    asset: str
    amount: int
    cause: str
    reason: str
    rule_version: int
    created_at_ms: int
    head: str

    def head_after(self, previous_head: str) -> str:
        """Return the head that this entry must carry after the previous one."""
        fields = (
            previous_head,
            str(self.entry_seq),
            self.entry_id,
            self.debit,
            self.credit,
            self.asset,
            str(self.amount),
            self.cause,
            self.reason,
            str(self.rule_version),
            str(self.created_at_ms),
        )
        return hashlib.sha256("\n".join(fields).encode()).hexdigest()

    def ndjson(self) -> str:
        """Return the entry as published: one JSON line, the amount as a decimal string."""
        row = {name: getattr(self, name) for name in self.__slots__} | {"amount": str(self.amount)}
        return json.dumps(row, separators=(",", ":")) + "\n"


def posted_account(payout: str) -> str:
    """Return the account of what a payout address may claim. Raises WindrowError `bad_payout_address`."""
    return f"posted:{checksum_address(payout)}"


def claimed_account(payout: str) -> str:
    """Return the account of what a payout address was paid. Raises WindrowError `bad_payout_address`."""
    return f"claimed:{checksum_address(payout)}"


def held_account(payout: str) -> str:
    """Return the account of what a payout address gets for history. Raises WindrowError `bad_payout_address`."""
    return f"held:{checksum_address(payout)}"


def post(connection: sa.Connection, transfers: Iterable[Transfer]) -> int:
    """Append what is not posted yet, within the caller's write transaction, and return how many entries that were.

    Raises ValueError for a malformed transfer, and WindrowError `unbalanced` when an entry of the same cause and
    rule was posted with another amount.
    """
    wanted = list(transfers)
    for transfer in wanted:
        _require_well_formed(transfer)
    known = _amounts_of(connection, [transfer.entry_id for transfer in wanted])
    seq, head = last_entry(connection)
    rows: list[dict[str, Any]] = []
    for transfer in wanted:
        if transfer.entry_id in known:
            if known[transfer.entry_id] != transfer.amount:
                raise WindrowError(
                    "unbalanced", f"{transfer.cause} {transfer.rule}: posted with another amount"
                )
            continue
        known[transfer.entry_id] = transfer.amount
        entry = _entry(transfer, seq + 1, head)
        seq, head = entry.entry_seq, entry.head
        rows.append({name: getattr(entry, name) for name in entry.__slots__})
    if rows:
        connection.execute(sa.insert(ledger), rows)
    return len(rows)


def last_entry(connection: sa.Connection, upto_seq: int | None = None) -> tuple[int, str]:
    """Return number and head of the last entry (up to one), or (0, 64 zeros)."""
    statement = sa.select(ledger.c.entry_seq, ledger.c.head).order_by(ledger.c.entry_seq.desc()).limit(1)
    if upto_seq is not None:
        statement = statement.where(ledger.c.entry_seq <= upto_seq)
    row = connection.execute(statement).one_or_none()
    return (row.entry_seq, row.head) if row else (0, FIRST_HEAD)


def entries(connection: sa.Connection, upto_seq: int | None = None) -> Iterator[Entry]:
    """Yield the entries in their order, without holding them all."""
    statement = sa.select(ledger).order_by(ledger.c.entry_seq)
    if upto_seq is not None:
        statement = statement.where(ledger.c.entry_seq <= upto_seq)
    for row in connection.execute(statement.execution_options(yield_per=_FETCHED_AT_ONCE)):
        yield Entry(*row)


def balances(connection: sa.Connection, asset: str = ASSET, upto_seq: int | None = None) -> dict[str, int]:
    """Fold one asset's entries to the balance (credits less debits) of every account that stands in one."""
    folded: dict[str, int] = {}
    for entry in entries(connection, upto_seq):
        if entry.asset == asset:
            folded[entry.debit] = folded.get(entry.debit, 0) - entry.amount
            folded[entry.credit] = folded.get(entry.credit, 0) + entry.amount
    return folded


def balance_of(connection: sa.Connection, account: str, asset: str = ASSET) -> int:
    """Return one account's balance, by index and not by a fold of everything."""
    total = 0
    for sign, side in ((1, ledger.c.credit), (-1, ledger.c.debit)):
        amounts = sa.select(ledger.c.amount).where(side == account, ledger.c.asset == asset)
        total += sign * sum(row.amount for row in connection.execute(amounts))
    return total


def cumulative(folded: dict[str, int]) -> dict[str, int]:
    """Return what each payout address was ever allotted (posted + claimed), where that is more than nothing."""
    allotted: dict[str, int] = {}
    for account, amount in folded.items():
        kind, _, payout = account.partition(":")
        if kind in ("posted", "claimed"):
            allotted[payout] = allotted.get(payout, 0) + amount
    return {payout: amount for payout, amount in sorted(allotted.items()) if amount > 0}


def _entry(transfer: Transfer, entry_seq: int, previous_head: str) -> Entry:
    unsealed = Entry(
        entry_seq=entry_seq,
        entry_id=transfer.entry_id,
        debit=transfer.debit,
        credit=transfer.credit,
        asset=transfer.asset,
        amount=transfer.amount,
        cause=transfer.cause,
        reason=transfer.reason,
        rule_version=transfer.rule_version,
        created_at_ms=transfer.created_at_ms,
        head="",
    )
    return replace(unsealed, head=unsealed.head_after(previous_head))


def _amounts_of(connection: sa.Connection, entry_ids: list[str]) -> dict[str, int]:
    known: dict[str, int] = {}
    for start in range(0, len(entry_ids), _FETCHED_AT_ONCE):
        some = ledger.c.entry_id.in_(entry_ids[start : start + _FETCHED_AT_ONCE])
        for row in connection.execute(sa.select(ledger.c.entry_id, ledger.c.amount).where(some)):
            known[row.entry_id] = row.amount
    return known


def _require_well_formed(transfer: Transfer) -> None:
    for account in (transfer.debit, transfer.credit):
        if not _ACCOUNT.fullmatch(account):
            raise ValueError(f"{account!r} is no account of the ledger")
    if not 0 <= transfer.amount < 2**256 or transfer.debit == transfer.credit:
        raise ValueError(f"{transfer.amount} from {transfer.debit} to {transfer.credit} is no transfer")
    for name in (transfer.asset, transfer.cause, transfer.rule, transfer.reason):
        if not _ONE_LINE.fullmatch(name):
            raise ValueError(f"{name!r} is not one word of visible ASCII")
