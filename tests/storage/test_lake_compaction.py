"""Snapshots stay what they were, compaction loses and repeats nothing, and everything is sorted by time."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_world import START_MS, LakeWorld, row

from storage.lake import LakeFile
from storage.lake.checking import check_lake, lake_stats
from storage.lake.compaction import Compaction, choose, choose_all, digest_file
from storage.lake.erasing import commit_replaced, files_with, replace_without
from storage.lake.manifest import refer
from storage.lake.merging import Merge, read_groups
from storage.real_env import real_env
from storage.tables.lake import lake_files, lake_snapshots
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import LAKE_GROUP_ROWS_MAX, LAKE_SNAPSHOT_KEEP_MS


class LaterClock:
    """The real clock, set forward by a test."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return START_MS + self.ahead_ms

    async def sleep(self, wait_s: float) -> None:
        raise AssertionError("nobody sleeps here")


@pytest.fixture
def clock() -> LaterClock:
    return LaterClock()


@pytest.fixture
def world(tmp_path: Path, clock: LaterClock) -> LakeWorld:
    return LakeWorld(tmp_path, replace(real_env(), clock=clock))


def test_each_append_is_a_snapshot_that_keeps_its_rows(world: LakeWorld) -> None:
    snapshots = [world.append(3) for _ in range(20)]
    assert snapshots == list(range(1, 21))
    assert world.compact(merge_files=4) > 4
    assert len(world.paths()) < 8
    assert world.seqs() == list(range(1, 61))
    for number in snapshots:
        assert world.seqs(number) == list(range(1, 3 * number + 1))
    counted = {r.snapshot_id: r.rows for r in world.query(sa.select(lake_snapshots))}
    assert all(counted[number] == 3 * number for number in snapshots)
    assert counted[world.snapshot()] == 60
    assert list(check_lake(world.state, world.lake)) == []


def test_a_snapshot_that_never_was_is_refused(world: LakeWorld) -> None:
    world.append(1)
    for number in (0, 2, -1, 10**9):
        with pytest.raises(WindrowError, match="kept are 1 to 1"):
            world.seqs(number)


def test_old_snapshots_and_their_files_go_and_those_of_exports_stay(
    world: LakeWorld, clock: LaterClock
) -> None:
    sold = [world.append(2) for _ in range(5)][2]
    with world.state.write() as connection:
        refer(connection, "export:web_text/0.1.0", sold, clock.now_ms())
    world.compact(merge_files=4)
    before = {path.name for path in world.lake.folder.iterdir()}
    assert len(before) > len(world.paths())
    clock.ahead_ms = LAKE_SNAPSHOT_KEEP_MS + 1
    newest = world.snapshot()
    world.compact(merge_files=4)
    assert [r.snapshot_id for r in world.query(sa.select(lake_snapshots.c.snapshot_id))] == [sold, newest]
    assert world.seqs(sold) == [1, 2, 3, 4, 5, 6]
    assert world.seqs() == list(range(1, 11))
    listed = {r.path for r in world.query(sa.select(lake_files.c.path))}
    assert {path.name for path in world.lake.folder.iterdir()} == listed < before
    with pytest.raises(WindrowError, match="no such snapshot"):
        world.seqs(1)
    assert list(check_lake(world.state, world.lake)) == []


def test_what_was_replaced_just_now_stays_for_who_reads_it(world: LakeWorld, clock: LaterClock) -> None:
    """Of a lake where nothing happened for days, too."""
    for _ in range(4):
        world.append(2)
    with world.state.read() as connection:
        dataset = world.lake.dataset(connection)
    clock.ahead_ms = 9 * LAKE_SNAPSHOT_KEEP_MS
    world.compact(merge_files=4)
    clock.ahead_ms += LAKE_SNAPSHOT_KEEP_MS - 1
    assert world.compact(merge_files=4) == 0
    assert dataset.to_table().num_rows == 8
    clock.ahead_ms += 2
    assert world.compact(merge_files=4) > 0
    assert len(list(world.lake.folder.iterdir())) == 1
    assert world.seqs() == list(range(1, 9))


def test_rows_come_out_sorted_by_time_whatever_the_files_held(world: LakeWorld) -> None:
    times = [5, 1, 9, 3, 3, 8, 2, 7]
    for place, time in enumerate(times, start=1):
        file = world.lake.write([row(place, received_at_ms=time)], place, place)
        with world.state.write() as connection:
            world.lake.commit(connection, file)
    world.compact(merge_files=2)
    (path,) = world.paths()
    table = pq.read_table(world.lake.folder / path)
    assert table["received_at_ms"].to_pylist() == sorted(times)
    assert table["seq"].to_pylist() == [2, 7, 4, 5, 1, 8, 6, 3]


