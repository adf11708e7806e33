"""The comparison of a contribution with truths: its properties, its table, and real versions of real pages."""

from __future__ import annotations

from itertools import combinations

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_data import real_data

from aggregator.verification.comparing.comparison import Similarity, decide, is_nested, similarity
from windrow_protocol.errors import REASONS
from windrow_protocol.limits import MATCH_SIMILARITY_MIN, MISMATCH_MARGIN, TRUTH_AGREEMENT_MIN

WORD = st.sampled_from([f"word{i}" for i in range(60)])
PAGE = st.lists(WORD, min_size=0, max_size=80).map(" ".join)
LONG_PAGE = st.lists(WORD, min_size=30, max_size=120).map(" ".join)
GARBAGE = st.lists(st.sampled_from([f"junk{i}" for i in range(60)]), min_size=1, max_size=80).map(" ".join)


def page(first: int, last: int) -> str:
    """A text whose every word is its own, so that shares can be counted by hand."""
    return " ".join(f"w{i}" for i in range(first, last))


@given(PAGE, PAGE)
def test_comparison_is_symmetric_and_bounded(a: str, b: str) -> None:
    there, back = similarity(a, b), similarity(b, a)
    assert there.two_sided == back.two_sided == min(there.a_in_b, there.b_in_a)
    assert (there.a_in_b, there.shingles_a) == (back.b_in_a, back.shingles_b)
    assert 0.0 <= there.two_sided <= 1.0


@given(PAGE)
def test_identical_texts_are_wholly_alike_whatever_their_case_and_blanks(text: str) -> None:
    assert similarity(text, text.upper().replace(" ", "\n ")).two_sided == 1.0


@given(PAGE.filter(bool), GARBAGE)
def test_padding_lowers_similarity_and_shows_as_the_share_of_a_in_b(text: str, padding: str) -> None:
    padded = similarity(f"{text} {padding}", text)
    assert padded.two_sided < 1.0
    assert padded.a_in_b == padded.two_sided


@given(LONG_PAGE, st.integers(min_value=1, max_value=20))
def test_leaving_out_lowers_similarity_as_much_as_padding_would(text: str, dropped: int) -> None:
    kept = " ".join(text.split()[:-dropped])
    assert similarity(kept, text).two_sided == similarity(text, kept).two_sided
    assert similarity(kept, text).two_sided <= 1.0
    assert similarity(kept, text).a_in_b == 1.0


def test_a_short_text_is_one_shingle_and_an_empty_one_none() -> None:
    assert similarity("One two", "one TWO") == Similarity(1.0, 1.0, 1.0, 1, 1)
    assert similarity("one two", "one two three").two_sided == 0.0
    assert similarity("", "!!!") == Similarity(1.0, 1.0, 1.0, 0, 0)
    assert similarity("", "one two three four five") == Similarity(0.0, 0.0, 0.0, 0, 1)


def test_the_share_is_counted_exactly() -> None:
    # 100 words are 96 shingles; the halves of 100 words that start 40 words apart share 56.
    result = similarity(page(0, 100), page(40, 140))
    assert result == Similarity(56 / 96, 56 / 96, 56 / 96, 96, 96)
    assert similarity(page(0, 100), page(0, 54)) == Similarity(50 / 96, 50 / 96, 1.0, 96, 50)


TRUTH = page(100, 204)  # 100 shingles
LATER = page(125, 229)  # agrees with TRUTH at 0.75
FAR = page(500, 604)
ALIKE = ("match", "matches_truth")
WANTED = ("need_truth", "")
MISMATCH = ("mismatch", "differs_from_truth")
TABLE = [
    ("one truth, alike", TRUTH, [TRUTH], ALIKE),
    ("one truth, exactly at the bound", page(140, 244), [TRUTH], ALIKE),
    ("one truth, just under the bound", page(141, 245), [TRUTH], WANTED),
    ("no truth yet", TRUTH, [], WANTED),
    ("a truth without words is none", FAR, ["", TRUTH], WANTED),
    ("two empty truths prove nothing", FAR, ["", "…"], WANTED),
    ("the second truth is the one alike", FAR, [TRUTH, FAR], ALIKE),
    ("truths disagree", FAR, [TRUTH, page(131, 235)], ("no_evidence", "truths_disagree")),
    ("two truths agree, nothing shared: a third is asked", FAR, [TRUTH, LATER], WANTED),
    ("three truths agree, nothing shared", FAR, [TRUTH, LATER, TRUTH], MISMATCH),
    ("three truths are equal, half shared", page(150, 254), [TRUTH, TRUTH, TRUTH], MISMATCH),
    ("the third truth is the one alike", FAR, [TRUTH, LATER, FAR], ALIKE),
    ("the third truth disagrees", FAR, [TRUTH, TRUTH, page(131, 235)], ("no_evidence", "truths_disagree")),
    ("a third truth without words is none", FAR, [TRUTH, TRUTH, "!"], WANTED),
    (
        "truths agree at 0.75, exactly 0.50 shared",
        page(50, 154),
        [TRUTH, LATER],
        ("no_evidence", "inconclusive"),
    ),
    ("truths agree at 0.75, 0.49 shared", page(49, 153), [TRUTH, LATER, TRUTH], MISMATCH),
    ("a contribution without words", "!", [TRUTH, LATER, TRUTH], MISMATCH),
]


