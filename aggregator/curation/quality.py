"""Numbers about a text's quality, after Gopher, C4 and FineWeb; what is good enough is a recipe's decision.

Rules: each signal is a plain number with one definition below, computed in time linear in the text. Shares are 0..1,
and 0 where there is nothing to divide by. Lines are those that are not blank, without blanks around them; paragraphs
are lines that no empty line parts; words are runs of characters between white space, and single characters in
scripts without blanks. What is English in the publications is not asked of other languages: stop words are
those of the text's own language, None where none are known, and a sentence ends with any script's mark.

Does not: drop anything, know thresholds, or judge what a text says.

Usage::

    quality = measure_quality(text, language="en")
    if quality.duplicate_line_share > 0.3: ...

Source: Rae et al. 2021 ("Scaling Language Models", appendix A), Raffel et al. 2020 (C4), Penedo et al. 2024 (FineWeb).
"""

from __future__ import annotations

import os
from functools import cache
from types import ModuleType
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from aggregator.curation import counts as at
from aggregator.curation.characters import character_tables
from aggregator.curation.phrases import CITATIONS, PHRASES
from aggregator.curation.signs import PHRASES as PHRASE_SIGNS
from aggregator.curation.signs import signs_of
from aggregator.curation.stop_words import STOP_WORDS
from aggregator.curation.word_lists import WORD_LISTS

_SECRET: Final = np.uint64(int.from_bytes(os.urandom(8), "little") | 1)  # no answer depends on it


class Quality(msgspec.Struct, frozen=True):
    """The signals of one text. G, R, C and F name their source: Gopher's quality and repetition rules, C4, FineWeb.

    - `words` (G): words with a letter or digit; `word_chars_mean` (G): their mean length; `word_chars_max`: of all;
    - `lines`, `paragraphs`: how many;
    - `stop_words` (G): different ones of the language's list, None when it has none;
    - `symbol_word_ratio` (G): `#`, or ellipses, for each word, whichever is more;
    - `alpha_word_share` (G): words with at least one letter;
    - `bullet_line_share`, `ellipsis_line_share` (G): lines that begin with a bullet, that end with an ellipsis;
    - `duplicate_line_share`, `duplicate_paragraph_share` (R): lines and paragraphs seen before;
    - `duplicate_line_chars_share`, `duplicate_paragraph_chars_share` (R): their characters, of all of the text;
    - `top_pair_chars_share`, `top_3gram_…`, `top_4gram_…` (R): characters of the most frequent run of so many words;
    - `duplicate_5gram_chars_share` to `duplicate_10gram_…` (R): characters of words in runs that stood before;
    - `placeholder_texts` (C): "lorem ipsum", so often;
    - `kept_line_share` (C): lines that end a sentence, have three words, none over 1,000 characters, and speak neither
      of JavaScript nor of policies; `sentences` (C): those of such lines; `sentences_anywhere`: those of all lines with
      three words, as FineWeb counts for C4's rule;
    - `brace_lines`, `javascript_lines`, `policy_lines` (C): lines that end a sentence and hold such a thing;
    - `brace_ratio` (C): curly brackets for each word;
    - `ended_line_share` (F): lines whose last character ends a sentence;
    - `short_line_share` (F): lines of at most 30 characters;
    - `repeated_chars_share` (F): characters of lines seen before, of all that is not a line's end;
    - `newline_word_ratio` (F): line ends for each word;
    - `adult_word_share`, `spam_word_share`: words that are on such a list (`word_lists`).
    """

    words: int
    lines: int
    paragraphs: int
    stop_words: int | None
    word_chars_max: int
    sentences: int
    sentences_anywhere: int
    placeholder_texts: int
    brace_lines: int
    javascript_lines: int
    policy_lines: int
    word_chars_mean: float  # from here on in the order of `kernels.shares_of`
    symbol_word_ratio: float
    alpha_word_share: float
    brace_ratio: float
    newline_word_ratio: float
    bullet_line_share: float
    ellipsis_line_share: float
    ended_line_share: float
    short_line_share: float
    kept_line_share: float
    duplicate_line_share: float
    duplicate_line_chars_share: float
    repeated_chars_share: float
    duplicate_paragraph_share: float
    duplicate_paragraph_chars_share: float
    top_pair_chars_share: float
    top_3gram_chars_share: float
    top_4gram_chars_share: float
    duplicate_5gram_chars_share: float
    duplicate_6gram_chars_share: float
    duplicate_7gram_chars_share: float
    duplicate_8gram_chars_share: float
    duplicate_9gram_chars_share: float
    duplicate_10gram_chars_share: float
    adult_word_share: float
    spam_word_share: float


def measure_quality(text: str, language: str = "en", signs: int | None = None) -> Quality:
    """Return the signals of a text in a language, an ISO 639 code as `language.detect_language` gives it.

    `signs` are those of the text, or of more than it, where they are known already.
    """
    k = _kernels()
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    kinds, lower = character_tables()
    phrases, owners, citations = _phrase_tables()
    if not (signs_of(text) if signs is None else signs) & PHRASE_SIGNS:
        owners = owners[:0]
    stops = _stop_hashes(language)
    counts = k.measure(codes, kinds, lower, stops, *_listed_words(), phrases, owners, citations, _SECRET)
    numbers = counts.tolist()
    return Quality(
        numbers[at.PROPER_WORDS],
        numbers[at.LINES],
        numbers[at.PARAGRAPHS],
        numbers[at.STOP_WORDS] if stops.size else None,
        numbers[at.LONGEST_WORD],
        numbers[at.SENTENCES],
        numbers[at.SENTENCES_ANYWHERE],
        numbers[at.PLACEHOLDERS],
        numbers[at.BRACE_LINES],
        numbers[at.JAVASCRIPT_LINES],
        numbers[at.POLICY_LINES],
        *k.shares_of(counts, len(text)).tolist(),
    )


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


@cache
def _stop_hashes(language: str) -> NDArray[np.uint64]:
    k = _kernels()
    hashes = [k.hash_of_letters(_codes(word), _SECRET) for word in STOP_WORDS.get(language, ())]
    return np.array(hashes, np.uint64)


@cache
def _listed_words() -> tuple[NDArray[Any], NDArray[Any]]:
    k = _kernels()
    words = [(word, number) for number, listed in enumerate(WORD_LISTS.values()) for word in sorted(listed)]
    hashes = np.array([k.hash_of_letters(_codes(word), _SECRET) for word, _ in words], np.uint64)
    table, lists = k.listed_words(hashes, np.array([number for _, number in words], np.uint8))
    return table, lists


@cache
def _phrase_tables() -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    owners = np.array(list(PHRASES.values()), np.int64)
    return _padded(tuple(PHRASES)), owners, _padded(CITATIONS)


def _padded(phrases: tuple[str, ...]) -> NDArray[np.uint32]:
    table = np.zeros((len(phrases), max(map(len, phrases)) + 1), np.uint32)
    for row, phrase in enumerate(phrases):
        table[row, : len(phrase)] = _codes(phrase)
    return table


@cache
def _kernels() -> ModuleType:
    """Import the compiled loops at the first text: importing numba takes half a second."""
    from aggregator.curation import kernels

    return kernels
