"""A home whose segments and lake lie on a real S3 server: asked, checked, erased from, backed up, never mixed up."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lake_world import LakeWorld, row
from msgspec import structs
from s3_server import needs_s3, shared_s3

from aggregator.sql.served_files import LakeFiles, asked_files, serving
from storage.backup import restore_backup, write_backup
from storage.lake.checking import checked, lake_stats
from storage.lake.erasing import commit_replaced, files_with, replace_without
from storage.object_store import ObjectStore, open_store
from storage.real_env import real_env
from storage.segments import Place
from windrow.doctor import check_files
from windrow.home import OpenHome, disk_of, open_home
from windrow.questions import Question, ask
from windrow.settings import HouseSettings
from windrow.warc.exporting import export_warc
from windrow_protocol.errors import WindrowError

pytestmark = needs_s3


@pytest.fixture
def settings(tmp_path: Path) -> HouseSettings:
    return HouseSettings(home=str(tmp_path / "home"), files=shared_s3().address())


def append(home: OpenHome, rows: int) -> Place:
    """Add rows to the lake as the pipeline does, and a record to the log."""
    house, lake = home.house, home.lake
    with house.state.read() as connection:
        first = lake_stats(connection)["rows"] + 1
    file = lake.write([row(seq) for seq in range(first, first + rows)], first, first + rows - 1)
    place = home.contributions.append(b"the body of %d" % first)
    home.contributions.sync()
    with house.state.write() as connection:
        lake.commit(connection, file)
        home.contributions.commit(connection)
    return place


def refused(code: str, act: Callable[[], Any]) -> str:
    with pytest.raises(WindrowError) as caught:
        act()
    assert caught.value.code == code
    return caught.value.detail


def bytes_of(store: ObjectStore) -> bytes:
    """Return all that lies below a prefix."""
    return b"".join(store.get(key) for key in store.list(""))


def test_questions_checks_and_archives_read_the_lake_there(settings: HouseSettings, tmp_path: Path) -> None:
    with open_home(settings) as home:
        for count in (2, 3):
            append(home, count)
        orphan = home.lake.write([row(9)], 9, 9)
        found = checked(home.house.state, home.lake)
        assert found["ok"]
        assert [problem["name"] for problem in found["problems"]] == [orphan.path]
        question = "SELECT count(*) AS n, sum(token_count) AS s, max(text) AS t FROM documents"
        assert "5,15,marker-5-of-row" in ask(settings, Question(question), "csv")[0]
        assert "2,3,marker-2-of-row" in ask(settings, Question(question, at=1), "csv")[0]
        assert export_warc(settings, tmp_path / "out.warc", "import")["documents"] == 0
    with open_home(settings) as home:  # what no row lists is swept when it is opened
        names = home.house.env.disk.names(Path(settings.home) / "lake")
        assert len(names) == 2
        assert not list((Path(settings.home) / "lake").iterdir())
        (listed, *_) = sorted(names)
        home.house.env.disk.remove(Path(settings.home) / "lake" / listed)
        assert [each["cause"] for each in checked(home.house.state, home.lake)["problems"]] == ["missing"]
        refused("sql_failed", lambda: ask(settings, Question(question), "csv"))
    assert [finding.state for finding in check_files(settings)] == ["passed"]


def test_a_contained_question_gets_ranges_of_its_files_and_nothing_else(tmp_path: Path) -> None:
    world = LakeWorld(tmp_path)
    world.append(3)
    system, (name,) = world.lake.files_by_name, world.paths()
    data = (world.lake.folder / name).read_bytes()
    with serving(system, [name]) as served:
        (file,) = asked_files(os.dup(served.descriptor), served.sizes)
        assert (len(file), file[4:90], file[: len(file)]) == (len(data), data[4:90], data)
    for number, offset in ((1, 0), (0, len(data))):  # another file, and behind its end
        with serving(system, [name]) as served:
            (file,) = asked_files(os.dup(served.descriptor), [2 * len(data)])
            file._number = number
            with pytest.raises((EOFError, OSError)):
                file[offset : offset + 4]
    with pytest.raises(FileNotFoundError), serving(system, ["none.parquet"]):
        pass
    assert LakeFiles([name], system).names == [name]


def test_what_is_erased_is_in_no_object(settings: HouseSettings) -> None:
    with open_home(settings) as home:
        append(home, 4)
        place = append(home, 4)
        lake, state = home.lake, home.house.state
        store = open_store(settings.files)
        gone = {f"c{2:031x}", f"c{6:031x}"}
        with state.read() as connection:
            files = files_with(connection, lake, gone)
        replaced = replace_without(lake, files, gone)
        with state.write() as connection:
            commit_replaced(connection, lake, replaced)
        lake.delete([each.old.path for each in replaced])
        home.contributions.wipe(place)
        assert checked(state, lake)["ok"]
        assert "6" in ask(settings, Question("SELECT count(*) AS n FROM documents"), "csv")[0]
        with state.read() as connection:
            kept = lake.dataset(connection).to_table(columns=["text"])["text"].to_pylist()
        assert "marker-2-of-row" not in kept
        assert "marker-3-of-row" in kept
        listed = {file.name for file in map(Path, store.list("lake"))}
        assert listed == {each.new.path for each in replaced if each.new}
        assert home.contributions._disk.read_range(
            Path(settings.home) / "segments" / place.segment, place.offset, place.length
        ) == bytes(place.length)


def test_a_home_and_its_place_for_files_know_each_other(settings: HouseSettings, tmp_path: Path) -> None:
    with open_home(settings) as home:
        append(home, 1)

    def opened(**changes: str) -> Callable[[], None]:
        def act() -> None:
            with open_home(structs.replace(settings, **changes)):
                pass

        return act

    refused("other_files", opened(files=""))
    refused("other_files", opened(files=shared_s3().address()))
    refused("other_files", opened(home=str(tmp_path / "other")))
    with open_home(HouseSettings(home=str(tmp_path / "begun"))) as home:
        append(home, 1)
    refused("other_files", opened(home=str(tmp_path / "begun"), files=shared_s3().address()))
    said = refused("files_failed", opened(home=str(tmp_path / "new"), files="s3://no-such-bucket/x"))
    assert "no-such-bucket" in said
    opened()()


@pytest.mark.parametrize("to_s3", [True, False])
def test_a_backup_leads_from_one_place_to_another(
    settings: HouseSettings, tmp_path: Path, to_s3: bool
) -> None:
    old = structs.replace(settings, files="") if to_s3 else settings
    new = structs.replace(
        settings, home=str(tmp_path / "again"), files=shared_s3().address() if to_s3 else ""
    )
    with open_home(old) as home:
        places = [append(home, count) for count in (3, 2)]
        version, disk = Path(old.home) / "exports" / "set" / "0.1.0", home.house.env.disk
        disk.write_durably(version / "data" / "rows.parquet", b"rows")
        write_backup(home.house, tmp_path / "backup")
    keys = Path(old.home) / "keys"
    (keys / "operator").write_text("0x" + "11" * 32)

    def restored(into: HouseSettings) -> None:
        files = (disk_of(into), into.files)
        restore_backup(real_env(), tmp_path / "backup", Path(into.home), keys, files=files)

    restored(new)
    with open_home(new) as home:
        assert checked(home.house.state, home.lake)["ok"]
        assert [home.contributions.read(place) for place in places] == [b"the body of 1", b"the body of 4"]
        version = Path(new.home) / "exports" / "set" / "0.1.0"
        assert home.house.env.disk.read(version / "data" / "rows.parquet") == b"rows"
        assert version.exists() is not to_s3
        append(home, 1)
        local = sorted(path.name for path in (Path(new.home) / "lake").iterdir())
        assert bool(local) is not to_s3
    assert "6" in ask(new, Question("SELECT count(*) AS n FROM documents"), "csv")[0]
    if to_s3:
        third = structs.replace(new, home=str(tmp_path / "third"))
        refused("backup_in_way", lambda: restored(third))
        assert checked_again(new)["ok"], "and what was there is there still"


def checked_again(settings: HouseSettings) -> dict[str, Any]:
    with open_home(settings) as home:
        return checked(home.house.state, home.lake)
