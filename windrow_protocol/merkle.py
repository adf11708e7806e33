"""OpenZeppelin's standard Merkle tree over (address account, uint256 cumulative amount).

Rules: a leaf is hashed twice, so that no inner node can be read as a leaf; sibling hashes are sorted; one leaf for each
account. The dump is the `standard-v1` format of the JavaScript library `@openzeppelin/merkle-tree`.

Does not: build multiproofs (forgeable), talk to a chain, or decide amounts.

Usage::

    tree = MerkleTree.from_amounts({"0xAbc…": 5})
    assert verify_proof("0xAbc…", 5, tree.proof("0xAbc…"), tree.root)

Source: OpenZeppelin `MerkleProof.sol` and `merkle-tree` (MIT); EIP-55 for address spelling.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sha3 import keccak_256

from windrow_protocol.errors import WindrowError
from windrow_protocol.packed_leaves import Leaf, PackedLeaves

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
HASH_BYTES: Final = 32
PROOF_HASHES_MAX = 64
UINT256_MAX = 2**256 - 1
# For each character: the bit that makes it small, where it is a letter; where it is a hex digit of 8 or more.
_LETTERS: Final = bytes(0x20 if 0x61 <= code <= 0x66 else 0 for code in range(256))
_CAPITALS: Final = bytes(0x20 if chr(code) in "89abcdef" else 0 for code in range(256))


def keccak256(data: bytes) -> bytes:
    """Return Ethereum's Keccak-256 of some bytes (not NIST SHA-3)."""
    digest: bytes = keccak_256(data).digest()
    return digest


def checksum_address(address: str) -> str:
    """Return an address in EIP-55 spelling. Raises WindrowError `bad_payout_address` when it is no address."""
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
        raise WindrowError("bad_payout_address", repr(address)[:60])
    lower = address[2:].lower()
    spelled = "0x" + _spelled(lower)
    if address[2:] not in (lower, lower.upper()) and address != spelled:
        raise WindrowError("bad_payout_address", f"{address} has a wrong checksum")
    return spelled


def _spelled(lower: str) -> str:
    """Spell addresses that stand one after the other, 40 small hex digits each, as EIP-55 has it."""
    small = lower.encode()
    digests = b"".join([keccak_256(small[i : i + 40]).digest()[:20] for i in range(0, len(small), 40)])
    # 0x20 is what small letters have and capitals lack: taken from all that EIP-55 makes capital, in one number.
    letters = int.from_bytes(small.translate(_LETTERS), "big")
    capitals = int.from_bytes(digests.hex().encode().translate(_CAPITALS), "big")
    return (int.from_bytes(small, "big") ^ (letters & capitals)).to_bytes(len(small), "big").decode()


def _checksummed(addresses: Sequence[str]) -> list[str]:
    """Spell each address, all at once where all are spelled already. Raises as `checksum_address`."""
    if all(isinstance(address, str) and _ADDRESS.fullmatch(address) for address in addresses):
        digits = "".join([address[2:] for address in addresses])
        if _spelled(digits.lower()) == digits:
            return list(addresses)
    return [checksum_address(address) for address in addresses]


def leaf_hash(account: str, amount: int) -> bytes:
    """Return keccak(keccak(abi.encode(account, amount))). Raises ValueError when the amount is no uint256."""
    if not 0 <= amount <= UINT256_MAX:
        raise ValueError("amount is not a uint256")
    encoded = bytes(12) + bytes.fromhex(account[2:]) + amount.to_bytes(32, "big")
    return keccak256(keccak256(encoded))


def _leaf_hashes(accounts: Sequence[str], amounts: Sequence[int]) -> list[bytes]:
    """Return the leaf of each account, as `leaf_hash` does, without looking at each by itself."""
    if min(amounts) < 0 or max(amounts) > UINT256_MAX:
        raise ValueError("amount is not a uint256")
    words = bytes.fromhex("".join(["0" * 24 + account[2:] for account in accounts]))
    starts = range(0, len(words), 32)
    return [
        keccak_256(keccak_256(words[start : start + 32] + amount.to_bytes(32, "big")).digest()).digest()
        for start, amount in zip(starts, amounts, strict=True)
    ]


def _pair(a: bytes, b: bytes) -> bytes:
    return keccak256(a + b if a < b else b + a)


def verify_proof(account: str, amount: int, proof: Sequence[str], root: str) -> bool:
    """Say whether a proof leads from a leaf to a root; malformed input is simply not a proof."""
    if len(proof) > PROOF_HASHES_MAX or not _ADDRESS.fullmatch(account) or not 0 <= amount <= UINT256_MAX:
        return False
    try:
        steps = [bytes.fromhex(step.removeprefix("0x")) for step in proof]
        target = bytes.fromhex(root.removeprefix("0x"))
    except ValueError:
        return False
    if len(target) != 32 or any(len(step) != 32 for step in steps):
        return False
    node = leaf_hash(account, amount)
    for step in steps:
        node = _pair(node, step)
    return node == target


