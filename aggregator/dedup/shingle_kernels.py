"""The compiled loops over the shingle hashes of texts: distinct ones, those of two texts, and what a text says anew.

Rules: a table is open and at most half full; `secret` is odd and spreads hashes over it, so that nobody can write a
text whose hashes crowd one place. No answer depends on it.

Does not: make hashes (see `kernels`), or know what follows from an answer.

Usage::

    hashes, slots = shingle_set(all_hashes, secret)
    shared = shared_count(fewer_hashes, slots, secret, misses_max)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aggregator.dedup.compiling import compiled
from aggregator.dedup.kernels import Hashes
from windrow_protocol.limits import SHINGLE_WORDS

_ONE = np.uint64(1)


@compiled
def _table_bits(hashes: int) -> int:
    bits = 4
    while (1 << bits) < 2 * hashes:
        bits += 1
    return bits


@compiled
def _is_added(slots: Hashes, bits: int, value: Any, secret: Any) -> bool:
    """Put a value into a table unless it is there; say whether it was not."""
    mask = (1 << bits) - 1
    slot = np.int64((value * secret) >> np.uint64(64 - bits))
    while slots[slot] != 0 and slots[slot] != value:
        slot = (slot + 1) & mask
    if slots[slot] == value:
        return False
    slots[slot] = value
    return True


@compiled
def shingle_set(hashes: Hashes, secret: Any) -> tuple[Hashes, Hashes]:
    """Return the distinct ones of some hashes, and the same as an open hash table."""
    bits = _table_bits(hashes.size)
    slots, found, distinct = np.zeros(1 << bits, np.uint64), np.empty(hashes.size, np.uint64), 0
    for hashed in hashes:
        value = hashed | _ONE  # 0 is an empty slot
        if _is_added(slots, bits, value, secret):
            found[distinct] = value
            distinct += 1
    return found[:distinct], slots


@compiled
def repeated_words(hashes: Hashes, secret: Any) -> int:
    """Return how many words of a text stand in a shingle that stood before; hashes as they follow each other."""
    bits = _table_bits(hashes.size)
    slots = np.zeros(1 << bits, np.uint64)
    repeated, reached = 0, 0  # words before `reached` are counted
    for place in range(hashes.size):
        if not _is_added(slots, bits, hashes[place] | _ONE, secret):
            repeated += place + SHINGLE_WORDS - max(place, reached)
            reached = place + SHINGLE_WORDS
    return repeated


@compiled
def shared_count(few: Hashes, many: Hashes, secret: Any, misses_max: int) -> int:
    """Return how many of some hashes are in a table of `shingle_set`, or -1 once more are not than may be."""
    bits = 0
    while (1 << bits) < many.size:
        bits += 1
    shift, mask, misses = np.uint64(64 - bits), many.size - 1, 0
    for value in few:
        slot = np.int64((value * secret) >> shift)
        while many[slot] != 0 and many[slot] != value:
            slot = (slot + 1) & mask
        if many[slot] == 0:
            misses += 1
            if misses > misses_max:
                return -1
    return few.size - misses
