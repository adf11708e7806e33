"""Each quality signal by an example that one can count, all of them against a plain reading of the publications, and
hostile texts in time that is linear in their length."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from published_world import MODULES, manual
from real_data import real_data

from aggregator.curation.characters import ENDING, character_tables
from aggregator.curation.quality import Quality, measure_quality
from aggregator.curation.stop_words import STOP_WORDS
from windrow_protocol.content import normalise_text

CASES = [
    ("words", "one two  three -- ?\nfour", 4),
    ("lines", "one\n\n  \ntwo\nthree", 3),
    ("paragraphs", "one\ntwo\n\nthree\n \nfour", 3),
    ("stop_words", "The, cat and THE dog have to", 4),
    ("word_chars_max", "a bbb", 3),
    ("sentences", "He came at 3.15 and left. Did she (too?) Yes!\nno end of it here", 3),
    ("sentences_anywhere", "He came at 3.15 and left. Did she (too?) Yes!\nno end of it here", 4),
    ("placeholder_texts", "Lorem ipsum dolor. Lorem Ipsum!", 2),
    ("brace_lines", "x = {}\nHe wrote {name} there.", 1),
    ("javascript_lines", "Please enable JavaScript to go on.\nJavascript", 1),
    ("policy_lines", "This site uses cookies.\nRead our Privacy Policy now.\nterms of use", 2),
    ("word_chars_mean", "a bbb --", 2.0),
    ("symbol_word_ratio", "# one … two... three", 0.4),
    ("alpha_word_share", "abc 123 4d --", 0.5),
    ("brace_ratio", "a { b }", 0.5),
    ("newline_word_ratio", "a\n\nb c d", 0.5),
    ("bullet_line_share", "• one\n- two\nthree\n* four", 0.75),
    ("ellipsis_line_share", "read more...\nread on…\nend.\nlast", 0.5),
    ("ended_line_share", "Yes.\nno\n“Really?\n没有。", 0.75),
    ("short_line_share", "short\n" + "long " * 10, 0.5),
    ("kept_line_share", "That is it.\nread more\nGo on.\nAs he said.[3] [edit]", 0.5),
    ("duplicate_line_share", "a\nb\na\na", 0.5),
    ("duplicate_line_chars_share", "aa\nb\naa", 2 / 7),
    ("repeated_chars_share", "aa\nb\naa", 0.4),
    ("duplicate_paragraph_share", "a\nb\n\nc\n\na\nb", 1 / 3),
    ("duplicate_paragraph_chars_share", "a\nb\n\nc\n\na\nb", 3 / 11),
    ("top_pair_chars_share", "in a box in a bag", 8 / 17),
    ("top_3gram_chars_share", "in a box in a bag", 8 / 17),
    ("top_4gram_chars_share", "in a box", 0.0),
    ("duplicate_5gram_chars_share", "a b c d e x a b c d e", 5 / 21),
    ("duplicate_6gram_chars_share", "a b c d e f a b c d e f", 6 / 23),
    ("duplicate_7gram_chars_share", "a b c d e x a b c d e", 0.0),
    ("duplicate_8gram_chars_share", "so " * 16, 16 / 48),
    ("duplicate_9gram_chars_share", "so " * 18, 18 / 54),
    ("adult_word_share", "Free PORN videos, nothing else", 0.2),
    ("spam_word_share", "casino! Casino? and a bookmaker", 0.6),
    ("duplicate_10gram_chars_share", "so " * 21, 40 / 63),
]


@pytest.mark.parametrize(("name", "text", "expected"), CASES)
def test_a_signal_counts_what_it_says(name: str, text: str, expected: float) -> None:
    assert getattr(measure_quality(text), name) == pytest.approx(expected, abs=0.000001)


def test_every_signal_has_a_case() -> None:
    assert {name for name, _, _ in CASES} == set(Quality.__struct_fields__)


def plain_reading(text: str) -> dict[str, float]:
    """Return signals as the publications describe them, counted the slow way, for texts whose words have blanks."""
    words, chars = text.split(), len(text)
    lines = [line for line in re.split("\n+", text) if line]
    paragraphs = re.split("\n{2,}", text.strip())
    again = [line for i, line in enumerate(lines) if line in lines[:i]]
    found: dict[str, float] = {
        "lines": len(lines),
        "duplicate_line_share": len(again) / len(lines),
        "duplicate_line_chars_share": sum(map(len, again)) / chars,
        "repeated_chars_share": sum(map(len, again)) / len(text.replace("\n", "")),
        "newline_word_ratio": text.count("\n") / len(words),
        "short_line_share": sum(len(line) <= 30 for line in lines) / len(lines),
        "symbol_word_ratio": max(text.count("#"), text.count("...") + text.count("…")) / len(words),
        "alpha_word_share": sum(any(map(str.isalpha, word)) for word in words) / len(words),
    }
    again = [each for i, each in enumerate(paragraphs) if each in paragraphs[:i]]
    found["duplicate_paragraph_share"] = len(again) / len(paragraphs)
    found["duplicate_paragraph_chars_share"] = sum(map(len, again)) / chars
    for size, name in ((2, "pair"), (3, "3gram"), (4, "4gram")):
        grams = [" ".join(words[i : i + size]) for i in range(len(words) - size + 1)]
        gram, times = Counter(grams).most_common(1)[0] if grams else ("", 0)
        found[f"top_{name}_chars_share"] = len(gram) * times / chars
    for size in range(5, 11):
        seen, place, repeated = set(), 0, 0
        while place <= len(words) - size:
            gram = " ".join(words[place : place + size])
            repeated += len(gram) - size + 1 if gram in seen else 0
            place += size if gram in seen else 1
            seen.add(gram)
        found[f"duplicate_{size}gram_chars_share"] = repeated / chars
    return found


def assert_as_read(text: str) -> None:
    signals = msgspec.structs.asdict(measure_quality(text))
    expected = plain_reading(text)
    assert {name: signals[name] for name in expected} == pytest.approx(expected, abs=0.000001)


WORDS = st.sampled_from(["a", "bb", "the", "ends.", "so", "#x", "and…", "7", "-", "über"])
LINES = st.lists(st.lists(WORDS, min_size=1, max_size=12).map(" ".join), min_size=1, max_size=9)


@settings(max_examples=200)
@given(LINES, st.sampled_from(["\n", "\n\n"]), st.integers(1, 3))
def test_numbers_are_those_of_the_publications(lines: list[str], between: str, times: int) -> None:
    assert_as_read(between.join(lines * times))


@pytest.mark.parametrize("module", MODULES[:6])
def test_numbers_of_real_pages_are_those_of_the_publications(module: str) -> None:
    text = re.sub(r"\.{4,}", "...", normalise_text(manual(module)))
    assert_as_read(text)


def assert_in_range(quality: Quality) -> None:
    for name, value in msgspec.structs.asdict(quality).items():
        assert value is not None
        assert value >= 0, name
        assert not (name.endswith("_share") and not name.startswith("top_")) or value <= 1, name


@given(st.text() | st.text(st.sampled_from("ab \n.…{#的ไ\ud800\U0001f600"), max_size=200))
def test_signals_of_any_text_are_numbers_in_range(text: str) -> None:
    assert_in_range(measure_quality(text))


def test_an_empty_text_has_zeros_only() -> None:
    assert set(msgspec.structs.asdict(measure_quality(" \n ")).values()) <= {0, 1}
    assert measure_quality("").words == measure_quality("\n").lines == 0


def test_naughty_strings_are_measured() -> None:
    folder: Path = real_data("hostile")
    for path in sorted(folder.glob("**/*blns*.json")):
        for text in json.loads(path.read_text()):
            assert_in_range(measure_quality(text))


GERMAN = "Die Fähre legt in der Nacht an, und der Wind ist nicht zu stark. Wir kamen mit dem Zug aus Köln."
JAPANESE = "会議は火曜日に開かれ、計画が承認された。次の会議は来月の予定です。"
THAI = "คณะกรรมการประชุมเมื่อวันอังคารและเห็นชอบแผนดังกล่าว"


@pytest.mark.parametrize(("text", "language"), [(GERMAN, "de"), (JAPANESE, "ja")])
def test_other_languages_have_their_own_stop_words_and_sentences(text: str, language: str) -> None:
    quality = measure_quality(text, language)
    assert quality.stop_words is not None
    assert quality.stop_words >= 4
    assert (quality.sentences, quality.kept_line_share, quality.ended_line_share) == (2, 1.0, 1.0)
    assert measure_quality(text, "en").stop_words in (0, 1)


def test_a_language_without_a_list_has_no_such_signal() -> None:
    assert measure_quality(THAI, "th").stop_words is None
    assert measure_quality(THAI, "th").words > 40


@pytest.mark.parametrize("language", sorted(STOP_WORDS))
def test_each_language_has_eight_or_more_words_that_can_be_found(language: str) -> None:
    words = STOP_WORDS[language]
    assert len(words) >= 8
    assert measure_quality(" ".join(words), language).stop_words == len(words)


def test_ends_of_sentences_are_those_of_unicode() -> None:
    kinds, _ = character_tables()
    for char in ".!?。！？؟।…።":
        assert bool(kinds[ord(char)] & ENDING) == (char != "…")


SIZE = 400_000
HOSTILE = [
    "a" * SIZE,
    "a " * (SIZE // 2),
    "\n".join("ab" * 9 for _ in range(SIZE // 19)),
    "的" * SIZE,
    "[1]" * (SIZE // 3),
    "." * SIZE,
    "[edit]" * (SIZE // 6) + ".",
    "lorem ipsu" * (SIZE // 10) + " lorem ipsum",
    "use of cookie " * (SIZE // 14),
    "\n" * SIZE,
    "x\n\n" * (SIZE // 3),
    "\ud800" * SIZE,
    " ".join(f"{i:x}" for i in range(SIZE // 6)),
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_text_is_measured_to_its_end(text: str) -> None:
    """A rule that goes over such a text once for each of its parts would need hours, and the suite its limit."""
    measured = msgspec.structs.asdict(measure_quality(text))
    assert [name for name, value in measured.items() if not 0 <= value <= SIZE] == []
