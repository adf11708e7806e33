"""The columns that curation adds to a document, beside those it always had: their names, types and meaning.

Rules: one table for the lake's schema, the view `documents` and the manual. Columns are only ever added; a row that an
earlier version of curation judged has null in what that version did not know. What `aggregator.curation` measures, and
how, stands there.

Does not: compute anything.

Usage: `[(column.name, column.arrow) for column in ANNOTATION_COLUMNS]`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import pyarrow as pa


class AnnotationColumn(NamedTuple):
    """One column: its name, its types in Arrow and DuckDB, and what it says."""

    name: str
    arrow: pa.DataType
    kind: str
    meaning: str


_TYPES: Final = {
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
}
_COLUMNS: Final = """
annotation_version INTEGER | version of the curation that judged the row; null before version 2
tokenizer VARCHAR | which tokenizer counted the tokens
host_lists VARCHAR[] | lists of the operator that hold the page's host
words INTEGER | words with a letter or digit
lines INTEGER | lines that are not blank
paragraphs INTEGER | lines that no empty line parts
stop_words INTEGER | different small words of its language; null when no list of them is known
word_chars_max INTEGER | characters of the longest word
sentences INTEGER | sentences of the lines that C4 would keep
sentences_anywhere INTEGER | sentences of all lines with three words
placeholder_texts INTEGER | "lorem ipsum", so often
brace_lines INTEGER | lines that end a sentence and hold a curly bracket
javascript_lines INTEGER | lines that end a sentence and speak of JavaScript
policy_lines INTEGER | lines that end a sentence and speak of cookies, terms or privacy
word_chars_mean DOUBLE | mean characters of a word
symbol_word_ratio DOUBLE | hash signs or ellipses for each word, whichever are more
alpha_word_share DOUBLE | share of words with a letter
brace_ratio DOUBLE | curly brackets for each word
newline_word_ratio DOUBLE | line ends for each word
bullet_line_share DOUBLE | share of lines that begin with a bullet
ellipsis_line_share DOUBLE | share of lines that end with an ellipsis
ended_line_share DOUBLE | share of lines that end a sentence
short_line_share DOUBLE | share of lines of at most 30 characters
kept_line_share DOUBLE | share of lines that C4 would keep
duplicate_line_share DOUBLE | share of lines seen before in the text
duplicate_line_chars_share DOUBLE | share of characters in such lines
repeated_chars_share DOUBLE | the same, line ends not counted
duplicate_paragraph_share DOUBLE | share of paragraphs seen before in the text
duplicate_paragraph_chars_share DOUBLE | share of characters in such paragraphs
top_pair_chars_share DOUBLE | share of characters in the most frequent pair of words
top_3gram_chars_share DOUBLE | the same of three words
top_4gram_chars_share DOUBLE | the same of four words
duplicate_5gram_chars_share DOUBLE | share of characters in runs of five words seen before
duplicate_6gram_chars_share DOUBLE | the same of six words
duplicate_7gram_chars_share DOUBLE | the same of seven words
duplicate_8gram_chars_share DOUBLE | the same of eight words
duplicate_9gram_chars_share DOUBLE | the same of nine words
duplicate_10gram_chars_share DOUBLE | the same of ten words
adult_word_share DOUBLE | share of words of pages for adults
spam_word_share DOUBLE | share of words of trades that live on spam
personal_email INTEGER | mail addresses found
personal_phone INTEGER | telephone numbers found
personal_card INTEGER | payment cards found
personal_iban INTEGER | bank accounts found
personal_ip INTEGER | IP addresses found
personal_mac INTEGER | hardware addresses found
personal_wallet INTEGER | wallet addresses found
personal_secret INTEGER | keys, tokens and passwords found
personal_national_id INTEGER | national identity numbers found
"""


def _column(line: str) -> AnnotationColumn:
    head, _, meaning = line.partition(" | ")
    name, kind = head.split()
    return AnnotationColumn(name, _TYPES[kind], kind, meaning)


ANNOTATION_COLUMNS: Final = tuple(map(_column, _COLUMNS.strip().splitlines()))
