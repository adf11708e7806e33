"""Five accounts that are allotted something, and a claim for one of them."""

from __future__ import annotations

from chain_lab import STRANGER, House, address

from windrow_protocol.merkle import MerkleTree

DAY_S = 86_400
WIND = 10**18
ACCOUNTS = [address(0x1000 + n) for n in range(5)]
AMOUNTS = {account: (place + 1) * WIND + place for place, account in enumerate(ACCOUNTS)}


def claim(house: House, tree: MerkleTree, account: str, sender: str = STRANGER) -> int:
    """Claim what a tree allots an account; returns what was paid."""
    return house.claim(account, tree.amount(account), tree.proof(account), sender)
