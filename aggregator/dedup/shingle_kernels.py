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
from numpy.typing import NDArray

from aggregator.dedup.compiling import compiled
from aggregator.dedup.kernels import Hashes, Numbers
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


@compiled
def _make_distinct(hashes: Hashes, ends: Numbers, secret: Any) -> Numbers:
    """Move the distinct hashes of each text to its beginning and return how many there are."""
    longest, start = 0, 0
    for text in range(ends.size):
        longest, start = max(longest, ends[text] - start), ends[text]
    slots, sizes = np.zeros(1 << _table_bits(longest), np.uint64), np.empty(ends.size, np.int64)
    start = 0
    for text in range(ends.size):
        bits = _table_bits(ends[text] - start)
        slots[: 1 << bits] = 0
        distinct = start
        for place in range(start, ends[text]):
            value = hashes[place] | _ONE
            if _is_added(slots, bits, value, secret):
                hashes[distinct] = value
                distinct += 1
        sizes[text] = distinct - start
        start = ends[text]
    return sizes


@compiled
def best_candidates(
    own: Hashes,
    own_ends: Numbers,
    others: Hashes,
    other_ends: Numbers,
    pairs: Numbers,
    at_least: float,
    secret: Any,
    best: NDArray[np.float64],
    best_number: Numbers,
) -> None:
    """Compare texts with their candidates and note the most similar of each, if it is similar enough.

    `own` and `others` are hashes of texts, one text after the other, and are changed. A row of `pairs` is the text's
    row in `own`, the candidate's in `others`, the text's place in `best` and the candidate's number; rows of one text
    follow each other.
    """
    own_sizes, other_sizes = _make_distinct(own, own_ends, secret), _make_distinct(others, other_ends, secret)
    slots = np.zeros(1 << _table_bits(own_sizes.max()), np.uint64)
    held, bits = -1, 4
    for row in range(pairs.shape[0]):
        a, b, place, number = pairs[row]
        if best[place] == 1.0 or not own_sizes[a] or not other_sizes[b]:
            continue
        if a != held:
            held, bits = a, _table_bits(own_sizes[a])
            slots[: 1 << bits] = 0
            start = own_ends[a - 1] if a else 0
            for value in own[start : start + own_sizes[a]]:
                _is_added(slots, bits, value, secret)
        start, both = other_ends[b - 1] if b else 0, own_sizes[a] + other_sizes[b]
        bound = max(best[place], at_least)
        few = other_sizes[b]
        misses_max = few - np.int64(bound * both / (1 + bound))  # J ≥ t as |A∩B| ≥ t·(|A|+|B|)/(1+t)
        shared = shared_count(others[start : start + few], slots[: 1 << bits], secret, misses_max)
        similarity = shared / (both - shared)
        if similarity < bound:
            continue
        if similarity > best[place] or number < best_number[place]:
            best[place], best_number[place] = similarity, number
