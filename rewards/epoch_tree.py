"""An epoch's Merkle tree, by compiled kernels where it is large: the same tree as `MerkleTree.from_amounts` gives.

Rules: the same hashes, order, spelling and refusals, which tests compare. Small trees are built without them, because
loading the kernels costs more than they save.

Does not: decide amounts, write files, or replace the plain builder, by which buyers and nodes check.

Usage: `tree = epoch_tree({"0xAbc…": 5})`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from windrow_protocol.limits import TREE_COMPILED_LEAVES_MIN
from windrow_protocol.merkle import MerkleTree, checksum_address

Lanes = NDArray[np.uint64]


def epoch_tree(amounts: Mapping[str, int]) -> MerkleTree:
    """Build the tree of cumulative amounts in wei by account. Raises as `MerkleTree.from_amounts`."""
    if len(amounts) < TREE_COMPILED_LEAVES_MIN or sys.byteorder != "little":
        return MerkleTree.from_amounts(amounts)
    return compiled_tree(amounts)


def compiled_tree(amounts: Mapping[str, int]) -> MerkleTree:
    """Build a tree of any size by the kernels. Raises as `MerkleTree.from_amounts`."""
    from rewards.tree_kernels import hash_inner, keccak_rows

    count = len(amounts)
    if not count:
        raise ValueError("a tree needs at least one leaf")
    raw = _raw_addresses(amounts)
    spelled = _spelled(list(amounts), raw, keccak_rows)
    if len(set(spelled)) != count:
        raise ValueError("an account stands twice under two spellings")
    leaves = keccak_rows(keccak_rows(_encoded(raw, amounts)))
    order = np.lexsort(leaves.byteswap().T[::-1])  # by the bytes: big-endian words, the first one first
    nodes = np.empty((2 * count - 1, 4), dtype=np.uint64)
    nodes[count - 1 :] = leaves[order][::-1]
    hash_inner(nodes, count)
    places = np.empty(count, dtype=np.int64)
    places[order] = np.arange(2 * count - 2, count - 2, -1)
    data = nodes.tobytes()
    return MerkleTree(
        tuple(data[start : start + 32] for start in range(0, len(data), 32)),
        tuple(sorted(zip(spelled, amounts.values(), places.tolist(), strict=True))),
    )


def _raw_addresses(amounts: Mapping[str, int]) -> NDArray[np.uint8]:
    """Return the addresses as rows of 20 bytes. Raises WindrowError `bad_payout_address`."""
    try:
        plain = all(len(account) == 42 and account[:2] == "0x" for account in amounts)
        data = bytes.fromhex("".join([account[2:] for account in amounts])) if plain else b""
    except (TypeError, ValueError):
        data = b""
    if len(data) != 20 * len(amounts):  # blanks count as nothing in hex, so the length tells
        for account in amounts:
            checksum_address(account)
    return np.frombuffer(data, dtype=np.uint8).reshape(-1, 20)


def _spelled(accounts: list[str], raw: NDArray[np.uint8], keccak_rows: Any) -> list[str]:
    """Return the addresses in EIP-55 spelling. Raises WindrowError `bad_payout_address` for a wrong checksum."""
    lower = np.frombuffer(raw.tobytes().hex().encode(), dtype=np.uint8).reshape(-1, 40)
    digests = keccak_rows(lower.copy().view(np.uint64)).view(np.uint8)[:, :20]
    nibbles = np.stack([digests >> 4, digests & 15], axis=2).reshape(-1, 40)
    capital = (nibbles >= 8) & (lower >= ord("a"))
    right = lower - 32 * capital.astype(np.uint8)
    given = np.frombuffer("".join([account[2:] for account in accounts]).encode(), dtype=np.uint8).reshape(
        -1, 40
    )
    upper = lower - 32 * (lower >= ord("a")).astype(np.uint8)
    fine = (given == right).all(axis=1) | (given == lower).all(axis=1) | (given == upper).all(axis=1)
    for number in np.flatnonzero(~fine)[:1]:
        checksum_address(accounts[number])
    text = right.tobytes().decode("ascii")
    return ["0x" + text[start : start + 40] for start in range(0, len(text), 40)]


def _encoded(raw: NDArray[np.uint8], amounts: Mapping[str, int]) -> Lanes:
    """Return abi.encode(address, uint256) of each leaf, as rows of eight lanes."""
    try:
        words = b"".join([amount.to_bytes(32, "big") for amount in amounts.values()])
    except OverflowError as error:
        raise ValueError("amount is not a uint256") from error
    encoded = np.zeros((len(raw), 64), dtype=np.uint8)
    encoded[:, 12:32] = raw
    encoded[:, 32:] = np.frombuffer(words, dtype=np.uint8).reshape(-1, 32)
    return encoded.view(np.uint64)
