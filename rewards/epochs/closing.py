"""Closing an epoch: from the ledger at one entry to a root on chain, resumable after a kill at any point.

    frozen      the row is written: entry, head, root, total and header are fixed for good
    published   the four files lie in `epochs/<id>/`, and a second implementation agreed on what was read back from them
    proposed    the distributor holds what the root promises, and the root waits for its timelock
    accepted    claims are checked against it, and that is settled: no reorganisation of the depth that is reckoned with
                takes it back (`ChainClient.depth_blocks`)

Rules: one epoch of an asset is open at a time, and calling again goes on with it; every step looks at what is done
before it acts, so doing it twice is doing it once. An epoch with nothing new is refused and changes nothing. No
account's leaf ever falls. Entries posted after the freeze belong to the next epoch. The network's own token is minted
where the distributor lacks it; of another asset it holds the royalties since they were paid.

Does not: freeze and write files (`epoch_freezing`), post entries (run the accountant and the royalties first), keep
keys, or pay claims (`settlement`).

Usage: `epoch = await close_epoch(house, chain, Signers(owner=key, minter=key))`.

Source: docs/protocol.md, "Ledger, epochs, settlement".
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import structlog

from rewards.epochs.freezing import NO_ROOT, OnChain, freeze, publish
from rewards.epochs.rows import Epoch, header_of, move, unfinished
from rewards.ledger import ASSET
from storage.house import House
from storage.state import State
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import SETTLEMENT_POLL_S, SETTLEMENT_WAIT_S_MAX

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from chain.client import ChainClient

log = structlog.get_logger(__name__)
# one closer at a time in the one process
_closing: WeakKeyDictionary[State, threading.Lock] = WeakKeyDictionary()


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
    """Close an epoch of the chain's asset, or finish the one that a kill left open, and return it accepted.

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
        begun = unfinished(connection, office.chain.asset.symbol)
    return begun or freeze(office.house, partial(_on_chain, office.chain), office.chain.asset.symbol)


def _on_chain(chain: ChainClient) -> OnChain:
    distributor = chain.distributor
    return OnChain(distributor.root() or NO_ROOT, chain.chain_id, distributor.address, chain.token.address)


def _published(office: _Office, epoch: Epoch) -> Epoch:
    return publish(office.house, epoch)


def _propose(office: _Office, epoch: Epoch) -> Epoch:
    """Mint what the distributor's reserve lacks and propose the root; what the chain has already is not sent again."""
    chain, signers = office.chain, office.signers
    distributor = chain.distributor
    inputs_hash = "0x" + header_of(office.house, epoch)["ledger_sha256"]
    if distributor.root() != epoch.root:
        chain.sender.wait_idle(signers.minter.address)  # a mint on its way would be missed by the next line
        missing = distributor.shortfall(epoch.total)
        if missing:
            # its royalties lie there since they were paid, and nobody here can make more
            if chain.asset.symbol != ASSET:
                raise WindrowError("unbalanced", f"{missing} {chain.asset.symbol} are missing on chain")
            chain.token.mint(signers.minter, distributor.reserve, missing)
        distributor.propose_root(signers.owner, epoch.root, epoch.total, inputs_hash)
    return move(office.house, epoch, state="proposed", valid_at_s=distributor.valid_at_s(epoch.root))


def _accept(office: _Office, epoch: Epoch) -> Epoch:
    """Accept the root; when its proposal is gone from the chain, go back and propose it again.

    The epoch is accepted when the chain's settled state says so. Until then each look sends again what is missing:
    the same key's next number is used, so of a lost transaction and the one sent for it the chain takes one.
    """
    distributor = office.chain.distributor
    if distributor.root() != epoch.root and distributor.valid_at_s(epoch.root) is None:
        return move(office.house, epoch, state="published", valid_at_s=None)
    try:
        distributor.accept_root(office.signers.owner, epoch.root)
    except WindrowError as error:
        if error.facts.get("reverted") != "TooEarly":
            raise
        return epoch  # the node's idea of the next block's time was ahead of the block's: wait on
    settled = office.chain.settled_state()
    if settled is None or distributor.root(settled) != epoch.root:
        return epoch  # not deep enough: look again
    return move(office.house, epoch, state="accepted")


STEPS: Final[dict[str, Callable[[_Office, Epoch], Epoch]]] = {
    "frozen": _published,
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


@contextmanager
def _only_closer(state: State) -> Iterator[None]:
    lock = _closing.setdefault(state, threading.Lock())
    if not lock.acquire(blocking=False):
        raise WindrowError("epoch_closing")
    try:
        yield
    finally:
        lock.release()
