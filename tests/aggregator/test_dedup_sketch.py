"""The sketch: fixed on every machine, bounded, and a fair estimate where it is not exact."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.dedup import minhash
from aggregator.dedup.minhash import band_keys, from_bytes, jaccard, sketch, to_bytes
from windrow_protocol.content import shingle_hashes
from windrow_protocol.limits import SHINGLES_KEPT_MAX

HASHES = st.sets(st.integers(min_value=0, max_value=2**64 - 1), max_size=60)
TEXT = "the quick brown fox jumps over the lazy dog and runs away"
KEYS_OF_TEXT = (-4089385706495892080, -1379667858907445557, -2471270839510963685)


def hashes(values: set[int]) -> minhash.Hashes:
    return np.array(sorted(values), dtype=np.uint64)


def many(first: int, count: int) -> minhash.Hashes:
    """Hashes that look like shingles' hashes: spread over all 64 bits, and equal for equal numbers."""
    mixed = (np.arange(first, first + count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(31)
    return np.sort(mixed * np.uint64(0xBF58476D1CE4E5B9))


def test_the_keys_are_the_same_on_every_machine_for_ever() -> None:
    # Written down once: an index on disk is worthless if this ever changes.
    keys = band_keys(sketch(TEXT).shingles)
    assert len(keys) == minhash.BANDS == len(set(keys))
    assert keys[:3] == KEYS_OF_TEXT
    assert all(-(2**63) <= key < 2**63 for key in keys)


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_the_keys_do_not_depend_on_the_process(seed: str) -> None:
    program = (
        f"from aggregator.dedup.minhash import band_keys, sketch;print(*band_keys(sketch({TEXT!r}).shingles))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    printed = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert tuple(map(int, printed.stdout.split())) == band_keys(sketch(TEXT).shingles)


@given(HASHES, HASHES)
def test_similarity_of_complete_sketches_is_exact(a: set[int], b: set[int]) -> None:
    expected = len(a & b) / len(a | b) if a and b else 0.0
    assert jaccard(hashes(a), hashes(b)) == expected == jaccard(hashes(b), hashes(a))


@given(HASHES)
def test_hashes_survive_storage(values: set[int]) -> None:
    assert from_bytes(to_bytes(hashes(values))).tolist() == sorted(values)


def test_a_torn_row_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        from_bytes(b"123456789")


def test_a_sketch_holds_the_shingles_of_the_protocol() -> None:
    seen = sketch(TEXT)
    assert set(seen.shingles.tolist()) == shingle_hashes(TEXT)
    assert seen.shingle_count == len(TEXT.split()) - 4
    assert seen.text_bytes == len(TEXT)


def test_a_text_without_words_is_nobodys_near_copy() -> None:
    assert band_keys(sketch("!!! …").shingles) == ()
    assert jaccard(sketch("!").shingles, sketch("?").shingles) == 0.0


def test_a_huge_text_is_sampled_and_bounded() -> None:
    words = (str(i * 7919) for i in range(SHINGLES_KEPT_MAX + 20_000))
    seen = sketch(" ".join(words))
    assert seen.shingle_count == SHINGLES_KEPT_MAX + 19_996
    assert seen.shingles.size == SHINGLES_KEPT_MAX


@pytest.mark.parametrize(
    ("first", "count", "expected"), [(0, 200_000, 1.0), (20_000, 200_000, 9 / 11), (0, 160_000, 0.8)]
)
def test_similarity_of_sampled_sketches_is_close(first: int, count: int, expected: float) -> None:
    a, b = many(0, 200_000)[:SHINGLES_KEPT_MAX], many(first, count)[:SHINGLES_KEPT_MAX]
    # The standard error of 65,536 samples is below 0.002.
    assert jaccard(a, b) == pytest.approx(expected, abs=0.008)


def test_bands_find_four_in_five_shared_and_leave_strangers_alone() -> None:
    found = strangers = 0
    for start in range(0, 4_000_000, 20_000):
        # 200 of each set of 900 differ: Jaccard 0.8.
        a, b = many(start, 900), many(start + 100, 900)
        found += not set(band_keys(a)).isdisjoint(band_keys(b))
        strangers += not set(band_keys(a)).isdisjoint(band_keys(many(start + 10_000, 900)))
    assert found >= 199
    assert strangers == 0
