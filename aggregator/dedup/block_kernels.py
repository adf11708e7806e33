"""The compiled loops over blocks of texts: digests of lines, and what a host's pages repeat.

Rules: a line's digest is of its folded words, 64 bits, the same on every machine; 0 is a line without words. A host's
blocks lie in arrays: digest, two pages that have it, and the number of the host's page that had it last.

Does not: know hosts, texts or what is kept (see `boilerplate`).

Usage: see `boilerplate`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aggregator.dedup.compiling import compiled
from aggregator.dedup.kernels import IS_LONG as IS_LONG
from aggregator.dedup.kernels import Bytes, Hashes, Keys, Numbers, mixed, words_of

ON_MANY: Final = 0  # in place of the first page: on more than two
_NOWHERE: Final = -1
_ONE, _STEP = np.uint64(1), np.uint64(0x9E3779B97F4A7C15)


@compiled
def line_digests(data: Bytes, ends: Numbers, table: Keys) -> tuple[Hashes, NDArray[np.uint8]]:
    """Return the digest of each line, and what its characters were flagged with."""
    digests, flags = np.zeros(ends.size, np.uint64), np.empty(ends.size, np.uint8)
    found, start = np.empty(data.size + 1, np.uint64), 0
    for line in range(ends.size):
        count, flags[line] = words_of(data, start, ends[line], table, found)
        start = ends[line]
        if count:
            digests[line] = digest_of(found, 0, count)
    return digests, flags


@compiled
def digest_of(parts: Hashes, start: int, end: int) -> Any:
    """Return one digest of some, in their order; never 0."""
    value = np.uint64(end - start)
    for place in range(start, end):
        value = (value + parts[place]) * _STEP
    return mixed(value) | _ONE


@compiled
def slots_of(digests: Hashes, count: int, capacity: int) -> NDArray[np.int32]:
    """Return an open hash table of the places of some digests, with room for `capacity`."""
    slots = np.full(4 * capacity, _NOWHERE, np.int32)
    for place in range(count):
        slots[_slot_of(slots, digests, digests[place])] = place
    return slots


@compiled
def _slot_of(slots: NDArray[np.int32], digests: Hashes, digest: Any) -> Any:
    slot = np.int64(mixed(digest) % np.uint64(slots.size))
    while slots[slot] != _NOWHERE and digests[slots[slot]] != digest:
        slot = (slot + 1) % slots.size
    return slot


@compiled
def note_page(
    blocks: Hashes, url: np.uint32, number: np.uint32, is_counted: bool, held: int, slots: NDArray[np.int32],
    digests: Hashes, firsts: Keys, seconds: Keys, last: Keys,
) -> tuple[NDArray[np.bool_], int]:  # fmt: skip
    """Return which blocks of a page are on two other pages, and how many blocks are held once it is counted."""
    repeated = np.zeros(blocks.size, np.bool_)
    for block in range(blocks.size):
        if blocks[block] == 0:
            continue
        slot = _slot_of(slots, digests, blocks[block])
        place = slots[slot]
        if place == _NOWHERE:
            if is_counted:
                slots[slot] = held
                digests[held], firsts[held], seconds[held], last[held] = blocks[block], url, ON_MANY, number
                held += 1
            continue
        elsewhere = firsts[place] != url and seconds[place] != url
        repeated[block] = firsts[place] == ON_MANY or (elsewhere and seconds[place] != 0)
        if is_counted:
            last[place] = number
            if repeated[block]:
                firsts[place] = ON_MANY
            elif elsewhere:
                seconds[place] = url
    return repeated, held
