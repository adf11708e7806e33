"""What must hold of the ledger at any time, as a list of functions; what they find is collected, never hidden.

Rules: every check reads the rows again and trusts no total. A check says all that is wrong, not the first thing only.

Does not: repair, or ask the chain (`rewards/settlement.py` compares with it).

Usage: `problems = verify_ledger(connection)`; an empty list means that the ledger balances.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from rewards.epochs.tree import epoch_tree
from rewards.ledger import ASSET, CLEARING, FIRST_HEAD, SOURCES, cumulative, entries, held_account
from rewards.personal.pay import PERSONAL_MOVES
from rewards.vesting import STEPS
from storage.tables.contributions import epochs, payouts
from storage.tables.pay import pending_pay
from storage.tables.person_months import personal_pending
from storage.tables.trust import node_stakes

Balances = dict[str, int]
# What may move where: a sale through clearing, the steps of earned money, and those of pay for history.
MOVES: Final = frozenset(
    {
        ("buyers", "sales"),
        ("sales", "treasury"),
        ("sales", "burned"),
        ("sales", "royalties"),
        ("royalties", "treasury"),
        ("royalties", "posted"),
        *PERSONAL_MOVES,
        *(("emission" if state == "earned" else state, following) for (state, _), following in STEPS.items()),
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that must not be. `check` names the rule, `detail` what breaks it."""

    check: str
    detail: str

    def __str__(self) -> str:
        return f"{self.check}: {self.detail}"


def verify_ledger(connection: sa.Connection) -> list[Problem]:
    """Run every check and return what they found."""
    return [
        Problem(check.__name__.removeprefix("check_"), detail)
        for check in CHECKS
        for detail in check(connection)
    ]


def check_heads_follow(connection: sa.Connection) -> Iterator[str]:
    """Entries are numbered without a gap and each head seals everything before it."""
    seq, head = 0, FIRST_HEAD
    for entry in entries(connection):
        if entry.entry_seq != seq + 1:
            yield f"entry {entry.entry_seq} follows entry {seq}"
        if entry.head_after(head) != entry.head:
            yield f"the head of entry {entry.entry_seq} does not follow from its content"
        seq, head = entry.entry_seq, entry.head


def check_nothing_overdrawn(connection: sa.Connection) -> Iterator[str]:
    """No account but a source is below zero after any entry."""
    folded: defaultdict[tuple[str, str], int] = defaultdict(int)
    for entry in entries(connection):
        folded[entry.asset, entry.credit] += entry.amount
        folded[entry.asset, entry.debit] -= entry.amount
        if folded[entry.asset, entry.debit] < 0 and entry.debit not in SOURCES:
            yield f"entry {entry.entry_seq} leaves {entry.debit} below zero"


def check_debits_equal_credits(connection: sa.Connection) -> Iterator[str]:
    """In each asset the balances sum to nothing: what the sources gave is what all others hold."""
    for asset, folded in _folded(connection).items():
        given = -sum(amount for account, amount in folded.items() if account in SOURCES)
        held = sum(amount for account, amount in folded.items() if account not in SOURCES)
        if given != held:
            yield f"{asset}: sources gave {given}, accounts hold {held}"


def check_clearing_is_empty(connection: sa.Connection) -> Iterator[str]:
    """What passes through a clearing account leaves it."""
    for asset, folded in _folded(connection).items():
        for account in sorted(CLEARING):
            if folded.get(account, 0):
                yield f"{asset}: {account} holds {folded[account]}"


def check_moves_are_steps(connection: sa.Connection) -> Iterator[str]:
    """Money moves only as the table of vesting and the road of a sale allow."""
    for entry in entries(connection):
        debit, credit = entry.debit.partition(":")[0], entry.credit.partition(":")[0]
        if (debit, credit) not in MOVES:
            yield f"entry {entry.entry_seq} moves money from {debit} to {credit}"


def check_stakes_follow(connection: sa.Connection) -> Iterator[str]:
    """What nodes have at stake, and what is pending document by document, are the balances of their accounts."""
    folded = _folded(connection).get(ASSET, {})
    kept = {row.node_id: row for row in connection.execute(sa.select(node_stakes))}
    waiting: defaultdict[str, int] = defaultdict(int)
    for item in connection.execute(sa.select(pending_pay)):
        waiting[item.node_id] += item.fee + item.novelty
    held = {name.partition(":")[2] for name in folded if name.startswith(("pending:", "bond:"))}
    for node_id in sorted(held | kept.keys() | waiting.keys()):
        pending, bond = folded.get(f"pending:{node_id}", 0), folded.get(f"bond:{node_id}", 0)
        stake = (kept[node_id].pending, kept[node_id].bond) if node_id in kept else (0, 0)
        if stake != (pending, bond):
            yield f"{node_id}: {stake} at stake, the ledger says {(pending, bond)}"
        if waiting[node_id] != pending:
            yield f"{node_id}: documents wait for {waiting[node_id]}, the ledger says {pending}"


