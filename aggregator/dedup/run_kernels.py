"""The compiled loops of the index: look-up in sorted runs, in memory or in a file, and merging of two.

Rules: an entry is a 64-bit number, the key of a column above and the number of the text below, so that sorting entries
orders them by key and then by number. A file is read with pread(2), a block at a time: mapping it instead would make
every block that was ever touched count as this process's memory. Blocks that the system no longer holds are asked for,
and read last: waiting for one after the other takes twice the processor time and more. Keys are spread evenly unless
somebody chose them, so a search begins where a key ought to be and widens from there. Of a column in a file there are
held: the key of the first entry of each block (fences), a sum of each block, compared whenever a block is read,
and a filter, one bit for each part of the keys' range, without which most blocks would be read in vain.

Does not: open files, check what they hold otherwise, or decide anything.

Usage: see `runs` and `run_files`.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import numpy as np
from numba.core import types
from numpy.typing import NDArray

from aggregator.dedup.compiling import compiled
from aggregator.dedup.kernels import NO_KEY, mixed

Entries = NDArray[np.uint64]
Keys = NDArray[np.uint32]
Found = NDArray[np.int64]

BLOCK_ENTRIES: Final = 128  # read at once: a look-up wants few of them, and fences must stay small
UNREADABLE: Final = -1
DAMAGED: Final = -2  # and the first row of what was found says which block
_ENTRY_BYTES: Final = 8
_NEAR: Final = 8  # entries around the place where a key ought to be that are looked at first
_S0, _S6, _S32 = np.uint64(0), np.uint64(6), np.uint64(32)
_LOW, _ONE, _LOW_6 = np.uint64(0xFFFFFFFF), np.uint64(1), np.uint64(63)
# Odd, and another for each place in a block: whatever changes in one entry, or changes places, changes the sum.
_WEIGHTS = np.arange(1, 2 * BLOCK_ENTRIES, 2, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)

# pread(int, void *, size_t, off_t) of the C library; named, not addressed, so that compiled code can be kept.
_pread: Any = types.ExternalFunction("pread", types.intp(types.intc, types.uintp, types.uintp, types.intp))
# preadv2(int, const struct iovec *, int, off_t, int) and posix_fadvise(int, off_t, off_t, int), of Linux.
_preadv2: Any = types.ExternalFunction(
    "preadv2", types.intp(types.intc, types.uintp, types.intc, types.intp, types.intc)
)
_posix_fadvise: Any = types.ExternalFunction(
    "posix_fadvise", types.intc(types.intc, types.intp, types.intp, types.intc)
)
_NOWAIT: Final = 8  # RWF_NOWAIT
_WILL_NEED: Final = 3  # POSIX_FADV_WILLNEED


@compiled
def _first_between(values: Any, low: int, high: int, shift: np.uint64, key: np.uint64) -> int:
    """Return the first place in low..high whose key is not below one, or `high`."""
    while low < high:
        middle = (low + high) >> 1
        if (np.uint64(values[middle]) >> shift) < key:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _first_not_below(values: Any, shift: np.uint64, key: np.uint64) -> int:
    """Return the first place whose key is not below one, or the end."""
    size, step = values.size, _NEAR
    if size == 0:
        return 0
    guess = min(size - 1, np.int64((key * np.uint64(size)) >> _S32))
    if (np.uint64(values[guess]) >> shift) < key:
        low = guess + 1
        while low + step < size and (np.uint64(values[low + step]) >> shift) < key:
            low += step + 1
            step *= 2
        return _first_between(values, low, min(size, low + step), shift, key)
    high = guess
    while high - step > 0 and (np.uint64(values[high - step]) >> shift) >= key:
        high -= step
        step *= 2
    return _first_between(values, max(0, high - step), high, shift, key)


@compiled
def _note_matches(
    entries: Entries, place: int, size: int, key: np.uint64, limit: int, query: int, column: int,
    found: Found, count: int,
) -> int:  # fmt: skip
    """Write a row for each entry of a key from `place` on, at most `limit`, while there is room; return how many."""
    taken = 0
    while place + taken < size and taken < limit and (entries[place + taken] >> _S32) == key:
        if count + taken < found.shape[0]:
            found[count + taken, 0] = query
            found[count + taken, 1] = column
            found[count + taken, 2] = np.int64(entries[place + taken] & _LOW)
        taken += 1
    return taken


@compiled
def find_in_memory(entries: Entries, keys: Keys, limit: int, found: Found) -> int:
    """Write (query, column, number) for each match into the rows of `found` while there is room; return how many."""
    count, size = 0, entries.shape[1]
    for column in range(entries.shape[0]):
        of_column = entries[column]
        for query in range(keys.shape[0]):
            key = np.uint64(keys[query, column])
            if key != NO_KEY:
                place = _first_not_below(of_column, _S32, key)
                count += _note_matches(of_column, place, size, key, limit, query, column, found, count)
    return count


@compiled
def block_sum(entries: Entries, start: int, end: int) -> Any:
    """Return the sum of one block."""
    total = np.uint64(0)
    for place in range(end - start):
        total += entries[start + place] * _WEIGHTS[place]
    return np.uint32(mixed(total) >> _S32)


@compiled
def _filter_bit(key: np.uint64, words: int) -> Any:
    return (key * np.uint64(words << 6)) >> _S32


@compiled
def _read_if_at_hand(descriptor: int, block: Entries, part: Entries, length: int, offset: int) -> bool:
    """Read what the system's memory holds; else only ask for it, so that many blocks are on their way at once."""
    part[0], part[1] = block.ctypes.data, length  # a struct iovec
    if _preadv2(descriptor, part.ctypes.data, 1, offset, _NOWAIT) == length:
        return True
    _posix_fadvise(descriptor, offset, length, _WILL_NEED)
    return False


