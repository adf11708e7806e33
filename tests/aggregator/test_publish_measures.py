"""What is measured of an export is true of its rows, and what changed is counted row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from published_world import RECIPES

from aggregator.publish.filters import Dropped
from aggregator.publish.measuring import RowCounts, changes_since, measures_of
from aggregator.publish.recipe import load_recipe
from storage.published import PublishedFiles
from storage.real_env import PosixDisk
from windrow_protocol.errors import WindrowError
from windrow_protocol.export_measures import Measures, decode_measures, encode_measures

RECIPE = load_recipe(RECIPES, "web_text")
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "token_count": st.integers(0, 10**7),
            "pii_redactions": st.integers(0, 3),
            "language_score": st.none() | st.floats(0, 1),
            "dup_cluster_size": st.none() | st.integers(1, 10**6),
            "robots_state": st.sampled_from(["allowed", "no_robots", None]),
            "optout_signals": st.lists(st.just("noai"), max_size=1),
            "verdict": st.sampled_from(["accepted", "unaudited"]),
            "fetched_at": st.integers(1, 2**41),
        }
    ),
    max_size=40,
)


def measured(rows: list[dict[str, Any]]) -> Measures:
    counts = RowCounts()
    for row in rows:
        counts.count(row)
    return decode_measures(encode_measures(measures_of(RECIPE, counts, Dropped(), None)))


def in_bin(label: str, value: int) -> bool:
    low, _, high = label.removesuffix(" or more").replace(",", "").partition("–")
    return int(low) <= value and (label.endswith("more") or value <= int(high or low))


@given(ROWS)
def test_each_row_is_counted_once_and_in_its_own_bin(rows: list[dict[str, Any]]) -> None:
    found = measured(rows)
    tokens = [row["token_count"] for row in rows]
    clusters = [row["dup_cluster_size"] for row in rows if row["dup_cluster_size"] is not None]
    for bins, values in ((found.row_tokens, tokens), (found.cluster_sizes, clusters)):
        assert sum(each.rows for each in bins) == len(values)
        assert all(each.rows == sum(in_bin(each.label, value) for value in values) for each in bins)
    assert sum(each.rows for each in found.language_scores) == sum(
        row["language_score"] is not None for row in rows
    )
    assert (found.rows_with_optouts or 0) == sum(bool(row["optout_signals"]) for row in rows)
    times = sorted(row["fetched_at"] for row in rows)
    if times:
        assert found.fetched is not None
        assert (found.fetched.oldest_ms, found.fetched.newest_ms) == (times[0], times[-1])
        assert 0 <= times[(len(times) - 1) // 2] - found.fetched.median_ms < 60_000
    else:
        assert found.fetched is None


def test_a_column_that_is_not_there_is_not_measured() -> None:
    found = measured([{"token_count": 5, "pii_redactions": 0}])
    assert (found.language_scores, found.cluster_sizes, found.fetched) == ([], [], None)
    assert found.rows_with_optouts is None


def version(folder: Path, texts: dict[str, str]) -> Path:
    folder.mkdir()
    table = pa.table({"id": list(texts), "text_sha256": list(texts.values()), "node_id": ["n"] * len(texts)})
    pq.write_table(table, folder / "provenance.parquet")
    return folder


def test_what_changed_is_counted_by_id_and_text(tmp_path: Path) -> None:
    old = version(tmp_path / "0.1.0", {"a": "1", "b": "2", "c": "3"})
    new = version(tmp_path / "built", {"a": "1", "b": "other", "d": "4", "e": "5"})
    found = changes_since(new, PublishedFiles(PosixDisk(), old), RECIPE)
    assert (found.since, found.rows_new, found.rows_gone, found.rows_replaced) == ("0.1.0", 2, 1, 1)
    assert found.recipe_changed  # it does not say by which recipe it was made
    (old / "measures.json").write_bytes(encode_measures(measured([])))
    assert not changes_since(new, PublishedFiles(PosixDisk(), old), RECIPE).recipe_changed
    with pytest.raises(WindrowError) as refusal:
        changes_since(new, PublishedFiles(PosixDisk(), tmp_path / "0.0.1"), RECIPE)
    assert refusal.value.code == "export_corrupt"


@pytest.mark.parametrize("change", [{"format": "other"}, {"rows_redacted": -1}, {"more": 1}, {"fetched": 5}])
def test_other_measures_are_refused(change: dict[str, Any]) -> None:
    body = msgspec.json.encode(msgspec.to_builtins(measured([])) | change)
    with pytest.raises(WindrowError) as refusal:
        decode_measures(body)
    assert refusal.value.code == "export_corrupt"