def test_an_append_while_a_merge_is_under_way_is_kept(world: LakeWorld) -> None:
    for _ in range(4):
        world.append(2)
    compaction = Compaction(world.state, world.lake, merge_files=4)
    assert compaction.step()
    world.append(2)
    while compaction.step():
        pass
    assert world.seqs() == list(range(1, 11))
    assert len(world.paths()) == 2


def test_an_erasure_while_a_merge_is_under_way_wins(world: LakeWorld) -> None:
    for _ in range(4):
        world.append(2)
    compaction = Compaction(world.state, world.lake, merge_files=4)
    assert compaction.step()
    erase(world, 3)
    while compaction.step():
        pass
    assert world.seqs() == [1, 2, 4, 5, 6, 7, 8]
    assert list(check_lake(world.state, world.lake)) == []
    assert mark_in(world.lake.folder, 3) == []


def erase(world: LakeWorld, seq: int) -> None:
    gone = {row(seq)["contribution_id"]}
    with world.state.read() as connection:
        files = files_with(connection, world.lake, gone)
    replaced = replace_without(world.lake, files, gone)
    with world.state.write() as connection:
        commit_replaced(connection, world.lake, replaced)
    world.lake.delete([each.old.path for each in replaced])


def mark_in(folder: Path, seq: int) -> list[str]:
    """Return the files with a row's mark, reading Parquet as it is stored and as it is meant."""
    mark = f"marker-{seq}-of-row"
    found = [path.name for path in folder.iterdir() if mark.encode() in path.read_bytes()]
    read = [path.name for path in folder.iterdir() if mark in pq.read_table(path)["text"].to_pylist()]
    return found + read


def test_an_erased_row_is_in_no_file_and_in_no_snapshot(world: LakeWorld) -> None:
    snapshots = [world.append(3) for _ in range(9)]
    world.compact(merge_files=4)
    assert mark_in(world.lake.folder, 5)
    erase(world, 5)
    assert mark_in(world.lake.folder, 5) == []
    assert world.seqs() == [seq for seq in range(1, 28) if seq != 5]
    for number in snapshots:
        assert world.seqs(number) == [seq for seq in range(1, 3 * number + 1) if seq != 5]
    counted = {r.snapshot_id: r.rows for r in world.query(sa.select(lake_snapshots))}
    assert counted[1] == 3
    assert counted[2] == 5
    assert list(check_lake(world.state, world.lake)) == []


def test_a_file_whose_only_row_is_erased_goes_whole(world: LakeWorld) -> None:
    world.append(1)
    erase(world, 1)
    assert world.seqs() == []
    assert world.seqs(1) == []
    assert list(world.lake.folder.iterdir()) == []


def file_of(number: int, size: int) -> LakeFile:
    return LakeFile(f"f{number}", number, number, 0, 0, 1, size, "00")


@given(st.lists(st.integers(1, 2_000), max_size=60))
def test_what_is_chosen_are_neighbours_and_small(sizes: list[int]) -> None:
    files = [file_of(number, size) for number, size in enumerate(sizes)]
    for chosen in (choose(files, 4, 1_000), choose_all(files, 1_000)):
        if chosen:
            places = [file.first_seq for file in chosen]
            assert places == list(range(places[0], places[0] + len(places)))
            assert len(chosen) > 1
    assert sum(file.bytes for file in choose_all(files, 1_000)) <= 1_000


def test_files_stay_few_and_a_row_is_rewritten_few_times() -> None:
    files: list[LakeFile] = []
    appended = rewritten = 0
    for number in range(20_000):
        files.append(file_of(number, 100 + number % 7))
        appended += files[-1].bytes
        while chosen := choose(files, 8, 200_000):
            size = sum(file.bytes for file in chosen)
            rewritten += size
            at = files.index(chosen[0])
            files[at : at + len(chosen)] = [replace(chosen[0], bytes=size)]
    assert len(files) < 60
    assert rewritten / appended < 5


@settings(deadline=None, max_examples=20)
@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=9), min_size=1, max_size=5))
def test_a_merge_gives_the_same_rows_whatever_its_portions(
    tmp_path_factory: pytest.TempPathFactory, times: list[list[int]]
) -> None:
    world = LakeWorld(tmp_path_factory.mktemp("merge"))
    names, seq = [], 0
    for each in times:
        rows = [row(seq + place, received_at_ms=time) for place, time in enumerate(each)]
        names.append(world.lake.write(rows, seq, seq + len(rows) - 1).path)
        seq += len(rows)
    merge = Merge([read_groups(world.lake.files_by_name, name) for name in names], world.lake.folder / "out")
    while merge.step():
        pass
    merged = pq.read_table(world.lake.folder / "out")
    everything = sorted((time, number) for number, time in enumerate(t for each in times for t in each))
    assert (
        list(zip(merged["received_at_ms"].to_pylist(), merged["seq"].to_pylist(), strict=True)) == everything
    )


