"""Which detectors of personal data a text gives any reason to run: one compiled pass over its characters.

Rules: a detector is left out only when nothing that it looks for can be in the text, so findings are the same with and
without this (a test holds it). Characters count as they are read: `windrow_protocol.personal.patterns` says which.

Does not: find anything, or keep patterns of its own. Importing this imports numba.

Usage: `find_personal(text, detectors_for(text))`.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aggregator.curation.signs import SECRETS, signs_of
from aggregator.curation.word_kernels import Codes, compiled
from windrow_protocol.personal.patterns import DETECTORS, INVISIBLE, twins
from windrow_protocol.personal.secrets import HEX_CHARS

TABLE_SIZE: Final = 0x20000
# In the order of `DETECTORS`.
_SECRET, _EMAIL, _NETWORK, _EVM, _BASE58, _BECH32, _NUMBER = 1, 2, 4, 8, 16, 32, 64
_HEXES: Final = 128  # no detector

# The shortest that can be found: a token of its issuer, a value assigned to a name, a wallet, a number.
_TOKEN_CHARS: Final = 15
_VALUE_CHARS: Final = 8
_BASE58_CHARS: Final = 26
_DIGITS: Final = 6
_GAP_CHARS: Final = 6
_TIGHT_CHARS: Final = 2  # between two digits of one number, at the most
_DASHES: Final = 5
_FAR: Final = 1 << 20
_BREAK, _SPACE, _DASH, _DOT, _SLASH, _ZERO, _ONE, _COLON, _AT = 10, 32, 45, 46, 47, 48, 49, 58, 64
_A, _B, _C, _T, _X = 97, 98, 99, 116, 120

_DIGIT, _LETTER, _HEX, _IN_TOKEN, _IN_VALUE, _IN_BASE58, _HIDDEN, _OPENS = 1, 2, 4, 8, 16, 32, 64, 128
_MARKS: Final = 256  # what `_signs_of_marks` looks at
_PARTS: Final = 512  # stands between the digits of a card, a telephone number or a national one
# Letters that `re.IGNORECASE` takes for an ASCII one.
_LIKE_ASCII: Final = {"\u0130": "i", "\u0131": "i", "\u017f": "s", "\u212a": "k"}


@cache
def _tables() -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Return the ASCII character as which each one is read, 0 for others, and what that is."""
    read = np.zeros(TABLE_SIZE, np.uint8)
    read[:128] = np.arange(128)
    for char, twin in {**twins(), **_LIKE_ASCII}.items():
        read[ord(char)] = ord(twin)
    kinds = np.array([_kind(chr(code)) for code in read[:128]] + [0] * 128, np.uint16)
    for char in INVISIBLE:
        read[ord(char)] = 255
    kinds[255] = _HIDDEN
    return read, kinds


def _kind(char: str) -> int:
    kind = _DIGIT if char.isdigit() else _LETTER if char.isalpha() else 0
    kind |= _HEX if char in "0123456789abcdefABCDEF" else 0
    kind |= _IN_TOKEN if char.isalnum() or char in "_-" else 0
    kind |= _IN_VALUE if char.isalnum() or char in "_+/=.!@#$%^&*~-" else 0
    kind |= _IN_BASE58 if char.isalnum() and char not in "0OIl" else 0
    kind |= _OPENS if char in "[({" else 0
    kind |= _PARTS if char in " .-/()" else 0
    return kind | (_MARKS if char.isdigit() or char in "@.:-/[({xX" else 0)


@compiled
def _signs_of_run(
    codes: Codes, start: int, end: int, read: NDArray[np.uint8], kinds: NDArray[np.uint16]
) -> int:
    """Return the detectors that one run of characters of tokens and values is a sign for, as bits."""
    found, hexes, token, value, value_digits, value_letters, base58, dashes = 0, 0, 0, 0, 0, 0, 0, 0
    for place in range(start, end):
        code = codes[place]
        char = np.int64(read[code]) if code < TABLE_SIZE else 0
        kind = np.int64(kinds[char])
        if kind & _HIDDEN:
            continue
        hexes = hexes + 1 if kind & _HEX else 0
        token = token + 1 if kind & _IN_TOKEN else 0
        base58 = base58 + 1 if kind & _IN_BASE58 else 0
        dashes = dashes + 1 if char == _DASH else 0
        value += 1
        value_digits += kind & _DIGIT != 0
        value_letters += kind & _LETTER != 0
        if value >= _VALUE_CHARS and value_digits >= 2 and value_letters >= 2:
            found |= _SECRET
        if token >= _TOKEN_CHARS or dashes >= _DASHES:
            found |= _SECRET
        if base58 >= _BASE58_CHARS:
            found |= _BASE58
        if hexes >= HEX_CHARS:
            found |= _HEXES
    return found


