"""Killed while it publishes, a house offers either nothing or the whole version, and the next try gives exactly one."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa
from published_world import RECIPES, PublishedWorld, open_world

from aggregator.publish import publish
from storage.lake.checking import check_lake
from storage.real_env import PosixDisk
from storage.simulation.life import KillAt, Life, SimulatedCrash
from storage.simulation.platter import Platter, SimulatedCalls
from storage.tables.contributions import exports
from storage.tables.lake import lake_references
from windrow_protocol.exports import decode_manifest


def publish_until(world: PublishedWorld, kills: KillAt) -> None:
    """Publish over a disk that ends the process at a point and loses what was not synced."""
    platter = Platter(world.house.home, Random(3))
    calls = SimulatedCalls(platter, Life(kills))
    house = replace(world.house, env=replace(world.house.env, disk=PosixDisk(calls)))
    try:
        publish(house, RECIPES, "web_text")
    except SimulatedCrash:
        calls.end()
        platter.crash()
        raise


def offered(world: PublishedWorld) -> list[str]:
    """Return the versions that are for sale, after checking that each is there whole."""
    with world.house.state.read() as connection:
        rows = connection.execute(sa.select(exports)).all()
    for row in rows:
        folder = world.house.home / "exports" / row.dataset / row.version
        manifest = decode_manifest((folder / "manifest.json").read_bytes())
        for file in manifest.files:
            assert hashlib.sha256((folder / file.path).read_bytes()).hexdigest() == file.sha256
    return [row.version for row in rows]


def test_killed_while_publishing(tmp_path: Path) -> None:
    counted = KillAt(0)
    publish_until(open_world(tmp_path / "counted"), counted)
    points = [n for n, kind in enumerate(counted.names, 1) if kind in ("rename", "sync_folder", "unlink")]
    assert len(points) >= 6
    for number in points[-8:]:
        home = tmp_path / str(number)
        world = open_world(home)
        with pytest.raises(SimulatedCrash):
            publish_until(world, KillAt(number))
        assert offered(world) in ([], ["0.1.0"])
        world.close()
        world = PublishedWorld(home)
        publish(world.house, RECIPES, "web_text")
        assert offered(world) == ["0.1.0"]
        with world.house.state.read() as connection:
            assert len(connection.execute(sa.select(lake_references)).all()) == 1
        assert list(check_lake(world.house.state, world.pipeline._judgement._lake)) == []
        world.close()
        shutil.rmtree(home)
