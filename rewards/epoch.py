"""Closing an epoch: from the ledger at one entry to a root on chain, resumable after a kill at any point.

    frozen      the row is written: entry, head, root, total and header are fixed for good
    published   the four files lie in `epochs/<id>/`, and a second implementation agreed on what was read back from them
    proposed    the distributor holds what the root promises, and the root waits for its timelock
    accepted    claims are checked against it

Rules: one epoch is open at a time, and calling again goes on with it; every step looks at what is done before it acts,
so doing it twice is doing it once. An epoch with nothing new is refused and changes nothing. No account's leaf ever
falls. Entries posted after the freeze belong to the next epoch.

Does not: post entries (run the accountant and the royalties first), keep keys, or pay claims (`settlement`).

Usage: `epoch = await close_epoch(house, chain, Signers(owner=key, minter=key))`.

Source: docs/protocol.md, "Ledger, epochs, settlement".
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import sqlalchemy as sa
import structlog

from rewards.epoch_files import (
    HEADER,
    LEDGER,
    SIGNED,
    TREE,
    epoch_folder,
    header_bytes,
    ledger_bytes,
    read_tree,
    sha256_hex,
    tree_bytes,
)
from rewards.epoch_rows import Epoch, header_of, insert_epoch, latest_accepted, move, unfinished
from rewards.epoch_tree import epoch_tree
from rewards.ledger import ASSET, balances, cumulative, last_entry
from rewards.ledger_checks import verify_ledger
from rewards.recompute import recompute
from storage.house import House
from storage.state import State
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import SETTLEMENT_POLL_S, SETTLEMENT_WAIT_S_MAX

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from chain.client import ChainClient

NO_ROOT: Final = "0x" + "00" * 32
log = structlog.get_logger(__name__)
_closing: WeakKeyDictionary[State, threading.Lock] = (
    WeakKeyDictionary()
)  # one closer at a time in the one process


@dataclass(frozen=True)
class Signers:
    """The keys that settle: the distributor's owner proposes and accepts, the token's minter funds."""

    owner: LocalAccount
    minter: LocalAccount


@dataclass(frozen=True)
class _Office:
    """What every step is handed."""

    house: House
    chain: ChainClient
    signers: Signers


async def close_epoch(house: House, chain: ChainClient, signers: Signers) -> Epoch:
    """Close an epoch, or finish the one that a kill left open, and return it accepted.

    Raises WindrowError: `nothing_to_settle` (nothing changed), `epoch_closing`, `unbalanced`, `folds_disagree`,
    `leaf_falls`, `root_differs`, and what the chain raises; after those the next call goes on where this one ended.
    """
    office = _Office(house, chain, signers)
    with _only_closer(house.state):
        epoch = await asyncio.to_thread(_open_or_freeze, office)
        while epoch.state != "accepted":
            if epoch.state == "proposed":
                await _wait_for_timelock(office, epoch)
            before, epoch = epoch, await asyncio.to_thread(STEPS[epoch.state], office, epoch)
            if epoch == before:
                await house.env.clock.sleep(SETTLEMENT_POLL_S)
            log.info("epoch_step", epoch_id=epoch.epoch_id, state=epoch.state, root=epoch.root)
    return epoch


def _open_or_freeze(office: _Office) -> Epoch:
    with office.house.state.read() as connection:
        begun = unfinished(connection)
    return begun or _freeze(office)


def _freeze(office: _Office) -> Epoch:
    """Fix entry, amounts, root and header in one row, after everything that can be checked was checked."""
    house = office.house
    with house.state.read() as connection:
        previous = latest_accepted(connection)
        entry_seq, head = last_entry(connection)
        leaves = cumulative(balances(connection, ASSET, entry_seq))
        before = cumulative(balances(connection, ASSET, previous.entry_seq)) if previous else {}
        if leaves == before:
            raise WindrowError(
                "nothing_to_settle", f"epoch {previous.epoch_id} pays it all" if previous else ""
            )
        _require_monotone(before, leaves)
        _require_intact(connection)
        published = ledger_bytes(connection, entry_seq)
    tree = epoch_tree(leaves)
    _require_agreement(published, tree.root, tree.total, head)
    previous_root = previous.root if previous else NO_ROOT
    _require_same_chain(office.chain, previous_root)
    closed_at_ms = house.now_ms()
    epoch_id = previous.epoch_id + 1 if previous else 1
    header = {
        "epoch_id": epoch_id,
        "network": house.network,
        "asset": ASSET,
        "entry_seq": entry_seq,
        "ledger_head": head,
        "root": tree.root,
        "total_wei": str(tree.total),
        "tree_sha256": sha256_hex(tree_bytes(tree)),
        "ledger_sha256": sha256_hex(published),
        "previous_root": previous_root,
        "chain_id": office.chain.chain_id,
        "distributor": office.chain.distributor.address,
        "token": office.chain.token.address,
        "closed_at_ms": closed_at_ms,
    }
    epoch = Epoch(
        epoch_id=epoch_id,
        state="frozen",
        asset=ASSET,
        entry_seq=entry_seq,
        ledger_head=head,
        root=tree.root,
        total=tree.total,
        tree_sha256=str(header["tree_sha256"]),
        valid_at_s=None,
        closed_at_ms=closed_at_ms,
        header_jws=house.sign("epoch", str(epoch_id), header),
    )
    insert_epoch(house, epoch)
    return epoch


def _publish(office: _Office, epoch: Epoch) -> Epoch:
    """Write the four files, read them back, and let the second implementation judge what lies there."""
    house, header = office.house, header_of(office.house, epoch)
    with house.state.read() as connection:
        tree = epoch_tree(cumulative(balances(connection, epoch.asset, epoch.entry_seq)))
        published = ledger_bytes(connection, epoch.entry_seq)
    if (tree.root, sha256_hex(published)) != (epoch.root, header["ledger_sha256"]):
        raise WindrowError(
            "unbalanced", f"the ledger up to entry {epoch.entry_seq} changed after it was frozen"
        )
    folder = epoch_folder(house.home, epoch.epoch_id)
    house.env.disk.write_durably(folder / TREE, tree_bytes(tree))
    house.env.disk.write_durably(folder / LEDGER, published)
    house.env.disk.write_durably(folder / HEADER, header_bytes(header))
    house.env.disk.write_durably(folder / SIGNED, epoch.header_jws.encode())
    read_back = house.env.disk.read_range(folder / LEDGER, 0, len(published))
    _require_agreement(read_back, epoch.root, epoch.total, epoch.ledger_head)
    read_tree(house.home, epoch.epoch_id, epoch.tree_sha256)
    return move(house, epoch, state="published")


def _propose(office: _Office, epoch: Epoch) -> Epoch:
    """Mint what the distributor lacks and propose the root; what the chain has already is not sent again."""
    chain, signers = office.chain, office.signers
    distributor = chain.distributor
    inputs_hash = "0x" + header_of(office.house, epoch)["ledger_sha256"]
    if distributor.root() != epoch.root:
        chain.sender.wait_idle(signers.minter.address)  # a mint on its way would be missed by the next line
        missing = distributor.shortfall(epoch.total)
        if missing:
            chain.token.mint(signers.minter, distributor.address, missing)
        distributor.propose_root(signers.owner, epoch.root, epoch.total, inputs_hash)
    return move(office.house, epoch, state="proposed", valid_at_s=distributor.valid_at_s(epoch.root))


def _accept(office: _Office, epoch: Epoch) -> Epoch:
    """Accept the root; when its proposal is gone from the chain, go back and propose it again."""
    distributor = office.chain.distributor
    if distributor.root() != epoch.root and distributor.valid_at_s(epoch.root) is None:
        return move(office.house, epoch, state="published", valid_at_s=None)
    try:
        distributor.accept_root(office.signers.owner, epoch.root)
    except WindrowError as error:
        if error.facts.get("reverted") != "TooEarly":
            raise
        return epoch  # the node's idea of the next block's time was ahead of the block's: wait on
    return move(office.house, epoch, state="accepted")


STEPS: Final[dict[str, Callable[[_Office, Epoch], Epoch]]] = {
    "frozen": _publish,
    "published": _propose,
    "proposed": _accept,
}


async def _wait_for_timelock(office: _Office, epoch: Epoch) -> None:
    """Sleep until chain time, not this machine's, has reached the proposal's."""
    while epoch.valid_at_s is not None:
        left_s = epoch.valid_at_s - await asyncio.to_thread(office.chain.time_s)
        if left_s <= 0:
            return
        await office.house.env.clock.sleep(min(left_s, SETTLEMENT_WAIT_S_MAX))


def _require_intact(connection: sa.Connection) -> None:
    problems = verify_ledger(connection)
    if problems:
        found = "; ".join(str(problem) for problem in problems[:3])
        raise WindrowError("unbalanced", f"{len(problems)} problems: {found}")


def _require_monotone(before: dict[str, int], leaves: dict[str, int]) -> None:
    for account, amount in before.items():
        if leaves.get(account, 0) < amount:
            raise WindrowError("leaf_falls", f"{account}: {leaves.get(account, 0)} after {amount}")


def _require_agreement(published: bytes, root: str, total: int, head: str) -> None:
    second = recompute(published.decode(), ASSET)
    if (second.root, second.total, second.head) != (root, total, head):
        raise WindrowError(
            "folds_disagree", f"{root} with {total} here, {second.root} with {second.total} there"
        )


def _require_same_chain(chain: ChainClient, previous_root: str) -> None:
    on_chain = chain.distributor.root() or NO_ROOT
    if on_chain != previous_root:
        raise WindrowError("root_differs", f"{on_chain} on chain, {previous_root} here")


@contextmanager
def _only_closer(state: State) -> Iterator[None]:
    lock = _closing.setdefault(state, threading.Lock())
    if not lock.acquire(blocking=False):
        raise WindrowError("epoch_closing")
    try:
        yield
    finally:
        lock.release()
