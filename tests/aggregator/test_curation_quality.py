"""Each quality signal by an example that one can count, and all of them on any text at all."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_data import real_data

from aggregator.curation.quality import Quality, measure_quality

CASES = [
    ("words", "one two  three\nfour", 4),
    ("lines", "one\n\n  \ntwo\nthree", 3),
    ("stop_words", "The cat and THE dog have to", 4),
    ("placeholder_texts", "Lorem ipsum dolor. Lorem Ipsum!", 2),
    ("word_chars_mean", "a bbb", 2.0),
    ("symbol_word_ratio", "# one … two... three", 0.6),
    ("alpha_word_share", "abc 123 4d --", 0.5),
    ("bullet_line_share", "• one\n- two\nthree\n* four", 0.75),
    ("ellipsis_line_share", "read more...\nread on…\nend.\nlast", 0.5),
    ("duplicate_line_share", "a\nb\na\na", 0.5),
    ("duplicate_line_chars_share", "aa\nb\naa", 0.4),
    ("top_pair_chars_share", "in a box in a bag", 0.5),
    ("top_pair_chars_share", "ha ha ha x ha", 0.6667),
    ("top_pair_chars_share", "no pair comes twice here", 0.0),
    ("ended_line_share", "Yes.\nno\n“Really?”\n没有。", 0.75),
    ("short_line_share", "short\n" + "long " * 10, 0.5),
    ("brace_ratio", "a { b }", 0.5),
]


@pytest.mark.parametrize(("name", "text", "expected"), CASES)
def test_a_signal_counts_what_it_says(name: str, text: str, expected: float) -> None:
    assert getattr(measure_quality(text), name) == pytest.approx(expected, abs=0.0001)


def test_every_signal_has_a_case() -> None:
    assert {name for name, _, _ in CASES} == set(Quality.__struct_fields__)


def assert_in_range(quality: Quality) -> None:
    for name, value in msgspec.structs.asdict(quality).items():
        assert value >= 0, name
        if name.endswith("_share"):
            assert value <= 1, name


@given(st.text())
def test_signals_of_any_text_are_numbers_in_range(text: str) -> None:
    assert_in_range(measure_quality(text))


@given(st.lists(st.sampled_from(["a", "bb", "ccc"]), max_size=30))
def test_the_top_pair_covers_words_once(words: list[str]) -> None:
    assert_in_range(measure_quality(" ".join(words)))


def test_an_empty_text_has_zeros_only() -> None:
    assert set(msgspec.structs.asdict(measure_quality(" \n ")).values()) == {0}


def test_naughty_strings_are_measured() -> None:
    folder: Path = real_data("hostile")
    for path in sorted(folder.glob("**/*blns*.json")):
        for text in json.loads(path.read_text()):
            assert_in_range(measure_quality(text))
