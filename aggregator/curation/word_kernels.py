"""The compiled loop over words, and the hashes and tables that the other loops of the quality signals share.

Rules: integers only; linear time whatever a text holds. Hashes begin with a secret of the process and tables are spread
by it, so that nobody can write a text that crowds one place; a collision of 64 bits is the only way to a wrong count.
Compiled at first use and kept; importing this costs what importing numba does, so whoever needs it imports it late.

Does not: look at lines (`line_kernels`) or repetitions (`repetition_kernels`), or know languages.

Usage: `hashes, starts, ends = read_words(codes, kinds, lower, stops, secret, counts)`.

Source: Appleby's multiply and shift for mixing; Rae et al. 2021, appendix A, for what is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from aggregator.curation.characters import ALONE, BLANK, LETTER, MARK, TABLE_SIZE
from aggregator.curation.counts import (
    BRACES,
    BREAKS,
    ELLIPSES,
    HASHES,
    LETTER_WORDS,
    LISTED_WORDS,
    LONGEST_WORD,
    PROPER_CHARS,
    PROPER_WORDS,
    STOP_WORDS,
    WORDS,
)

Codes = NDArray[np.uint32]
Hashes = NDArray[np.uint64]
Counts = NDArray[np.int64]
Places = NDArray[np.int32]
Kinds = NDArray[np.uint8]

_P = ParamSpec("_P")
_T = TypeVar("_T")

STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_ZERO, _ONE, _S29, S32 = np.uint64(0), np.uint64(1), np.uint64(29), np.uint64(32)
_BREAK, _HASH, _OPEN, _CLOSE, _DOTS = 10, 35, 123, 125, 0x2026
_OTHER = 128  # of a word: it holds what is neither letter nor mark


def compiled(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Return a function compiled at its first call for the types that it is given, and kept for later processes."""
    return cast(Callable[_P, _T], numba.njit(cache=True, nogil=True, boundscheck=False)(function))


@compiled
def joined(value: Any, code: Any) -> Any:
    """Return the hash of what `value` is of, followed by one more number."""
    value = (value ^ np.uint64(code)) * _MIX
    return value ^ (value >> _S29)


@compiled
def table_for(count: int) -> Hashes:
    """Return an empty open table for so many hashes."""
    bits = 4
    while (1 << bits) < 2 * count:
        bits += 1
    return np.zeros(1 << bits, np.uint64)


@compiled
def slot_of(table: Hashes, hashed: Any) -> Any:
    """Return the place of a hash in an open table: its own, or the empty one where it belongs."""
    value, mask = hashed | _ONE, table.size - 1
    slot = np.int64((value * STEP) >> S32) & mask
    while table[slot] != _ZERO and table[slot] != value:
        slot = (slot + 1) & mask
    return slot


@compiled
def is_new(table: Hashes, hashed: Any) -> bool:
    """Put a hash into an open table and say whether it was not there."""
    slot = slot_of(table, hashed)
    if table[slot] != _ZERO:
        return False
    table[slot] = hashed | _ONE
    return True


@compiled
def hash_of_letters(codes: Codes, secret: Any) -> Any:
    """Return the hash by which `measure` knows a stop word, of its lower-case letters."""
    value = secret
    for code in codes:
        value = joined(value, code)
    return value


@compiled
def listed_words(hashes: Hashes, owners: Kinds) -> tuple[Hashes, Kinds]:
    """Return the open table of the words of all lists, by `hash_of_letters`, and which list each place is of."""
    table = table_for(hashes.size)
    lists = np.zeros(table.size, np.uint8)
    for place in range(hashes.size):
        slot = slot_of(table, hashes[place])
        table[slot], lists[slot] = hashes[place] | _ONE, owners[place]
    return table, lists


@compiled
def kind_of(code: Any, kinds: Kinds) -> Any:
    """Return what a character is, see `characters`."""
    if code < TABLE_SIZE:
        return np.int64(kinds[code])
    return LETTER | ALONE if code < 0x40000 else MARK


@compiled
def read_words(
    codes: Codes,
    kinds: Kinds,
    lower: Codes,
    stops: Hashes,
    listed: Hashes,
    lists: Kinds,
    secret: Any,
    counts: Counts,
) -> tuple[Hashes, Places, Places]:
    """Return hash, place and end of each word: what stands between blanks, or a character that stands alone."""
    hashes, starts = np.empty(codes.size, np.uint64), np.empty(codes.size, np.int32)
    ends, seen_stops = np.empty(codes.size, np.int32), np.zeros(stops.size, np.bool_)
    used, place = 0, 0
    while place < codes.size:
        kind = kind_of(codes[place], kinds)
        if kind & BLANK:
            counts[BREAKS] += codes[place] == _BREAK
            place += 1
            continue
        start, value, letters, word = place, secret, secret, 0
        while True:
            code = codes[place]
            value = joined(value, code)
            word |= kind if kind & (LETTER | ALONE) else (0 if kind & MARK else _OTHER)
            if kind & LETTER:
                letters = joined(letters, lower[code] if code < TABLE_SIZE else code)
            elif code == _HASH:
                counts[HASHES] += 1
            elif code == _DOTS:
                counts[ELLIPSES] += 1
            elif code in (_OPEN, _CLOSE):
                counts[BRACES] += 1
            place += 1
            if kind & ALONE or place >= codes.size:
                break
            kind = kind_of(codes[place], kinds)
            if kind & (BLANK | ALONE):
                break
        hashes[used], starts[used], ends[used] = value, start, place
        used += 1
        counts[LONGEST_WORD] = max(counts[LONGEST_WORD], place - start)
        if word:
            counts[PROPER_WORDS] += 1
            counts[PROPER_CHARS] += place - start
        if word & LETTER:
            counts[LETTER_WORDS] += 1
            slot = slot_of(listed, letters)
            if listed[slot] != _ZERO:
                counts[LISTED_WORDS + lists[slot]] += 1
            for number in range(stops.size):
                if stops[number] == letters:
                    counts[STOP_WORDS] += not seen_stops[number]
                    seen_stops[number] = True
    counts[WORDS] = used
    return hashes[:used], starts[:used], ends[:used]
