"""A published version in a Delta table, read by the library that others read it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from files_place import ON_S3, files_address
from published_world import RECIPES, PublishedWorld, copied_recipes, open_world
from running_house import windrow
from s3_server import needs_s3, shared_s3
from state_database import database_of

from aggregator.publish import Export, publish
from storage.published import published_files
from windrow.delta_table import write_delta
from windrow.settings import HouseSettings
from windrow_protocol.errors import WindrowError

deltalake = pytest.importorskip("deltalake", reason="deltalake is missing: pip install 'windrow[tables]'")
FEWER = ("dup_kind = 'unique'", "dup_kind = 'unique' AND token_count > 900")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PublishedWorld]:
    made = open_world(tmp_path_factory.mktemp("delta") / "home")
    yield made
    made.close()


@pytest.fixture(scope="module")
def settings(world: PublishedWorld) -> HouseSettings:
    home = world.house.home
    return HouseSettings(
        home=str(home), database_url=database_of(home), files=files_address(home) if ON_S3 else ""
    )


@pytest.fixture(scope="module")
def versions(world: PublishedWorld, tmp_path_factory: pytest.TempPathFactory) -> list[Export]:
    """Two versions, of which the second has fewer rows."""
    recipes = copied_recipes(tmp_path_factory.mktemp("recipes") / "r", build=FEWER)
    return [publish(world.house, each, "web_text") for each in (RECIPES, recipes)]


def sold(world: PublishedWorld, version: str) -> list[dict[str, Any]]:
    """Return the rows of a version as its Parquet files have them."""
    files = published_files(world.house.env.disk, world.house.home, "web_text", version)
    shards = [name for name in files.disk.tree(files.folder) if name.startswith("data/")]
    rows = pa.concat_tables([files.small_table(name) for name in shards]).to_pylist()
    return sorted(rows, key=lambda row: row["id"])


def read(table: str, version: int | None = None, **options: str) -> list[dict[str, Any]]:
    found = deltalake.DeltaTable(table, version=version, storage_options=options or None)
    rows = found.to_pyarrow_table().to_pylist()
    return sorted(rows, key=lambda row: row["id"])


def refused(code: str, act: Callable[[], Any]) -> None:
    with pytest.raises(WindrowError) as caught:
        act()
    assert caught.value.code == code, caught.value


def test_each_version_is_one_commit_and_all_of_them_are_read(
    world: PublishedWorld, settings: HouseSettings, versions: list[Export], tmp_path: Path
) -> None:
    table = str(tmp_path / "table")
    first, second = (write_delta(settings, "web_text", table, version=export.version) for export in versions)
    assert (first["table_version"], second["table_version"], second["state"]) == (0, 1, "written")
    assert 0 < second["rows"] < first["rows"]
    assert read(table) == sold(world, "0.2.0")
    assert read(table, 0) == sold(world, "0.1.0")
    opened = deltalake.DeltaTable(table)
    assert [commit["windrow_manifest_sha256"] for commit in opened.history()] == [
        export.manifest_sha256 for export in reversed(versions)
    ]
    assert opened.metadata().name == "web_text"
    (text,) = [field for field in opened.schema().fields if field.name == "text"]
    assert text.metadata["comment"]
    for version, place in (("0.1.0", 0), ("0.2.0", 1), ("", 1)):
        again = write_delta(settings, "web_text", table, version)
        assert (again["state"], again["table_version"]) == ("unchanged", place)
    assert opened.version() == deltalake.DeltaTable(table).version()
    opened.optimize.compact()
    opened.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    assert write_delta(settings, "web_text", table)["state"] == "unchanged", "others may tidy it up"
    assert read(table) == sold(world, "0.2.0")


def test_what_would_mix_tables_up_is_refused(
    world: PublishedWorld, settings: HouseSettings, versions: list[Export], tmp_path: Path
) -> None:
    other, later = str(tmp_path / "other"), str(tmp_path / "later")
    deltalake.write_deltalake(other, pa.table({"id": ["somebody's"]}))
    refused("table_refused", lambda: write_delta(settings, "web_text", other))
    assert read(other) == [{"id": "somebody's"}]
    write_delta(settings, "web_text", later)
    refused("table_refused", lambda: write_delta(settings, "web_text", later, "0.1.0"))
    for place in (world.house.home / "lake", world.house.home, world.house.home.parent, "gs://bucket/x"):
        refused("table_refused", lambda place=place: write_delta(settings, "web_text", str(place)))
    refused("unknown_dataset", lambda: write_delta(settings, "none", str(tmp_path / "n")))
    refused("not_found", lambda: write_delta(settings, "web_text", str(tmp_path / "n"), "7.0.0"))
    (tmp_path / "file").write_text("")
    refused("table_failed", lambda: write_delta(settings, "web_text", str(tmp_path / "file" / "n")))


@pytest.mark.skipif(ON_S3, reason="it changes a file in the home")
def test_rows_that_are_not_as_they_were_signed_are_never_written(tmp_path: Path) -> None:
    world = open_world(tmp_path / "home")
    export = publish(world.house, RECIPES, "web_text")
    assert export.path is not None
    (shard,) = (export.path / "data").iterdir()
    rows = pq.read_table(shard)
    pq.write_table(rows.slice(1), shard)
    settings = HouseSettings(home=str(world.house.home), database_url=database_of(world.house.home))
    refused("export_corrupt", lambda: write_delta(settings, "web_text", str(tmp_path / "table")))
    assert not (tmp_path / "table").exists()
    world.close()


def test_the_command_says_what_the_table_has(
    settings: HouseSettings, versions: list[Export], tmp_path: Path
) -> None:
    env = {"WINDROW_DATABASE_URL": settings.database_url, "WINDROW_FILES": settings.files}
    command = ("lake", "export", "web_text", tmp_path / "t", "--home", settings.home)
    said = windrow(*command, env=env)
    assert (said.code, "is now version 0 of the Delta table" in said.out) == (0, True), said.err
    assert windrow(*command, "--json", env=env).json["state"] == "unchanged"


@needs_s3
def test_a_table_on_s3(world: PublishedWorld, settings: HouseSettings, versions: list[Export]) -> None:
    table = shared_s3().address() + "/tables/web_text"
    assert write_delta(settings, "web_text", table, "0.1.0")["table_version"] == 0
    assert write_delta(settings, "web_text", table)["table_version"] == 1
    assert write_delta(settings, "web_text", table)["state"] == "unchanged"
    assert read(table, AWS_ALLOW_HTTP="true") == sold(world, "0.2.0")
    assert read(table, 0, AWS_ALLOW_HTTP="true") == sold(world, "0.1.0")
