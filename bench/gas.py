"""Gas of a claim from our distributor beside Uniswap's, 1inch's and Morpho's, and of a sale with and without a burn.

Usage: `python -m bench.gas --peers FOLDER [--leaves 1000 100000] [--claims 32]` prints one JSON line for each size and
system. FOLDER/uniswap holds the npm package `@uniswap/merkle-distributor` as its authors compiled it; it is installed
there if it is missing. FOLDER/1inch and FOLDER/morpho hold checkouts of `1inch/merkle-distribution` and
`morpho-org/universal-rewards-distributor`, which are on no registry; without them those two are left out. Transactions
are signed and mined on the embedded chain (py-evm, Prague), so what is counted is what a block would count: call data,
the token's transfer and refunds included.

    first        mean gas of an account's first claim, by which it first holds the token
    later        mean gas of its claim in the next epoch. Ours is cumulative; Uniswap's needs a second contract for it,
                 whose creation is `next_epoch`; the others' need transactions of the owner for the next root
    sale         mean gas of `buy`, of a buyer who has bought before and given an allowance without end
    settled      mean gas of settling an order under terms, the order itself not counted
    spent_on     what one first claim's gas went into, of distributors that remember amounts
    word_used    of Uniswap's first claims, those whose bitmap word (256 claims) another claim had opened
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, Final

from eth_abi.abi import encode
from eth_account import Account as Key

from bench.solidity.cumulative_peers import CUMULATIVE_PEERS, CumulativePeer
from bench.solidity.gas_account import Account
from bench.solidity.layered_tree import LayeredTree
from chain.abi import creation_code, functions
from chain.evm import EmbeddedChain
from chain.evm_values import Call, Genesis
from rewards.epochs.tree import epoch_tree
from windrow_protocol.merkle import MerkleTree, checksum_address, keccak256

PACKAGE: Final = "@uniswap/merkle-distributor"
CHAIN_ID: Final = 31_337
START_S: Final = 1_800_000_000
TIMELOCK_S: Final = 60
GAS_MAX: Final = 6_000_000
OWNER: Final = Key.from_key(b"\x0c" * 32)
_CLAIM: Final = keccak256(b"claim(uint256,address,uint256,bytes32[])")[:4]


class Chain:
    """A chain whose every transaction is the owner's and must succeed."""

    def __init__(self) -> None:
        self._chain = EmbeddedChain(Genesis(CHAIN_ID, START_S, {OWNER.address: 10**24}))
        self.now_s = START_S + 1
        self._nonce = 0
        self.spent_on: dict[str, int] = {}  # by the last transaction, before refunds

    def send(self, to: str | None, data: bytes) -> tuple[int, str]:
        """Mine one transaction; returns its gas and the address of what it created."""
        filled = {"chainId": CHAIN_ID, "nonce": self._nonce, "gas": GAS_MAX, "data": data, "value": 0}
        fees = {"maxFeePerGas": 10**11, "maxPriorityFeePerGas": 0, "type": 2}
        signed = OWNER.sign_transaction({**filled, **fees, **({"to": to} if to else {})})
        with Account() as account:
            prepared = self._chain.prepare(bytes(signed.raw_transaction), self.now_s)
        mined, self.spent_on = self._chain.commit(prepared), account.groups(data)
        self._nonce += 1
        if not mined.succeeded:
            raise RuntimeError(f"a transaction to {to} failed: {mined.output.hex()}")
        return int(mined.receipt.gas_used), checksum_address(
            "0x" + mined.created.hex()
        ) if mined.created else ""

    def read_address(self, to: str, data: bytes) -> str:
        """Ask a contract for an address."""
        call = Call(bytes.fromhex(OWNER.address[2:]), bytes.fromhex(to[2:]), data, 0, GAS_MAX)
        return checksum_address("0x" + self._chain.call(call, self.now_s)[12:].hex())

    def token(self) -> str:
        """Create our token, which both systems pay out."""
        return self.send(None, creation_code("WindToken", OWNER.address, OWNER.address))[1]

    def mint(self, token: str, to: str, amount: int) -> None:
        """Make money."""
        self.send(token, functions("WindToken")["mint"].encode((to, amount)))


