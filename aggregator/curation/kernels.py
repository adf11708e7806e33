"""All quality signals of one text in one compiled call: its characters in, counts and ratios out.

Rules: see the loops themselves, `word_kernels`, `line_kernels` and `repetition_kernels`. Compiled at first use and
kept; importing this costs what importing numba does, so whoever needs it imports it late.

Does not: name what it counts (see `quality`), or know languages.

Usage::

    counts = measure(codes, kinds, lower, stop_words, phrases, owners, citations, secret)
    counts[WORDS], shares_of(counts, len(text))
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregator.curation.counts import (
    BRACES,
    BREAKS,
    BULLET_LINES,
    COUNTS,
    DUPLICATE_LINE_CHARS,
    DUPLICATE_LINES,
    DUPLICATE_PARAGRAPH_CHARS,
    DUPLICATE_PARAGRAPHS,
    ELLIPSES,
    ELLIPSIS_LINES,
    ENDED_LINES,
    HASHES,
    KEPT_LINES,
    LETTER_WORDS,
    LINES,
    LISTED_WORDS,
    PARAGRAPHS,
    PROPER_CHARS,
    PROPER_WORDS,
    SENTENCES_ANYWHERE,
    SHARES,
    SHORT_LINES,
    TOP_GRAMS,
    WORDS,
)
from aggregator.curation.line_kernels import read_lines
from aggregator.curation.repetition_kernels import count_grams, count_repeated_lines
from aggregator.curation.word_kernels import (
    Codes,
    Counts,
    Hashes,
    Kinds,
    compiled,
    hash_of_letters,
    listed_words,
    read_words,
)

__all__ = ["hash_of_letters", "listed_words", "measure", "shares_of"]

_DOT = 46


@compiled
def measure(
    codes: Codes,
    kinds: Kinds,
    lower: Codes,
    stops: Hashes,
    listed: Hashes,
    lists: Kinds,
    phrases: Codes,
    owners: Counts,
    citations: Codes,
    secret: Any,
) -> Counts:
    """Return all counts of one text, given as its code points.

    `listed` and `lists` are those of `listed_words`. `phrases` and `citations` hold one lower-case phrase a row, ended
    by zero; `owners` says of which group each of `phrases` is: 0 placeholder texts, 1 scripts that should run, 2
    policies. Without owners none is looked for.
    """
    counts = np.zeros(COUNTS, np.int64)
    hashes, starts, ends = read_words(codes, kinds, lower, stops, listed, lists, secret, counts)
    lines, chars, opens = read_lines(
        codes, kinds, lower, starts, ends, hashes, phrases, owners, citations, secret, counts
    )
    count_repeated_lines(lines, chars, opens, secret, counts)
    count_grams(hashes, starts, ends, counts)
    for place in range(2, codes.size):
        if codes[place] == _DOT and codes[place - 1] == _DOT and codes[place - 2] == _DOT:
            counts[ELLIPSES] += 1
    return counts


@compiled
def shares_of(counts: Counts, chars: int) -> NDArray[np.float64]:
    """Return the ratios of `Quality` in its order, with six decimals; `chars` is the length of the text."""
    found = np.zeros(SHARES)
    words, lines, paragraphs = counts[WORDS], counts[LINES], counts[PARAGRAPHS]
    if words:
        found[0] = counts[PROPER_CHARS] / max(counts[PROPER_WORDS], 1)
        found[1] = max(counts[HASHES], counts[ELLIPSES]) / words
        found[2] = counts[LETTER_WORDS] / words
        found[3] = counts[BRACES] / words
        found[4] = counts[BREAKS] / words
        found[5] = counts[BULLET_LINES] / lines
        found[6] = counts[ELLIPSIS_LINES] / lines
        found[7] = counts[ENDED_LINES] / lines
        found[8] = counts[SHORT_LINES] / lines
        found[9] = counts[KEPT_LINES] / lines
        found[10] = counts[DUPLICATE_LINES] / lines
        found[11] = counts[DUPLICATE_LINE_CHARS] / chars
        found[12] = counts[DUPLICATE_LINE_CHARS] / (chars - counts[BREAKS])
        found[13] = counts[DUPLICATE_PARAGRAPHS] / paragraphs
        found[14] = counts[DUPLICATE_PARAGRAPH_CHARS] / chars
        for place in range(TOP_GRAMS, LISTED_WORDS):
            found[15 + place - TOP_GRAMS] = counts[place] / chars
        for place in range(LISTED_WORDS, SENTENCES_ANYWHERE):
            found[SHARES - SENTENCES_ANYWHERE + place] = counts[place] / words
    return np.rint(found * 1e6) / 1e6
