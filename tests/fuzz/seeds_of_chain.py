"""Where the fuzzer starts with saved roots: one that proves a root, and each of its levels, by tries made here.

Rules: the file that is taken holds the contract's real code, which no artifact has; so it is made by the EVM.

Does not: check. Usage: `saved_roots()`.
"""

from __future__ import annotations

import json
from typing import Any

import rlp  # type: ignore[import-untyped]
from trie.hexary import HexaryTrie

from tests.chain_lab import CHAIN_ID, House
from tests.fuzz.parsers_of_chain import PLACE, SLOT
from windrow_protocol.merkle import keccak256

ROOT = b"\x77" * 32


def saved_roots() -> list[bytes]:
    """A whole file, a header, an account's nodes, a word's nodes; and some that are bent."""
    house = House.build()
    code = house.lab.code(house.distributor)
    words = _trie({number.to_bytes(32, "big"): rlp.encode(ROOT) for number in range(20)})
    account = rlp.encode([b"\1", b"", words.root_hash, keccak256(code)])
    others = {bytes([number]) * 20: account for number in range(40)}
    accounts = _trie({**others, bytes.fromhex(PLACE[2:]): account})
    header = rlp.encode([accounts.root_hash if place == 3 else b"\5" for place in range(21)])
    to_account = _nodes(accounts, bytes.fromhex(PLACE[2:]))
    to_word = _nodes(words, SLOT.to_bytes(32, "big"))
    file: dict[str, Any] = {
        "format": "windrow-root-1",
        "chain_id": CHAIN_ID,
        "distributor": PLACE,
        "header": "0x" + header.hex(),
        "code": "0x" + code.hex(),
        "account_proof": ["0x" + node.hex() for node in to_account],
        "storage_proof": ["0x" + node.hex() for node in to_word],
    }
    bent = [
        {**file, "code": "0x"},
        {**file, "account_proof": []},
        {**file, "storage_proof": [file["storage_proof"][0]]},
    ]
    return [
        *(b"\0" + json.dumps(each).encode() for each in (file, *bent)),
        *(b"\1" + header, b"\1\xc0", b"\2" + rlp.encode(to_account), b"\3" + rlp.encode(to_word)),
        *(b"\2" + rlp.encode(to_account[:1]), b"\3" + rlp.encode([rlp.encode([b"\0", [b""] * 17])])),
        *(b"\3" + rlp.encode([b"\xc1" * 900]), b"\3" + rlp.encode([rlp.encode([b""] * 17)])),
    ]


def _trie(rows: dict[bytes, bytes]) -> HexaryTrie:
    made = HexaryTrie({})
    for key, value in rows.items():
        made[keccak256(key)] = value
    return made


def _nodes(trie: HexaryTrie, key: bytes) -> list[bytes]:
    return [rlp.encode(node) for node in trie.get_proof(keccak256(key))]  # type: ignore[no-untyped-call]
