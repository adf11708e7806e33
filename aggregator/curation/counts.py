"""Where each count of the compiled loops stands, and the bounds that the publications set to what is counted.

Rules: plain numbers, so that nobody imports numba to read them. Does not: count.

Usage: `counts[WORDS]` of what `kernels.measure` returns.

Source: Raffel et al. 2020 (C4) and its code; Penedo et al. 2024 (FineWeb); Rae et al. 2021, table A1 (runs of words).
"""

from typing import Final

(WORDS, PROPER_WORDS, PROPER_CHARS, LETTER_WORDS, LONGEST_WORD, STOP_WORDS) = range(6)
(HASHES, ELLIPSES, BRACES, BREAKS) = range(6, 10)
(LINES, LINE_CHARS, BULLET_LINES, ELLIPSIS_LINES, ENDED_LINES, SHORT_LINES, KEPT_LINES, SENTENCES) = range(
    10, 18
)
(BRACE_LINES, JAVASCRIPT_LINES, POLICY_LINES, PLACEHOLDERS) = range(18, 22)
(DUPLICATE_LINES, DUPLICATE_LINE_CHARS, PARAGRAPHS, DUPLICATE_PARAGRAPHS, DUPLICATE_PARAGRAPH_CHARS) = range(
    22, 27
)
TOP_GRAMS: Final = 27  # of 2, 3 and 4 words
DUPLICATE_GRAMS: Final = 30  # of 5 to 10 words
LISTED_WORDS: Final = 36  # of each list of `word_lists`
SENTENCES_ANYWHERE: Final = 38
COUNTS: Final = 39
SHARES: Final = 26  # ratios of them, see `kernels.shares_of`

SHORT_LINE_CHARS_MAX: Final = 30  # FineWeb
LONG_WORD_CHARS_MIN: Final = 1_001  # C4's code drops a line with such a word
LINE_WORDS_MIN: Final = 3  # C4
GRAM_WORDS_MAX: Final = 10  # Gopher
TOP_GRAM_WORDS_MAX: Final = 4  # Gopher: up to so many the most frequent counts, above what is repeated
