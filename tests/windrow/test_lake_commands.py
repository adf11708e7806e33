"""`windrow lake`, `windrow sql --at`: as an operator runs them, with and without a running house."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from lake_world import LakeWorld
from running_house import RunningHouse, windrow


@pytest.fixture
def home(tmp_path: Path) -> Path:
    world = LakeWorld(tmp_path)
    for _ in range(5):
        world.append(2)
    world.state.close()
    return tmp_path


def test_the_lake_is_checked_counted_and_compacted(home: Path) -> None:
    stats = windrow("lake", "stats", "--home", home, "--json").json
    assert (stats["files"], stats["rows"], stats["snapshot"]) == (5, 10, 5)
    compacted = windrow("lake", "compact", "--all", "--home", home, "--json").json
    assert (compacted["files_before"], compacted["files"], compacted["snapshot"]) == (5, 1, 6)
    checked = windrow("lake", "check", "--home", home)
    assert (checked.code, checked.out) == (0, "1 files, 10 rows, snapshot 6\n")


def test_a_question_at_a_snapshot_sees_what_was_then(home: Path) -> None:
    windrow("lake", "compact", "--all", "--home", home)
    question = "SELECT count(*) AS n, max(seq) AS newest, any_value(text) FROM documents WHERE seq >= 3"
    for snapshot, rows in ((1, 0), (2, 2), (4, 6), (6, 8)):
        answer = windrow("sql", "--home", home, "--format", "json", "--at", snapshot, question)
        assert answer.json[0]["n"] == rows
        assert f"documents of snapshot {snapshot}," in answer.err
    refused = windrow("sql", "--home", home, "--at", 99, question)
    assert refused.code == 1
    assert "The lake has no such snapshot (99; kept are 1 to 6)" in refused.err
    listed = windrow(
        "sql", "--home", home, "--format", "json", "SELECT * FROM snapshots ORDER BY snapshot_id"
    )
    assert [row["kind"] for row in listed.json] == ["append"] * 5 + ["compact"]


def test_damage_is_named_and_ends_with_an_error(home: Path) -> None:
    path = sorted((home / "lake").iterdir())[2]
    path.write_bytes(path.read_bytes()[:-10])
    checked = windrow("lake", "check", "--home", home)
    assert checked.code == 1
    assert f"damage: {path.name}: wrong_digest: " in checked.out
    assert path.name in checked.err
    asked = windrow("sql", "--home", home, "SELECT count(*) FROM documents")
    assert asked.code == 1
    assert "a file of the lake cannot be read" in asked.err


def test_a_running_house_answers_about_its_lake(house: RunningHouse) -> None:
    stats = windrow("lake", "stats", "--json", env=house.env).json
    assert stats["snapshot"] >= 0
    assert windrow("lake", "check", env=house.env).code == 0
    assert windrow("lake", "compact", "--json", env=house.env).json["rows"] == stats["rows"]


def test_duplicates_are_looked_for_again_into_a_new_file(home: Path, tmp_path: Path) -> None:
    found = windrow("lake", "duplicates", "--home", home, "--out", tmp_path / "again.parquet", "--json").json
    assert (found["rows"], found["unique"], found["snapshot"]) == (10, 10, 5)
    rows = pq.read_table(tmp_path / "again.parquet").to_pylist()
    assert [row["seq"] for row in rows] == list(range(1, 11))
    assert {row["dup_kind"] for row in rows} == {"unique"}
    told = windrow("lake", "duplicates", "--home", home)
    assert told.out == f"10 rows: 10 unique, 0 exact, 0 near; {found['differing']} were judged otherwise\n"
    refused = windrow("lake", "duplicates", "--home", home, "--out", tmp_path / "again.parquet")
    assert (refused.code, "[bad_usage]" in refused.err) == (2, True)
    stats = windrow("lake", "stats", "--home", home, "--json").json
    assert stats["snapshot"] == 5, "it only looks"