def claims_of(leaves: int) -> dict[str, int]:
    """Return what each account is allotted by the first epoch, the same on every machine."""
    drawn = random.Random(leaves)
    return {
        checksum_address(f"0x{drawn.getrandbits(160):040x}"): drawn.randrange(10**15, 10**24)
        for _ in range(leaves)
    }


def ours(claims: dict[str, int], claimants: Sequence[str]) -> dict[str, Any]:
    """Measure two epochs of one distributor."""
    chain, calls = Chain(), functions("RewardDistributor")
    token = chain.token()
    _, place = chain.send(None, creation_code("RewardDistributor", token, TIMELOCK_S, OWNER.address))
    chain.mint(token, chain.read_address(place, calls["reserve"].encode(())), 10**40)

    def install(amounts: dict[str, int]) -> tuple[MerkleTree, int]:
        tree = epoch_tree(amounts)
        root = bytes.fromhex(tree.root[2:])
        proposed, _ = chain.send(place, calls["proposeRoot"].encode((root, tree.total, bytes(32))))
        chain.now_s += TIMELOCK_S
        accepted, _ = chain.send(place, calls["acceptRoot"].encode((root,)))
        return tree, proposed + accepted

    def claim(tree: MerkleTree) -> Callable[[str], int]:
        def one(account: str) -> int:
            steps = [bytes.fromhex(step[2:]) for step in tree.proof(account)]
            return chain.send(place, calls["claim"].encode((account, tree.amount(account), steps)))[0]

        return one

    opener, *measured = claimants
    first_tree, _ = install(claims)
    one = claim(first_tree)
    one(opener)  # the first claim of all opens a sum that later ones only change
    first, spent_on = [one(account) for account in measured], chain.spent_on
    second_tree, next_epoch = install({account: amount * 2 for account, amount in claims.items()})
    later = [claim(second_tree)(account) for account in measured]
    found = {"first": round(mean(first)), "later": round(mean(later)), "next_epoch": next_epoch}
    return {**found, "spent_on": spent_on}


def uniswap(claims: dict[str, int], claimants: Sequence[str], folder: Path) -> dict[str, Any]:
    """Measure two epochs, each a contract of its own."""
    content = json.loads((folder / "node_modules" / PACKAGE / "build" / "MerkleDistributor.json").read_text())
    chain, rows = Chain(), list(claims.items())
    tree = LayeredTree([_uniswap_leaf(place, *row) for place, row in enumerate(rows)])
    token, places = chain.token(), {account: place for place, account in enumerate(claims)}
    code = bytes.fromhex(content["bytecode"].removeprefix("0x"))

    def claimed(accounts: Sequence[str]) -> tuple[int, list[int]]:
        created, place = chain.send(None, code + encode(["address", "bytes32"], [token, tree.root]))
        chain.mint(token, place, 10**40)
        gas = []
        for account in accounts:
            index = places[account]
            arguments = [index, account, claims[account], tree.proof(index)]
            call = _CLAIM + encode(["uint256", "address", "uint256", "bytes32[]"], arguments)
            gas.append(chain.send(place, call)[0])
        return created, gas

    _, first = claimed(claimants[1:])
    next_epoch, later = claimed(claimants[1:])
    fresh = rows[0][0]
    _, pair = claimed([fresh, *(account for account, _ in rows[1:9])])
    return {
        "first": round(mean(first)),
        "later": round(mean(later)),
        "next_epoch": next_epoch,
        "word_used": round(mean(pair[1:])),
    }