@compiled
def _signs_of_runs(codes: Codes, read: NDArray[np.uint8], kinds: NDArray[np.uint16]) -> int:
    """Return the detectors that a long run of certain characters is a sign for, as bits.

    Only runs that are long enough for anything are looked at closely; words of prose are not.
    """
    found, seen, digits, last_digit = 0, 0, 0, -_FAR  # `seen`: characters, without hidden ones
    start, chars, chars_digits, chars_dashes = 0, 0, 0, 0  # of the run
    for place in range(codes.size + 1):
        code = codes[place] if place < codes.size else np.uint32(_SPACE)
        char = np.int64(read[code]) if code < TABLE_SIZE else 0
        kind = np.int64(kinds[char])
        if kind & _HIDDEN:
            continue
        seen += 1
        if kind & _DIGIT:
            digits = digits + 1 if seen - last_digit <= _GAP_CHARS + 1 else 1
            last_digit = seen
            if digits >= _DIGITS:
                found |= _NUMBER
            chars_digits += 1
        elif char == _BREAK:
            last_digit = -_FAR
        if kind & (_IN_VALUE | _IN_TOKEN):
            chars += 1
            chars_dashes += char == _DASH
            continue
        if chars >= _TOKEN_CHARS or (chars >= _VALUE_CHARS and chars_digits >= 2) or chars_dashes >= _DASHES:
            found |= _signs_of_run(codes, start, place, read, kinds)
        start, chars, chars_digits, chars_dashes = place + 1, 0, 0, 0
    return found


@compiled
def _signs_of_marks(codes: Codes, read: NDArray[np.uint8], kinds: NDArray[np.uint16]) -> int:
    """Return the detectors that a few certain characters beside each other are a sign for, as bits."""
    found, opened, slashes, idle = 0, 0, False, True
    dots, colons, pairs = -1, -1, -1  # characters since the last such mark, -1: something else stood between
    dotted, coloned, paired = False, False, 0
    before: Any = 0
    before_that: Any = 0
    for code in codes:
        char = np.int64(read[code]) if code < TABLE_SIZE else 0
        kind = np.int64(kinds[char])
        if kind & _HIDDEN:
            continue
        low = char | 32 if kind & _LETTER else char
        if idle and not kind & _MARKS:  # nothing has begun, and this begins nothing
            before_that, before = before, low
            continue
        if char == _AT:
            found |= _EMAIL
        elif char == _DOT:
            dotted, dots = 1 <= dots <= 3, 0
        elif kind & _DIGIT:
            found |= _NETWORK * dotted
            dotted, dots = False, dots + (dots >= 0)
            if char == _ONE and (before in (_C, _B)) and (before_that in (_B, _T)):
                found |= _BECH32
        else:
            dotted, dots = False, -1
        if char in (_COLON, _DASH):
            paired = paired + 1 if pairs == 2 else 0
            found |= _NETWORK * (paired == 2)
            pairs = 0
        elif kind & _HEX:
            pairs += pairs >= 0
        else:
            pairs, paired = -1, 0
        if char == _COLON:
            coloned, colons = 0 <= colons <= 4, 0
        elif kind & _HEX:
            found |= _NETWORK * coloned
            coloned, colons = False, colons + (colons >= 0)
        else:
            coloned, colons = False, -1
        found |= _EMAIL * (opened == 3 and low == _T) | _EVM * (low == _X and before == _ZERO)
        slashes |= char == _SLASH and before == _SLASH and before_that == _COLON
        opened = (
            1
            if kind & _OPENS
            else 2
            if opened == 1 and char == _SPACE
            else 3 * (0 < opened < 3 and low == _A)
        )
        idle = dots < 0 and colons < 0 and pairs < 0 and opened == 0
        before_that, before = before, low
    return found | _SECRET * (slashes and found & _EMAIL != 0)


@compiled
def _may_hold_a_number(codes: Codes, read: NDArray[np.uint8], kinds: NDArray[np.uint16]) -> bool:
    """Say whether six digits stand as close as in one number, or two behind two letters.

    The latter is how accounts begin, and the end of how Italy's numbers do; these may have letters between any digits.
    Asked of texts with six digits on a line: in most they are years and prices, too far from one another.
    """
    digits, gap, letters, behind = 0, _FAR, 0, 0  # `letters` in a row, `behind` them so many digits
    for code in codes:
        char = np.int64(read[code]) if code < TABLE_SIZE else 0
        kind = np.int64(kinds[char])
        if kind & _HIDDEN:
            continue
        if kind & _DIGIT:
            digits = digits + 1 if gap <= _TIGHT_CHARS else 1
            gap, behind = 0, behind + 1
            if digits >= _DIGITS or (letters >= 2 and behind == 2):
                return True
            continue
        gap = gap + 1 if kind & _PARTS else _FAR
        if kind & _LETTER:
            letters, behind = letters + 1 if behind == 0 else 1, 0
        else:
            letters, behind = 0, 0
    return False


def detectors_for(text: str, signs: int | None = None) -> tuple[str, ...]:
    """Return the names of those detectors of `find_personal` that may find something in a text.

    `signs` are those of the text, or of more than it, where they are known already.
    """
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    tables = _tables()
    runs, marks = _signs_of_runs(codes, *tables), _signs_of_marks(codes, *tables)
    if runs & _SECRET and not runs & _HEXES:
        runs ^= 0 if (signs_of(text) if signs is None else signs) & SECRETS else _SECRET
    if runs & _NUMBER and not _may_hold_a_number(codes, *tables):
        runs ^= _NUMBER
    found = runs | marks
    return tuple(name for place, name in enumerate(DETECTORS) if found >> place & 1)
