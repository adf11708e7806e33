"""The sketch: fixed on every machine, and of the same words, shingles and normal form as the protocol's."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aggregator.dedup import minhash
from aggregator.dedup.characters import ALONE, FOLDED, LONG_WAY, UNSURE, fold_table
from aggregator.dedup.minhash import jaccard, sketch, sketch_all
from windrow_protocol.content import normalise_text, shingle_hashes, text_sha256, words
from windrow_protocol.limits import SKETCH_BATCH_BYTES_MAX

TEXT = "the quick brown fox jumps over the lazy dog and runs away"
KEYS_OF_TEXT = (882219060, 2258564225, 1226474117, 3894656854)
# What folds to several letters, joins its neighbour, changes under normalisation, needs no blanks, or lies far out.
ODD = (
    "ß ŉ İ ſ ﬁ Ａ \u0301 \u0345 \u1100\u1161\u11a8 \u09c7\u09be Å ™ … \u00a0 \u2028 \u3000 \u0e2b\u0e49\u0e2d\u0e07"
    " 漢字 かな \U00020000\U0002f800 \U000e0001 \U0001d400 \ufeff \x00 \x85 _ ² Ⅷ ½ \u1e9e \u03a3\u03c2 \u0390 ǰ"
    "\n\n\n\t\r"
)
TEXTS = st.text(
    st.one_of(st.sampled_from(ODD + "ab "), st.characters(exclude_categories=["Cs"])), max_size=60
)


def test_the_keys_are_the_same_on_every_machine_for_ever() -> None:
    # Written down once: an index on disk is worthless if this ever changes.
    assert tuple(sketch(TEXT).keys[:4].tolist()) == KEYS_OF_TEXT
    assert len(sketch(TEXT).band_keys()) == minhash.BANDS


@pytest.mark.parametrize("seed", ["0", "4242"])
def test_the_keys_do_not_depend_on_the_process(seed: str) -> None:
    program = f"from aggregator.dedup.minhash import sketch; print(*sketch({TEXT!r}).keys)"
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    printed = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert list(map(int, printed.stdout.split())) == sketch(TEXT).keys.tolist()


@settings(max_examples=300)
@given(TEXTS)
@example("")
@example("\n a")
@example("a\n\n\nb")
@example("a\n\nb")
@example("a \nb")
@example("e\u0301")
@example("x\ud800y")
def test_a_sketch_is_of_the_normal_form(text: str) -> None:
    found = sketch(text)
    assert found.text == normalise_text(text)
    assert found.text_sha256 == text_sha256(found.text)
    assert found.text_bytes == len(found.text.encode())


@settings(max_examples=300)
@given(TEXTS, TEXTS)
@example(ODD, ODD.upper())
@example("straße " * 6, "STRASSE " * 6)
@example("가나다라마바사", "\u1100\u1161\u1102\u1161")
def test_shingles_are_those_of_the_protocol(one: str, other: str) -> None:
    a, b = sketch(one), sketch(other)
    ours = [set(each.shingles().hashes.tolist()) for each in (a, b)]
    theirs = [shingle_hashes(each.text) for each in (a, b)]
    assert [len(each) for each in ours] == [len(each) for each in theirs]
    assert len(ours[0] & ours[1]) == len(theirs[0] & theirs[1])
    union = theirs[0] | theirs[1]
    expected = len(theirs[0] & theirs[1]) / len(union) if all(theirs) else 0.0
    assert jaccard(a.shingles(), b.shingles()) == expected
    assert jaccard(a.shingles(), b.shingles(), expected) == expected
    assert jaccard(b.shingles(), a.shingles(), 0.8) == (expected if expected >= 0.8 else 0.0)


def test_every_character_is_what_the_protocol_takes_it_for() -> None:
    wrong = []
    for code, entry in enumerate(fold_table().tolist()):
        if entry & LONG_WAY or 0xD800 <= code < 0xE000:
            continue
        found = words(chr(code) * 2)
        folded = chr(entry & FOLDED)
        expected = [] if not entry & FOLDED else [folded] * 2 if entry & ALONE else [folded * 2]
        if found != expected or (normalise_text(f"a{chr(code)}b") != f"a{chr(code)}b") > bool(entry & UNSURE):
            wrong.append(hex(code))
    assert wrong == []


@given(st.lists(TEXTS, max_size=8))
def test_together_or_one_by_one_is_the_same(texts: list[str]) -> None:
    together = [each.keys.tolist() for each in sketch_all(texts)]
    assert together == [sketch(text).keys.tolist() for text in texts]


def test_more_than_fits_into_one_part() -> None:
    texts = [f"w{number} " * (SKETCH_BATCH_BYTES_MAX // 8) for number in range(5)]
    found = sketch_all(texts)
    assert [each.text for each in found] == [text.strip() for text in texts]
    assert len({each.keys[1:].tobytes() for each in found}) == 5


def test_a_text_without_words_has_no_keys() -> None:
    assert sketch("!!! …").band_keys() == ()
    assert jaccard(sketch("!").shingles(), sketch("?").shingles()) == 0.0
    assert sketch("!").keys[0] != sketch("?").keys[0]


def _pages(shared: int, apart: int, rounds: int) -> list[tuple[str, str]]:
    """Pairs of texts of 900 shingles that share `shared` of them in one piece, all of other words."""
    pairs = []
    for start in range(0, rounds * 10_000, 10_000):
        words = [f"w{number}" for number in range(start, start + shared + 4)]
        ends = [[f"{side}{number}" for number in range(start, start + apart)] for side in "xy"]
        pairs.append((" ".join(words + ends[0]), " ".join(words + ends[1])))
    return pairs


def test_bands_find_the_similar_and_leave_strangers_alone() -> None:
    pairs = _pages(800, 100, 300)  # Jaccard 0.8
    ones, others = (sketch_all([pair[side] for pair in pairs]) for side in (0, 1))
    found = [not set(a.band_keys()).isdisjoint(b.band_keys()) for a, b in zip(ones, others, strict=True)]
    assert sum(found) >= 296  # expected: 299
    strangers = [
        not set(a.band_keys()).isdisjoint(b.band_keys()) for a, b in zip(ones, others[1:], strict=False)
    ]
    assert sum(strangers) == 0


def test_similarity_is_exact_however_long_the_texts() -> None:
    words = [f"w{number}" for number in range(100_000)]
    a, b = sketch(" ".join(words)), sketch(" ".join(words[10_000:]))
    assert jaccard(a.shingles(), b.shingles()) == 89_996 / 99_996