@pytest.mark.parametrize(
    ("text", "truths", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_the_table_of_decisions(text: str, truths: list[str], expected: tuple[str, str]) -> None:
    decision = decide(text, truths)
    assert (decision.kind, decision.reason_code) == expected
    assert not decision.reason_code or decision.reason_code in REASONS
    # A verdict never depends on which truth came first.
    assert decide(text, truths[::-1]) == decision


PART = page(100, 154)  # half of TRUTH


def test_further_truths_of_a_part_take_a_mismatch_back_and_take_nothing_as_right() -> None:
    assert is_nested(PART, [TRUTH])
    assert is_nested(TRUTH, [PART])
    assert not is_nested(FAR, [TRUTH])
    assert not is_nested(PART, [])
    for count in range(3, 8):
        assert decide(PART, [TRUTH] * count).kind == "mismatch"
    for count in range(3, 7):
        decision = decide(PART, [TRUTH] * count + [PART])
        assert (decision.kind, decision.reason_code) == ("no_evidence", "truths_disagree")


def test_eight_truths_are_not_this_protocol() -> None:
    with pytest.raises(ValueError, match="8 truths"):
        decide("text", ["a"] * 8)


def test_a_stale_copy_earns_nothing_and_proves_nothing() -> None:
    earlier, today = page(0, 1_000), page(0, 1_040)
    assert decide(earlier, [today]).kind == "match"  # nobody knew the earlier version
    stale = decide(earlier, [today, today, today], earlier)
    assert (stale.kind, stale.reason_code) == (
        "no_evidence",
        "perhaps_stale",
    )  # the news may be younger than it
    assert decide(page(500, 1_500), [today] * 3, earlier).kind == "mismatch"
    assert decide(today, [today], earlier).kind == "match"


def test_a_block_that_changes_with_every_fetch_is_no_news() -> None:
    earlier = page(0, 1_000)
    truths = [f"{earlier} {page(2_000 + 40 * i, 2_040 + 40 * i)}" for i in range(3)]
    mine = f"{earlier} {page(5_000, 5_040)}"
    assert decide(mine, truths[:1], earlier).kind == "need_truth"
    assert decide(mine, truths[:2], earlier).kind == "match"


def test_the_excess_of_padding_and_of_truths_among_themselves_is_told() -> None:
    padded = decide(f"{page(0, 104)} {page(500, 525)}", [page(0, 104)])
    assert (padded.kind, padded.confirmed, padded.truth_excess) == ("match", 100 / 125, None)
    pair = decide(TRUTH, [TRUTH, LATER])
    assert pair.truth_excess == pytest.approx(0.25)


@given(LONG_PAGE, LONG_PAGE, LONG_PAGE)
def test_knowing_an_earlier_version_never_helps_a_contribution(text: str, truth: str, earlier: str) -> None:
    assert decide(text, [truth], earlier).score <= decide(text, [truth]).score


@given(GARBAGE, LONG_PAGE)
def test_garbage_is_a_mismatch_when_truths_agree(garbage: str, truth: str) -> None:
    assert decide(garbage, [truth, truth, truth]).kind == "mismatch"


@settings(max_examples=200)
@given(PAGE, st.lists(PAGE, min_size=2, max_size=3))
def test_a_mismatch_needs_three_agreeing_truths_that_are_all_far_away(text: str, truths: list[str]) -> None:
    decision = decide(text, truths)
    agreement = min(similarity(a, b).two_sided for a, b in combinations(truths, 2))
    best = max(similarity(text, truth).two_sided for truth in truths)
    if decision.kind == "mismatch":
        assert len(truths) == 3
        assert agreement >= TRUTH_AGREEMENT_MIN
        assert best < min(agreement - MISMATCH_MARGIN, MATCH_SIMILARITY_MIN)
    if all(truths) and best >= MATCH_SIMILARITY_MIN:
        assert decision.kind == "match"


def test_real_versions_of_a_page_match_and_other_pages_never_do() -> None:
    """Five releases of a manual: a small edit is honest, another page's text is not the page."""
    table = pq.read_table(real_data("neardup_jest_docs") / "docs.parquet").to_pylist()
    pages: dict[str, list[str]] = {}
    for row in table:
        pages.setdefault(row["cluster"], []).append(row["text"])
    newest = {name: versions[0] for name, versions in pages.items()}
    assert all(decide(text, [text]).kind == "match" for text in newest.values())
    names = sorted(newest)
    for name, other in zip(names, names[1:] + names[:1], strict=True):
        decision = decide(newest[other], [newest[name]] * 3)
        assert decision.kind == "mismatch", f"{other} passed for {name} at {decision.score}"
