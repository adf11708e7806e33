"""The pieces into which cl100k_base cuts a text before it joins bytes to tokens, hashed by a compiled loop.

Rules: a piece is what the tokenizer's own pattern matches next, so a text's tokens are the sum of its pieces'; most
pieces are words met before, whose counts are remembered. Integers only, linear time. Importing this imports numba.

Does not: tokenise (see `tokens`), or know a vocabulary.

Usage: `total, count = known_tokens(codes, kinds, slots, secret, missing)`.

Source: the pattern of cl100k_base: contractions, letters with one character before them, up to three digits, others
with a blank before and line ends behind, white space up to a line's end, before a word, or alone.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aggregator.curation.word_kernels import S32, STEP, Codes, Hashes, Kinds, compiled, joined

TABLE_SIZE: Final = 0x110000
_LETTER, _DIGIT, _BLANK, _BREAK, _OTHER = 1, 2, 3, 4, 5
_APOSTROPHE, _SPACE = 39, 32
_UNICODE_BLANKS: Final = frozenset(
    map(
        chr,
        [
            *range(9, 14),
            32,
            0x85,
            0xA0,
            0x1680,
            *range(0x2000, 0x200B),
            0x2028,
            0x2029,
            0x202F,
            0x205F,
            0x3000,
        ],
    )
)


@cache
def piece_kinds() -> NDArray[np.uint8]:
    """Return what the pattern takes each character for. Takes half a second, once."""
    kinds = np.fromiter((_kind(chr(code)) for code in range(TABLE_SIZE)), np.uint8, TABLE_SIZE)
    kinds.flags.writeable = False
    return kinds


def _kind(char: str) -> int:
    if char in "\r\n":
        return _BREAK
    if char in _UNICODE_BLANKS:
        return _BLANK
    category = unicodedata.category(char)[0]
    return _LETTER if category == "L" else _DIGIT if category == "N" else _OTHER


@compiled
def _contraction(codes: Codes, place: int) -> int:
    """Return where 's, 't, 're, 've, 'm, 'll or 'd ends that stands at a place, or the place itself."""
    left = codes.size - place
    if left < 2 or codes[place] != _APOSTROPHE:
        return place
    first = codes[place + 1] | 32
    if codes[place + 1] == 0x17F or first == 115 or first == 116 or first == 109 or first == 100:
        return place + 2
    second = codes[place + 2] | 32 if left > 2 else 0
    if (first == 114 or first == 118) and second == 101:
        return place + 3
    return place + 3 if first == 108 and second == 108 else place


@compiled
def _piece_end(codes: Codes, kinds: Kinds, place: int) -> int:
    """Return where the piece ends that begins at a place."""
    size, kind = codes.size, kinds[codes[place]]
    end = _contraction(codes, place)
    if end > place:
        return end
    after = kinds[codes[place + 1]] if place + 1 < size else 0
    if kind == _LETTER or (after == _LETTER and kind != _DIGIT and kind != _BREAK):
        end = place + 1
        while end < size and kinds[codes[end]] == _LETTER:
            end += 1
        return end
    if kind == _DIGIT:
        end = place + 1
        while end < size and end < place + 3 and kinds[codes[end]] == _DIGIT:
            end += 1
        return end
    if kind == _OTHER or (codes[place] == _SPACE and after == _OTHER):
        end = place + 1
        while end < size and kinds[codes[end]] == _OTHER:
            end += 1
        while end < size and kinds[codes[end]] == _BREAK:
            end += 1
        return end
    last_break, end = place, place
    while end < size and (kinds[codes[end]] == _BLANK or kinds[codes[end]] == _BREAK):
        end += 1
        if kinds[codes[end - 1]] == _BREAK:
            last_break = end
    if last_break > place:
        return last_break
    return end if end == size or end == place + 1 else end - 1


@compiled
def _slot_of(slots: Hashes, hashed: Any) -> Any:
    """Return the row of a hash in an open table of (hash, tokens): its own, or the empty one where it belongs."""
    value, mask = hashed | np.uint64(1), slots.shape[0] - 1
    slot = np.int64((value * STEP) >> S32) & mask
    while slots[slot, 0] != np.uint64(0) and slots[slot, 0] != value:
        slot = (slot + 1) & mask
    return slot


@compiled
def known_tokens(
    codes: Codes, kinds: Kinds, slots: Hashes, secret: Any, missing: NDArray[np.int64]
) -> tuple[int, int]:
    """Return the tokens of the pieces that are known, and how many are not; of those, begin and end are in `missing`.

    A hash and its tokens lie side by side, so that a piece costs one place of memory and not two.
    More than there is room for in `missing` are counted, not listed.
    """
    total: Any = 0
    unknown, place = 0, 0
    while place < codes.size:
        end, value = _piece_end(codes, kinds, place), secret
        for step in range(place, end):
            value = joined(value, codes[step])
        slot = _slot_of(slots, value)
        if slots[slot, 0] != np.uint64(0):
            total += np.int64(slots[slot, 1])
        else:
            if unknown < missing.shape[0]:
                missing[unknown, 0], missing[unknown, 1] = place, end
            unknown += 1
        place = end
    return total, unknown


@compiled
def remember(
    codes: Codes, pieces: NDArray[np.int64], tokens: NDArray[np.int64], slots: Hashes, secret: Any
) -> int:
    """Remember the tokens of pieces, a row of begin and end each, and return how many of them were new."""
    new = 0
    for row in range(tokens.size):
        value = secret
        for place in range(pieces[row, 0], pieces[row, 1]):
            value = joined(value, codes[place])
        slot = _slot_of(slots, value)
        new += slots[slot, 0] == np.uint64(0)
        slots[slot, 0], slots[slot, 1] = value | np.uint64(1), np.uint64(tokens[row])
    return new
