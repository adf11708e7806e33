"""What an attacker, or a power cut, finds between two writes: no key lost, none left, nobody's row in the clear."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from history_world import HistoryHouse, month
from published_world import RECIPES
from state_database import copy_home

from aggregator.personal import Personal
from aggregator.publish import export as publishing
from aggregator.publish.export import publish
from aggregator.publish.recipe import load_recipe
from aggregator.publish.rows import open_engine
from marketplace.catalogue import Catalogue
from rewards.personal.months import job_of, open_jobs
from storage import wrapping_keys
from storage.backup import write_backup
from storage.tables.person_months import month_jobs
from storage.tables.personal import personal_keys
from storage.wrapping_keys import FileKeys
from windrow_protocol.errors import WindrowError

TITLE = "the one title that they all read"


class PowerCut(BaseException):
    """Nothing after it happens."""


CALLS = ("link", "replace", "rename", "fsync", "open", "unlink", "fdopen")


def cut_at(monkeypatch: pytest.MonkeyPatch, place: int) -> list[str]:
    """Cut the power before the n-th call to the disk; return the calls made."""
    made: list[str] = []

    def counted(name: str) -> Any:
        real = getattr(os, name)

        def call(*arguments: Any, **named: Any) -> Any:
            made.append(name)
            if len(made) > place:
                raise PowerCut(name)
            return real(*arguments, **named)

        return call

    for name in CALLS:
        monkeypatch.setattr(os, name, counted(name))
    return made


@pytest.mark.parametrize("step", ["rotate", "retire"])
def test_no_cut_while_the_operators_keys_are_written_loses_the_newest_or_leaves_a_destroyed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    tokens = os.urandom
    for place in range(40):
        path = tmp_path / f"{place}" / "personal.json"
        keys = FileKeys(path, tokens)
        old_id, old = keys.wrap(b"old", b"ana")
        keys.rotate()
        new_id, new = keys.wrap(b"new", b"ana")
        old_bytes = bytes.fromhex(_hex_keys(path)[0])
        with monkeypatch.context() as patched:
            made = cut_at(patched, place)
            with contextlib.suppress(PowerCut):
                getattr(keys, step)()
        again = FileKeys(path, tokens)
        assert again.unwrap(new_id, new, b"ana") == b"new", f"cut at {made[place:]}"
        if step == "rotate":
            assert again.unwrap(old_id, old, b"ana") == b"old"
        else:
            again.retire()
            left = b"".join(file.read_bytes() for file in path.parent.iterdir())
            assert old_bytes.hex().encode() not in left, "a destroyed key lies in no file that a crash left"
        if len(made) <= place:
            return
    pytest.fail("the step never came to its end")


def _hex_keys(path: Path) -> list[str]:
    return list(json.loads(path.read_bytes())["keys"])


@pytest.fixture
def world(tmp_path: Path) -> HistoryHouse:
    return HistoryHouse(tmp_path / "house")


def few(world: HistoryHouse, number: int = 1) -> list[str]:
    return world.give(world.join(number), month(number)[:20], title=TITLE)


@pytest.mark.parametrize("where", ["before the keys are wrapped anew", "before the old ones are destroyed"])
def test_a_rotation_that_was_cut_is_finished_at_the_next_start(
    world: HistoryHouse, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    ids = few(world)
    path = world.folder / "keys" / "personal.json"
    old = _hex_keys(path)[0]

    def cut(*_: object) -> Any:
        raise PowerCut

    target = (world.house.state, "write") if where.startswith("before the keys") else (FileKeys, "retire")
    with monkeypatch.context() as patched:
        patched.setattr(*target, cut)
        with pytest.raises(PowerCut):
            world.personal.vault.rotate()
    assert len(_hex_keys(path)) == 2
    again = Personal(world.house, world.segments)
    assert _hex_keys(path) != [old]
    assert len(_hex_keys(path)) == 1, "older backups open no more, as whoever rotated was told"
    assert again.vault.read(ids[0])
    with world.house.state.read() as connection:
        (key_id,) = connection.execute(sa.select(personal_keys.c.operator_key_id)).scalars()
    assert key_id == wrapping_keys.key_id_of(bytes.fromhex(_hex_keys(path)[0]))


# --- exports about people


def six_people(world: HistoryHouse) -> None:
    for number in range(1, 7):
        shared = month(1)[:3]
        own = month(number)
        moved = [type(each)(own[i].at_ms + 7, each.url) for i, each in enumerate(shared)]
        world.give(world.join(number), [*own, *moved], title=TITLE)
    world.days_pass(2)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people") / "house"
    world = HistoryHouse(folder)
    six_people(world)
    world.house.state.forget_bytes()
    (folder / "key").write_bytes(world.house.key.private_bytes_raw())
    (folder / "now").write_text(str(world.clock.at_ms))
    return folder


@pytest.fixture
def people(given: Path, tmp_path: Path) -> HistoryHouse:
    copy_home(given, tmp_path / "house")
    return HistoryHouse.reopened(tmp_path / "house")


def sold(world: HistoryHouse) -> Any:
    return publish(world.house, RECIPES, "opt_in_browsing", read=world.personal.vault.read)


def rows_left(folder: Path) -> list[str]:
    return [
        str(path.relative_to(folder)) for path in folder.rglob("*.parquet") if path.stat().st_size > 2_000
    ]


def test_what_stops_an_export_leaves_no_row_of_it(
    people: HistoryHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise WindrowError("withdrawn")

    monkeypatch.setattr(publishing, "keep_behind", refused)
    with pytest.raises(WindrowError):
        sold(people)
    assert list((people.folder / "exports").rglob("*.parquet")) == []


@pytest.mark.parametrize("where", ["write_front", "adopt"])
def test_rows_that_a_crash_left_half_published_are_gone_at_the_next_start(
    people: HistoryHouse, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def cut(*_: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patched:
        patched.setattr(people.house.env.disk.__class__, "remove", lambda *_: None)  # nothing is tidied up
        patched.setattr(publishing, "_write_front" if where == "write_front" else "keep_behind", cut)
        with pytest.raises(PowerCut):
            sold(people)
    assert list((people.folder / "exports").rglob("*.parquet"))
    Personal(people.house, people.segments)
    assert list((people.folder / "exports").rglob("*.parquet")) == []


def test_a_sold_version_stays_what_it_is_at_the_next_start(people: HistoryHouse) -> None:
    export = sold(people)
    before = sorted(path.name for path in export.path.rglob("*"))
    Personal(people.house, people.segments)
    assert sorted(path.name for path in export.path.rglob("*")) == before
    assert Catalogue(people.house).offer_of(export.export_id)


def test_a_backup_holds_no_row_about_people_and_a_house_restored_from_it_sells_none(
    people: HistoryHouse, tmp_path: Path
) -> None:
    export = sold(people)
    listed = write_backup(people.house, tmp_path / "backup")
    kept = [file.path for file in listed.files if file.path.startswith("exports/")]
    assert not [path for path in kept if "/data/" in path or "provenance" in path or "sample" in path]
    assert [path for path in kept if path.endswith("manifest.json")], "what was signed is kept"
    everything = b"".join(path.read_bytes() for path in (tmp_path / "backup").rglob("*") if path.is_file())
    assert TITLE.encode() not in everything
    shutil.rmtree(export.path / "data")  # as after a restore
    Personal(people.house, people.segments)
    with pytest.raises(WindrowError) as refusal:
        Catalogue(people.house).offer_of(export.export_id)
    assert refusal.value.code == "version_retired"
    assert sold(people).version != export.version


def test_an_engine_that_reads_what_people_gave_writes_no_file(people: HistoryHouse) -> None:
    engine = open_engine(load_recipe(RECIPES, "opt_in_browsing"), {"people_min": 5})
    assert engine.execute("SELECT current_setting('temp_directory')").fetchone() == ("",)


# --- the cost of judging


def test_a_month_of_very_many_items_is_judged_by_a_bounded_part(
    world: HistoryHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rewards.personal.months.HISTORY_ITEMS_MAX", 250)
    world.give(world.join(1), month(1))
    world.clock.at_ms += 2 * 86_400_000
    assert open_jobs(world.house) == 1
    with world.house.state.read() as connection:
        job = job_of(connection, connection.execute(sa.select(month_jobs.c.job_id)).scalar_one())
    assert len(job.donations) == 2, "a hundred visits in each: a third would pass the bound"
