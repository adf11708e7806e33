"""What a block's header proves about an account and its storage, offline: header, account proof, storage proof.

Rules: everything comes from strangers. A header is known by its hash alone; whether that hash is of the chain meant has
to be known from elsewhere, because a header says neither its chain nor who made it. Each byte is hashed on the way from
the header's state root; what is missing, malformed or too long is refused with `bad_proof`.

Does not: ask anybody (`chain/saved_roots.py` does), or judge whether a block is final.

Usage::

    header = read_header(raw)
    account = proven_account(header.state_root, address, nodes)
    value = proven_word(account.storage_root, slot, nodes)

Source: the Yellow Paper, appendix D (tries) and section 4.3 (header); EIP-1186 for the order of nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import rlp  # type: ignore[import-untyped]
from rlp.exceptions import RLPException  # type: ignore[import-untyped]
from trie.exceptions import BadTrieProof, InvalidNode, TraversedPartialPath, ValidationError
from trie.hexary import HexaryTrie

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import HEADER_BYTES_MAX, TRIE_NODE_BYTES_MAX, TRIE_PROOF_NODES_MAX
from windrow_protocol.merkle import keccak256

# The names that nodes give a header's fields, in the order they are hashed in. Later forks only ever added to the end.
_FIELDS: Final = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom"),
    *("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash", "nonce"),
    *("baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot"),
    *("requestsHash", "blockAccessListHash", "slotNumber"),
)
_NUMBERS: Final = frozenset(
    {
        *("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas"),
        *("blobGasUsed", "excessBlobGas", "slotNumber"),
    }
)
_FIRST_FIELDS: Final = 15
_STATE_ROOT, _NUMBER, _TIMESTAMP = 3, 8, 11
_MALFORMED: Final = (
    *(RLPException, BadTrieProof, InvalidNode, TraversedPartialPath, ValidationError),
    *(RecursionError, KeyError, IndexError, TypeError, ValueError, AttributeError),
)


@dataclass(frozen=True)
class ReadHeader:
    """What is used of a block's header; `hash` is 0x and 64 hex digits, the time in seconds."""

    hash: str
    number: int
    time_s: int
    state_root: bytes


@dataclass(frozen=True)
class ProvenAccount:
    """What a state root says of an account."""

    storage_root: bytes
    code_hash: bytes


def header_bytes(block: Mapping[str, Any]) -> bytes:
    """Return the header of a block as JSON-RPC tells it, encoded; its hash must be the block's.

    Raises WindrowError `bad_proof`, also for a header with fields that are not known here.
    """
    try:
        named = [name for name in _FIELDS if block.get(name) is not None]
        raw = rlp.encode([_field(name, block[name]) for name in named])
        same = "0x" + keccak256(raw).hex() == str(block["hash"]).lower()
    except _MALFORMED as error:
        raise WindrowError("bad_proof", "the chain's block is malformed") from error
    if not same:
        raise WindrowError("bad_proof", f"the header of block {block['hash']} does not hash to that"[:200])
    return bytes(raw)


def _field(name: str, value: str) -> bytes:
    digits = value.removeprefix("0x")
    if name in _NUMBERS:
        number = int(digits, 16)
        return number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes.fromhex(digits)


def read_header(raw: bytes) -> ReadHeader:
    """Read an encoded header. Raises WindrowError `bad_proof`."""
    fields = _decoded(raw, HEADER_BYTES_MAX, "the header")
    if len(fields) < _FIRST_FIELDS or not all(isinstance(field, bytes) for field in fields):
        raise WindrowError("bad_proof", "the header has not the fields of one")
    state_root, number, time_s = fields[_STATE_ROOT], fields[_NUMBER], fields[_TIMESTAMP]
    if len(state_root) != 32 or len(number) > 8 or len(time_s) > 8:
        raise WindrowError("bad_proof", "the header has not the fields of one")
    return ReadHeader(
        hash="0x" + keccak256(raw).hex(),
        number=int.from_bytes(number, "big"),
        time_s=int.from_bytes(time_s, "big"),
        state_root=state_root,
    )


def proven_account(state_root: bytes, address: str, nodes: Sequence[bytes]) -> ProvenAccount:
    """Follow an account's proof. Raises WindrowError `bad_proof`, also when there is no such account."""
    value = _followed(state_root, bytes.fromhex(address.removeprefix("0x")), nodes, "the account's proof")
    if not value:
        raise WindrowError("bad_proof", f"there is no account {address} at that block")
    fields = _decoded(value, TRIE_NODE_BYTES_MAX, "the account")
    if len(fields) != 4 or any(not isinstance(field, bytes) or len(field) != 32 for field in fields[2:]):
        raise WindrowError("bad_proof", "the account has not the fields of one")
    return ProvenAccount(storage_root=fields[2], code_hash=fields[3])


def proven_word(storage_root: bytes, slot: int, nodes: Sequence[bytes]) -> bytes:
    """Follow the proof of one word of storage; returns its 32 bytes, zeros where nothing was ever written.

    Raises WindrowError `bad_proof`.
    """
    value = _followed(storage_root, slot.to_bytes(32, "big"), nodes, "the storage's proof")
    if not value:
        return bytes(32)
    try:
        word = rlp.decode(value)
    except _MALFORMED as error:
        raise WindrowError("bad_proof", "the word of storage is malformed") from error
    if not isinstance(word, bytes) or len(word) > 32:
        raise WindrowError("bad_proof", "the word of storage is malformed")
    return word.rjust(32, b"\0")


def _followed(root: bytes, key: bytes, nodes: Sequence[bytes], what: str) -> bytes:
    if len(nodes) > TRIE_PROOF_NODES_MAX:
        raise WindrowError("bad_proof", f"{what} has {len(nodes)} nodes")
    decoded = [_decoded(node, TRIE_NODE_BYTES_MAX, f"a node of {what}") for node in nodes]
    try:
        value = HexaryTrie.get_from_proof(root, keccak256(key), decoded)  # type: ignore[no-untyped-call]
        return bytes(value)
    except _MALFORMED as error:
        raise WindrowError("bad_proof", f"{what} does not lead from its root to it") from error


def _decoded(raw: bytes, bytes_max: int, what: str) -> list[Any]:
    if len(raw) > bytes_max:
        raise WindrowError("bad_proof", f"{what} is {len(raw)} bytes long")
    try:
        found = rlp.decode(raw)
    except _MALFORMED as error:
        raise WindrowError("bad_proof", f"{what} is malformed") from error
    if not isinstance(found, list):
        raise WindrowError("bad_proof", f"{what} is malformed")
    return found
