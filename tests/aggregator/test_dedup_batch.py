"""All texts at once give the clusters that the log's order gives, however they are cut and whoever computes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from cluster_world import doubtful_texts, written
from published_world import open_world
from seen_world import Seen

from aggregator.dedup.batch import SCHEMA, cluster_all
from aggregator.dedup.whole_lake import duplicates_again
from storage.lake import Lake
from storage.runner import LocalRunner
from storage.state import State
from windrow_protocol.errors import WindrowError


def one_after_the_other(texts: list[str], at_once: int) -> list[dict[str, Any]]:
    """Return what the house's own index says of texts that come one batch after the other."""
    seen, found = Seen(), []
    told = [(f"c{seq}", text) for seq, text in enumerate(texts, 1)]
    for start in range(0, len(told), at_once):
        found += seen.judge_all(told[start : start + at_once])
    return [
        {
            "seq": seq,
            "contribution_id": f"c{seq}",
            "dup_kind": each.kind,
            "dup_cluster_id": each.cluster_id,
            "dup_first_id": each.first_contribution_id,
            "dup_similarity": each.similarity,
            "unique_bytes": each.unique_bytes,
        }
        for seq, each in enumerate(found, 1)
    ]


@pytest.mark.parametrize(("seed", "files", "span"), [(1, 1, 2048), (2, 5, 7), (3, 9, 64)])
def test_clusters_are_those_of_the_house_however_files_are_cut(
    tmp_path: Path, seed: int, files: int, span: int
) -> None:
    texts = doubtful_texts(300, seed)
    found = cluster_all(LocalRunner(), written(tmp_path, texts, files, seed), span)
    assert found.schema == SCHEMA
    assert found.to_pylist() == one_after_the_other(texts, 37)
    kinds = set(found["dup_kind"].to_pylist())
    assert kinds == {"unique", "exact", "near"}


def test_a_page_of_which_there_are_thousands_is_bounded_as_it_is_in_the_house(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(60)]
    texts = [" ".join([*words, f"x{number}"]) for number in range(700)]
    found = cluster_all(LocalRunner(), written(tmp_path, texts, 3, 5), 100)
    assert found.to_pylist() == one_after_the_other(texts, 64)


def test_an_empty_lake_has_no_clusters() -> None:
    assert cluster_all(LocalRunner(), []) == SCHEMA.empty_table()


def test_texts_of_hard_hosts_are_left_out(tmp_path: Path) -> None:
    groups = written(tmp_path, ["one two three four five six"] * 4, 1, 1, hard=(1, 3))
    found = cluster_all(LocalRunner(), groups)
    assert found["seq"].to_pylist() == [2, 4]
    assert found["dup_kind"].to_pylist() == ["unique", "exact"]


def test_a_house_judged_each_text_as_all_at_once_are_judged(tmp_path: Path) -> None:
    world = open_world(tmp_path / "house")
    lake = Lake(world.house.env, world.house.home / "lake")
    out = tmp_path / "again.parquet"
    counts = duplicates_again(world.house, lake, out)
    assert (counts["differing"], counts["exact"], counts["near"]) == (0, 1, 1)
    again = pq.read_table(out)
    assert again.schema == SCHEMA
    assert again.num_rows == counts["rows"]
    with pytest.raises(WindrowError, match="is there already"):
        duplicates_again(world.house, lake, out)


def test_what_was_judged_otherwise_is_counted(tmp_path: Path) -> None:
    world = open_world(tmp_path / "house")
    lake = Lake(world.house.env, world.house.home / "lake")
    copy = next(row for row in rows_of(lake, world.house.state) if row["dup_kind"] == "exact")
    file = lake.write(
        [{**copy, "seq": 9_999, "contribution_id": "c9999", "dup_kind": "unique"}], 9_999, 9_999
    )
    with world.house.state.write() as connection:
        lake.commit(connection, file)
    assert duplicates_again(world.house, lake)["differing"] == 1


def rows_of(lake: Lake, state: State) -> list[dict[str, Any]]:
    """Return all rows of a lake."""
    with state.read() as connection:
        rows: list[dict[str, Any]] = lake.dataset(connection).to_table().to_pylist()
    return rows
