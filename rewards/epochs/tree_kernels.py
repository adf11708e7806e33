"""A Merkle tree's hashes, compiled: Keccak-256 of many short messages, and of a tree's inner nodes up to the root.

Rules: the same bytes as `windrow_protocol.merkle`, which a test compares; arrays of bytes in, arrays of bytes out.
Compiled at first use and kept beside this file where that may be written.

Does not: encode leaves, or know accounts. Usage: `hash_inner(nodes, leaves)`, `keccak_rows(messages)`,
`reorder(rows, order)`.

Source: FIPS 202, Keccak-f[1600]; Ethereum's padding (0x01 instead of 0x06).
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np

RATE_BYTES: Final = 136
_LANES: Final = RATE_BYTES // 8


def _round_constants() -> list[int]:
    """Return the constants of the 24 rounds from their shift register, as FIPS 202 defines them."""
    register, constants = 1, []
    for _ in range(24):
        constant = 0
        for power in range(7):
            if register & 1:
                constant |= 1 << ((1 << power) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return constants


_ROUNDS: Final = np.array(_round_constants(), dtype=np.uint64)


def _compiled(function: Any) -> Any:
    try:
        return numba.njit(cache=True, nogil=True, boundscheck=False)(function)
    except RuntimeError:  # nowhere to keep it
        return numba.njit(nogil=True, boundscheck=False)(function)


@_compiled
def _turned(lane: Any, places: int) -> Any:
    return (lane << np.uint64(places)) | (lane >> np.uint64(64 - places))


@_compiled
def _permute(a: Any) -> None:
    """Apply Keccak-f[1600] to 25 lanes. Written out: with loops over tables it takes 2.7 times as long."""
    for round_constant in _ROUNDS:
        c0 = a[0] ^ a[5] ^ a[10] ^ a[15] ^ a[20]
        c1 = a[1] ^ a[6] ^ a[11] ^ a[16] ^ a[21]
        c2 = a[2] ^ a[7] ^ a[12] ^ a[17] ^ a[22]
        c3 = a[3] ^ a[8] ^ a[13] ^ a[18] ^ a[23]
        c4 = a[4] ^ a[9] ^ a[14] ^ a[19] ^ a[24]
        d0, d1, d2 = c4 ^ _turned(c1, 1), c0 ^ _turned(c2, 1), c1 ^ _turned(c3, 1)
        d3, d4 = c2 ^ _turned(c4, 1), c3 ^ _turned(c0, 1)
        for y in range(0, 25, 5):
            a[y] ^= d0
            a[y + 1] ^= d1
            a[y + 2] ^= d2
            a[y + 3] ^= d3
            a[y + 4] ^= d4
        # rho and pi: each lane goes on to the next one's place, turned
        last = a[1]
        a[1] = _turned(a[6], 44)
        a[6] = _turned(a[9], 20)
        a[9] = _turned(a[22], 61)
        a[22] = _turned(a[14], 39)
        a[14] = _turned(a[20], 18)
        a[20] = _turned(a[2], 62)
        a[2] = _turned(a[12], 43)
        a[12] = _turned(a[13], 25)
        a[13] = _turned(a[19], 8)
        a[19] = _turned(a[23], 56)
        a[23] = _turned(a[15], 41)
        a[15] = _turned(a[4], 27)
        a[4] = _turned(a[24], 14)
        a[24] = _turned(a[21], 2)
        a[21] = _turned(a[8], 55)
        a[8] = _turned(a[16], 45)
        a[16] = _turned(a[5], 36)
        a[5] = _turned(a[3], 28)
        a[3] = _turned(a[18], 21)
        a[18] = _turned(a[17], 15)
        a[17] = _turned(a[11], 10)
        a[11] = _turned(a[7], 6)
        a[7] = _turned(a[10], 3)
        a[10] = _turned(last, 1)
        for y in range(0, 25, 5):
            c0, c1, c2, c3, c4 = a[y], a[y + 1], a[y + 2], a[y + 3], a[y + 4]
            a[y] = c0 ^ (~c1 & c2)
            a[y + 1] = c1 ^ (~c2 & c3)
            a[y + 2] = c2 ^ (~c3 & c4)
            a[y + 3] = c3 ^ (~c4 & c0)
            a[y + 4] = c4 ^ (~c0 & c1)
        a[0] ^= round_constant


@_compiled
def keccak_rows(messages: Any) -> Any:
    """Return the Keccak-256 of each row: uint64 lanes (rows, words), at most 16 words, to (rows, 4)."""
    rows, words = messages.shape
    digests = np.empty((rows, 4), dtype=np.uint64)
    a = np.empty(25, dtype=np.uint64)
    for row in range(rows):
        a[:] = np.uint64(0)
        for word in range(words):
            a[word] = messages[row, word]
        a[words] ^= np.uint64(1)
        a[_LANES - 1] ^= np.uint64(0x8000000000000000)
        _permute(a)
        for word in range(4):
            digests[row, word] = a[word]
    return digests


@_compiled
def _swapped(value: Any) -> Any:
    """Turn the bytes of a lane round, so that lanes compare as their bytes do."""
    low = np.uint64(0x00FF00FF00FF00FF)
    value = ((value >> np.uint64(8)) & low) | ((value & low) << np.uint64(8))
    low = np.uint64(0x0000FFFF0000FFFF)
    value = ((value >> np.uint64(16)) & low) | ((value & low) << np.uint64(16))
    return (value >> np.uint64(32)) | (value << np.uint64(32))


@_compiled
def reorder(rows: Any, order: Any) -> None:
    """Make row i what row `order[i]` was, in place; `order` counts up afterwards."""
    words = rows.shape[1]
    kept = np.empty(words, dtype=rows.dtype)
    for start in range(len(order)):
        place = start
        for word in range(words):
            kept[word] = rows[start, word]
        while order[place] != start:  # round the cycle that begins here
            source = order[place]
            order[place] = place
            for word in range(words):
                rows[place, word] = rows[source, word]
            place = source
        order[place] = place
        for word in range(words):
            rows[place, word] = kept[word]


@_compiled
def hash_inner(nodes: Any, leaves: int) -> None:
    """Fill the inner nodes of a tree, (2 · leaves − 1, 4) lanes whose last `leaves` rows are there."""
    a = np.empty(25, dtype=np.uint64)
    for i in range(leaves - 2, -1, -1):
        first, second = 2 * i + 1, 2 * i + 2
        for word in range(4):
            one, other = _swapped(nodes[first, word]), _swapped(nodes[second, word])
            if one != other:
                if one > other:
                    first, second = second, first
                break
        a[:] = np.uint64(0)
        for word in range(4):
            a[word] = nodes[first, word]
            a[word + 4] = nodes[second, word]
        a[8] = np.uint64(1)
        a[_LANES - 1] = np.uint64(0x8000000000000000)
        _permute(a)
        for word in range(4):
            nodes[i, word] = a[word]
