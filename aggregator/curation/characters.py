"""What each character is to the quality signals: letter, blank, mark, end of a sentence, a word by itself; one table.

Rules: read-only tables over Unicode as this Python ships it; a character beyond `TABLE_SIZE` is a letter that stands
alone (Han extensions) below U+40000, and a mark above. Scripts without blanks are those of `windrow_protocol.content`.

Does not: fold whole texts, or know languages.

Usage::

    kinds, lower = character_tables()
    kinds[ord("a")] & LETTER

Source: Unicode UAX #44, properties White_Space, Alphabetic, General_Category and Sentence_Terminal.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from windrow_protocol.content import words

LETTER: Final = 1  # or a sign that is written onto one
BLANK: Final = 2  # white space
MARK: Final = 4  # punctuation, symbol or control: a word of nothing else is none
ENDING: Final = 8  # ends a sentence
ALONE: Final = 16  # a word by itself, as in scripts without blanks
BULLET: Final = 32
CLOSING: Final = 64  # may stand between the end of a sentence and the blank behind it
TABLE_SIZE: Final = 0x20000

_BULLETS: Final = "•‣▪●◦–-*·"
_CLOSINGS: Final = "\"'”’»)]）」』"
_ENDINGS: Final = (
    "21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736"
    " 17D4-17D5 1803 1809 1944-1945 1AA8-1AAB 1B4E-1B4F 1B5A-1B5B 1B5E-1B5F 1B7D-1B7F 1C3B-1C3C 1C7E-1C7F"
    " 2024 203C-203D 2047-2049 2CF9-2CFB 2E2E 2E3C 2E53-2E54 2E60-2E61 3002 A4FF A60E-A60F A6F3 A6F7"
    " A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE12 FE15-FE16 FE52 FE56-FE57 FF01 FF0E"
    " FF1F FF61 10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD"
    " 111DE-111DF 11238-11239 1123B-1123C 112A9 113D4-113D5 1144B-1144C 115C2-115C3 115C9-115D7"
    " 11641-11642 1173C-1173E 11944 11946 11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44"
    " 16A6E-16A6F 16AF5 16B37-16B38 16B44 16D6E-16D6F 16E98 1BC9F 1DA88"
)


@cache
def character_tables() -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """Return what each character below `TABLE_SIZE` is, and its lower case. Takes a fraction of a second, once."""
    kinds = np.fromiter((_kind(chr(code)) for code in range(TABLE_SIZE)), np.uint8, TABLE_SIZE)
    for part in _ENDINGS.split():
        first, _, last = part.partition("-")
        kinds[int(first, 16) : int(last or first, 16) + 1] |= ENDING
    for chars, flag in ((_BULLETS, BULLET), (_CLOSINGS, CLOSING)):
        kinds[[ord(char) for char in chars]] |= flag
    lower = np.fromiter((_lower(chr(code)) for code in range(TABLE_SIZE)), np.uint32, TABLE_SIZE)
    kinds.flags.writeable = lower.flags.writeable = False
    return kinds, lower


def _kind(char: str) -> int:
    if char.isspace():
        return BLANK
    category = unicodedata.category(char)
    kind = LETTER if char.isalpha() or category[0] == "M" else MARK if category[0] in "PSC" else 0
    alone = kind != MARK and category != "Cs" and len(words(char + char)) == 2
    return kind | (ALONE if alone else 0)


def _lower(char: str) -> int:
    lower = char.lower()
    return ord(lower) if len(lower) == 1 else ord(char)