@dataclass(frozen=True)
class MerkleTree:
    """A whole tree: node 0 is the root, leaves stand at the end in descending order of index.

    `hashes` holds 32 bytes for each node; both fields are blocks of bytes, since objects for a million leaves would
    take several times the memory.
    """

    hashes: bytes | memoryview
    leaves: PackedLeaves  # (account, amount, index in nodes), sorted by account

    @classmethod
    def from_amounts(cls, amounts: Mapping[str, int]) -> MerkleTree:
        """Build the tree of cumulative amounts in wei by account. Raises ValueError when there is no account."""
        if not amounts:
            raise ValueError("a tree needs at least one leaf")
        accounts, count = _checksummed(list(amounts)), len(amounts)
        if len(set(accounts)) != count:
            raise ValueError("an account stands twice under two spellings")
        digests = _leaf_hashes(accounts, list(amounts.values()))
        order = sorted(range(count), key=digests.__getitem__, reverse=True)
        nodes = [b""] * (count - 1) + [digests[number] for number in order]
        for i in range(count - 2, -1, -1):  # `_pair`, without a call
            a, b = nodes[2 * i + 1 : 2 * i + 3]
            nodes[i] = keccak_256(a + b if a < b else b + a).digest()
        places = [0] * count
        for place, number in enumerate(order, count - 1):
            places[number] = place
        leaves = list(zip(accounts, amounts.values(), places, strict=True))
        return cls(b"".join(nodes), PackedLeaves.of(leaves))

    @property
    def size(self) -> int:
        """How many nodes there are, leaves included."""
        return len(self.hashes) // HASH_BYTES

    def node(self, index: int) -> bytes:
        """Return the hash of one node. Raises IndexError."""
        index = range(self.size)[index]
        return bytes(self.hashes[HASH_BYTES * index : HASH_BYTES * (index + 1)])

    @property
    def root(self) -> str:
        """The root as 0x and 64 hex digits."""
        return "0x" + self.node(0).hex()

    @property
    def total(self) -> int:
        """The sum of all leaves in wei."""
        return sum(amount for _, amount, _ in self.leaves)

    def amount(self, account: str) -> int:
        """Return an account's cumulative amount in wei. Raises WindrowError `not_found`."""
        return self._leaf(account)[1]

    def proof(self, account: str) -> list[str]:
        """Return the sibling hashes from an account's leaf to the root. Raises WindrowError `not_found`."""
        hashes, index = self.hashes, self._leaf(account)[2]
        steps = []
        while index > 0:
            start = HASH_BYTES * (index + 1 if index % 2 else index - 1)
            steps.append("0x" + hashes[start : start + HASH_BYTES].hex())
            index = (index - 1) // 2
        return steps

    def dump(self) -> dict[str, Any]:
        """Return the tree in the `standard-v1` dump format."""
        return {
            "format": "standard-v1",
            "leafEncoding": ["address", "uint256"],
            "tree": ["0x" + self.node(index).hex() for index in range(self.size)],
            "values": [
                {"value": [account, str(amount)], "treeIndex": index}
                for account, amount, index in self.leaves
            ],
        }

    @classmethod
    def load(cls, dump: Mapping[str, Any]) -> MerkleTree:
        """Rebuild a tree from its dump and compare every hash. Raises WindrowError `bad_proof` when they differ."""
        try:
            if dump["format"] != "standard-v1" or list(dump["leafEncoding"]) != ["address", "uint256"]:
                raise WindrowError("bad_proof", "not a standard-v1 tree of (address, uint256)")
            tree = cls.from_amounts({row["value"][0]: int(row["value"][1]) for row in dump["values"]})
            same = b"".join([_hash_of(node) for node in dump["tree"]]) == tree.hashes
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise WindrowError("bad_proof", "the tree's dump is malformed") from error
        if not same or len(dump["values"]) != len(tree.leaves):
            raise WindrowError("bad_proof", "the tree's hashes do not follow from its values")
        return tree

    def _leaf(self, account: str) -> Leaf:
        # A string found as it stands is spelled well: spelling it costs more than looking.
        if isinstance(account, str) and account.isascii() and account[:2] == "0x":
            found = self.leaves.find(account)
            if found is not None:
                return found
        spelled = checksum_address(account)
        found = self.leaves.find(spelled)
        if found is None:
            raise WindrowError("not_found", f"{spelled} has no leaf in this tree")
        return found


def _hash_of(text: str) -> bytes:
    """Return a hash of a dump. Raises ValueError."""
    node = bytes.fromhex(text.removeprefix("0x"))
    if len(node) != HASH_BYTES:
        raise ValueError("not 32 bytes")
    return node
