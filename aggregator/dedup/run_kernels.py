"""The compiled loops of the index: look-up in sorted runs, in memory or in a file, and merging of two.

Rules: an entry is a 64-bit number, the key of a column above and the number of the text below, so that sorting entries
orders them by key and then by number. A file is read with pread(2), a block at a time: mapping it instead would make
every block that was ever touched count as this process's memory. Fences are the key of the first entry of each block.

Does not: open files, check what they hold, or decide anything.

Usage: see `runs`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba.core import types
from numpy.typing import NDArray

from aggregator.dedup.compiling import compiled
from aggregator.dedup.kernels import NO_KEY

Entries = NDArray[np.uint64]
Keys = NDArray[np.uint32]
Found = NDArray[np.int64]

BLOCK_ENTRIES: Final = 128  # read at once: a look-up wants few of them, and fences must stay small
_ENTRY_BYTES: Final = 8
_S32 = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)

# pread(int, void *, size_t, off_t) of the C library; named, not addressed, so that compiled code can be kept.
_pread: Any = types.ExternalFunction("pread", types.intp(types.intc, types.uintp, types.uintp, types.intp))


@compiled
def _first_not_below(entries: Entries, low: int, high: int, key: np.uint64) -> int:
    while low < high:
        middle = (low + high) >> 1
        if (entries[middle] >> _S32) < key:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def find_in_memory(entries: Entries, keys: Keys, columns: int, limit: int, found: Found) -> int:
    """Write (query, column, number) for each match into the rows of `found` while there is room; return how many."""
    count = 0
    size = entries.shape[1]
    for column in range(columns):
        of_column = entries[column]
        for query in range(keys.shape[0]):
            key = np.uint64(keys[query, column])
            if key == NO_KEY:
                continue
            place = _first_not_below(of_column, 0, size, key)
            taken = 0
            while place < size and (of_column[place] >> _S32) == key and taken < limit:
                if count < found.shape[0]:
                    found[count, 0] = query
                    found[count, 1] = column
                    found[count, 2] = np.int64(of_column[place] & _LOW)
                count += 1
                taken += 1
                place += 1
    return count


@compiled
def find_in_file(
    descriptor: int, size: int, fences: Keys, keys: Keys, columns: int, limit: int, found: Found
) -> int:
    """As `find_in_memory`, of a file of `size` entries a column. Returns -1 when the file cannot be read."""
    count = 0
    block = np.empty(BLOCK_ENTRIES, np.uint64)
    for column in range(columns):
        of_column = fences[column]
        for query in range(keys.shape[0]):
            key = np.uint64(keys[query, column])
            if key == NO_KEY:
                continue
            low, high = 0, of_column.size
            while low < high:
                middle = (low + high) >> 1
                if of_column[middle] < key:
                    low = middle + 1
                else:
                    high = middle
            number = max(0, low - 1)  # entries of this key may begin in the block before
            taken, going_on = 0, True
            while going_on and number < of_column.size:
                held = min(BLOCK_ENTRIES, size - number * BLOCK_ENTRIES)
                offset = (column * size + number * BLOCK_ENTRIES) * _ENTRY_BYTES
                if _pread(descriptor, block.ctypes.data, held * _ENTRY_BYTES, offset) != held * _ENTRY_BYTES:
                    return -1
                place = _first_not_below(block, 0, held, key)
                while place < held and (block[place] >> _S32) == key and taken < limit:
                    if count < found.shape[0]:
                        found[count, 0] = query
                        found[count, 1] = column
                        found[count, 2] = np.int64(block[place] & _LOW)
                    count += 1
                    taken += 1
                    place += 1
                going_on = place == held and taken < limit
                number += 1
    return count


@compiled
def merge_some(a: Entries, b: Entries, a_is_all: bool, b_is_all: bool, merged: Entries) -> tuple[int, int]:
    """Merge two sorted pieces into `merged` and return how much of each was used.

    Stops where one piece ends unless that is the end of its run, because what follows there may be smaller.
    """
    i, j, k = 0, 0, 0
    while k < merged.size:
        if i < a.size and (b_is_all if j == b.size else a[i] <= b[j]):
            merged[k] = a[i]
            i += 1
        elif j < b.size and (i < a.size or a_is_all):
            merged[k] = b[j]
            j += 1
        else:
            break
        k += 1
    return i, j