def _uniswap_leaf(place: int, account: str, amount: int) -> bytes:
    return keccak256(place.to_bytes(32, "big") + bytes.fromhex(account[2:]) + amount.to_bytes(32, "big"))


def cumulative(
    peer: CumulativePeer, claims: dict[str, int], claimants: Sequence[str], folder: Path
) -> dict[str, Any]:
    """Measure two epochs of one distributor of another project."""
    chain = Chain()
    token = chain.token()
    _, place = chain.send(None, peer.creation(folder, token, OWNER.address))
    chain.mint(token, place, 10**40)
    places = {account: number for number, account in enumerate(claims)}

    def claimed(amounts: dict[str, int], accounts: Sequence[str]) -> tuple[int, list[int]]:
        tree = peer.tree(token, amounts)
        installed, _ = chain.send(place, peer.root_call(tree.root))
        calls = [
            peer.claim_call(token, account, amounts[account], tree.root, tree.proof(places[account]))
            for account in accounts
        ]
        return installed, [chain.send(place, call)[0] for call in calls]

    _, first = claimed(claims, claimants)
    spent_on = chain.spent_on
    doubled = {account: amount * 2 for account, amount in claims.items()}
    next_epoch, later = claimed(doubled, claimants[1:])
    found = {"first": round(mean(first[1:])), "later": round(mean(later)), "next_epoch": next_epoch}
    return {**found, "spent_on": spent_on}


def sold(burn_bps: int, sales: int = 8) -> dict[str, Any]:
    """Measure sales of one export to a buyer who holds the token before and after."""
    chain, calls, tokens = Chain(), functions("DatasetMarket"), functions("WindToken")
    token = chain.token()
    _, paid = chain.send(None, creation_code("RewardDistributor", token, TIMELOCK_S, OWNER.address))
    treasury = checksum_address("0x" + "99" * 20)
    _, place = chain.send(None, creation_code("DatasetMarket", token, paid, treasury, OWNER.address))
    chain.mint(token, OWNER.address, 10**30)
    chain.send(token, tokens["approve"].encode((place, 2**256 - 1)))
    export, price = b"\xe1" * 32, 2_000 * 10**18
    chain.send(place, calls["list"].encode((export, b"\xaa" * 32, price, 7_000, burn_bps)))
    buy, order = calls["buy"].encode((export,)), calls["order"].encode((export, bytes(32)))
    chain.send(place, buy)  # the first sale opens what later ones change
    bought = [chain.send(place, buy)[0] for _ in range(sales)]
    settled = []
    for number in range(1, sales + 1):
        chain.send(place, order)
        settled.append(chain.send(place, calls["settle"].encode((number,)))[0])
    return {"sale": round(mean(bought)), "settled": round(mean(settled))}


def installed(peers: Path) -> Path:
    """Return the folder the package is installed in. Raises CalledProcessError."""
    place = peers / "uniswap"
    if not (place / "node_modules" / PACKAGE).exists():
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "install", "--silent", "--ignore-scripts", "--prefix", place, PACKAGE], check=True
        )
    return place


def main(arguments: list[str] | None = None) -> int:
    """Measure both at every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--leaves", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--claims", type=int, default=32)
    options = parser.parse_args(arguments)
    folder = installed(options.peers.resolve())
    for burn_bps in (0, 1_500):
        print(json.dumps({"bench": "gas", "burn_bps": burn_bps, **sold(burn_bps)}), flush=True)
    for leaves in options.leaves:
        claims = claims_of(leaves)
        claimants = random.Random(1).sample(sorted(claims), options.claims + 1)
        measured = [("windrow", ours(claims, claimants)), ("uniswap", uniswap(claims, claimants, folder))]
        measured += [
            (system, cumulative(peer, claims, claimants, options.peers))
            for system, peer in CUMULATIVE_PEERS.items()
            if peer.here(options.peers)
        ]
        for system, found in measured:
            print(json.dumps({"bench": "gas", "leaves": leaves, "system": system, **found}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
