"""Numbers about a text's quality, after Gopher, C4 and FineWeb; what is good enough is a recipe's decision.

Rules: each signal is a plain number with one definition below, computed in time linear in the text. Shares are 0..1,
and 0 where there is nothing to divide by. Lines are those that are not blank; words are runs of characters between
white space.

Does not: drop anything, know thresholds, or look at languages: stop words are English ones, so a recipe must not ask
for them elsewhere, and texts without blanks between words (Chinese, Thai) have few and long words.

Usage::

    quality = measure_quality(text)
    if quality.duplicate_line_share > 0.3: ...

Source: Rae et al. 2021 ("Scaling Language Models", appendix A), Raffel et al. 2020 (C4), Penedo et al. 2024 (FineWeb).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Final

import msgspec

STOP_WORDS: Final = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})
SHORT_LINE_CHARS_MAX: Final = 30

_BULLETS: Final = ("•", "‣", "▪", "●", "◦", "–", "-", "*", "·")
_ELLIPSES: Final = ("…", "...")
_LINE_ENDS: Final = tuple('.!?…。!?।"”»')
_SYMBOLS: Final = re.compile(r"#|…|\.\.\.")
_LOREM: Final = re.compile(r"lorem ipsum", re.IGNORECASE)


class Quality(msgspec.Struct, frozen=True):
    """The signals of one text.

    Counts: `words`, `lines`, `stop_words` (different ones of Gopher's eight), `placeholder_texts` ("lorem ipsum").
    Means: `word_chars_mean`. Ratios and shares:

    - `symbol_word_ratio`: `#` and ellipses for each word (Gopher);
    - `alpha_word_share`: words with at least one letter (Gopher);
    - `bullet_line_share`, `ellipsis_line_share`: lines that begin with a bullet, that end with an ellipsis (Gopher);
    - `duplicate_line_share`, `duplicate_line_chars_share`: lines seen before, and their characters (Gopher, FineWeb);
    - `top_pair_chars_share`: characters of words within occurrences of the most frequent pair of words (Gopher);
    - `ended_line_share`: lines that end like a sentence (C4, FineWeb);
    - `short_line_share`: lines of at most 30 characters (FineWeb);
    - `brace_ratio`: curly brackets for each word (C4 drops pages with any).
    """

    words: int
    lines: int
    stop_words: int
    placeholder_texts: int
    word_chars_mean: float
    symbol_word_ratio: float
    alpha_word_share: float
    bullet_line_share: float
    ellipsis_line_share: float
    duplicate_line_share: float
    duplicate_line_chars_share: float
    top_pair_chars_share: float
    ended_line_share: float
    short_line_share: float
    brace_ratio: float


def measure_quality(text: str) -> Quality:
    """Return the signals of a text."""
    words = text.split()
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    word_chars = sum(map(len, words))
    times = Counter(words)
    repeated = _repeated(lines)
    return Quality(
        words=len(words),
        lines=len(lines),
        stop_words=len(STOP_WORDS.intersection(map(str.lower, times))),
        placeholder_texts=len(_LOREM.findall(text)),
        word_chars_mean=_ratio(word_chars, len(words)),
        symbol_word_ratio=_ratio(len(_SYMBOLS.findall(text)), len(words)),
        alpha_word_share=_ratio(sum(n for word, n in times.items() if _has_letter(word)), len(words)),
        bullet_line_share=_ratio(sum(line.startswith(_BULLETS) for line in lines), len(lines)),
        ellipsis_line_share=_ratio(sum(line.endswith(_ELLIPSES) for line in lines), len(lines)),
        duplicate_line_share=_ratio(len(repeated), len(lines)),
        duplicate_line_chars_share=_ratio(sum(map(len, repeated)), sum(map(len, lines))),
        top_pair_chars_share=_ratio(_top_pair_chars(words), word_chars),
        ended_line_share=_ratio(sum(line.endswith(_LINE_ENDS) for line in lines), len(lines)),
        short_line_share=_ratio(sum(len(line) <= SHORT_LINE_CHARS_MAX for line in lines), len(lines)),
        brace_ratio=_ratio(text.count("{") + text.count("}"), len(words)),
    )


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0


def _has_letter(word: str) -> bool:
    return word.isalpha() or any(map(str.isalpha, word))


def _repeated(lines: Sequence[str]) -> list[str]:
    seen: set[str] = set()
    repeated = []
    for line in lines:
        if line in seen:
            repeated.append(line)
        seen.add(line)
    return repeated


def _top_pair_chars(words: Sequence[str]) -> int:
    """Return how many characters the most frequent pair of neighbours covers; 0 when no pair comes twice."""
    pairs = Counter(pairwise(words))
    ((first, second), times), *_ = pairs.most_common(1) or [(("", ""), 0)]
    if times < 2:
        return 0
    if first != second:
        return times * (len(first) + len(second))
    # Such a pair overlaps itself ("ha ha ha"), and no word counts twice: a run of n pairs has n + 1 words.
    runs = sum(
        1 for word, run in groupby(words) if word == first and next(run) and next(run, None) is not None
    )
    return (times + runs) * len(first)
