"""A Merkle tree in layers over any leaf hashes, as distributors of other projects check it.

Rules: sibling hashes are sorted; a node without a sibling goes up as it is. Only for measuring beside our own.

Does not: check anything, or encode leaves.

Usage: `tree = LayeredTree([keccak256(leaf) for leaf in leaves]); tree.root; tree.proof(0)`.

Source: Uniswap's merkle-distributor 1.0.1, `MerkleDistributor.sol` and its description of the tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from windrow_protocol.merkle import keccak256


class LayeredTree:
    """All layers, leaves first."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._layers = [list(leaves)]
        while len(self._layers[-1]) > 1:
            below = self._layers[-1]
            self._layers.append([_parent(a, b) for a, b in zip_longest(below[::2], below[1::2])])

    @property
    def root(self) -> bytes:
        """The root, 32 bytes."""
        return self._layers[-1][0]

    def proof(self, index: int) -> list[bytes]:
        """The sibling hashes of a leaf, from below."""
        found = []
        for layer in self._layers[:-1]:
            if index ^ 1 < len(layer):
                found.append(layer[index ^ 1])
            index //= 2
        return found


def _parent(a: bytes, b: bytes | None) -> bytes:
    if b is None:
        return a
    return keccak256(a + b if a < b else b + a)
