"""What each character is to a sketch: part of a word and folded how, a word by itself, or none; one table for all.

Rules: the table says, for a character by itself, what `windrow_protocol.content.words` makes of it. Where that depends
on the neighbours (combining marks), or a character becomes several letters (ß), the entry says so and the text goes the
long way round, through `words`' own normalisation; so both ways give the same words for every text.

Does not: fold whole texts or hash anything (see `kernels`).

Usage::

    entry = fold_table()[ord("Ä")]        # ord("ä"), with no flag set

Source: Unicode UAX #15 (quick check of normalisation forms) and UAX #44 (case folding), as this Python ships them.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from windrow_protocol.content import normalise_text, words

FOLDED: Final = 0x1FFFFF  # bits of the folded character; 0 when it belongs to no word
ALONE: Final = 1 << 21  # a word by itself, as in scripts without blanks
LONG_WAY: Final = 1 << 22  # what it becomes cannot be said here
UNSURE: Final = 1 << 23  # a text with it may not be in the normal form that is stored
UNSTABLE: Final = 1 << 24  # composition may change it or what stands before it
BLANK: Final = 1 << 25  # white space that is no line's end
DROPPED: Final = 1 << 26  # not part of any normal form
TABLE_SIZE: Final = 0x20000  # characters beyond are flagged by the reader

_HANGUL_PARTS = range(0x1160, 0x1200)


@cache
def fold_table() -> NDArray[np.uint32]:
    """Return the entry of every character below `TABLE_SIZE`, read-only. Takes a fraction of a second, once."""
    joining = _joining()
    table = np.fromiter((_entry(code, joining) for code in range(TABLE_SIZE)), np.uint32, TABLE_SIZE)
    table.flags.writeable = False
    return table


@cache
def plain_table() -> NDArray[np.uint32]:
    """Return the table for a text that was normalised and folded already: what is a word stays as it is."""
    table = np.fromiter((_class_of(chr(code)) for code in range(TABLE_SIZE)), np.uint32, TABLE_SIZE)
    table.flags.writeable = False
    return table


def _joining() -> frozenset[int]:
    """Return the characters that may change or join the one before them when a text is normalised."""
    seconds = set(_HANGUL_PARTS)
    for code in range(TABLE_SIZE):
        if unicodedata.combining(chr(code)):
            seconds.add(code)
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            seconds.add(int(parts[1], 16))
    return frozenset(seconds)


def _entry(code: int, joining: frozenset[int]) -> int:
    char = chr(code)
    if 0xD800 <= code < 0xE000:
        return DROPPED | UNSURE
    if code in joining:
        return LONG_WAY | UNSTABLE | UNSURE
    if not normalise_text(f"a{char}b")[1:-1]:
        return DROPPED | UNSURE
    if char.isspace() and char != "\n":
        return BLANK | (UNSURE if char != " " else 0)
    unsure = UNSTABLE | UNSURE if unicodedata.normalize("NFC", char) != char else 0
    folded = unicodedata.normalize("NFKC", char).casefold()
    if any(ord(part) in joining or ord(part) >= TABLE_SIZE for part in folded):
        return LONG_WAY | unsure
    if len(folded) == 1:
        return _class_of(folded) | unsure
    return (LONG_WAY if words(folded) else 0) | unsure


def _class_of(char: str) -> int:
    found = [] if 0xD800 <= ord(char) < 0xE000 else words(char + char)
    return (ord(char) | (ALONE if len(found) == 2 else 0)) if found else 0
