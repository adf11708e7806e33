"""The compiled loops of the sketch: from UTF-8 bytes to word hashes, shingle hashes, minima and band keys.

Rules: integers only, so every machine gives the same values; nothing here depends on the process, its hash seed or its
byte order. Constants and permutations are fixed for ever, because an index on disk is worth nothing when they change.
Importing this costs what importing numba does, so whoever needs it imports it late.

Does not: normalise or fold (see `characters`), check that bytes are UTF-8, or keep anything.

Usage::

    flags = sketch_texts(data, ends, fold_table(), False, FACTORS, OFFSETS, keys)

Source: Fowler, Noll and Vo (FNV-1a) for words; Appleby's 64-bit finaliser; Broder (1997) and Indyk and Motwani (1998).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aggregator.dedup.characters import (
    ALONE,
    BLANK,
    DROPPED,
    FOLDED,
    LONG_WAY,
    TABLE_SIZE,
    UNSTABLE,
    UNSURE,
)
from aggregator.dedup.compiling import compiled
from windrow_protocol.limits import SHINGLE_WORDS

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Keys = NDArray[np.uint32]

_FLAGS_SHIFT: Final = 22
IS_LONG: Final = LONG_WAY >> _FLAGS_SHIFT
IS_UNSURE: Final = UNSURE >> _FLAGS_SHIFT
IS_UNSTABLE: Final = UNSTABLE >> _FLAGS_SHIFT
IS_DROPPED: Final = DROPPED >> _FLAGS_SHIFT
NO_KEY: Final = 0xFFFFFFFF  # of a text without words

_BASIS = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
_POWERS = np.array(
    [pow(int(_STEP), SHINGLE_WORDS - place, 2**64) for place in range(SHINGLE_WORDS)], np.uint64
)
_S33, _S32 = np.uint64(33), np.uint64(32)
_SPACE, _BREAK, _RETURN = 32, 10, 13


@compiled
def mixed(value: Any) -> Any:
    """Return a 64-bit number each bit of which depends on every bit of the given one."""
    value ^= value >> _S33
    value *= _MIX_1
    value ^= value >> _S33
    value *= _MIX_2
    return value ^ (value >> _S33)


@compiled
def words_of(data: Bytes, start: int, end: int, table: Keys, found: Hashes) -> tuple[int, int]:
    """Write the hashes of the words of one text and return their number and what its characters were flagged with."""
    count, flags, inside = 0, 0, False
    word = _BASIS
    before: Any = _BREAK
    before_that: Any = _BREAK  # a text in normal form neither begins nor ends with a blank
    place = start
    while place < end:
        code: Any = np.uint32(data[place])
        if code < 0x80:
            place += 1
            if code == _SPACE:
                flags |= IS_UNSURE * (before in (_SPACE, _BREAK))
            elif code == _BREAK:
                flags |= IS_UNSURE * (before == _SPACE or (before == _BREAK and before_that == _BREAK))
        elif code < 0xE0:
            code = ((code & 0x1F) << 6) | (data[place + 1] & 0x3F)
            place += 2
        elif code < 0xF0:
            code = ((code & 0x0F) << 12) | ((data[place + 1] & 0x3F) << 6) | (data[place + 2] & 0x3F)
            place += 3
        else:
            code = ((code & 0x07) << 18) | ((data[place + 1] & 0x3F) << 12) | ((data[place + 2] & 0x3F) << 6)
            code |= data[place + 3] & 0x3F
            place += 4
        before_that, before = before, code
        if code < TABLE_SIZE:
            entry = table[code]
        elif code < 0x40000:
            entry = np.uint32(code | ALONE | LONG_WAY | UNSTABLE | UNSURE)
        else:
            entry = np.uint32(LONG_WAY | UNSTABLE | UNSURE)
        flags |= entry >> _FLAGS_SHIFT
        folded = entry & FOLDED
        # most text: words of ASCII letters with one blank between them
        if code < 0x80 and folded and not inside:
            place -= 1
            while True:
                word = _BASIS
                while place < end and data[place] < 0x80 and table[data[place]] & FOLDED:
                    word = (word ^ np.uint64(table[data[place]])) * _PRIME
                    place += 1
                if place + 1 >= end or data[place] != _SPACE or data[place + 1] >= 0x80:
                    break
                if not table[data[place + 1]] & FOLDED:
                    break
                found[count] = word
                count += 1
                place += 1
            inside, before_that, before = True, 0, 0
            continue
        if inside and (folded == 0 or entry & ALONE):
            found[count] = word
            count += 1
            inside = False
        if folded:
            word = ((word if inside else _BASIS) ^ np.uint64(folded)) * _PRIME
            inside = True
            if entry & ALONE:
                found[count] = word
                count += 1
                inside = False
    if inside:
        found[count] = word
        count += 1
    if end > start and before in (_SPACE, _BREAK):
        flags |= IS_UNSURE
    return count, flags


@compiled
def _shingles_of(found: Hashes, count: int) -> int:
    """Turn word hashes into shingle hashes in place and return their number, repetitions included.

    A shingle's hash is the polynomial of its words' hashes at `_STEP`, mixed.
    """
    if count < SHINGLE_WORDS:
        value = np.uint64(0)
        for place in range(count):
            value = (value + found[place]) * _STEP
        found[0] = mixed(value)
        return min(count, 1)
    for first in range(count - SHINGLE_WORDS + 1):
        value = np.uint64(0)
        for place in range(SHINGLE_WORDS):
            value += found[first + place] * _POWERS[place]
        found[first] = mixed(value)
    return count - SHINGLE_WORDS + 1


@compiled
def _note_minima(found: Hashes, count: int, factors: Keys, offsets: Keys, minima: Keys) -> None:
    """Write the least value of each permutation; four shingles at once, which halves the time."""
    minima[:] = 0xFFFFFFFF
    last = count - 1
    for place in range(0, count, 4):
        a, b = np.uint32(found[place] >> _S32), np.uint32(found[min(place + 1, last)] >> _S32)
        c, d = np.uint32(found[min(place + 2, last)] >> _S32), np.uint32(found[min(place + 3, last)] >> _S32)
        for row in range(factors.size):
            factor, offset = factors[row], offsets[row]
            least_ab = min(np.uint32(a * factor + offset), np.uint32(b * factor + offset))
            least_cd = min(np.uint32(c * factor + offset), np.uint32(d * factor + offset))
            minima[row] = min(minima[row], min(least_ab, least_cd))


@compiled
def _band_keys(found: Hashes, count: int, factors: Keys, offsets: Keys, minima: Keys, keys: Keys) -> None:
    """Write one key a band from the shingle hashes of one text; `minima` is room to work in."""
    if count == 0:
        keys[:] = NO_KEY
        return
    _note_minima(found, count, factors, offsets, minima)
    rows = factors.size // keys.size
    for band in range(keys.size):
        key = np.uint64(band + 1) * _STEP
        for row in range(band * rows, (band + 1) * rows):
            key = mixed((key + np.uint64(minima[row])) * _STEP)
        keys[band] = min(np.uint32(key >> _S32), np.uint32(NO_KEY - 1))


@compiled
def sketch_texts(
    data: Bytes, ends: Numbers, table: Keys, is_folded: bool, factors: Keys, offsets: Keys, keys: Keys
) -> tuple[NDArray[np.uint8], Hashes, Numbers]:
    """Write the band keys of texts that lie one after the other in `data`.

    Returns the flags of each, the shingle hashes of all, repetitions included, and where those of each text end.
    `keys` has a row for each text; its first column is left alone. Of texts that need the long way there are neither
    keys nor hashes, unless `table` is that of the long way itself.
    """
    # a word is at least one character and a blank, or one of two bytes at least
    hashes = np.empty(data.size // 2 + 2 * ends.size, np.uint64)
    minima = np.empty(factors.size, np.uint32)
    flags, hash_ends = np.empty(ends.size, np.uint8), np.empty(ends.size, np.int64)
    start, used = 0, 0
    for text in range(ends.size):
        found = hashes[used:]
        count, flags[text] = words_of(data, start, ends[text], table, found)
        start = ends[text]
        if is_folded or not flags[text] & IS_LONG:
            shingles = _shingles_of(found, count)
            _band_keys(found, shingles, factors, offsets, minima, keys[text, 1:])
            used += shingles
        hash_ends[text] = used
    return flags, hashes[:used].copy(), hash_ends


@compiled
def hash_texts(
    data: Bytes, ends: Numbers, table: Keys, is_folded: bool
) -> tuple[NDArray[np.uint8], Hashes, Numbers]:
    """As `sketch_texts`, without keys."""
    hashes = np.empty(data.size // 2 + 2 * ends.size, np.uint64)
    flags, hash_ends = np.empty(ends.size, np.uint8), np.empty(ends.size, np.int64)
    start, used = 0, 0
    for text in range(ends.size):
        found = hashes[used:]
        count, flags[text] = words_of(data, start, ends[text], table, found)
        start = ends[text]
        if is_folded or not flags[text] & IS_LONG:
            used += _shingles_of(found, count)
        hash_ends[text] = used
    return flags, hashes[:used].copy(), hash_ends


@compiled
def tidied(data: Bytes, table: Keys) -> Bytes:
    """Return the normal form of a text that has no character of `UNSTABLE`: blanks and line ends as they must be."""
    out = np.empty(data.size, np.uint8)
    count, place, breaks, blank = 0, 0, 0, False
    while place < data.size:
        first = data[place]
        width = 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
        code: Any = np.uint32(first)
        if width == 2:
            code = ((code & 0x1F) << 6) | (data[place + 1] & 0x3F)
        elif width == 3:
            code = ((code & 0x0F) << 12) | ((data[place + 1] & 0x3F) << 6) | (data[place + 2] & 0x3F)
        entry = table[code] if width < 4 else np.uint32(0)
        # most text: up to the next blank as it is
        if 0x20 < first < 0x7F and count and not breaks and not blank:
            while place < data.size and 0x20 < data[place] < 0x7F:
                out[count] = data[place]
                count += 1
                place += 1
            continue
        if code in (_BREAK, _RETURN):
            after_return = code == _BREAK and place > 0 and data[place - 1] == _RETURN
            breaks += not after_return
        elif entry & BLANK:
            blank = True
        elif not entry & DROPPED:
            if count and breaks:
                for _ in range(min(breaks, 2)):
                    out[count] = _BREAK
                    count += 1
            elif count and blank:
                out[count] = _SPACE
                count += 1
            breaks, blank = 0, False
            for step in range(width):
                out[count] = data[place + step]
                count += 1
        place += width
    return out[:count]
