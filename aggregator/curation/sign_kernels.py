"""Which groups of signs a text holds: many words looked for in one compiled pass over its characters.

Rules: an automaton after Aho and Corasick over folded characters. Folding takes letters of both cases, digits and
dashes of any script and their like for the ASCII ones, runs of blanks for one, and leaves out what is invisible; so a
sign is never missed whichever way its reader folds, and sometimes seen where there is none. Importing this imports
numba.

Does not: say where a sign stands, or know any (see `signs`).

Usage: `signs_in(codes, folds, moves, groups)` is the groups as bits.

Source: Aho and Corasick, "Efficient string matching" (1975).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aggregator.curation.word_kernels import Codes, compiled
from windrow_protocol.personal.patterns import INVISIBLE, twins

TABLE_SIZE: Final = 0x20000
WORD_START: Final = "\x00"  # at the head of a sign: no ASCII letter or digit stands before it
_SKIPPED, _BLANK, _OTHER = 255, 1, 0
# Letters whose lower case, or that `re.IGNORECASE`, takes for an ASCII one; quotes and hyphens that are read plain.
_LIKE_ASCII: Final = {"\u0130": "i", "\u0131": "i", "\u017f": "s", "\u212a": "k"}
_PLAIN: Final = {"‘": "'", "’": "'", "“": '"', "”": '"', "‐": "-", "–": "-", "—": "-"}


class Automaton(NamedTuple):
    """What a walk needs: each character's class, the next state for each state and class, the groups of each state."""

    folds: NDArray[np.uint8]
    moves: NDArray[np.uint16]
    groups: NDArray[np.uint8]
    hidden: int  # groups that something invisible is a sign for, because it may part words


@compiled
def signs_in(
    codes: Codes,
    folds: NDArray[np.uint8],
    moves: NDArray[np.uint16],
    groups: NDArray[np.uint8],
    hidden: int,
) -> int:
    """Return the groups of the signs that a text, given as its code points, holds."""
    classes = moves.shape[1]
    flat = moves.ravel()
    state: Any = np.int64(flat[_BLANK])
    before: Any = _BLANK
    found = np.uint8(0)
    for code in codes:
        kind = np.int64(folds[code]) if code < TABLE_SIZE else _OTHER
        if kind == _SKIPPED:
            found |= np.uint8(hidden)
            continue
        if kind == _BLANK and before == _BLANK:
            continue
        state = np.int64(flat[state * classes + kind])
        found |= groups[state]
        before = kind
    return int(found)


def automaton_of(signs: Mapping[int, tuple[str, ...]]) -> Automaton:
    """Return the automaton for lower-case ASCII signs by group, a bit; blanks in them are single."""
    used = {char for words in signs.values() for word in words for char in word} - {WORD_START, " "}
    starts_words = frozenset(map(chr, range(128))) - used
    class_of = {" ": _BLANK, **{char: place for place, char in enumerate(sorted(used), 2)}}
    word_class = len(class_of) + 1  # of letters and digits that no sign has
    class_of |= {char: word_class for char in starts_words if char.isalnum() and not char.isupper()}
    not_in_words = {_OTHER, *(kind for char, kind in class_of.items() if not char.isalnum())}
    tries: list[dict[int, int]] = [{}]
    groups = [0]
    for group, words in signs.items():
        for word in words:
            heads = [[kind] for kind in sorted(not_in_words)] if word[0] == WORD_START else [[]]
            for head in heads:
                _add(tries, groups, head + [class_of[char] for char in word.lstrip(WORD_START)], group)
    hidden = sum(group for group, words in signs.items() if any(word[0] == WORD_START for word in words))
    return Automaton(_folds(class_of), *_completed(tries, groups, word_class + 1), hidden)


def _add(tries: list[dict[int, int]], groups: list[int], kinds: list[int], group: int) -> None:
    state = 0
    for kind in kinds:
        if kind not in tries[state]:
            tries[state][kind] = len(tries)
            tries.append({})
            groups.append(0)
        state = tries[state][kind]
    groups[state] |= group


def _completed(
    tries: list[dict[int, int]], groups: list[int], classes: int
) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Return all moves of the automaton: where a sign cannot go on, the longest end that begins one does."""
    moves, falls = np.zeros((len(tries), classes), np.uint16), [0] * len(tries)
    waiting = deque([0])
    while waiting:
        state = waiting.popleft()
        groups[state] |= groups[falls[state]]
        if state:
            moves[state] = moves[falls[state]]
        for kind, following in tries[state].items():
            falls[following] = int(moves[state, kind])
            moves[state, kind] = following
            waiting.append(following)
    return moves, np.array(groups, np.uint8)


def _folds(class_of: Mapping[str, int]) -> NDArray[np.uint8]:
    folds = np.zeros(TABLE_SIZE, np.uint8)
    for code in range(TABLE_SIZE):
        char = chr(code)
        if char.isspace():
            folds[code] = _BLANK
        elif code < 128:
            folds[code] = class_of.get(char.lower(), _OTHER)
    for char, twin in {**twins(), **_LIKE_ASCII, **_PLAIN}.items():
        folds[ord(char)] = class_of.get(twin.lower(), _OTHER)
    for char in INVISIBLE:
        folds[ord(char)] = _SKIPPED
    return folds
