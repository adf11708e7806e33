"""An erased text is nowhere in its house: not in the lake of any snapshot, not in a segment, not in a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
import zstandard
from aggregator_world import World
from real_house import words_of
from running_house import windrow
from warc_files import http, members, page, record, words

from aggregator.verification.drawing.audit_epochs import end_epoch
from aggregator.verification.epochs.audit_closing import close_epochs
from storage.segments import Place
from storage.state import State, sqlite_url
from storage.tables.contributions import contributions, duplicates, submissions
from storage.tables.lake import erasures
from windrow_protocol.errors import WindrowError

MARK = words(1)


def stored_texts(home: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every byte that the home holds, compressed files read as what they mean too."""
    state = State.open_readonly(sqlite_url(home / "state.db"))
    with state.read() as connection:
        for row in connection.execute(sa.select(submissions)):
            data = (home / "segments" / row.segment).read_bytes()[row.offset : row.offset + row.length]
            yield f"record {row.seq}", zstandard.decompress(data, 10**8)
        for row in connection.execute(sa.select(erasures)):
            data = (home / "segments" / row.segment).read_bytes()[row.offset : row.offset + row.length]
            assert data == bytes(row.length), "what is left of a wiped record"
    state.close()
    for path in home.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()
        if path.suffix == ".parquet" and path.parent.name == "lake":
            yield str(path), "\n".join(str(row) for row in pq.read_table(path).to_pylist()).encode()


def places_of(home: Path, mark: str) -> list[str]:
    return [place for place, data in stored_texts(home) if mark.encode() in data]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    file, home = tmp_path / "few.warc.gz", tmp_path / "home"
    near = page(1).replace(b"</p>", b" at the very end of it</p>")
    records = [
        record(http(page(1)), "https://a.example/1"),
        record(http(page(2)), "https://a.example/2"),
        record(http(page(1)), "https://b.example/1"),
        record(http(near), "https://c.example/1"),
    ]
    file.write_bytes(members(*records))
    assert windrow("import", file, "--home", home, "--json").json["imported"] == 4
    return home


def ids_of(home: Path) -> list[str]:
    rows = windrow(
        "sql", "--home", home, "--format", "json", "SELECT contribution_id FROM documents ORDER BY seq"
    )
    return [row["contribution_id"] for row in rows.json]


def erase(home: Path, *arguments: str) -> dict[str, object]:
    said = windrow("erase", *arguments, "--reason", "asked", "--yes", "--json", "--home", home)
    assert said.code == 0, said.err
    return dict(said.json)


def test_a_whole_cluster_leaves_no_readable_byte(home: Path) -> None:
    ids = ids_of(home)
    assert len(places_of(home, MARK)) >= 4
    result = erase(home, ids[0], "--copies")
    assert result["erased"] == sorted([ids[0], ids[2], ids[3]])
    assert result["copies_left"] == []
    assert places_of(home, MARK) == []
    assert places_of(home, "Page 1") == []
    assert len(places_of(home, words(2))) >= 2
    assert ids_of(home) == [ids[1]]
    at_first = windrow(
        "sql", "--home", home, "--at", 1, "--format", "json", "SELECT text FROM documents"
    ).json
    assert at_first == [{"text": words(2)}]
    assert windrow("lake", "check", "--home", home).code == 0
    assert windrow("erase", ids[0], "--reason", "again", "--yes", "--home", home).code == 1


def test_a_copy_that_stays_is_named_and_stands_for_the_text(home: Path, tmp_path: Path) -> None:
    ids = ids_of(home)
    result = erase(home, ids[0])
    assert result["erased"] == [ids[0]]
    assert result["copies_left"] == sorted([ids[2], ids[3]])
    file = tmp_path / "again.warc"
    file.write_bytes(record(http(page(1)), "https://d.example/1"))
    windrow("import", file, "--home", home)
    question = "SELECT dup_kind, dup_first_id, dup_cluster_id FROM documents ORDER BY seq DESC LIMIT 1"
    rows = windrow("sql", "--home", home, "--format", "json", question).json
    assert rows == [{"dup_kind": "exact", "dup_first_id": ids[2], "dup_cluster_id": ids[0]}]


async def test_what_is_still_decided_about_is_not_erased_and_then_it_is(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.seed(1)
    node = await world.node()
    (lease,) = await world.take(node, 1)
    text = words_of(7)
    await node.submit(world.doors.submissions, [node.contribution(lease, text)])
    with world.house.state.read() as connection:
        (key,) = connection.execute(sa.select(contributions.c.contribution_id)).scalars()
    with pytest.raises(WindrowError, match="cannot be erased yet"):
        world.pipeline.eraser.erase(key, "asked")
    await world.settle({lease.url: text})
    with pytest.raises(WindrowError, match="its audit epoch is open"):
        world.pipeline.eraser.erase(key, "asked")
    end_epoch(world.house)
    while close_epochs(world.house, world.segments, 0):
        pass
    result = world.pipeline.eraser.erase(key, "asked")
    assert key in result["erased"]
    with world.house.state.read() as connection:
        assert connection.execute(sa.select(duplicates)).all(), "what was judged and paid stays"
        lake = world.pipeline._judgement._lake.dataset(connection)
        assert lake.to_table().num_rows == 0
    assert places_of(tmp_path, text) == []
    (published,) = (tmp_path / "audits").glob("*/audits.ndjson.zst")
    with zstandard.ZstdDecompressor().stream_reader(
        published.read_bytes(), read_across_frames=True
    ) as reader:
        assert (text in reader.read().decode()) == (result["audit_epochs_with_it"] == [1]), (
            "named, not rewritten"
        )
    assert world.pipeline.step() == 0
    with pytest.raises(WindrowError, match="no document"):
        world.pipeline.eraser.erase(key, "asked")


async def test_bytes_that_a_crash_kept_go_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    world.seed(1)
    node = await world.node()
    (lease,) = await world.take(node, 1)
    await node.submit(world.doors.submissions, [node.contribution(lease, words_of(8))])
    await world.settle({lease.url: words_of(8)})
    end_epoch(world.house)
    while close_epochs(world.house, world.segments, 0):
        pass
    with world.house.state.read() as connection:
        work = sa.select(contributions).where(contributions.c.audit_of.is_(None))  # its truth is beside it
        erased = connection.execute(work).one()
        row = connection.execute(sa.select(submissions).where(submissions.c.seq == erased.seq)).one()
    eraser = world.pipeline.eraser
    with monkeypatch.context() as crashing:
        crashing.setattr(eraser, "finish", lambda: (_ for _ in ()).throw(OSError("the process is gone")))
        with pytest.raises(OSError, match="gone"):
            eraser.erase(erased.contribution_id, "asked")
    place = Place(row.segment, row.offset, row.length)
    assert msgspec.json.decode(world.segments.read(place))["text"] == words_of(8)
    assert world.pipeline.eraser.finish() >= 1
    raw = (tmp_path / "segments" / row.segment).read_bytes()[row.offset : row.offset + row.length]
    assert raw == bytes(row.length)
    assert world.pipeline.eraser.finish() == 0
