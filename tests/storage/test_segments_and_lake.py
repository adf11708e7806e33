"""What a commit vouches for is read back whole; what no commit vouches for is gone after opening again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sqlalchemy as sa
from real_house import open_house, open_segments

from storage import segments as segments_module
from storage.lake import LAKE_SCHEMA, Lake
from storage.tables.lake import lake_files


def row(seq: int) -> dict[str, object]:
    blank = dict.fromkeys(LAKE_SCHEMA.names)
    return {**blank, "seq": seq, "contribution_id": f"c{seq}", "text": f"text {seq}"}


def test_records_come_back_across_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments_module, "SEGMENT_BYTES_MAX", 50)
    house = open_house(tmp_path)
    segments = open_segments(house)
    records = [bytes([i]) * 300 + str(i).encode() for i in range(20)]
    places = [segments.append(record) for record in records]
    segments.sync()
    with house.state.write() as connection:
        segments.commit(connection)
    assert len({place.segment for place in places}) > 3
    reopened = open_segments(house)
    assert [reopened.read(place) for place in places] == records
    later = reopened.append(b"one more")
    reopened.sync()
    assert reopened.read(later) == b"one more"


def test_records_that_are_written_together_lie_as_if_they_came_one_by_one(tmp_path: Path) -> None:
    records = [os.urandom(7) * size for size in (1, 9, 1_000, 70_000)]
    house = open_house(tmp_path)
    together, one_by_one = (open_segments(house, family) for family in ("a", "b"))
    assert together.append_all([]) == []
    places = together.append_all(records)
    singly = [one_by_one.append(record) for record in records]
    assert [place[1:] for place in places] == [place[1:] for place in singly]
    assert (
        [together.read(place) for place in places] == [one_by_one.read(place) for place in singly] == records
    )


def test_an_uncommitted_record_is_cut_off_and_its_place_reused(tmp_path: Path) -> None:
    house = open_house(tmp_path)
    segments = open_segments(house)
    kept = segments.append(b"kept")
    segments.sync()
    with house.state.write() as connection:
        segments.commit(connection)
    lost = segments.append(b"never acknowledged")
    segments.sync()
    reopened = open_segments(house)
    assert reopened.read(kept) == b"kept"
    with pytest.raises(OSError, match="ends before"):
        reopened.read(lost)
    assert reopened.append(b"next").offset == lost.offset


def test_only_listed_files_are_part_of_the_lake_and_orphans_are_swept(tmp_path: Path) -> None:
    house = open_house(tmp_path)
    lake = Lake(house.env, tmp_path / "lake")
    listed = lake.write([row(1), row(2)], 1, 2)
    with house.state.write() as connection:
        lake.commit(connection, listed)
    orphan = lake.write([row(3)], 3, 3)  # a crash comes before its commit
    with house.state.read() as connection:
        assert lake.dataset(connection).to_table().column("seq").to_pylist() == [1, 2]
        assert lake.sweep(connection) == [orphan.path]
        assert lake.files(connection) == [tmp_path / "lake" / listed.path]
        assert connection.execute(sa.select(lake_files.c.rows)).scalar() == 2


def test_an_empty_lake_has_its_schema(tmp_path: Path) -> None:
    house = open_house(tmp_path)
    with house.state.read() as connection:
        assert Lake(house.env, tmp_path / "lake").dataset(connection).schema == LAKE_SCHEMA
