"""What an older curation judged is judged again: the same documents, new columns, earlier snapshots as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from published_world import RECIPES, PublishedWorld, open_world

from aggregator.curation import VERSION
from aggregator.curation.host_lists import HostLists
from aggregator.curation.recompute import Recompute
from aggregator.publish.export import publish
from storage.lake import Lake
from storage.lake.checking import check_lake
from storage.lake.manifest import (
    add_file,
    begin_snapshot,
    files_of,
    finish_snapshot,
    latest_snapshot,
    remove_files,
)
from storage.tables import contributions as tables
from storage.tables.annotations import ANNOTATION_COLUMNS
from windrow_protocol.errors import WindrowError


@pytest.fixture
def world(tmp_path: Path) -> PublishedWorld:
    return open_world(tmp_path / "house")


def lake_of(world: PublishedWorld) -> Lake:
    return Lake(world.house.env, world.house.home / "lake")


def rows_of(world: PublishedWorld, snapshot: int | None = None) -> list[dict[str, Any]]:
    with world.house.state.read() as connection:
        rows: list[dict[str, Any]] = lake_of(world).dataset(connection, snapshot).to_table().to_pylist()
    return sorted(rows, key=lambda row: row["seq"])


def make_older(world: PublishedWorld) -> int:
    """Write every file as a house of version 1 would have, with another language, and return the snapshot."""
    lake, state = lake_of(world), world.house.state
    unknown = {column.name: None for column in ANNOTATION_COLUMNS} | {"language": "xx", "token_count": 1}
    with state.read() as connection:
        files = files_of(connection)
    for file in files:
        rows = [{**row, **unknown} for row in pq.read_table(lake.folder / file.path).to_pylist()]
        older = lake.write(rows, file.first_seq, file.last_seq)
        with state.write() as connection:
            snapshot = begin_snapshot(connection, "compact", world.house.now_ms())
            remove_files(connection, [file.path], snapshot)
            add_file(connection, older, snapshot, world.house.now_ms())
            finish_snapshot(connection, snapshot)
            connection.execute(sa.update(tables.annotations).values(language="xx", version=1))
    return snapshot


def recompute(world: PublishedWorld, lists: HostLists | None = None, *, everything: bool = False) -> int:
    work = Recompute(world.house.state, lake_of(world), lists or HostLists(), everything=everything)
    while work.step():
        pass
    return work.rows


def test_rows_are_as_if_they_had_just_been_judged(world: PublishedWorld) -> None:
    before = rows_of(world)
    older = make_older(world)
    assert {row["language"] for row in rows_of(world)} == {"xx"}
    assert recompute(world) == len(before)
    assert rows_of(world) == before
    assert {row["annotation_version"] for row in before} == {VERSION}
    assert {row["language"] for row in rows_of(world, older)} == {"xx"}, "an earlier snapshot changed"
    with world.house.state.read() as connection:
        told = connection.execute(sa.select(tables.annotations)).all()
    assert {row.language for row in told} == {"en"}
    assert {row.version for row in told} == {VERSION}


def test_what_the_present_version_judged_is_left_alone(world: PublishedWorld) -> None:
    with world.house.state.read() as connection:
        before = latest_snapshot(connection)
    assert recompute(world) == 0
    with world.house.state.read() as connection:
        assert latest_snapshot(connection) == before


def test_a_changed_list_of_hosts_is_applied_to_all_on_demand(world: PublishedWorld, tmp_path: Path) -> None:
    (tmp_path / "adult.txt").write_text("h1.example")
    lists = HostLists(tmp_path)
    assert recompute(world, lists) == 0
    assert recompute(world, lists, everything=True) == len(rows_of(world))
    listed = {row["url"] for row in rows_of(world) if row["host_lists"]}
    assert listed == {row["url"] for row in rows_of(world) if row["url"].startswith("http://h1.example/")}
    assert recompute(world, lists, everything=True) == len(rows_of(world))


def test_after_a_crash_the_next_call_goes_on(world: PublishedWorld) -> None:
    before = rows_of(world)
    make_older(world)
    work = Recompute(world.house.state, lake_of(world), HostLists())
    for _ in range(2):
        work.step()
    with world.house.state.read() as connection:
        assert lake_of(world).sweep(connection), "what was half done lies there"
    recompute(world)
    assert rows_of(world) == before
    assert not [each for each in check_lake(world.house.state, lake_of(world)) if each.is_damage]


def test_a_file_that_was_merged_meanwhile_is_judged_in_its_new_place(world: PublishedWorld) -> None:
    before = rows_of(world)
    make_older(world)
    lake, state = lake_of(world), world.house.state
    work = Recompute(state, lake, HostLists())
    work.step()
    with state.read() as connection:
        (first, *_) = files_of(connection)
    rows = pq.read_table(lake.folder / first.path).to_pylist()
    moved = lake.write([{**row, "title": "merged"} for row in rows], first.first_seq, first.last_seq)
    with state.write() as connection:
        snapshot = begin_snapshot(connection, "compact", world.house.now_ms())
        remove_files(connection, [first.path], snapshot)
        add_file(connection, moved, snapshot, world.house.now_ms())
        finish_snapshot(connection, snapshot)
    while work.step():
        pass
    after = rows_of(world)
    assert [row["language"] for row in after] == [row["language"] for row in before]
    assert {row["title"] for row in after if row["seq"] <= first.last_seq} == {"merged"}


def test_rows_that_nobody_judged_again_are_not_sold(world: PublishedWorld) -> None:
    make_older(world)
    dry = publish(world.house, RECIPES, "web_text", dry_run=True)
    assert (dry.rows, dry.dropped.table()[0]["filter"]) == (0, "annotated")
    with pytest.raises(WindrowError, match="nothing"):
        publish(world.house, RECIPES, "web_text")
    recompute(world)
    assert publish(world.house, RECIPES, "web_text").rows == 20
