"""The compiled loops over what repeats itself: lines, paragraphs and runs of two to ten words.

Rules: linear time, integers only. Of several runs that are there equally often the first one counts; of runs that stood
before no word counts twice.

Does not: look into lines (see `line_kernels`).

Usage: `count_grams(hashes, starts, ends, counts)`.

Source: Rae et al. 2021, appendix A, table A1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregator.curation.counts import (
    DUPLICATE_GRAMS,
    DUPLICATE_LINE_CHARS,
    DUPLICATE_LINES,
    DUPLICATE_PARAGRAPH_CHARS,
    DUPLICATE_PARAGRAPHS,
    GRAM_WORDS_MAX,
    PARAGRAPHS,
    TOP_GRAMS,
)
from aggregator.curation.word_kernels import (
    S32,
    STEP,
    Counts,
    Hashes,
    Places,
    compiled,
    is_new,
    joined,
    slot_of,
    table_for,
)


@compiled
def count_repeated_lines(
    hashes: Hashes, chars: Counts, opens: NDArray[np.bool_], secret: Any, counts: Counts
) -> None:
    """Count lines and paragraphs that stood before, and their characters."""
    lines, paragraphs = table_for(hashes.size), table_for(hashes.size)
    line = 0
    while line < hashes.size:
        value, size = secret, 0
        while True:
            if not is_new(lines, hashes[line]):
                counts[DUPLICATE_LINES] += 1
                counts[DUPLICATE_LINE_CHARS] += chars[line]
            value, size = joined(value, hashes[line]), size + chars[line]
            line += 1
            if line >= hashes.size or opens[line]:
                break
            size += 1
        counts[PARAGRAPHS] += 1
        if not is_new(paragraphs, value):
            counts[DUPLICATE_PARAGRAPHS] += 1
            counts[DUPLICATE_PARAGRAPH_CHARS] += size


@compiled
def _top_gram_chars(grams: Hashes, lengths: Counts) -> int:
    """Return the characters of the most frequent gram, the first of several, times how often it is there."""
    table = table_for(grams.size)
    often, slots = np.zeros(table.size, np.int64), np.empty(grams.size, np.int64)
    for place in range(grams.size):
        slots[place] = slot = slot_of(table, grams[place])
        table[slot] = grams[place] | np.uint64(1)
        often[slot] += 1
    best, chars = 0, 0
    for place in range(grams.size):
        if often[slots[place]] > best:
            best, chars = often[slots[place]], lengths[place]
    return best * chars


@compiled
def _duplicate_gram_chars(grams: Hashes, words: int, letters: Counts) -> int:
    """Return the characters of words in grams that stood before, none counted twice. `letters` are running sums."""
    table = table_for(grams.size)
    chars, place = 0, 0
    while place < grams.size:
        if is_new(table, grams[place]):
            place += 1
        else:
            chars += letters[place + words] - letters[place]
            place += words
    return chars


@compiled
def count_grams(hashes: Hashes, starts: Places, ends: Places, counts: Counts) -> None:
    """Count repeated grams of 2 to 10 words; between words of a gram counts one blank, or none where there is none."""
    total = hashes.size
    letters, gaps = np.zeros(total + 1, np.int64), np.zeros(total + 1, np.int64)
    for word in range(total):
        letters[word + 1] = letters[word] + ends[word] - starts[word]
        gaps[word + 1] = gaps[word] + (word + 1 < total and starts[word + 1] > ends[word])
    grams, lengths = hashes.copy(), np.empty(total, np.int64)
    for size in range(2, GRAM_WORDS_MAX + 1):
        number = total - size + 1
        if number < 1:
            return
        for place in range(number):
            value = grams[place] * STEP + hashes[place + size - 1]
            grams[place] = value ^ (value >> S32)
        if size <= 4:
            for place in range(number):
                last = place + size
                lengths[place] = letters[last] - letters[place] + gaps[last - 1] - gaps[place]
            counts[TOP_GRAMS + size - 2] = _top_gram_chars(grams[:number], lengths)
        else:
            counts[DUPLICATE_GRAMS + size - 5] = _duplicate_gram_chars(grams[:number], size, letters)