def test_an_older_file_without_a_column_reads_as_null_and_is_not_rewritten(world: LakeWorld) -> None:
    world.append(2)
    (name,) = world.paths()
    older = pq.read_table(world.lake.folder / name).drop_columns(["warc_record_id", "signals"])
    pq.write_table(older, world.lake.folder / "older.parquet")
    data = (world.lake.folder / "older.parquet").read_bytes()
    with world.state.write() as connection:
        connection.execute(
            sa.update(lake_files).values(
                path="older.parquet", bytes=len(data), sha256=hashlib.sha256(data).hexdigest()
            )
        )
        connection.execute(sa.update(lake_snapshots).values(bytes=len(data)))
    (world.lake.folder / name).unlink()
    assert list(check_lake(world.state, world.lake)) == []
    with world.state.read() as connection:
        assert world.lake.dataset(connection).to_table()["signals"].to_pylist() == [None, None]
    world.append(2)
    assert (world.lake.folder / "older.parquet").read_bytes() == data
    world.compact(merge_files=2)
    assert world.seqs() == [1, 2, 3, 4]


def damaged(world: LakeWorld, cause: str) -> str:
    path = world.lake.folder / world.paths()[1]
    if cause == "missing":
        path.unlink()
    elif cause == "wrong_digest":
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif cause == "orphan":
        path = world.lake.folder / "rows-000000000001-000000000009-0000000000000000.parquet"
        path.write_bytes(b"PAR1")
    else:
        changed = {"wrong_rows": {"rows": 99}, "wrong_times": {"last_ms": 1}, "overlap": {"first_seq": 1}}[
            cause
        ]
        with world.state.write() as connection:
            connection.execute(sa.update(lake_files).where(lake_files.c.path == path.name).values(**changed))
    return path.name


@pytest.mark.parametrize(
    "cause", ["missing", "wrong_digest", "orphan", "wrong_rows", "wrong_times", "overlap"]
)
def test_the_check_names_what_is_wrong_and_where(world: LakeWorld, cause: str) -> None:
    for _ in range(3):
        world.append(2)
    name = damaged(world, cause)
    found = [problem for problem in check_lake(world.state, world.lake) if problem.cause != "snapshot_counts"]
    assert [(problem.cause, problem.name) for problem in found] == [(cause, name)]
    assert found[0].remedy
    assert found[0].is_damage == (cause != "orphan")


def test_an_unsorted_file_is_found(world: LakeWorld) -> None:
    world.append(3)
    name = world.paths()[0]
    table = pq.read_table(world.lake.folder / name)
    pq.write_table(table.take([2, 0, 1]), world.lake.folder / name)
    digest, size = digest_file(world.lake.folder / name)
    with world.state.write() as connection:
        connection.execute(sa.update(lake_files).values(sha256=digest, bytes=size))
    found = [problem.cause for problem in check_lake(world.state, world.lake)]
    assert found == ["snapshot_counts", "unsorted"]
    world.append(3)
    world.compact(everything=True)
    assert world.seqs() == [1, 2, 3, 4, 5, 6], "and a merge mends it"


def test_stats_say_what_older_snapshots_take(world: LakeWorld) -> None:
    for _ in range(4):
        world.append(2)
    world.compact(merge_files=4)
    with world.state.read() as connection:
        stats = lake_stats(connection)
    assert (stats["files"], stats["rows"], stats["snapshot"], stats["oldest_snapshot"]) == (1, 8, 5, 1)
    on_disk = sum(path.stat().st_size for path in world.lake.folder.iterdir())
    assert stats["bytes"] + stats["bytes_of_older_snapshots"] == on_disk


def test_row_groups_are_small_and_ids_have_bloom_filters(world: LakeWorld) -> None:
    rows = LAKE_GROUP_ROWS_MAX + 10
    for _ in range(2):
        world.append(rows)
    world.compact(everything=True)
    (name,) = world.paths()
    held = pq.ParquetFile(world.lake.folder / name).metadata
    sizes = [held.row_group(number).num_rows for number in range(held.num_row_groups)]
    assert sum(sizes) == 2 * rows
    assert max(sizes) <= LAKE_GROUP_ROWS_MAX * 5 // 4
    engine = duckdb.connect()
    found = engine.execute(
        "SELECT count(*) FROM parquet_metadata(?) WHERE bloom_filter_offset IS NOT NULL "
        "AND path_in_schema = 'contribution_id'",
        [str(world.lake.folder / name)],
    ).fetchone()
    assert found == (held.num_row_groups,)
