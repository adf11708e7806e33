"""The chain's side of paying: claims sent for accounts, payments written down once, the ledger held against the chain.

Rules: the chain decides what was paid. A payment is recorded from the chain's own cumulative amount, so that a kill
between sending and recording, a claim sent by a stranger, or a retry all end in the same single row. Only what is
settled (`ChainClient.depth_blocks`) is recorded or compared. Nothing here can pay anybody but the account of the leaf.

Does not: close epochs, hold a payout key, or correct the chain.

Usage::

    paid = relay_claim(house, chain, relayer, "0xAbc…")
    reconcile_claims(house, chain)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
import structlog

from rewards.epochs.files import read_leaves, read_tree
from rewards.epochs.freezing import NO_ROOT
from rewards.epochs.rows import Epoch, all_epochs, latest_accepted
from rewards.ledger import (
    ASSET,
    Transfer,
    balance_of,
    balances,
    claimed_account,
    post,
    posted_account,
)
from rewards.ledger_checks import Problem
from storage.house import House
from storage.state import get_cursor, set_cursor
from storage.tables.contributions import payouts
from windrow_protocol.economics import Economics
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import checksum_address

if TYPE_CHECKING:
    from web3.types import BlockIdentifier

    from chain.client import ChainClient
    from chain.relayer import Relayer

log = structlog.get_logger(__name__)
CURSOR: Final = (
    "rewards/claims_block"  # claims up to this block are recorded; of another asset, with its symbol
)


@dataclass(frozen=True)
class Allotment:
    """What an account may claim in all, with the proof that leads to the accepted root."""

    epoch: Epoch
    account: str
    cumulative_wei: int
    proof: list[str]


@dataclass(frozen=True)
class PaidClaim:
    """What became of a claim. `paid_wei` was paid now; `tx_hash` is empty when nothing was due."""

    epoch_id: int
    account: str
    cumulative_wei: int
    paid_wei: int
    tx_hash: str


def allotment_of(house: House, account: str, asset: str = ASSET) -> Allotment:
    """Return an account's leaf and proof in the newest accepted epoch of an asset.

    Raises WindrowError `bad_payout_address`, `not_found` (no epoch yet, or no leaf), `bad_proof` (a changed file).
    """
    spelled = checksum_address(account)
    with house.state.read() as connection:
        epoch = latest_accepted(connection, asset)
    if epoch is None:
        raise WindrowError("not_found", f"no epoch of {asset} is accepted yet"[:120])
    tree = read_tree(house.home, epoch.epoch_id, epoch.tree_sha256)
    return Allotment(epoch, spelled, tree.amount(spelled), tree.proof(spelled))


def relay_claim(
    house: House, chain: ChainClient, relayer: Relayer, account: str, asset: str = ASSET
) -> PaidClaim:
    """Have an account paid what its leaf allots of an asset beyond what it had, and record it when it is settled.

    The relayer has to be that of the asset. Where settling takes blocks, `reconcile_claims` records it later. Raises
    what `allotment_of` and `Relayer.claim` raise; after a kill or an error, calling again is safe.
    """
    due = allotment_of(house, account, asset)
    with house.state.read() as connection:
        recorded = balance_of(connection, claimed_account(due.account), asset)
    if recorded >= due.cumulative_wei:
        return PaidClaim(due.epoch.epoch_id, due.account, recorded, 0, "")
    chain = chain.of(asset)
    if chain.distributor.claimed(due.account) != recorded:
        reconcile_claims(house, chain)
    outcome = relayer.claim(due.account, due.cumulative_wei, due.proof)
    if outcome.tx is not None and not chain.depth_blocks:
        record_claim(house, asset, due.account, outcome.cumulative_wei, outcome.tx)
    return PaidClaim(
        due.epoch.epoch_id, due.account, outcome.cumulative_wei, outcome.paid_wei, outcome.tx or ""
    )


def relay_due_of_each(
    house: House, chain: ChainClient, relayer: Relayer, economics: Economics
) -> list[PaidClaim]:
    """Send, unasked, the claims of every asset that are large enough for it. Raises as `relay_due`.

    Each asset has a least amount of its own, since nothing says what one is worth in another.
    """
    paid = []
    for one in chain.of_each_asset():
        least = economics.relay_due_min(one.asset.symbol)
        if least:
            paid += relay_due(house, one, relayer.of(one.asset.symbol), least)
    return paid


def relay_due(house: House, chain: ChainClient, relayer: Relayer, due_wei_min: int) -> list[PaidClaim]:
    """Send, unasked, the claim of every account that the newest epoch of an asset owes at least `due_wei_min`.

    The relayer pays the gas: an account needs no coin, and nobody has to hold its key. A claim that is refused is
    logged and left for the next time. Raises WindrowError `bad_proof`, `chain_unreachable` or `chain_pending`.
    """
    with house.state.read() as connection:
        epoch = latest_accepted(connection, chain.asset.symbol)
        had = balances(connection, chain.asset.symbol)
    leaves = read_leaves(house.home, epoch.epoch_id, epoch.tree_sha256) if epoch is not None else {}
    paid = []
    for account, cumulative_wei in leaves.items():
        if cumulative_wei - had.get(claimed_account(account), 0) < due_wei_min:
            continue
        try:
            paid.append(relay_claim(house, chain, relayer, account, chain.asset.symbol))
        except WindrowError as error:
            if error.code not in ("chain_rejected", "claims_paused"):
                raise
            log.warning("claim_not_relayed", account=account, reason=error.code, detail=error.detail)
    return [claim for claim in paid if claim.tx_hash]


def reconcile_claims(house: House, chain: ChainClient) -> int:
    """Record every settled payment that the ledger has not, and return how many those were.

    Raises WindrowError `unbalanced` when the chain paid what no epoch of this home allots.
    """
    asset = chain.asset.symbol
    cursor = CURSOR if asset == ASSET else f"{CURSOR}/{asset}"
    with house.state.read() as connection:
        recorded_block = get_cursor(connection, cursor)
    newest = chain.settled_head()
    first = max(recorded_block + 1, chain.deployment.block)
    found = chain.distributor.claims(first, newest) if first <= newest else []
    recorded = sum(
        1 for claim in found if record_claim(house, asset, claim.account, claim.cumulative_wei, claim.tx)
    )
    if newest > recorded_block:
        with house.state.write() as connection:
            set_cursor(connection, cursor, newest)
    return recorded


def compare_with_chain(house: House, chain: ChainClient) -> list[Problem]:
    """Hold the ledger against what is settled on the chain and return what differs; an empty list is right."""
    block = chain.settled_state()
    if block is None:
        return [Problem("root_on_chain", "the contracts themselves are not settled yet")]
    with house.state.read() as connection:
        closed = all_epochs(connection, chain.asset.symbol)
        claimed = {
            account.partition(":")[2]: amount
            for account, amount in balances(connection, chain.asset.symbol).items()
            if account.startswith("claimed:")
        }
    return [
        *(Problem("root_on_chain", detail) for detail in _root_differences(chain, closed, block)),
        *(Problem("claims_on_chain", detail) for detail in _claim_differences(chain, claimed, block)),
    ]


def _root_differences(chain: ChainClient, closed: list[Epoch], block: BlockIdentifier) -> Iterator[str]:
    distributor = chain.distributor
    accepted = next((epoch for epoch in closed if epoch.state == "accepted"), None)
    root, total = (accepted.root, accepted.total) if accepted else (NO_ROOT, 0)
    on_chain = distributor.root(block) or NO_ROOT
    if on_chain not in {root, *(epoch.root for epoch in closed if epoch.state == "proposed")}:
        yield f"the chain's root is {on_chain}, the last accepted epoch's is {root}"
    elif on_chain == root and distributor.total_allocated(block) != total:
        yield f"the chain allots {distributor.total_allocated(block)}, the epoch {total}"
    waiting = distributor.pending(block)
    if waiting and waiting.root not in {epoch.root for epoch in closed}:
        yield f"a root waits on chain that no epoch here has: {waiting.root}"


def _claim_differences(chain: ChainClient, claimed: dict[str, int], block: BlockIdentifier) -> Iterator[str]:
    paid: dict[str, int] = {}
    last = chain.head() if block == "pending" else int(block)
    for claim in chain.distributor.claims(chain.deployment.block, last):
        paid[claim.account] = claim.cumulative_wei
    for account in sorted(paid.keys() | claimed.keys()):
        if paid.get(account, 0) != claimed.get(account, 0):
            yield f"{account}: {paid.get(account, 0)} paid on chain, {claimed.get(account, 0)} recorded"
    promised = chain.distributor.total_allocated(block) - sum(paid.values())
    missing = promised - chain.distributor.balance(block)
    if missing > 0:  # more may lie there: anybody can give
        yield f"the distributor lacks {missing} of the {promised} that it promised and has not paid"


def record_claim(house: House, asset: str, account: str, cumulative_wei: int, tx_hash: str) -> int:
    """Write down that the chain has paid an account so much in all, and return how much of it was new here.

    Raises WindrowError `unbalanced` when no epoch of this home allots exactly that.
    """
    payee = checksum_address(account)
    with house.state.read() as connection:
        if balance_of(connection, claimed_account(payee), asset) >= cumulative_wei:
            return 0
        closed = all_epochs(connection, asset)
    epoch_id = _epoch_allotting(house, closed, payee, cumulative_wei)
    with house.state.write() as connection:
        paid = cumulative_wei - balance_of(connection, claimed_account(payee), asset)
        if paid > 0:
            _book(connection, epoch_id, asset, payee, cumulative_wei, paid, tx_hash, house.now_ms())
    return max(0, paid)


def _epoch_allotting(house: House, closed: list[Epoch], payee: str, cumulative_wei: int) -> int:
    """Return the newest epoch whose leaf for this account is exactly what it was paid in all."""
    for epoch in closed:
        if epoch.state in ("proposed", "accepted"):  # a kill may leave `proposed` what the chain has accepted
            leaves = read_leaves(house.home, epoch.epoch_id, epoch.tree_sha256)
            if leaves.get(payee) == cumulative_wei:
                return epoch.epoch_id
    raise WindrowError(
        "unbalanced", f"the chain paid {payee} {cumulative_wei} in all, which no epoch here allots"
    )


def _book(
    connection: sa.Connection,
    epoch_id: int,
    asset: str,
    payee: str,
    cumulative_wei: int,
    paid: int,
    tx_hash: str,
    now_ms: int,
) -> None:
    payout_id = f"{asset}:{payee}:{cumulative_wei}"
    debit, credit = posted_account(payee), claimed_account(payee)
    claim = Transfer(debit, credit, paid, payout_id, "claim", "claimed", created_at_ms=now_ms, asset=asset)
    post(connection, [claim])
    connection.execute(
        sa.insert(payouts).values(
            payout_id=payout_id,
            epoch_id=epoch_id,
            account=payee,
            asset=asset,
            cumulative=cumulative_wei,
            paid=paid,
            tx_hash=tx_hash,
            paid_at_ms=now_ms,
        )
    )
