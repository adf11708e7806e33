"""The compiled loop over lines: what Gopher, C4 and FineWeb ask of a single line.

Rules: linear time, integers only. A phrase is looked for only in texts that hold one. Those of C4's rules that drop a
line are asked in the order of its code: words, ending, scripts, brackets, policies.

Does not: compare lines with each other (see `repetition_kernels`), or drop any.

Usage: `hashes, chars, opens = read_lines(codes, kinds, lower, starts, ends, hashes, phrases, owners, citations, …)`.

Source: Raffel et al. 2020, section 2.2, and its code; Penedo et al. 2024; Rae et al. 2021, appendix A.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregator.curation.characters import BLANK, BULLET, CLOSING, ENDING, TABLE_SIZE
from aggregator.curation.counts import (
    BRACE_LINES,
    BREAKS,
    BULLET_LINES,
    ELLIPSIS_LINES,
    ENDED_LINES,
    JAVASCRIPT_LINES,
    KEPT_LINES,
    LINE_CHARS,
    LINE_WORDS_MIN,
    LINES,
    LONG_WORD_CHARS_MIN,
    PLACEHOLDERS,
    POLICY_LINES,
    SENTENCES,
    SENTENCES_ANYWHERE,
    SHORT_LINE_CHARS_MAX,
    SHORT_LINES,
)
from aggregator.curation.word_kernels import Codes, Counts, Hashes, Kinds, Places, compiled, joined, kind_of

_BREAK, _SPACE, _DOT, _QUOTE, _APOSTROPHE, _OPEN = 10, 32, 46, 34, 39, 123
_BRACKET, _BRACKET_END, _DOTS, _WIDE = 91, 93, 0x2026, 0x2E80


@compiled
def _is_ellipsis(codes: Codes, start: int, end: int) -> bool:
    if end > start and codes[end - 1] == _DOTS:
        return True
    return end - start >= 3 and codes[end - 1] == _DOT and codes[end - 2] == _DOT and codes[end - 3] == _DOT


@compiled
def _found_at(codes: Codes, lower: Codes, place: int, end: int, phrase: Codes) -> bool:
    """Say whether a phrase, ended by zero, stands at a place."""
    for step in range(phrase.size):
        if phrase[step] == 0:
            return True
        if place + step >= end:
            return False
        code = codes[place + step]
        if code >= TABLE_SIZE or lower[code] != phrase[step]:
            return False
    return True


@compiled
def _phrases_in(
    codes: Codes, lower: Codes, start: int, end: int, phrases: Codes, owners: Counts
) -> tuple[int, int]:
    """Return which groups of phrases a line holds, as bits, and how often it holds those of group 0."""
    found, first = 0, 0
    for place in range(start, end):
        for number in range(owners.size):
            if _found_at(codes, lower, place, end, phrases[number]):
                found |= 1 << owners[number]
                first += owners[number] == 0
    return found, first


@compiled
def _without_citations(codes: Codes, start: int, end: int, phrases: Codes, lower: Codes) -> int:
    """Return where a line ends when citations such as [3] or [edit] behind its last sentence are not counted."""
    while end > start and codes[end - 1] == _BRACKET_END:
        place = end - 2
        while place >= start and 48 <= codes[place] <= 57:
            place -= 1
        if place >= start and codes[place] == _BRACKET:
            end = place
        else:
            cut = end
            for number in range(phrases.shape[0]):
                size = 0
                while phrases[number, size]:
                    size += 1
                if end - size >= start and _found_at(codes, lower, end - size, end, phrases[number]):
                    cut = end - size
            if cut == end:
                break
            end = cut
        while end > start and codes[end - 1] == _SPACE:
            end -= 1
    return end


@compiled
def _sentences_in(codes: Codes, kinds: Kinds, start: int, end: int) -> int:
    """Return how many sentences a line ends, at least one: an ending mark before a blank, or one of full width."""
    count, place = 0, start
    while place < end:
        if not kind_of(codes[place], kinds) & ENDING:
            place += 1
            continue
        wide = codes[place] >= _WIDE
        while place < end and kind_of(codes[place], kinds) & (ENDING | CLOSING):
            place += 1
        count += wide or place == end or kind_of(codes[place], kinds) & BLANK != 0
    return max(count, 1)


@compiled
def _read_line(
    codes: Codes,
    kinds: Kinds,
    lower: Codes,
    start: int,
    end: int,
    words: int,
    longest: int,
    phrases: Codes,
    owners: Counts,
    citations: Codes,
    counts: Counts,
) -> None:
    """Count what one line is, by Gopher, C4 and FineWeb."""
    counts[LINES] += 1
    counts[LINE_CHARS] += end - start
    counts[BULLET_LINES] += kind_of(codes[start], kinds) & BULLET != 0
    counts[ELLIPSIS_LINES] += _is_ellipsis(codes, start, end)
    counts[ENDED_LINES] += kind_of(codes[end - 1], kinds) & ENDING != 0
    counts[SHORT_LINES] += end - start <= SHORT_LINE_CHARS_MAX
    found = 0
    if owners.size:
        found, placeholders = _phrases_in(codes, lower, start, end, phrases, owners)
        counts[PLACEHOLDERS] += placeholders
    last = _without_citations(codes, start, end, citations, lower)
    if longest >= LONG_WORD_CHARS_MIN or words < LINE_WORDS_MIN or last == start:
        return
    sentences = _sentences_in(codes, kinds, start, last)
    counts[SENTENCES_ANYWHERE] += sentences
    ending = codes[last - 1]
    closes = ending in (_QUOTE, _APOSTROPHE) or kind_of(ending, kinds) & ENDING != 0
    if not closes or _is_ellipsis(codes, start, last):
        return
    if found & 2:
        counts[JAVASCRIPT_LINES] += 1
        return
    for place in range(start, end):
        if codes[place] == _OPEN:
            counts[BRACE_LINES] += 1
            break
    if found & 4:
        counts[POLICY_LINES] += 1
        return
    counts[KEPT_LINES] += 1
    counts[SENTENCES] += sentences


@compiled
def read_lines(
    codes: Codes,
    kinds: Kinds,
    lower: Codes,
    starts: Places,
    ends: Places,
    hashes: Hashes,
    phrases: Codes,
    owners: Counts,
    citations: Codes,
    secret: Any,
    counts: Counts,
) -> tuple[Hashes, Counts, NDArray[np.bool_]]:
    """Return hash, length and "begins a paragraph" of each line that is not blank, and count what each line is."""
    most = counts[BREAKS] + 1
    line_hashes, line_chars = np.empty(most, np.uint64), np.empty(most, np.int64)
    opens, used, word, behind = np.empty(most, np.bool_), 0, 0, 0
    while word < starts.size:
        breaks = 0
        for place in range(behind, starts[word]):
            breaks += codes[place] == _BREAK
        first, value, longest = word, secret, 0
        while True:
            longest = max(longest, ends[word] - starts[word])
            value = joined(value, hashes[word])
            behind = ends[word]
            word += 1
            if word >= starts.size:
                break
            broken = False
            for place in range(behind, starts[word]):
                broken |= codes[place] == _BREAK
            if broken:
                break
            value = joined(value, starts[word] - behind)
        start = starts[first]
        _read_line(
            codes, kinds, lower, start, behind, word - first, longest, phrases, owners, citations, counts
        )
        line_hashes[used], line_chars[used], opens[used] = value, behind - start, used == 0 or breaks > 1
        used += 1
    return line_hashes[:used], line_chars[:used], opens[:used]