@compiled
def _read_and_wait(descriptor: int, block: Entries, _part: Entries, length: int, offset: int) -> bool:
    """Read a block whatever it takes; where that fails, whoever reads it again finds out."""
    return bool(_pread(descriptor, block.ctypes.data, length, offset) == length)


_read_first = _read_if_at_hand if sys.platform == "linux" else _read_and_wait


@compiled
def _matches_from(
    descriptor: int, column_start: int, size: int, sums: Keys, key: np.uint64, number: int, limit: int,
    query: int, column: int, block: Entries, is_read: bool, found: Found, count: int,
) -> int:  # fmt: skip
    """Write a row for each entry of a key from a block on, which may be read already; return how many, or why not."""
    taken = 0
    while number < sums.size:
        held = min(BLOCK_ENTRIES, size - number * BLOCK_ENTRIES)
        length, offset = held * _ENTRY_BYTES, column_start + number * BLOCK_ENTRIES * _ENTRY_BYTES
        if not is_read and _pread(descriptor, block.ctypes.data, length, offset) != length:
            return UNREADABLE
        is_read = False
        if block_sum(block, 0, held) != sums[number]:
            found[0, 1], found[0, 2] = column, number
            return DAMAGED
        place = _first_between(block, 0, held, _S32, key)
        here = _note_matches(block, place, held, key, limit - taken, query, column, found, count + taken)
        taken += here
        number += 1
        if place + here != held or taken >= limit:
            break
    return taken


@compiled
def find_in_file(
    descriptor: int, column_bytes: int, size: int, fences: Keys, sums: Keys, filters: Entries, keys: Keys,
    limit: int, found: Found,
) -> int:  # fmt: skip
    """As `find_in_memory`, of a file of `size` entries a column. Returns `UNREADABLE` or `DAMAGED` where it is."""
    count, waiting = 0, 0
    block, part = np.empty(BLOCK_ENTRIES, np.uint64), np.empty(2, np.uint64)
    asked_for = np.empty((keys.size, 3), np.int64)  # column, query, block
    for column in range(fences.shape[0]):
        of_column, filter_words = fences[column], filters[column]
        start = column * column_bytes
        for query in range(keys.shape[0]):
            key = np.uint64(keys[query, column])
            bit = _filter_bit(key, filter_words.size)
            if key == NO_KEY or not (filter_words[np.int64(bit >> _S6)] >> (bit & _LOW_6)) & _ONE:
                continue
            number = max(0, _first_not_below(of_column, _S0, key) - 1)  # they may begin in the block before
            length = min(BLOCK_ENTRIES, size - number * BLOCK_ENTRIES) * _ENTRY_BYTES
            offset = start + number * BLOCK_ENTRIES * _ENTRY_BYTES
            if not _read_first(descriptor, block, part, length, offset):
                asked_for[waiting, 0], asked_for[waiting, 1], asked_for[waiting, 2] = column, query, number
                waiting += 1
                continue
            more = _matches_from(
                descriptor, start, size, sums[column], key, number, limit, query, column, block, True, found, count
            )  # fmt: skip
            if more < 0:
                return more
            count += more
    for each in range(waiting):
        column, query, number = asked_for[each, 0], asked_for[each, 1], asked_for[each, 2]
        key = np.uint64(keys[query, column])
        more = _matches_from(
            descriptor, column * column_bytes, size, sums[column], key, number, limit, query, column, block,
            False, found, count,
        )  # fmt: skip
        if more < 0:
            return more
        count += more
    return count


@compiled
def note_blocks(entries: Entries, fences: Keys, sums: Keys, filter_words: Entries) -> None:
    """Write fences and sums of the blocks of some entries, and mark their keys in the filter of their column."""
    for number in range(fences.size):
        start, end = number * BLOCK_ENTRIES, min(entries.size, (number + 1) * BLOCK_ENTRIES)
        fences[number], sums[number] = np.uint32(entries[start] >> _S32), block_sum(entries, start, end)
    for place in range(entries.size):
        bit = _filter_bit(entries[place] >> _S32, filter_words.size)
        filter_words[np.int64(bit >> _S6)] |= _ONE << (bit & _LOW_6)


@compiled
def first_damaged(entries: Entries, sums: Keys) -> int:
    """Return the number of the first block whose sum is another, or -1."""
    for number in range(sums.size):
        end = min(entries.size, (number + 1) * BLOCK_ENTRIES)
        if block_sum(entries, number * BLOCK_ENTRIES, end) != sums[number]:
            return number
    return -1


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
