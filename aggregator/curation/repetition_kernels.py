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
    TOP_GRAM_WORDS_MAX,
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
def _often(grams: Hashes) -> tuple[Places, Places]:
    """Return for each gram the slot that equal ones share, and for each slot how many they are."""
    table = table_for(grams.size)
    often, slots = np.zeros(table.size, np.int32), np.empty(grams.size, np.int32)
    for row in range(grams.size):
        slots[row] = slot = slot_of(table, grams[row])
        table[slot] = grams[row] | np.uint64(1)
        often[slot] += 1
    return slots, often


@compiled
def _top_gram(slots: Places, often: Places, places: Places) -> tuple[int, int]:
    """Return the place of the most frequent gram, the first of several, and how often it is there."""
    first, most = 0, 1  # where none is repeated, the text's first
    for row in range(slots.size):
        if often[slots[row]] > most:
            first, most = places[row], often[slots[row]]
    return first, most


@compiled
def _duplicate_gram_chars(slots: Places, often: Places, places: Places, words: int, letters: Counts) -> int:
    """Return the characters of words in grams that stood before, none counted twice. `letters` are running sums."""
    seen, chars, free = np.zeros(often.size, np.bool_), 0, 0
    for row in range(slots.size):
        place = places[row]
        if place < free:
            continue
        if seen[slots[row]]:
            chars += letters[place + words] - letters[place]
            free = place + words
        seen[slots[row]] = True
    return chars


@compiled
def count_grams(hashes: Hashes, starts: Places, ends: Places, counts: Counts) -> None:
    """Count repeated grams of 2 to 10 words; between words of a gram counts one blank, or none where there is none.

    A gram that is repeated begins with one that is, so each size looks only where the one before found any.
    """
    total = hashes.size
    letters, gaps = np.zeros(total + 1, np.int64), np.zeros(total + 1, np.int64)
    for word in range(total):
        letters[word + 1] = letters[word] + ends[word] - starts[word]
        gaps[word + 1] = gaps[word] + (word + 1 < total and starts[word + 1] > ends[word])
    grams, places, used = hashes.copy(), np.arange(total).astype(np.int32), total
    for size in range(2, min(GRAM_WORDS_MAX, total) + 1):
        while used and places[used - 1] > total - size:
            used -= 1
        for row in range(used):
            value = grams[row] * STEP + hashes[places[row] + size - 1]
            grams[row] = value ^ (value >> S32)
        slots, often = _often(grams[:used])
        if size <= TOP_GRAM_WORDS_MAX:
            place, times = _top_gram(slots, often, places)
            last = place + size
            chars = letters[last] - letters[place] + gaps[last - 1] - gaps[place]
            counts[TOP_GRAMS + size - 2] = times * chars
        else:
            found = _duplicate_gram_chars(slots, often, places, size, letters)
            counts[DUPLICATE_GRAMS + size - TOP_GRAM_WORDS_MAX - 1] = found
        kept = 0
        for row in range(used):
            if often[slots[row]] > 1:
                grams[kept], places[kept] = grams[row], places[row]
                kept += 1
        used = kept
