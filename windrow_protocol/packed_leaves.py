"""The leaves of a Merkle tree, side by side in one block of bytes: a million take some 55 MB instead of 270.

    account, 40 characters in EIP-55 spelling | amount, big-endian | place among the nodes, 4 bytes big-endian

Rules: sorted by account as spelled, each account once; all amounts have the width that the largest one needs.

Does not: hash, or check the spelling of what it is given.

Usage: `leaves = PackedLeaves.of([("0xAbc…", 5, 0)])`; `account, amount, place = leaves[0]`; `leaves.find("0xAbc…")`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, overload

ACCOUNT_BYTES: Final = 40
PLACE_BYTES: Final = 4
Leaf = tuple[str, int, int]


def amount_width(largest: int) -> int:
    """Return how many bytes amounts up to `largest` need; zero needs one too."""
    return max(1, (largest.bit_length() + 7) // 8)


@dataclass(frozen=True)
class PackedLeaves(Sequence[Leaf]):
    """(account, amount, index in nodes) of each leaf; `data` holds them as the module says, `width` is of an amount."""

    data: bytes | bytearray  # never changed; an array that was filled in place is taken without a copy
    width: int

    @classmethod
    def of(cls, leaves: Sequence[Leaf]) -> PackedLeaves:
        """Pack leaves in any order. Raises OverflowError for a negative amount or place."""
        width = amount_width(max((amount for _, amount, _ in leaves), default=0))
        rows = [
            account[2:].encode() + amount.to_bytes(width, "big") + place.to_bytes(PLACE_BYTES, "big")
            for account, amount, place in leaves
        ]
        return cls(b"".join(sorted(rows)), width)

    def __len__(self) -> int:
        return len(self.data) // self._stride

    @overload
    def __getitem__(self, place: int) -> Leaf: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Leaf]: ...

    def __getitem__(self, place: int | slice) -> Leaf | Sequence[Leaf]:
        if isinstance(place, slice):
            return [self._leaf(number) for number in range(len(self))[place]]
        return self._leaf(range(len(self))[place])

    def __iter__(self) -> Iterator[Leaf]:
        return map(self._leaf, range(len(self)))

    def find(self, account: str) -> Leaf | None:
        """Return the leaf of an account, spelled as in EIP-55, if there is one."""
        data, stride, wanted = self.data, self._stride, account[2:].encode()
        low, high = 0, len(data) // stride
        while low < high:  # as bisect, whose key function would be called twenty times
            middle = (low + high) >> 1
            start = middle * stride
            if data[start : start + ACCOUNT_BYTES] < wanted:
                low = middle + 1
            else:
                high = middle
        start = low * stride
        return self._leaf(low) if data[start : start + ACCOUNT_BYTES] == wanted else None

    @property
    def _stride(self) -> int:
        return ACCOUNT_BYTES + self.width + PLACE_BYTES

    def _leaf(self, number: int) -> Leaf:
        row = self.data[number * self._stride : (number + 1) * self._stride]
        return (
            "0x" + row[:ACCOUNT_BYTES].decode("ascii"),
            int.from_bytes(row[ACCOUNT_BYTES:-PLACE_BYTES], "big"),
            int.from_bytes(row[-PLACE_BYTES:], "big"),
        )
