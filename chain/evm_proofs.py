"""What the embedded chain can prove of an account: the nodes of its tries, as `eth_getProof` tells them.

Rules: of any block, because the chain forgets no state.

Does not: check proofs (`chain/state_proofs.py` does).

Usage: `account_proof(database, header.state_root, address, [3])`.

Source: EIP-1186.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import rlp  # type: ignore[import-untyped]
from eth.rlp.accounts import Account
from trie.hexary import HexaryTrie

from windrow_protocol.merkle import keccak256


@dataclass(frozen=True)
class AccountProof:
    """An account with the nodes that lead to it, and for each slot its value with the nodes that lead to that."""

    account: Account
    nodes: tuple[bytes, ...]
    storage: tuple[tuple[int, int, tuple[bytes, ...]], ...]


def account_proof(database: Any, state_root: bytes, address: bytes, slots: Sequence[int]) -> AccountProof:
    """Return the proof; of an account that is not there too. `database` holds trie nodes by their hash."""
    state, key = HexaryTrie(database, state_root), keccak256(address)
    encoded = state.get(key)
    account = rlp.decode(encoded, sedes=Account) if encoded else Account()
    storage = HexaryTrie(database, account.storage_root)
    return AccountProof(account, _nodes(state, key), tuple(_word(storage, slot) for slot in slots))


def _word(storage: HexaryTrie, slot: int) -> tuple[int, int, tuple[bytes, ...]]:
    key = keccak256(slot.to_bytes(32, "big"))
    encoded = storage.get(key)
    value = int.from_bytes(rlp.decode(encoded), "big") if encoded else 0
    return slot, value, _nodes(storage, key)


def _nodes(trie: HexaryTrie, key: bytes) -> tuple[bytes, ...]:
    return tuple(rlp.encode(node) for node in trie.get_proof(key))  # type: ignore[no-untyped-call]
