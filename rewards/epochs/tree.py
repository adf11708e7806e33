"""An epoch's Merkle tree, by compiled kernels where it is large: the same tree as `MerkleTree.from_amounts` gives.

Rules: the same hashes, order, spelling and refusals, which tests compare. Small trees are built without them, because
loading the kernels costs more than they save. A million leaves are built in blocks, in place, and in no objects:
beside the claims that are given, at most some 135 bytes of memory for each.

Does not: decide amounts, write files, or replace the plain builder, by which buyers and nodes check.

Usage: `tree = epoch_tree({"0xAbc…": 5})`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from windrow_protocol.limits import TREE_COMPILED_LEAVES_MIN
from windrow_protocol.merkle import UINT256_MAX, MerkleTree, checksum_address
from windrow_protocol.packed_leaves import ACCOUNT_BYTES, PLACE_BYTES, PackedLeaves, amount_width

Bytes = NDArray[np.uint8]
Lanes = NDArray[np.uint64]
_BLOCK: Final = 16_384  # leaves that are hashed at once


def epoch_tree(amounts: Mapping[str, int]) -> MerkleTree:
    """Build the tree of cumulative amounts in wei by account. Raises as `MerkleTree.from_amounts`."""
    if len(amounts) < TREE_COMPILED_LEAVES_MIN or sys.byteorder != "little":
        return MerkleTree.from_amounts(amounts)
    return compiled_tree(amounts)


def compiled_tree(amounts: Mapping[str, int]) -> MerkleTree:
    """Build a tree of any size by the kernels. Raises as `MerkleTree.from_amounts`."""
    from rewards.epochs.tree_kernels import hash_inner, keccak_rows, reorder

    count = len(amounts)
    if not count:
        raise ValueError("a tree needs at least one leaf")
    width = _width(amounts)
    stride = ACCOUNT_BYTES + width + PLACE_BYTES
    packed = bytearray(count * stride)
    rows: Bytes = np.frombuffer(packed, dtype=np.uint8).reshape(count, stride)
    nodes = np.empty((2 * count - 1, 4), dtype=np.uint64)  # what nobody wrote yet takes no memory
    digests = nodes[count - 1 :]
    done = 0
    for block in _blocks(amounts):
        end = done + len(block)
        raw, words = _raw_addresses([account for account, _ in block]), _words(block)
        rows[done:end, :ACCOUNT_BYTES] = _spelled([account for account, _ in block], raw, keccak_rows)
        rows[done:end, ACCOUNT_BYTES:-PLACE_BYTES] = words[:, 32 - width :]
        digests[done:end] = keccak_rows(keccak_rows(_encoded(raw, words)))
        done = end
    order = _largest_first(digests)
    places = np.empty(count, dtype=">u4")
    places[order] = np.arange(count - 1, 2 * count - 1)
    rows[:, -PLACE_BYTES:] = places.view(np.uint8).reshape(-1, PLACE_BYTES)
    del places
    _sort_leaves(rows)
    reorder(digests, order)
    hash_inner(nodes, count)
    return MerkleTree(nodes.data.cast("B").toreadonly(), PackedLeaves(packed, width))


def _largest_first(digests: Lanes) -> NDArray[np.uint32]:
    """Return the numbers of the digests in descending order of their bytes."""
    first = digests[:, 0].byteswap()
    order = np.argsort(first)[::-1].astype(np.uint32)
    ranked = first[order]
    if (ranked[1:] == ranked[:-1]).any():  # eight bytes of two hashes are the same
        order = np.lexsort(digests.byteswap().T[::-1])[::-1].astype(np.uint32)
    return order


def _width(amounts: Mapping[str, int]) -> int:
    """Return how many bytes an amount takes here. Raises ValueError when one is no uint256."""
    largest = max(amounts.values())
    if min(amounts.values()) < 0 or largest > UINT256_MAX:
        raise ValueError("amount is not a uint256")
    return amount_width(largest)


def _blocks(amounts: Mapping[str, int]) -> Iterator[list[tuple[str, int]]]:
    items = iter(amounts.items())
    while block := list(islice(items, _BLOCK)):
        yield block


def _sort_leaves(rows: Bytes) -> None:
    """Sort packed leaves where they are. Raises ValueError when an account stands there twice."""
    rows.view(f"S{rows.shape[1]}").sort(axis=0)
    accounts = rows[:, :ACCOUNT_BYTES].view(f"S{ACCOUNT_BYTES}")
    if (accounts[1:] == accounts[:-1]).any():
        raise ValueError("an account stands twice under two spellings")


def _raw_addresses(accounts: Sequence[str]) -> Bytes:
    """Return the addresses as rows of 20 bytes. Raises WindrowError `bad_payout_address`."""
    try:
        plain = all(len(account) == 42 and account[:2] == "0x" for account in accounts)
        data = bytes.fromhex("".join([account[2:] for account in accounts])) if plain else b""
    except (TypeError, ValueError):
        data = b""
    if len(data) != 20 * len(accounts):  # blanks count as nothing in hex, so the length tells
        for account in accounts:
            checksum_address(account)
    return np.frombuffer(data, dtype=np.uint8).reshape(-1, 20)


def _spelled(accounts: Sequence[str], raw: Bytes, keccak_rows: Any) -> Bytes:
    """Return the addresses in EIP-55 spelling, rows of 40 characters.

    Raises WindrowError `bad_payout_address` for a wrong checksum.
    """
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
    return right


def _words(block: Sequence[tuple[str, int]]) -> Bytes:
    """Return the amounts as rows of 32 bytes, big-endian."""
    words = b"".join([amount.to_bytes(32, "big") for _, amount in block])
    return np.frombuffer(words, dtype=np.uint8).reshape(-1, 32)


def _encoded(raw: Bytes, words: Bytes) -> Lanes:
    """Return abi.encode(address, uint256) of each leaf, as rows of eight lanes."""
    encoded = np.zeros((len(raw), 64), dtype=np.uint8)
    encoded[:, 12:32] = raw
    encoded[:, 32:] = words
    return encoded.view(np.uint64)