def check_held_follows(connection: sa.Connection) -> Iterator[str]:
    """What is pending for months of history, month by month, is the balance of the accounts that hold it."""
    waiting: defaultdict[tuple[str, str], int] = defaultdict(int)
    for item in connection.execute(sa.select(personal_pending)):
        waiting[item.asset, held_account(item.payout_address)] += item.amount
    for asset, folded in _folded(connection).items():
        for account in folded:
            if account.startswith("held:"):
                waiting[asset, account] -= folded[account]
    for (asset, account), difference in sorted(waiting.items()):
        if difference:
            yield f"{asset}: months wait for {difference} more than {account} holds"


def check_claims_are_payouts(connection: sa.Connection) -> Iterator[str]:
    """What the ledger calls claimed is what the payouts add up to, address by address."""
    paid: defaultdict[tuple[str, str], int] = defaultdict(int)
    for row in connection.execute(sa.select(payouts.c.asset, payouts.c.account, payouts.c.paid)):
        paid[row.asset, row.account] += row.paid
    claimed = {
        (asset, account.partition(":")[2]): amount
        for asset, folded in _folded(connection).items()
        for account, amount in folded.items()
        if account.startswith("claimed:")
    }
    for key in sorted(paid.keys() | claimed.keys()):
        if paid.get(key, 0) != claimed.get(key, 0):
            yield f"{key[1]}: {claimed.get(key, 0)} claimed by the ledger, {paid.get(key, 0)} by the payouts"


def check_epochs_follow(connection: sa.Connection) -> Iterator[str]:
    """Each epoch's head, total and root follow from the ledger up to it, and no account's amount ever falls."""
    before: dict[str, dict[str, int]] = {}
    for epoch, head, folded in _at_epochs(connection):
        leaves = cumulative(folded)
        if head != epoch.ledger_head:
            yield f"epoch {epoch.epoch_id}: entry {epoch.entry_seq} carries another head"
        if not leaves or epoch_tree(leaves).root != epoch.root:
            yield f"epoch {epoch.epoch_id}: the ledger gives another root"
        if sum(leaves.values()) != epoch.total:
            yield f"epoch {epoch.epoch_id}: leaves sum to {sum(leaves.values())}, not {epoch.total}"
        for payout, amount in before.get(epoch.asset, {}).items():
            if leaves.get(payout, 0) < amount:
                yield f"epoch {epoch.epoch_id}: {payout} falls from {amount} to {leaves.get(payout, 0)}"
        before[epoch.asset] = leaves


CHECKS: Final[tuple[Callable[[sa.Connection], Iterator[str]], ...]] = (
    check_heads_follow,
    check_nothing_overdrawn,
    check_debits_equal_credits,
    check_clearing_is_empty,
    check_moves_are_steps,
    check_stakes_follow,
    check_held_follows,
    check_claims_are_payouts,
    check_epochs_follow,
)


def _folded(connection: sa.Connection) -> dict[str, Balances]:
    folded: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for entry in entries(connection):
        folded[entry.asset][entry.credit] += entry.amount
        folded[entry.asset][entry.debit] -= entry.amount
    return {asset: dict(accounts) for asset, accounts in sorted(folded.items())}


def _at_epochs(connection: sa.Connection) -> Iterator[tuple[Any, str, Balances]]:
    """Yield each epoch with the head and the balances of its asset as they were at its last entry."""
    waiting = deque(connection.execute(sa.select(epochs).order_by(epochs.c.entry_seq, epochs.c.epoch_id)))
    folded: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for entry in entries(connection):
        folded[entry.asset][entry.credit] += entry.amount
        folded[entry.asset][entry.debit] -= entry.amount
        while waiting and waiting[0].entry_seq == entry.entry_seq:
            epoch = waiting.popleft()
            yield epoch, entry.head, dict(folded[epoch.asset])
    for epoch in waiting:
        yield epoch, "", {}
