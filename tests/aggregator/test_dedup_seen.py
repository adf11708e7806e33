"""Novelty: who was first, what is a copy of whom, and the same clusters however the log is cut into batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seen_world import Seen, page

from aggregator.dedup import Duplicate, Postings, sketch, verifying
from storage.real_env import PosixDisk
from windrow_protocol.content import normalise_text
from windrow_protocol.limits import NEAR_DUPLICATE_CANDIDATES_MAX, NEAR_DUPLICATE_POSTINGS_MAX

A = page(0, 104)  # 100 shingles
A_NEAR = page(11, 115)  # shares 89 of 111 with A: 0.80
A_FAR = page(12, 116)  # shares 88 of 112 with A: 0.786
B = page(500, 604)


@pytest.fixture(params=["memory", "folder", "many small runs"])
def seen(request: pytest.FixtureRequest, tmp_path: Path) -> Seen:
    if request.param == "memory":
        return Seen()
    flush_texts = 1 if request.param == "many small runs" else 100
    return Seen(Postings(PosixDisk(), tmp_path / "dedup", flush_texts=flush_texts))


def test_first_seen_wins_and_copies_say_whose_they_are(seen: Seen) -> None:
    assert seen.judge("c1", A) == Duplicate("unique", "c1", "c1", 0.0, len(A))
    assert seen.judge("c2", B) == Duplicate("unique", "c2", "c2", 0.0, len(B))
    assert seen.judge("c3", A) == Duplicate("exact", "c1", "c1", 1.0, 0)
    assert seen.judge("c4", A_NEAR) == Duplicate("near", "c1", "c1", 89 / 111, 0)
    assert seen.judge("c5", A_NEAR) == Duplicate("exact", "c1", "c4", 1.0, 0)
    # Other punctuation and case are other bytes and the same words.
    assert seen.judge("c6", B.upper() + ".") == Duplicate("near", "c2", "c2", 1.0, 0)


def test_below_the_bound_nothing_is_merged(seen: Seen) -> None:
    seen.judge("c1", A)
    assert seen.judge("c2", A_FAR).kind == "unique"


def test_a_chain_of_edits_stays_one_cluster(seen: Seen) -> None:
    kinds = [seen.judge(f"c{step}", page(step * 10, step * 10 + 104)) for step in range(12)]
    assert [d.kind for d in kinds] == ["unique"] + ["near"] * 11
    assert {d.cluster_id for d in kinds} == {"c0"}
    assert [d.first_contribution_id for d in kinds[1:]] == [f"c{step}" for step in range(11)]


def test_of_two_clusters_the_more_similar_one_is_joined(seen: Seen) -> None:
    seen.judge("left", page(0, 104))
    seen.judge("right", page(16, 120))
    assert seen.judge("nearer_right", page(9, 113)).cluster_id == "right"
    assert seen.judge("tie", page(8, 112)).cluster_id == "right", "nearest is the copy of the right one"


def test_at_a_tie_the_earlier_cluster_is_joined(seen: Seen) -> None:
    seen.judge("z_first", page(0, 104))
    seen.judge("a_second", page(16, 120))
    assert seen.judge("middle", page(8, 112)) == Duplicate("near", "z_first", "z_first", 92 / 108, 0)


def test_short_and_empty_texts(seen: Seen) -> None:
    assert seen.judge("c1", "One word").kind == "unique"
    assert seen.judge("c2", "one WORD").kind == "near"
    assert seen.judge("c3", "two words").kind == "unique"
    assert seen.judge("c4", "!!!").kind == "unique"
    assert seen.judge("c5", "???").kind == "unique"
    assert seen.judge("c6", "!!!").kind == "exact"
    assert seen.judge("c7", "") == Duplicate("unique", "c7", "c7", 0.0, 0)


def test_unique_bytes_are_counted_in_normal_form(seen: Seen) -> None:
    padded = "  Grüße \n\n\n\n  aus   Köln, wo alles anders ist  "
    assert seen.judge("c1", padded).unique_bytes == len(normalise_text(padded).encode())


def test_a_passage_is_paid_once_however_often_a_text_says_it(seen: Seen) -> None:
    """Whoever repeats a page twenty times brought one page."""
    assert seen.judge("page", A).unique_bytes == len(A)
    said_often = " ".join([B] * 20)
    assert len(B) - 20 <= seen.judge("page, 20 times", said_often).unique_bytes <= len(B)


def test_of_a_passage_that_is_slightly_renamed_only_the_new_words_are_paid(seen: Seen) -> None:
    """One word in ten is another one in each of twenty copies: half of the shingles are, nine words in ten are not."""
    copies = [[f"n{copy}_{i}" if i % 10 == 0 else f"w{i}" for i in range(500, 604)] for copy in range(20)]
    text = " ".join(word for copy in copies for word in copy)
    renamed = sum(len(word) + 1 for copy in copies[1:] for word in copy if word[0] == "n")
    assert seen.judge("c1", text).unique_bytes <= (len(B) + renamed) * 5 // 4


def test_what_is_paid_never_grows_by_repeating(seen: Seen) -> None:
    assert seen.judge("no words", "!!! ... ?").unique_bytes == 0
    assert seen.judge("few", "one two three").unique_bytes == len("one two three")
    assert seen.judge("one word", "ha " * 3_000).unique_bytes <= 3
    assert seen.judge("two words", "tick tock " * 3_000).unique_bytes <= 10


WORDS_REPEATED = st.lists(st.integers(min_value=0, max_value=5), min_size=0, max_size=60)


@settings(max_examples=200, deadline=None)
@given(WORDS_REPEATED)
def test_new_words_are_those_in_no_shingle_that_stood_before(numbers: list[int]) -> None:
    words = [f"w{number}" for number in numbers]
    text = " ".join(words)
    shingles = [tuple(words[i : i + 5]) for i in range(max(1, len(words) - 4))] if words else []
    repeated = {i for i, shingle in enumerate(shingles) if shingle in shingles[:i]}
    new = [i for i in range(len(words)) if repeated.isdisjoint(range(i - 4, i + 1))]
    assert sketch(text).unique_bytes() == (len(text) * len(new) // len(words) if words else 0)


def test_equal_keys_are_not_enough_to_be_a_copy(seen: Seen) -> None:
    """The index knows 32 bits of a digest: what decides is the whole of it."""
    seen.judge("c1", A)
    seen.judged[1] = seen.judged[1]._replace(text_sha256="0" * 64)
    assert seen.judge("c2", A) == Duplicate("near", "c1", "c1", 1.0, 0)


def test_an_erased_text_is_nobodys_original(seen: Seen) -> None:
    seen.judge("c1", A)
    seen.judge("c2", A_NEAR)
    seen.erase(1)
    assert seen.judge("c3", A_NEAR) == Duplicate("exact", "c1", "c2", 1.0, 0)
    assert seen.judge("c4", A) == Duplicate("near", "c1", "c2", 89 / 111, 0), "found under the one left"
    seen.erase(2)
    seen.erase(4)
    assert seen.judge("c5", A_FAR).kind == "unique"


def test_a_crowded_band_does_not_hide_the_best_candidate(seen: Seen) -> None:
    """More texts share a band than are verified: those that share most bands are, so the copy is found."""
    count = NEAR_DUPLICATE_CANDIDATES_MAX * 2
    texts = [page(0, 64) + " " + page(1000 + 40 * i, 1040 + 40 * i) for i in range(count)]
    seen.judge_all([(f"c{i}", text) for i, text in enumerate(texts)])
    assert seen.judge("copy", texts[-1] + " end").first_contribution_id == f"c{count - 1}"


def test_a_trap_of_nearly_equal_pages_costs_no_more_than_the_bound() -> None:
    count = NEAR_DUPLICATE_POSTINGS_MAX + 50
    texts = [(f"c{i}", f"{page(0, 200)} {i}") for i in range(count + 20)]
    whole = Seen()
    found = whole.judge_all(texts[:count]) + whole.judge_all(texts[count:])
    assert {duplicate.cluster_id for duplicate in found} == {"c0"}
    assert len(whole.read) <= NEAR_DUPLICATE_CANDIDATES_MAX * 20
    assert found == in_batches(Seen(), texts, lambda _: 30), "bounded in the same way whatever the batching"


WORDS = st.lists(st.integers(min_value=0, max_value=30), min_size=0, max_size=40)
EDITS = st.tuples(st.integers(min_value=0, max_value=4), st.integers(min_value=0, max_value=3))


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[str, str]]:
    """A log with many copies and near-copies: texts drawn from a few pages, with some words cut off or added."""
    pages = draw(st.lists(WORDS, min_size=1, max_size=4))
    entries = draw(st.lists(st.tuples(st.sampled_from(pages), EDITS), min_size=1, max_size=14))
    texts = [[*page_words[cut:], *range(100, 100 + added)] for page_words, (cut, added) in entries]
    return [(f"c{i}", " ".join(f"w{w}" for w in text)) for i, text in enumerate(texts)]


def in_batches(seen: Seen, log: list[tuple[str, str]], size: Callable[[int], int]) -> list[Duplicate]:
    """Judge a log in batches, each as large as `size` says when so many are left."""
    judged: list[Duplicate] = []
    while len(judged) < len(log):
        judged += seen.judge_all(log[len(judged) :][: size(len(log) - len(judged))])
    return judged


@settings(max_examples=60, deadline=None)
@given(logs(), st.integers(1, 9), st.data())
def test_the_same_log_gives_the_same_clusters_whatever_the_batching(
    tmp_path_factory: pytest.TempPathFactory, log: list[tuple[str, str]], flush: int, data: st.DataObject
) -> None:
    whole = Seen().judge_all(log)
    postings = Postings(PosixDisk(), tmp_path_factory.mktemp("house") / "dedup", flush_texts=flush)
    found = in_batches(Seen(postings), log, lambda left: data.draw(st.integers(1, left)))
    postings.close()
    assert found == whole
    assert found == in_batches(Seen(), log, lambda _: 1)
    clusters = {d.cluster_id for d in whole}
    assert clusters == {d.cluster_id for d in whole if d.kind == "unique"}, "a cluster is named by its first"


def test_candidates_are_compared_alike_in_one_piece_and_in_two_halves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pages = [page(1000 * n, 1000 * n + 104) for n in range(6)]
    edits = [page(1000 * n + cut, 1000 * n + 104 + cut) for n in range(6) for cut in range(1, 8)]
    found = []
    for at_least in (1, 10**6):
        monkeypatch.setattr(verifying, "_BESIDE_TEXTS_MIN", at_least)
        monkeypatch.setattr(verifying, "_BESIDE_PAIRS_MIN", at_least)
        seen = Seen()
        seen.judge_all([(f"p{n}", text) for n, text in enumerate(pages)])
        found.append(seen.judge_all([(f"e{n}", text) for n, text in enumerate(edits)]))
    assert found[0] == found[1]
    assert {each.kind for each in found[0]} == {"near"}
    assert {each.cluster_id for each in found[0]} == {f"p{n}" for n in range(6)}
