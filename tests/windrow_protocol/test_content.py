"""The normal form is a form: doing it twice is doing it once, and it always encodes."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from windrow_protocol import content
from windrow_protocol.content import is_normal_text, normalise_text, shingle_hashes, text_sha256, words


@given(st.text())
@example("a\x01\u0301")
@example("e\ufeff\u0301")
@example("\r\r\n \ud800 x")
@example("a\n \n\n\nb")
def test_normal_form_of_normal_form_is_itself(text: str) -> None:
    once = normalise_text(text)
    assert normalise_text(once) == once
    assert len(text_sha256(once)) == 64
    assert once == once.strip()
    assert "\n\n\n" not in once


_EDGY = st.text(
    st.sampled_from("ab \n\t\r\x00\x1c\x7f\x85\xa0\u2028\u3000\ufeff\ud800\u0301e\u00e9\u200b\uffff"),
    max_size=8,
)


@given(st.text() | _EDGY)
@example("")
@example("a\u0344b")
def test_what_is_normal_is_what_its_normal_form_leaves_alone(text: str) -> None:
    assert is_normal_text(text) == (normalise_text(text) == text)
    assert is_normal_text(normalise_text(text))


@given(st.text(max_size=4) | _EDGY)
@example("\u037e")
@example("\ufb1d")
@example("\u2126")
def test_a_few_others_in_a_long_plain_text_are_seen_all_the_same(few: str) -> None:
    text = "plain words " * 20 + few + " and more.\n\nStill more" * 10
    assert is_normal_text(text) == (normalise_text(text) == text)


def test_no_character_that_is_passed_over_could_join_another() -> None:
    """By the Unicode tables: none decomposes into others for good, is reordered, or is the second of a pair."""
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    pairs = (unicodedata.decomposition(each).split() for each in every)
    seconds = {chr(int(pair[1], 16)) for pair in pairs if len(pair) == 2 and not pair[0].startswith("<")}
    for each in filter(content._NORMAL_ANYWHERE.fullmatch, every):
        assert unicodedata.combining(each) == 0
        assert each not in seconds
        assert normalise_text(f"a{each}a") == f"a{each}a"


@given(st.text())
def test_case_and_blanks_do_not_make_other_shingles(text: str) -> None:
    assert shingle_hashes(text) == shingle_hashes("  " + text.replace(" ", " \n ") + "\t")


def test_scripts_without_blanks_are_compared_by_character() -> None:
    one = "窗外的风把草晒干了农夫把它们收成一行一行"
    other = one.replace("农夫", "工人")
    shared = len(shingle_hashes(one) & shingle_hashes(other)) / len(shingle_hashes(one))
    assert 0.4 < shared < 1
    assert words("windrow 晒干 2026") == ["windrow", "晒", "干", "2026"]


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), ("...", 0), ("one", 1), ("a b c d", 1), ("a b c d e f", 2)]
)
def test_short_texts_are_one_shingle(text: str, count: int) -> None:
    assert len(shingle_hashes(text)) == count
