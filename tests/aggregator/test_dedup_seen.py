"""The index of seen texts: one contract for both stores, and the same clusters however the log is cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.dedup import (
    Duplicate,
    MemorySeenStore,
    SeenIndex,
    SqlSeenStore,
    dedup_metadata,
    dedup_tables,
)
from storage.state import State, sqlite_url
from windrow_protocol.content import normalise_text
from windrow_protocol.limits import NEAR_DUPLICATE_CANDIDATES_MAX

Opened = Callable[[], AbstractContextManager[SeenIndex]]


def page(first: int, last: int) -> str:
    return " ".join(f"w{i}" for i in range(first, last))


A = page(0, 104)  # 100 shingles
A_NEAR = page(11, 115)  # shares 89 of 111 with A: 0.80
A_FAR = page(12, 116)  # shares 88 of 112 with A: 0.786
B = page(500, 604)


class Database:
    """The real state of a house: SQLite in WAL mode with the index's tables beside its own."""

    def __init__(self, path: Path) -> None:
        self.state = State.open(sqlite_url(path), dedup_metadata)

    @contextmanager
    def open(self) -> Iterator[SeenIndex]:
        with self.state.write() as connection:
            yield SeenIndex(SqlSeenStore(connection, dedup_tables))


@pytest.fixture(params=["memory", "sql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    """Something that opens an index over the same store again and again, as one transaction each time."""
    if request.param == "memory":
        store = MemorySeenStore()
        yield lambda: nullcontext(SeenIndex(store))
    else:
        database = Database(tmp_path / "state.db")
        yield database.open
        database.state.close()


def judge(opened: Opened, contribution_id: str, text: str) -> Duplicate:
    with opened() as index:
        return index.judge(contribution_id, text)


def test_first_seen_wins_and_copies_say_whose_they_are(opened: Opened) -> None:
    assert judge(opened, "c1", A) == Duplicate("unique", "c1", "c1", 0.0, len(A))
    assert judge(opened, "c2", B) == Duplicate("unique", "c2", "c2", 0.0, len(B))
    assert judge(opened, "c3", A) == Duplicate("exact", "c1", "c1", 1.0, 0)
    assert judge(opened, "c4", A_NEAR) == Duplicate("near", "c1", "c1", 89 / 111, 0)
    assert judge(opened, "c5", A_NEAR) == Duplicate("exact", "c1", "c4", 1.0, 0)
    # Other punctuation and case are other bytes and the same words.
    assert judge(opened, "c6", B.upper() + ".") == Duplicate("near", "c2", "c2", 1.0, 0)


def test_below_the_bound_nothing_is_merged(opened: Opened) -> None:
    judge(opened, "c1", A)
    assert judge(opened, "c2", A_FAR).kind == "unique"


def test_a_chain_of_edits_stays_one_cluster(opened: Opened) -> None:
    kinds = [judge(opened, f"c{step}", page(step * 10, step * 10 + 104)) for step in range(12)]
    assert [d.kind for d in kinds] == ["unique"] + ["near"] * 11
    assert {d.cluster_id for d in kinds} == {"c0"}
    assert [d.first_contribution_id for d in kinds[1:]] == [f"c{step}" for step in range(11)]


def test_of_two_clusters_the_more_similar_one_is_joined_and_the_earlier_at_a_tie(opened: Opened) -> None:
    judge(opened, "left", page(0, 104))
    judge(opened, "right", page(16, 120))
    assert judge(opened, "nearer_right", page(9, 113)).cluster_id == "right"
    assert judge(opened, "tie", page(8, 112)).cluster_id == "right", "nearest is the copy of the right one"


def test_at_a_tie_the_earlier_cluster_is_joined(opened: Opened) -> None:
    judge(opened, "z_first", page(0, 104))
    judge(opened, "a_second", page(16, 120))
    assert judge(opened, "middle", page(8, 112)) == Duplicate("near", "z_first", "z_first", 92 / 108, 0)


def test_judging_again_changes_nothing(opened: Opened) -> None:
    first = judge(opened, "c1", A)
    assert judge(opened, "c1", A) == first
    assert judge(opened, "c2", A).kind == "exact"
    assert judge(opened, "c2", A).kind == "exact"
    assert judge(opened, "c1", A) == first


def test_short_and_empty_texts(opened: Opened) -> None:
    assert judge(opened, "c1", "One word").kind == "unique"
    assert judge(opened, "c2", "one WORD").kind == "near"
    assert judge(opened, "c3", "two words").kind == "unique"
    assert judge(opened, "c4", "!!!").kind == "unique"
    assert judge(opened, "c5", "???").kind == "unique"
    assert judge(opened, "c6", "!!!").kind == "exact"
    assert judge(opened, "c7", "") == Duplicate("unique", "c7", "c7", 0.0, 0)


def test_unique_bytes_are_counted_in_normal_form(opened: Opened) -> None:
    padded = "  Grüße \n\n\n\n  aus   Köln, wo alles anders ist  "
    assert judge(opened, "c1", padded).unique_bytes == len(normalise_text(padded).encode())


def test_erasure_forgets_a_text_with_its_last_owner_only(opened: Opened) -> None:
    for contribution_id in ("c1", "c2"):
        judge(opened, contribution_id, A)
    with opened() as index:
        assert index.remove("c1")
        assert not index.remove("c1")
        assert not index.remove("never seen")
    assert judge(opened, "c3", A) == Duplicate("exact", "c1", "c2", 1.0, 0)
    with opened() as index:
        assert index.remove("c2")
        assert index.remove("c3")
    assert judge(opened, "c4", A_NEAR).kind == "unique", "nothing is left to be near to"
    assert judge(opened, "c1", A) == Duplicate("near", "c4", "c4", 89 / 111, 0), "an erased id is a new one"


def test_erasure_in_the_middle_leaves_the_cluster_and_the_others(opened: Opened) -> None:
    judge(opened, "c1", A)
    judge(opened, "c2", A_NEAR)
    judge(opened, "c3", B)
    with opened() as index:
        assert index.remove("c1")
    assert judge(opened, "c4", A_NEAR) == Duplicate("exact", "c1", "c2", 1.0, 0)
    assert judge(opened, "c5", A) == Duplicate("near", "c1", "c2", 89 / 111, 0)
    assert judge(opened, "c6", B) == Duplicate("exact", "c3", "c3", 1.0, 0)


def test_a_crowded_band_does_not_hide_the_best_candidate(opened: Opened) -> None:
    """More texts share a band than are verified: those that share most bands are, so the copy is found."""
    with opened() as index:
        for i in range(NEAR_DUPLICATE_CANDIDATES_MAX * 2):
            index.judge(f"c{i}", page(0, 64) + " " + page(1000 + 40 * i, 1040 + 40 * i))
        wanted = NEAR_DUPLICATE_CANDIDATES_MAX * 2 - 1
        copy = page(0, 64) + " " + page(1000 + 40 * wanted, 1040 + 40 * wanted) + " end"
        assert index.judge("copy", copy).first_contribution_id == f"c{wanted}"


def test_a_rolled_back_batch_leaves_no_trace(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db")
    with database.state.write() as connection:
        SeenIndex(SqlSeenStore(connection, dedup_tables)).judge("c1", A)
        connection.rollback()
    with database.open() as index:
        assert index.judge("c2", A).kind == "unique"


def test_an_erasure_leaves_no_row(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db")
    with database.open() as index:
        index.judge("c1", A)
        index.remove("c1")
    with database.state.read() as connection:
        for table in dedup_metadata.sorted_tables:
            assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() == 0, table.name


WORDS = st.lists(st.integers(min_value=0, max_value=30), min_size=0, max_size=40)
EDITS = st.tuples(st.integers(min_value=0, max_value=4), st.integers(min_value=0, max_value=3))


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[str, str]]:
    """A log with many copies and near-copies: texts drawn from a few pages, with some words cut off or added."""
    pages = draw(st.lists(WORDS, min_size=1, max_size=4))
    entries = draw(st.lists(st.tuples(st.sampled_from(pages), EDITS), min_size=1, max_size=14))
    texts = [[*page_words[cut:], *range(100, 100 + added)] for page_words, (cut, added) in entries]
    return [(f"c{i}", " ".join(f"w{w}" for w in text)) for i, text in enumerate(texts)]


@settings(max_examples=40, deadline=None)
@given(logs(), st.data())
def test_the_same_log_gives_the_same_clusters_whatever_the_batching(
    tmp_path_factory: pytest.TempPathFactory, log: list[tuple[str, str]], data: st.DataObject
) -> None:
    whole = SeenIndex(MemorySeenStore()).judge_all(log)
    database = Database(tmp_path_factory.mktemp("state") / "state.db")
    batched: list[Duplicate] = []
    while len(batched) < len(log):
        size = data.draw(st.integers(min_value=1, max_value=len(log) - len(batched)))
        with database.open() as index:
            batched += index.judge_all(log[len(batched) : len(batched) + size])
    database.state.close()
    assert batched == whole
    clusters = {d.cluster_id for d in whole}
    assert clusters == {d.cluster_id for d in whole if d.kind == "unique"}, "a cluster is named by its first"
